"""The order in which a rehearsal's changes are looked at."""

from __future__ import annotations

from agent_runtime.console.rehearsal_view import sorted_changes
from agent_runtime.replay.rehearsal import Changed, Rehearsal


def test_alarms_come_first_and_then_the_newest() -> None:
    """What a person rejected and would run by itself now is seen without scrolling."""
    found = [Changed.model_construct(number=n, alarm=n == 2) for n in (1, 2, 3)]
    told = sorted_changes(Rehearsal.model_construct(changes=tuple(found)))
    assert [change.number for change in told] == [2, 3, 1]
