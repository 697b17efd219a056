"""What the anchor lacks for good is acknowledged by a named person, and then named no more."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from agent_runtime.anchor import open_anchor
from agent_runtime.doctor import acknowledge, examine
from agent_runtime.errors import Conflict
from tests.cli.conftest import (
    Desk,
    asked_made,
    clean_environment,
    desk,
    say,
)
from tests.office import PEOPLE, Office
from tests.upkeep.conftest import Tamper, anchors, forge

__all__ = ["asked_made", "clean_environment", "desk", "say"]

PAST = "2026-03-30T11:00:00.000000Z"
LENA = PEOPLE["lena"]


def codes(office: Office) -> list[str]:
    """What the doctor says."""
    office.runtime.anchor.flush()
    anchor = open_anchor(office.data, None, office.clock)
    return [finding.code for finding in examine(office.data, anchor, office.clock.now())]


@pytest.fixture
async def holed(asking: Office, tamper: Tamper) -> Office:
    """An office with an event that no process has anchored, and others after it."""
    await asking.flow("lena approve")
    anchors(asking)
    with tamper(asking) as connection:
        forge(connection, PAST)
    await asking.flow("lena approve")
    return asking


async def test_a_hole_is_named_until_somebody_acknowledges_it(holed: Office) -> None:
    """Their name, their reason and what they looked at are an event of the history."""
    assert codes(holed) == ["anchor_note"]
    (note,) = await acknowledge(holed.runtime, LENA, "The power failed on Friday.")
    assert codes(holed) == []
    last = holed.runtime.store.read("default").events.find()[-1]
    assert last.type == "history.acknowledged"
    assert last.body == {"by": "lena", "notes": [note], "reason": "The power failed on Friday."}
    assert "were not anchored when they came" in note


async def test_a_gap_at_the_end_can_be_acknowledged(asking: Office, tamper: Tamper) -> None:
    """What follows anchors the end, and makes a hole of it."""
    await asking.flow("lena approve")
    anchors(asking)
    with tamper(asking) as connection:
        forge(connection, PAST)
    assert codes(asking) == ["unanchored"]
    await acknowledge(asking.runtime, LENA, "The process was killed.")
    assert codes(asking) == []


async def test_a_new_hole_is_named_again(holed: Office, tamper: Tamper) -> None:
    """An acknowledgement is about what was there, not about what comes."""
    await acknowledge(holed.runtime, LENA, "The power failed.")
    anchors(holed)
    with tamper(holed) as connection:
        forge(connection, PAST)
    await holed.flow("lena approve")
    assert codes(holed) == ["anchor_note"]


async def test_a_forged_acknowledgement_vouches_for_nothing(holed: Office, tamper: Tamper) -> None:
    """It is one more event that no process has anchored."""
    (note,) = holed.runtime.audit().notes
    anchors(holed)
    with tamper(holed) as connection:
        forge(connection, PAST, "history.acknowledged", by="lena", notes=[note])
    await holed.flow("lena approve")
    assert codes(holed) == ["anchor_note", "anchor_note"]
    assert note in holed.runtime.audit().notes


async def test_a_contradiction_cannot_be_acknowledged(holed: Office, tamper: Tamper) -> None:
    """Nor can nothing."""
    await acknowledge(holed.runtime, LENA, "The power failed.")
    with pytest.raises(Conflict, match="nothing to acknowledge"):
        await acknowledge(holed.runtime, LENA, "Again.")
    with tamper(holed) as connection:
        connection.execute("UPDATE events SET at = '2025' WHERE number = 3")
    with pytest.raises(Conflict, match="event 3 was changed"):
        await acknowledge(holed.runtime, LENA, "Never mind.")


def test_the_command_needs_an_administrator_and_a_reason(desk: Desk) -> None:
    """And refuses when there is nothing to look at."""
    with (desk.data / "operators.toml").open("a") as people:
        people.write('\n[operators.ada]\nroles = ["administrator"]\ntenant = "default"\n')
    words = ("doctor", "--acknowledge", "--reason", "seen")
    desk("doctor", "--acknowledge", "--as", "ada").fails(2, "--reason")
    desk(*words).fails(6, "--as")
    desk(*words, "--as", "ada").fails(4, "nothing to acknowledge")
    with closing(sqlite3.connect(desk.data / "runtime.db")) as connection:
        forge(connection, PAST)
        connection.commit()
    assert "not anchored" in desk("doctor").out
    desk(*words, "--as", "fatima").fails(3, "may not administer")
    said = desk(*words, "--as", "ada")
    assert (said.code, "ada has acknowledged: events" in said.out) == (0, True)
    assert said.out.splitlines()[-1] == "Nothing is wrong."
