"""Commands for schedules: list, next, pause, resume."""

from __future__ import annotations

from typing import Annotated

import typer

from agent_runtime.cli.options import (
    HERE,
    AppFolder,
    As,
    AsJson,
    DataFolder,
    Url,
    Why,
    open_station,
)

app = typer.Typer(no_args_is_help=True, help="See, pause and resume what the clock starts.")

ScheduleId = Annotated[
    str, typer.Argument(help="Its id, WORKFLOW:NAME.", metavar="SCHEDULE", show_default=False)
]


@app.command("list")
def schedules_list(
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List schedules with the time of their next start."""
    station, screen = open_station(folder, data, url, as_json=as_json, title="schedules list")
    from agent_runtime.cli.commands import schedules as commands

    commands.show_list(station, screen)


@app.command("next")
def schedules_next(
    schedule_id: Annotated[
        str | None, typer.Argument(help="Default: of all schedules.", metavar="[SCHEDULE]")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 10,
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Print the next times at which runs are started."""
    station, screen = open_station(folder, data, url, as_json=as_json, title="schedules next")
    from agent_runtime.cli.commands import schedules as commands

    commands.show_next(station, screen, schedule_id, count)


@app.command("pause")
def schedules_pause(
    schedule_id: ScheduleId,
    who: As = "",
    reason: Why = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Let a schedule start nothing until it is resumed."""
    station, screen = open_station(
        folder, data, url, who, named=True, as_json=as_json, title="schedules pause"
    )
    from agent_runtime.cli.commands import schedules as commands

    commands.tell(screen, station.pause_schedule(schedule_id, reason))


@app.command("resume")
def schedules_resume(
    schedule_id: ScheduleId,
    who: As = "",
    folder: AppFolder = HERE,
    data: DataFolder = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Let a schedule start runs again, from its next time on."""
    station, screen = open_station(
        folder, data, url, who, named=True, as_json=as_json, title="schedules resume"
    )
    from agent_runtime.cli.commands import schedules as commands

    commands.tell(screen, station.resume_schedule(schedule_id))
