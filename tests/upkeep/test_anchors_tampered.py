"""Anchors: what tampering with the database or the anchor's file is found, and what isn't."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent_runtime.clock import to_text
from agent_runtime.store.upkeep import is_private
from tests.conftest import OpenOffice
from tests.office import Office
from tests.upkeep.conftest import Tamper, anchors, forge


@pytest.fixture
async def told(asking: Office) -> Office:
    """An office with three anchor lines behind it, from a minute ago."""
    for _ in range(3):
        await asking.flow("lena approve")
        anchors(asking)
    asking.clock.move(timedelta(minutes=2))
    return asking


async def test_an_untouched_history_reaches_its_anchor(told: Office) -> None:
    """Every event is covered, the file is private, and nothing needs a look."""
    found = told.runtime.audit()
    assert (found.holds, found.anchored, found.unanchored, found.notes) == (True, True, 0, ())
    assert is_private(anchors(told))


async def test_a_truncation_is_found(told: Office, tamper: Tamper) -> None:
    """A chain that ends before what was anchored."""
    with tamper(told) as connection:
        connection.execute("DELETE FROM events WHERE number > 5")
    assert "the chain ends at 5" in told.runtime.audit().problem


async def test_an_emptied_history_is_found(told: Office, tamper: Tamper) -> None:
    """Also when nothing at all is left."""
    with tamper(told) as connection:
        connection.execute("DELETE FROM events")
    assert "the chain ends at 0" in told.runtime.audit().problem


async def test_an_edit_is_found(told: Office, tamper: Tamper) -> None:
    """The chain names it without an anchor."""
    with tamper(told) as connection:
        connection.execute("UPDATE events SET type = 'run.waits' WHERE number = 3")
    assert "event 3 was changed" in told.runtime.audit().problem


async def test_a_history_written_anew_is_found(told: Office, tamper: Tamper) -> None:
    """An end that was cut off and grown again with fitting hashes."""
    with tamper(told) as connection:
        last = connection.execute("SELECT max(number) FROM events").fetchone()[0]
        connection.execute("DELETE FROM events WHERE number > ?", (last - 2,))
        forge(connection, "2026-03-30T12:00:00.000000Z")
        forge(connection, "2026-03-30T12:00:00.000000Z")
    assert "is not the one that was anchored" in told.runtime.audit().problem


@pytest.mark.parametrize("kind", ["run.ended", "tool.called"])
@pytest.mark.parametrize("at", ["2026-03-30T12:00:00.000000Z", "2030-01-01T00:00:00.000000Z"])
async def test_a_forged_append_is_found(told: Office, tamper: Tamper, kind: str, at: str) -> None:
    """It is an event that no process has anchored, whatever kind and time it claims."""
    with tamper(told) as connection:
        forge(connection, at, kind)
    found = told.runtime.audit()
    assert (found.problem, found.unanchored, found.holds) == ("", 1, False)
    assert "are not anchored" in found.gap


async def test_a_fresh_forged_append_is_found_after_a_minute(told: Office, tamper: Tamper) -> None:
    """Until then it cannot be told from an event that is about to be anchored."""
    with tamper(told) as connection:
        forge(connection, to_text(told.clock.now()))
    assert (told.runtime.audit().unanchored, told.runtime.audit().gap) == (1, "")
    told.clock.move(timedelta(minutes=2))
    assert told.runtime.audit().gap


async def test_a_forged_append_stays_a_note_once_others_follow(
    told: Office, tamper: Tamper
) -> None:
    """Later lines say what their process has committed; the forged event is in none of them."""
    with tamper(told) as connection:
        forge(connection, "2026-03-30T12:00:00.000000Z")
    (number,) = (told.runtime.audit().events,)
    await told.flow("lena approve")
    found = told.runtime.audit()
    assert found.holds
    assert found.notes == (f"events {number} to {number} were not anchored when they came",)


async def test_the_removal_of_the_newest_line_is_found(told: Office) -> None:
    """The database is ahead of the anchor, and has been for longer than anchoring takes."""
    path = anchors(told)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    found = told.runtime.audit()
    assert found.problem == ""
    assert "are not anchored" in found.gap


async def test_removing_line_and_events_together_is_not_found(told: Office, tamper: Tamper) -> None:
    """Whoever may write both can go back to an earlier head: keep a copy where they may not."""
    path = anchors(told)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    number = told.runtime.anchor.file.read()[0][-1].number
    kept = told.runtime.store.read("default").events.head()
    with tamper(told) as connection:
        connection.execute("DELETE FROM events WHERE number > ?", (number,))
    assert told.runtime.audit().holds
    assert "was anchored" in told.runtime.verify(anchor=kept).problem


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"number":', '"number":1', "line 2 does not follow"),
        ('{"tenant"', "{tenant", "line 1 was changed"),
    ],
)
async def test_a_changed_line_is_found(told: Office, old: str, new: str, words: str) -> None:
    """Each line holds the digest of the one before it."""
    path = anchors(told)
    path.write_text(path.read_text().replace(old, new, 1))
    assert words in told.runtime.audit().problem


@pytest.mark.parametrize("gone", [0, 1])
async def test_a_removed_line_is_found(told: Office, gone: int) -> None:
    """The first and one in the middle; the newest has a test of its own."""
    path = anchors(told)
    lines = path.read_text().splitlines(keepends=True)
    del lines[gone]
    path.write_text("".join(lines))
    assert "does not follow" in told.runtime.audit().problem


async def test_a_removed_file_is_found(told: Office) -> None:
    """Nothing is anchored, although there is a history."""
    anchors(told).unlink()
    found = told.runtime.audit()
    assert (found.anchored, found.holds) == (False, False)


async def test_a_torn_line_is_cut_off(told: Office) -> None:
    """What a crash left of a line never counted; the next line takes its place."""
    path = anchors(told)
    with path.open("a") as file:
        file.write('{"tenant":"defa')
    assert told.runtime.audit().holds
    await told.flow("lena approve")
    assert told.runtime.audit().holds
    assert '{"tenant":"defa{' not in path.read_text()


async def test_two_processes_share_one_file(told: Office, open_office: OpenOffice) -> None:
    """Their lines follow each other, and together cover every event."""
    other = await open_office(clock=told.clock)
    for office in (other, told, other):
        await office.flow("lena approve")
        anchors(office)
    found = told.runtime.audit()
    assert (found.holds, found.unanchored, found.notes) == (True, 0, ())
