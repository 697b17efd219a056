"""Commands: each translates words into calls of the runtime, and decides nothing."""

from __future__ import annotations

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent_runtime.cli import (
    approvals,
    evaluation,
    knowledge,
    notices,
    prompts,
    rehearsals,
    replays,
    schedules,
    tenants,
    tokens,
    upkeep,
)
from agent_runtime.cli.faults import run_to_end
from agent_runtime.cli.options import HERE, JSON, AppFolder, As, AsJson, DataFolder, Url, Why
from agent_runtime.cli.options import hello as _hello
from agent_runtime.cli.options import hello_person as _hello_person
from agent_runtime.cli.options import open_administration as _administration
from agent_runtime.cli.options import open_place as _open
from agent_runtime.cli.options import open_station as _station
from agent_runtime.cli.reading import read_input, read_moment

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
policies = typer.Typer(no_args_is_help=True, help="Check the policies of the project.")
schema = typer.Typer(no_args_is_help=True, help="Print JSON Schemas.")
for name, group in {
    "runs": runs,
    "approvals": approvals.app,
    "events": events,
    "schedules": schedules.app,
    "notices": notices.app,
    "knowledge": knowledge.app,
    "workflows": workflows,
    "policies": policies,
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


@app.command()
def demo(folder: AppFolder = HERE, data: DataFolder = None, as_json: AsJson = False) -> int:
    """Run the sample requests start to end on a fresh data folder."""
    _hello("demo: sample requests, prepared, gated, decided, executed", as_json=as_json)
    place, screen = _open(folder, data, as_json=as_json)
    from agent_runtime.cli.demo import run_demo

    return run_demo(place, screen)


@app.command()
def run(
    workflow: Name,
    input_file: Annotated[Path, typer.Option("--input", help="JSON file; - for standard input.")],
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key, one run.")] = None,
    started_by: Annotated[
        str, typer.Option("--trigger", help="Who started it; they may not approve in it.")
    ] = "cli",
    at: Annotated[
        str | None, typer.Option(help="Not before this time: 2026-03-30T06:00:00+02:00.")
    ] = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Start a run and drive it to its first pause or its end."""
    _hello(f"run {workflow}", as_json=as_json)
    inputs, moment = read_input(input_file), read_moment("--at", at)
    station, screen = _station(folder, data, url, as_json=as_json)
    from agent_runtime.cli.commands import runs as commands

    commands.start(station, screen, workflow, inputs, key, started_by, moment)


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option(min=1, help="Runs driven at a time.")] = 4,
    once: Annotated[bool, typer.Option("--once", help="Drive what is ready, then end.")] = False,
    name: Annotated[str, typer.Option(help="Its name in claims; host and process follow.")] = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Take up runs as they get ready; the first signal stops it gently."""
    _hello("worker", as_json=as_json)
    place, screen = _open(folder, data, as_json=as_json)
    from agent_runtime.cli.commands import worker as commands

    commands.serve(place, screen, concurrency, name, once=once)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8400,
    dev: Annotated[
        bool, typer.Option("--dev", help="Without tokens; on this machine only.")
    ] = False,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave driving runs to other processes.")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="Runs driven at a time.")] = 4,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Serve the HTTP API, with a worker; the first signal stops it gently."""
    _hello("serve", as_json=as_json)
    place, screen = _open(folder, data, as_json=as_json)
    from agent_runtime.cli.commands import serve as commands

    bind = commands.Bind(host, port, dev)
    commands.run(place, screen, bind, concurrency, worker=not no_worker)


@runs.command("list")
def runs_list(
    state: Annotated[str | None, typer.Option(help="Only runs in this state.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 50,
    after: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List a page of runs, in the order they were started."""
    station, screen = _station(folder, data, url, as_json=as_json, title="runs list")
    from agent_runtime.cli.commands import runs as commands

    commands.show_list(station, screen, state, newest=newest, after=after, limit=limit)


@runs.command("show")
def runs_show(
    run_id: RunId,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Explain one run: envelopes, verdicts, decisions, effects."""
    station, screen = _station(folder, data, url, as_json=as_json, title="runs show")
    from agent_runtime.cli.commands import runs as commands

    commands.show(station, screen, run_id)


@runs.command("evidence")
def runs_evidence(
    run_id: RunId,
    number: Annotated[
        int | None, typer.Argument(help="One passage of the list, in full.", metavar="[N]")
    ] = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """See what a run was shown, and why it was found."""
    station, screen = _station(folder, data, url, as_json=as_json, title="runs evidence")
    from agent_runtime.cli.commands import runs as commands

    commands.evidence(station, screen, run_id, number)


@runs.command("resume")
def runs_resume(
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
    who: As = "",
    reason: Why = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Drive queued runs; one that needs attention wants --as."""
    _hello("runs resume", as_json=as_json)
    station, screen = _station(folder, data, url, who, as_json=as_json)
    from agent_runtime.cli.commands import runs as commands

    wanted = commands.read_resumption(reason, retry, skip, corrected)
    commands.resume(station, screen, run_id, wanted)


@runs.command("cancel")
def runs_cancel(
    run_id: RunId,
    reason: Why,
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """End a run; its open questions are withdrawn."""
    station, screen = _station(
        folder, data, url, who, named=True, as_json=as_json, title="runs cancel"
    )
    from agent_runtime.cli.commands import runs as commands

    commands.cancel(station, screen, run_id, reason)


@runs.command("settle")
def runs_settle(
    run_id: RunId,
    how: Annotated[How, typer.Argument(help="What the outside system shows.")],
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Say what became of a lost call; the run goes on."""
    station, screen = _station(
        folder, data, url, who, named=True, as_json=as_json, title="runs settle"
    )
    from agent_runtime.cli.commands import runs as commands

    commands.settle(station, screen, run_id, how.replace("-", "_"))


@events.command("tail")
def events_tail(
    run_id: Annotated[str | None, typer.Option("--run", help="Only this run's.")] = None,
    last: Annotated[int, typer.Option(help="How many.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", help="Go on printing what comes.")] = False,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Print the newest events."""
    station, screen = _station(folder, data, url, as_json=as_json, title="events tail")
    from agent_runtime.cli.commands import events as commands

    commands.tail(station, screen, run_id, last, follow=follow)


@events.command("verify")
def events_verify(
    head: Annotated[
        str | None, typer.Option(help="NUMBER:HASH kept elsewhere; default: the anchor's.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose; here: default.")] = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Hold the event chain against its anchor; exit code 1: broken."""
    office, screen = _administration(folder, data, url, as_json=as_json, title="events verify")
    from agent_runtime.cli.commands import events as commands

    return commands.verify(office, screen, head, tenant)


@workflows.command("list")
def workflows_list(folder: AppFolder = HERE, url: Url = None, as_json: AsJson = False) -> None:
    """List the workflows of the project."""
    _hello_person("workflows list", as_json=as_json)
    station, screen = _station(folder, None, url, as_json=as_json)
    from agent_runtime.cli.commands import workflows as commands

    commands.show_list(station, screen)


@workflows.command("show")
def workflows_show(
    name: Name, folder: AppFolder = HERE, url: Url = None, as_json: AsJson = False
) -> None:
    """Show a workflow: steps, scopes, input, rules."""
    _hello_person("workflows show", as_json=as_json)
    station, screen = _station(folder, None, url, as_json=as_json)
    from agent_runtime.cli.commands import workflows as commands

    commands.show(station, screen, name)


@workflows.command("draw")
def workflows_draw(
    name: Name,
    form: Annotated[DrawnAs, typer.Option("--format", help="For what.")] = DrawnAs.TEXT,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As --format mermaid.")] = False,
    folder: AppFolder = HERE,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Draw a workflow: as text, as a mermaid flowchart or as SVG."""
    _hello_person("workflows draw", as_json=as_json)
    station, screen = _station(folder, None, url, as_json=as_json)
    from agent_runtime.cli.commands import workflows as commands

    commands.draw(station, screen, name, form="mermaid" if mermaid else form.value)


@policies.command("check")
def policies_check(folder: AppFolder = HERE, url: Url = None, as_json: AsJson = False) -> int:
    """Check types, ids, coverage and decision tables."""
    _hello("policies check", as_json=as_json)
    office, screen = _administration(folder, None, url, as_json=as_json)
    from agent_runtime.cli.commands import workflows as commands

    return commands.check(office, screen)


@schema.command("envelope")
def schema_envelope(as_json: AsJson = False) -> None:
    """The JSON Schema of the decision envelope."""
    from agent_runtime.cli.screen import Screen
    from agent_runtime.envelope import Envelope

    Screen(as_json=as_json).schema(Envelope.model_json_schema())


@schema.command("input")
def schema_input(workflow: Name, folder: AppFolder = HERE, as_json: AsJson = False) -> None:
    """The JSON Schema of a workflow's input."""
    place, screen = _open(folder, None, as_json=as_json)
    screen.schema(place.app().workflow(workflow).input.model_json_schema())


def main() -> None:
    """Run the command line; every error of ours ends in one clear line and its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without “ or → gets escapes
    sys.exit(run_to_end(app, as_json=JSON in sys.argv))
