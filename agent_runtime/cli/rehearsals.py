"""Commands that try things out on what is stored: rehearse, redteam, verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import opens, place
from agent_runtime.cli.reading import read_moment

if TYPE_CHECKING:
    from agent_runtime.cli.opening import Place
    from agent_runtime.cli.screen import Screen

app = typer.Typer()


PolicyFolder = Annotated[
    Path | None, typer.Option(help="Folder of changed policies.", metavar="DIR")
]
PromptFile = Annotated[
    Path | None, typer.Option(help="A changed prompt, named as the old one.", metavar="FILE")
]
StoredVersion = Annotated[
    str | None,
    typer.Option("--workflow", help="A stored version: NAME/NUMBER.", metavar="VERSION"),
]
ModelName = Annotated[str | None, typer.Option(help="Another model, asked now.", metavar="NAME")]
LiveModel = Annotated[
    bool, typer.Option(help="Ask the model where a recording ends; effects stay stubbed.")
]
Since = Annotated[str | None, typer.Option(help="From this time on.")]
Newest = Annotated[int, typer.Option(min=1, help="The newest decisions, at most.")]
MaxAlarms = Annotated[int, typer.Option(help="How often a person's no may turn into unattended.")]
MaxChanges = Annotated[int | None, typer.Option(help="How many decisions may change.")]
MaxUnknown = Annotated[int | None, typer.Option(help="How many may be impossible to rehearse.")]
PageFile = Annotated[Path | None, typer.Option(help="Write an HTML report.", metavar="FILE")]
CasesFile = Annotated[
    Path | None,
    typer.Option("--save-cases", help="Write changes as decision-table rows.", metavar="FILE"),
]


@app.command("rehearse")
@opens(place)
def rehearse(
    place: Place,
    screen: Screen,
    policy: PolicyFolder = None,
    prompt: PromptFile = None,
    version: StoredVersion = None,
    model: ModelName = None,
    live_model: LiveModel = False,
    since: Since = None,
    limit: Newest = 10_000,
    max_alarms: MaxAlarms = 0,
    max_changes: MaxChanges = None,
    max_unknown: MaxUnknown = None,
    page: PageFile = None,
    cases: CasesFile = None,
    tenant: Annotated[str, typer.Option(help="Whose runs.")] = "default",
) -> int:
    """Try a changed policy, prompt, model or version on the past; 1 when it breaks a limit."""
    from agent_runtime.cli.commands import rehearsals as commands
    from agent_runtime.replay.rehearsal import Limits
    from agent_runtime.replay.rehearse import Stretch

    tried = commands.Tried(policy, prompt, version, model, tenant, live=live_model)
    limits = Limits(alarms=max_alarms, changes=max_changes, unknown=max_unknown)
    stretch = Stretch(read_moment("--since", since), limit)
    return commands.run(place, screen, tried, stretch, commands.Asked(limits, page, cases))


@app.command("redteam")
@opens(place)
def redteam(
    place: Place,
    screen: Screen,
    workflow: Annotated[
        str | None, typer.Argument(help="Default: every workflow.", metavar="[WORKFLOW]")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose runs are mutated.")] = "default",
) -> int:
    """Try bad proposals and stolen rights on real runs, on a copy; 1 when one gets through."""
    from agent_runtime.cli.commands import verify as commands

    return commands.redteam(place, screen, workflow, tenant)


@app.command("verify")
@opens(place)
def verify(
    place: Place,
    screen: Screen,
    tenant: Annotated[str, typer.Option(help="Whose data is copied.")] = "default",
) -> int:
    """Try the runtime's rules on this project, on a copy of its data; 1 when one is broken."""
    from agent_runtime.cli.commands import verify as commands

    return commands.verify(place, screen, tenant)
