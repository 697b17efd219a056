"""Commands that try things out on what is stored: rehearse, redteam, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_runtime.cli.options import HERE, AppFolder, AsJson, DataFolder, open_place
from agent_runtime.cli.reading import read_moment

app = typer.Typer()


@app.command("rehearse")
def rehearse(
    policy: Annotated[
        Path | None, typer.Option(help="Folder of changed policies.", metavar="DIR")
    ] = None,
    prompt: Annotated[
        Path | None, typer.Option(help="A changed prompt, named as the old one.", metavar="FILE")
    ] = None,
    version: Annotated[
        str | None,
        typer.Option("--workflow", help="A stored version: NAME/NUMBER.", metavar="VERSION"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Another model, asked now.", metavar="NAME")
    ] = None,
    live_model: Annotated[
        bool, typer.Option(help="Ask the model where a recording ends; effects stay stubbed.")
    ] = False,
    since: Annotated[str | None, typer.Option(help="From this time on.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest decisions, at most.")] = 10_000,
    max_alarms: Annotated[
        int, typer.Option(help="How often a person's no may turn into unattended.")
    ] = 0,
    max_changes: Annotated[int | None, typer.Option(help="How many decisions may change.")] = None,
    max_unknown: Annotated[
        int | None, typer.Option(help="How many may be impossible to rehearse.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Write an HTML report.", metavar="FILE")] = None,
    cases: Annotated[
        Path | None,
        typer.Option("--save-cases", help="Write changes as decision-table rows.", metavar="FILE"),
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose runs.")] = "default",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> int:
    """Try a changed policy, prompt, model or version on the past; 1 when it breaks a limit."""
    place, screen = open_place(folder, data, as_json=as_json, title="rehearse")
    from agent_runtime.cli.commands import rehearsals as commands
    from agent_runtime.replay.rehearsal import Limits
    from agent_runtime.replay.rehearse import Stretch

    tried = commands.Tried(policy, prompt, version, model, tenant, live=live_model)
    limits = Limits(alarms=max_alarms, changes=max_changes, unknown=max_unknown)
    stretch = Stretch(read_moment("--since", since), limit)
    return commands.run(place, screen, tried, stretch, commands.Asked(limits, page, cases))


@app.command("redteam")
def redteam(
    workflow: Annotated[
        str | None, typer.Argument(help="Default: every workflow.", metavar="[WORKFLOW]")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose runs are mutated.")] = "default",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> int:
    """Try bad proposals and stolen rights on real runs, on a copy; 1 when one gets through."""
    place, screen = open_place(folder, data, as_json=as_json, title="redteam")
    from agent_runtime.cli.commands import verify as commands

    return commands.redteam(place, screen, workflow, tenant)


@app.command("verify")
def verify(
    tenant: Annotated[str, typer.Option(help="Whose data is copied.")] = "default",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> int:
    """Try the runtime's rules on this project, on a copy of its data; 1 when one is broken."""
    place, screen = open_place(folder, data, as_json=as_json, title="verify")
    from agent_runtime.cli.commands import verify as commands

    return commands.verify(place, screen, tenant)
