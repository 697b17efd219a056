"""Commands: each translates words into calls of the runtime, and decides nothing."""

from __future__ import annotations

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli import (
    approvals,
    evaluation,
    knowledge,
    notices,
    policies,
    prompts,
    rehearsals,
    replays,
    schedules,
    tenants,
    tokens,
    upkeep,
)
from agent_runtime.cli.faults import run_to_end
from agent_runtime.cli.interrupts import leave
from agent_runtime.cli.opens import administration, opens, place, station
from agent_runtime.cli.options import JSON, AsJson, Why
from agent_runtime.cli.reading import read_input, read_moment

if TYPE_CHECKING:
    from agent_runtime.cli.administration import Administration
    from agent_runtime.cli.opening import Place
    from agent_runtime.cli.screen import Screen
    from agent_runtime.cli.station import Station

app = typer.Typer(
    name="agent-runtime",
    help="Back-office agents with approval checkpoints: prepare, gate, decide, execute, explain.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
runs = typer.Typer(no_args_is_help=True, help="See, resume, cancel and settle runs.")
events = typer.Typer(no_args_is_help=True, help="Read and verify the history.")
workflows = typer.Typer(no_args_is_help=True, help="See the workflows of the project.")
schema = typer.Typer(no_args_is_help=True, help="Print JSON Schemas.")
for name, group in {
    "runs": runs,
    "approvals": approvals.app,
    "events": events,
    "schedules": schedules.app,
    "notices": notices.app,
    "knowledge": knowledge.app,
    "workflows": workflows,
    "policies": policies.app,
    "prompts": prompts.app,
    "schema": schema,
    "tokens": tokens.app,
    "outcomes": evaluation.outcomes,
    "rollouts": evaluation.rollouts,
    "labels": evaluation.labels,
    "tenants": tenants.app,
}.items():
    app.add_typer(group, name=name)
app.add_typer(upkeep.app)
app.add_typer(evaluation.app)
runs.add_typer(replays.app)
app.add_typer(rehearsals.app)


class DrawnAs(StrEnum):
    """What a drawing is for."""

    TEXT = "text"
    MERMAID = "mermaid"
    SVG = "svg"


class How(StrEnum):
    """What became of a lost call."""

    HAPPENED = "happened"
    DID_NOT_HAPPEN = "did-not-happen"
    RETRY = "retry"


RunId = Annotated[str, typer.Argument(help="Id of the run.", metavar="RUN")]
Name = Annotated[str, typer.Argument(help="Name of the workflow.", metavar="WORKFLOW")]


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 — typer calls it
    if wanted:
        from importlib.metadata import version

        print(f"agent-runtime {version('agent-runtime')}")
        raise typer.Exit


@app.callback()
def begin(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Which one it is."),
    ] = False,
) -> None:
    """What stands before every command."""


@app.command()
@opens(place, first="demo: sample requests, prepared, gated, decided, executed")
def demo(
    place: Place,
    screen: Screen,
    leave_open: Annotated[
        bool, typer.Option("--leave-open", help="Leave more requests waiting for your answers.")
    ] = False,
) -> int:
    """Run the sample requests start to end on a fresh data folder."""
    from agent_runtime.cli.demo import run_demo

    return run_demo(place, screen, leave_open=leave_open)


@app.command()
@opens(station, first="run {workflow}")
def run(
    station: Station,
    screen: Screen,
    workflow: Name,
    input_file: Annotated[Path, typer.Option("--input", help="JSON file; - for standard input.")],
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key, one run.")] = None,
    started_by: Annotated[
        str, typer.Option("--trigger", help="Who started it; they may not approve in it.")
    ] = "cli",
    at: Annotated[
        str | None, typer.Option(help="Not before this time: 2026-03-30T06:00:00+02:00.")
    ] = None,
    document: Annotated[
        list[Path] | None, typer.Option(help="A text, image, recording or PDF that comes with it.")
    ] = None,
) -> None:
    """Start a run and drive it to its first pause or its end."""
    inputs, moment = read_input(input_file), read_moment("--at", at)
    from agent_runtime.cli.commands import runs as commands
    from agent_runtime.cli.documents import read_documents

    handed_in = read_documents(document or [])
    commands.start(station, screen, workflow, inputs, handed_in, key, started_by, moment)


@app.command()
@opens(place, first="worker")
def worker(
    place: Place,
    screen: Screen,
    concurrency: Annotated[int, typer.Option(min=1, help="Runs driven at a time.")] = 4,
    once: Annotated[bool, typer.Option("--once", help="Drive what is ready, then end.")] = False,
    name: Annotated[str, typer.Option(help="Its name in claims; host and process follow.")] = "",
) -> None:
    """Take up runs as they get ready; the first signal stops it gently."""
    from agent_runtime.cli.commands import worker as commands

    commands.serve(place, screen, concurrency, name, once=once)


@app.command()
@opens(place, first="serve")
def serve(
    place: Place,
    screen: Screen,
    host: Annotated[str, typer.Option(help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8400,
    dev: Annotated[
        bool, typer.Option("--dev", help="Without tokens; on this machine only.")
    ] = False,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave driving runs to other processes.")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="Runs driven at a time.")] = 4,
) -> None:
    """Serve the HTTP API, with a worker; the first signal stops it gently."""
    from agent_runtime.cli.commands import serve as commands

    bind = commands.Bind(host, port, dev)
    commands.run(place, screen, bind, concurrency, worker=not no_worker)


@runs.command("list")
@opens(station)
def runs_list(
    station: Station,
    screen: Screen,
    state: Annotated[str | None, typer.Option(help="Only runs in this state.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 50,
    after: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
) -> None:
    """List a page of runs, in the order they were started."""
    from agent_runtime.cli.commands import runs as commands

    commands.show_list(station, screen, state, newest=newest, after=after, limit=limit)


@runs.command("show")
@opens(station)
def runs_show(station: Station, screen: Screen, run_id: RunId) -> None:
    """Explain one run: envelopes, verdicts, decisions, effects."""
    from agent_runtime.cli.commands import runs as commands

    commands.show(station, screen, run_id)


@runs.command("evidence")
@opens(station)
def runs_evidence(
    station: Station,
    screen: Screen,
    run_id: RunId,
    number: Annotated[
        int | None, typer.Argument(help="One passage of the list, in full.", metavar="[N]")
    ] = None,
) -> None:
    """See what a run was shown, and why it was found."""
    from agent_runtime.cli.commands import runs as commands

    commands.evidence(station, screen, run_id, number)


@runs.command("resume")
@opens(station, who="may", first="runs resume")
def runs_resume(
    station: Station,
    screen: Screen,
    run_id: Annotated[
        str | None, typer.Argument(help="Default: every run that is queued.", metavar="[RUN]")
    ] = None,
    retry: Annotated[
        str | None, typer.Option(help="Begin the step anew that it stopped at.", metavar="STEP")
    ] = None,
    skip: Annotated[
        str | None, typer.Option(help="Leave it out, if it is optional.", metavar="STEP")
    ] = None,
    corrected: Annotated[
        list[str],
        typer.Option("--set", help="Correct its input, and begin anew.", metavar="FIELD=VALUE"),
    ] = [],  # noqa: B006 — typer reads it, nobody changes it
    reason: Why = "",
) -> None:
    """Drive queued runs; one that needs attention wants --as."""
    from agent_runtime.cli.commands import runs as commands

    wanted = commands.read_resumption(reason, retry, skip, corrected)
    commands.resume(station, screen, run_id, wanted)


@runs.command("cancel")
@opens(station, who="must")
def runs_cancel(station: Station, screen: Screen, run_id: RunId, reason: Why) -> None:
    """End a run; its open questions are withdrawn."""
    from agent_runtime.cli.commands import runs as commands

    commands.cancel(station, screen, run_id, reason)


@runs.command("settle")
@opens(station, who="must")
def runs_settle(
    station: Station,
    screen: Screen,
    run_id: RunId,
    how: Annotated[How, typer.Argument(help="What the outside system shows.")],
) -> None:
    """Say what became of a lost call; the run goes on."""
    from agent_runtime.cli.commands import runs as commands

    commands.settle(station, screen, run_id, how.replace("-", "_"))


@events.command("tail")
@opens(station)
def events_tail(
    station: Station,
    screen: Screen,
    run_id: Annotated[str | None, typer.Option("--run", help="Only this run's.")] = None,
    last: Annotated[int, typer.Option(help="How many.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", help="Go on printing what comes.")] = False,
) -> None:
    """Print the newest events."""
    from agent_runtime.cli.commands import events as commands

    commands.tail(station, screen, run_id, last, follow=follow)


@events.command("verify")
@opens(administration)
def events_verify(
    office: Administration,
    screen: Screen,
    head: Annotated[
        str | None, typer.Option(help="NUMBER:HASH kept elsewhere; default: the anchor's.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose; here: default.")] = None,
) -> int:
    """Hold the event chain against its anchor; exit code 1: broken."""
    from agent_runtime.cli.commands import events as commands

    return commands.verify(office, screen, head, tenant)


@workflows.command("list")
@opens(station, data=False)
def workflows_list(station: Station, screen: Screen) -> None:
    """List the workflows of the project."""
    from agent_runtime.cli.commands import workflows as commands

    commands.show_list(station, screen)


@workflows.command("show")
@opens(station, data=False)
def workflows_show(station: Station, screen: Screen, name: Name) -> None:
    """Show a workflow: steps, scopes, input, rules."""
    from agent_runtime.cli.commands import workflows as commands

    commands.show(station, screen, name)


@workflows.command("draw")
@opens(station, data=False)
def workflows_draw(
    station: Station,
    screen: Screen,
    name: Name,
    form: Annotated[DrawnAs, typer.Option("--format", help="For what.")] = DrawnAs.TEXT,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As --format mermaid.")] = False,
) -> None:
    """Draw a workflow: as text, as a mermaid flowchart or as SVG."""
    from agent_runtime.cli.commands import workflows as commands

    commands.draw(station, screen, name, form="mermaid" if mermaid else form.value)


@schema.command("envelope")
def schema_envelope(as_json: AsJson = False) -> None:
    """The JSON Schema of the decision envelope."""
    from agent_runtime.cli.screen import Screen
    from agent_runtime.envelope import Envelope

    Screen(as_json=as_json).schema(Envelope.model_json_schema())


@schema.command("input")
@opens(place, data=False)
def schema_input(place: Place, screen: Screen, workflow: Name) -> None:
    """The JSON Schema of a workflow's input."""
    screen.schema(place.app().workflow(workflow).input.model_json_schema())


def main() -> None:
    """Run the command line; every error of ours ends in one clear line and its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without “ or → gets escapes
    leave(run_to_end(app, as_json=JSON in sys.argv))
