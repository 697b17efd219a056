"""Commands: each translates words into calls of the runtime, and decides nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_runtime.errors import AgentRuntimeError, InvalidInput

app = typer.Typer(
    name="agent-runtime",
    help="Back-office agents with approval checkpoints: prepare, gate, decide, execute, explain.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
runs = typer.Typer(no_args_is_help=True, help="See, resume and cancel runs.")
approvals = typer.Typer(no_args_is_help=True, help="See and answer what people are asked.")
events = typer.Typer(no_args_is_help=True, help="Read and verify the history.")
workflows = typer.Typer(no_args_is_help=True, help="See the workflows of the app.")
policies = typer.Typer(no_args_is_help=True, help="Check the policies of the app.")
schema = typer.Typer(no_args_is_help=True, help="Print JSON Schemas.")
for name, group in {
    "runs": runs,
    "approvals": approvals,
    "events": events,
    "workflows": workflows,
    "policies": policies,
    "schema": schema,
}.items():
    app.add_typer(group, name=name)

AppFolder = Annotated[
    Path, typer.Option("--app", envvar="AGENT_RUNTIME_APP", help="Project folder with graphs/.")
]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", envvar="AGENT_RUNTIME_DATA", help="Data folder; default: APP/data."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
As = Annotated[str, typer.Option("--as", help="Who you are: a name in operators.toml.")]
HERE = Path()


@app.command()
def demo(folder: AppFolder = HERE, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Run the sample requests start to end on a fresh data folder."""
    if not as_json:
        _say("agent-runtime demo: sample refund requests, prepared, gated, decided, executed")
    from agent_runtime.cli.demo import run_demo

    raise typer.Exit(run_demo(folder, data or folder / "data", as_json=as_json))


@app.command()
def run(
    workflow: Annotated[str, typer.Argument(help="Name of the workflow.")],
    input_file: Annotated[Path, typer.Option("--input", help="JSON file; - for standard input.")],
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key, one run.")] = None,
    started_by: Annotated[str, typer.Option("--trigger", help="Owner of the run.")] = "cli",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Start a run and drive it to its first pause or its end."""
    if not as_json:
        _say(f"agent-runtime run {workflow}")
    inputs = _read_json(input_file)
    from agent_runtime.cli import commands

    commands.run(folder, data, workflow, inputs, key, started_by, as_json=as_json)


@runs.command("list")
def runs_list(
    state: Annotated[str | None, typer.Option(help="Only runs in this state.")] = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """List runs in the order they were started."""
    from agent_runtime.cli import commands

    commands.runs_list(folder, data, state, as_json=as_json)


@runs.command("show")
def runs_show(
    run_id: str,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Explain one run: every node's envelope, verdict, decision and effect."""
    from agent_runtime.cli import commands

    commands.runs_show(folder, data, run_id, as_json=as_json)


@runs.command("resume")
def runs_resume(
    run_id: Annotated[str | None, typer.Argument(help="Default: every run that is ready.")] = None,
    who: As = "",
    reason: Annotated[str, typer.Option(help="Why; recorded.")] = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Drive runs that are ready; one that waits for attention needs --as."""
    from agent_runtime.cli import commands

    commands.runs_resume(folder, data, run_id, who, reason, as_json=as_json)


@runs.command("cancel")
def runs_cancel(
    run_id: str,
    who: As,
    reason: Annotated[str, typer.Option(help="Why; recorded.")],
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """End a run; its open questions are withdrawn."""
    from agent_runtime.cli import commands

    commands.runs_cancel(folder, data, run_id, who, reason, as_json=as_json)


@runs.command("settle")
def runs_settle(
    run_id: str,
    how: Annotated[str, typer.Argument(help="happened, did-not-happen or retry.")],
    who: As,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Say what became of a call whose outcome was lost, then drive the run on."""
    if how not in ("happened", "did-not-happen", "retry"):
        raise InvalidInput("how", how, "is none of happened, did-not-happen, retry")
    from agent_runtime.cli import commands

    commands.runs_settle(folder, data, run_id, how.replace("-", "_"), who, as_json=as_json)


@approvals.command("list")
def approvals_list(
    everything: Annotated[bool, typer.Option("--all", help="Also those answered.")] = False,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """List open approvals."""
    from agent_runtime.cli import commands

    commands.approvals_list(folder, data, everything=everything, as_json=as_json)


@approvals.command("show")
def approvals_show(
    approval_id: str,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show one approval: what would happen, why a person is asked, what it rests on."""
    from agent_runtime.cli import commands

    commands.approvals_show(folder, data, approval_id, as_json=as_json)


@approvals.command("decide")
def approvals_decide(
    approval_id: str,
    decision: Annotated[str, typer.Argument(help="approve, edit, reject or respond.")],
    who: As,
    reason: Annotated[str, typer.Option(help="Required by reject and respond.")] = "",
    arguments: Annotated[
        str | None, typer.Option(help="JSON of changed arguments, for edit.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option(help="Digest you saw; default: the present one.")
    ] = None,
    record_only: Annotated[
        bool, typer.Option(help="Leave the execution to another process.")
    ] = False,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Answer an approval as one of the operators, then drive its run on."""
    if decision not in ("approve", "edit", "reject", "respond"):
        raise InvalidInput("decision", decision, "is none of approve, edit, reject, respond")
    changes = None if arguments is None else _parse_json("arguments", arguments)
    from agent_runtime.cli import commands

    answer = {"kind": decision, "reason": reason, "arguments": changes, "digest": digest}
    drive = not record_only
    commands.approvals_decide(folder, data, approval_id, who, answer, drive=drive, as_json=as_json)


@events.command("tail")
def events_tail(
    run_id: Annotated[str | None, typer.Option("--run", help="Only this run's.")] = None,
    last: Annotated[int, typer.Option(help="How many.")] = 50,
    follow: Annotated[bool, typer.Option(help="Go on printing what comes.")] = False,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Print the newest events."""
    from agent_runtime.cli import commands

    commands.events_tail(folder, data, run_id, last, follow=follow, as_json=as_json)


@events.command("verify")
def events_verify(
    head: Annotated[str | None, typer.Option(help="NUMBER:HASH kept outside the database.")] = None,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the event chain; exit code 1 when it does not hold."""
    from agent_runtime.cli import commands

    raise typer.Exit(commands.events_verify(folder, data, head, as_json=as_json))


@workflows.command("list")
def workflows_list(folder: AppFolder = HERE, as_json: AsJson = False) -> None:
    """List the workflows of the app."""
    from agent_runtime.cli import commands

    commands.workflows_list(folder, as_json=as_json)


@workflows.command("show")
def workflows_show(name: str, folder: AppFolder = HERE, as_json: AsJson = False) -> None:
    """Show a workflow: input, steps, scopes, policies."""
    from agent_runtime.cli import commands

    commands.workflows_show(folder, name, as_json=as_json)


@workflows.command("draw")
def workflows_draw(
    name: str,
    mermaid: Annotated[bool, typer.Option(help="As a mermaid flowchart.")] = False,
    folder: AppFolder = HERE,
) -> None:
    """Draw a workflow."""
    from agent_runtime.cli import commands

    commands.workflows_draw(folder, name, mermaid=mermaid)


@policies.command("check")
def policies_check(folder: AppFolder = HERE, as_json: AsJson = False) -> None:
    """Check types, ids, coverage and decision tables; exit code 5 when something is wrong."""
    if not as_json:
        _say("agent-runtime policies check")
    from agent_runtime.cli import commands

    raise typer.Exit(commands.policies_check(folder, as_json=as_json))


@schema.command("envelope")
def schema_envelope() -> None:
    """The JSON Schema of the decision envelope."""
    from agent_runtime.envelope import Envelope

    _say(json.dumps(Envelope.model_json_schema(), indent=2))


@schema.command("input")
def schema_input(workflow: str, folder: AppFolder = HERE) -> None:
    """The JSON Schema of a workflow's input."""
    from agent_runtime.app import load_app

    _say(json.dumps(load_app(folder).workflow(workflow).input.model_json_schema(), indent=2))


def main() -> None:
    """Run the command line; every error of ours ends in one clear line and its exit code."""
    try:
        app()
    except AgentRuntimeError as error:
        if "--json" in sys.argv:
            _say(json.dumps({"error": {"code": error.code, "message": str(error)}}))
        sys.stderr.write(f"error: {error.message}\n")
        if error.remedy:
            sys.stderr.write(f"  → {error.remedy}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _read_json(path: Path) -> Any:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InvalidInput("--input", str(path), f"cannot be read: {reason}") from error
    return _parse_json("--input", text)


def _parse_json(field: str, text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(field, text, f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidInput(field, text, "is not a JSON object")
    return value
