"""Commands for schedules: list, next, pause, resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import opens, timetable
from agent_runtime.cli.options import Why

if TYPE_CHECKING:
    from agent_runtime.cli.screen import Screen
    from agent_runtime.cli.timetable import Timetable

app = typer.Typer(no_args_is_help=True, help="See, pause and resume what the clock starts.")

ScheduleId = Annotated[
    str, typer.Argument(help="Its id, WORKFLOW:NAME.", metavar="SCHEDULE", show_default=False)
]


@app.command("list")
@opens(timetable)
def schedules_list(clock: Timetable, screen: Screen) -> None:
    """List schedules with the time of their next start."""
    from agent_runtime.cli.commands import schedules as commands

    commands.show_list(clock, screen)


@app.command("next")
@opens(timetable)
def schedules_next(
    clock: Timetable,
    screen: Screen,
    schedule_id: Annotated[
        str | None, typer.Argument(help="Default: of all schedules.", metavar="[SCHEDULE]")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 10,
) -> None:
    """Print the next times at which runs are started."""
    from agent_runtime.cli.commands import schedules as commands

    commands.show_next(clock, screen, schedule_id, count)


@app.command("pause")
@opens(timetable, who="must")
def schedules_pause(
    clock: Timetable, screen: Screen, schedule_id: ScheduleId, reason: Why = ""
) -> None:
    """Let a schedule start nothing until it is resumed."""
    from agent_runtime.cli.commands import schedules as commands

    commands.tell(screen, clock.pause(schedule_id, reason))


@app.command("resume")
@opens(timetable, who="must")
def schedules_resume(clock: Timetable, screen: Screen, schedule_id: ScheduleId) -> None:
    """Let a schedule start runs again, from its next time on."""
    from agent_runtime.cli.commands import schedules as commands

    commands.tell(screen, clock.resume(schedule_id))
