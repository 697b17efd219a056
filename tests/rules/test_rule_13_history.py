"""Rule 13: one history, tamper-evident against an exported head."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from agent_runtime.event import Head, digest_body, link
from tests.office import Office

AT = "2026-03-30T12:00:00.000000Z"


@contextmanager
def vandal(office: Office) -> Iterator[sqlite3.Connection]:
    """A connection of somebody with the file and the wish to rewrite history."""
    with closing(sqlite3.connect(office.data / "runtime.db")) as connection:
        for trigger in ("events_never_change", "events_never_go", "bodies_never_change"):
            connection.execute(f"DROP TRIGGER {trigger}")
        yield connection
        connection.commit()


@pytest.fixture
async def told(asking: Office) -> tuple[Office, Head]:
    """An office with some history, and its head as an anchor outside keeps it."""
    await asking.flow("lena approve")
    return asking, asking.runtime.store.read("default").events.head()


async def test_an_untouched_chain_verifies_against_its_anchor(told: tuple[Office, Head]) -> None:
    """The whole chain is recomputed up to the anchored head."""
    office, head = told
    found = office.runtime.verify(anchor=head)
    assert (found.problem, found.anchored, found.events) == ("", True, head.number)


async def test_a_chain_that_has_grown_still_holds(told: tuple[Office, Head]) -> None:
    """An anchor names an event, not the end."""
    office, head = told
    await office.flow()
    assert office.runtime.verify(anchor=head).anchored


async def test_without_an_anchor_nothing_is_called_anchored(told: tuple[Office, Head]) -> None:
    """What the database says of itself is not enough."""
    assert told[0].runtime.verify().anchored is False


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE events SET type = 'run.ended' WHERE number = 3", "event 3 was changed"),
        ("UPDATE events SET at = '2025' WHERE number = 3", "event 3 was changed"),
        ("UPDATE events SET run_id = 'run-x' WHERE number = 3", "event 3 was changed"),
        ("UPDATE events SET body_digest = 'x' WHERE number = 3", "event 3"),
        ("UPDATE event_bodies SET body = '{}' WHERE seq = 3", "the body of event 3 was changed"),
        ("UPDATE event_bodies SET salt = 'x' WHERE seq = 3", "the body of event 3 was changed"),
        ("DELETE FROM events WHERE number = 3", "event 3 is missing"),
    ],
)
async def test_an_edit_is_found_and_named(
    told: tuple[Office, Head], statement: str, words: str
) -> None:
    """Whatever field of whatever event: verification names it."""
    office, _ = told
    with vandal(office) as connection:
        connection.execute(statement)
    assert words in office.runtime.verify().problem


def forge(connection: sqlite3.Connection, number: int, before: str) -> str:
    """Append an event whose hashes fit; returns its hash."""
    body = digest_body("salt", {})
    chained = link("default", number, None, "run.ended", AT, body, before)
    connection.execute(
        "INSERT INTO events (tenant, number, type, at, body_digest, previous, hash)"
        " VALUES ('default', ?, 'run.ended', ?, ?, ?, ?)",
        (number, AT, body, before, chained),
    )
    return chained


async def test_a_clumsy_append_is_found(told: tuple[Office, Head]) -> None:
    """An event that doesn't follow the last one breaks the chain."""
    office, head = told
    with vandal(office) as connection:
        forge(connection, head.number + 1, "sha256:else")
    assert "does not follow" in office.runtime.verify().problem


async def test_a_truncation_is_found_against_the_anchor_only(told: tuple[Office, Head]) -> None:
    """A plain chain falls to one statement; the anchored head doesn't."""
    office, head = told
    with vandal(office) as connection:
        connection.execute("DELETE FROM events WHERE number > 5")
    assert office.runtime.verify().problem == ""
    found = office.runtime.verify(anchor=head)
    assert (found.anchored, "the chain ends at 5" in found.problem) == (False, True)


async def test_a_rewritten_end_is_found_against_the_anchor(told: tuple[Office, Head]) -> None:
    """Cut off and grown again with fitting hashes: the anchored event is another one."""
    office, head = told
    with vandal(office) as connection:
        connection.execute("DELETE FROM events WHERE number = ?", (head.number,))
        before = connection.execute("SELECT hash FROM events ORDER BY number DESC").fetchone()[0]
        forge(connection, head.number, before)
    assert office.runtime.verify().problem == ""
    found = office.runtime.verify(anchor=head)
    assert (found.anchored, "not the one that was anchored" in found.problem) == (False, True)


async def test_pruned_bodies_keep_the_chain_whole(told: tuple[Office, Head]) -> None:
    """Erasing what was said leaves that something was said, when, and in which order."""
    office, head = told
    with closing(sqlite3.connect(office.data / "runtime.db")) as connection:
        connection.execute("DELETE FROM event_bodies WHERE seq % 2 = 0")
        connection.commit()
    assert office.runtime.verify(anchor=head).anchored
    bodies = [event.body for event in office.runtime.store.read("default").events.find()]
    assert None in bodies


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET type = 'run.ended'",
        "DELETE FROM events",
        "UPDATE event_bodies SET body = '{}'",
    ],
)
async def test_the_database_refuses_to_rewrite_history(
    told: tuple[Office, Head], statement: str
) -> None:
    """By mistake, nobody changes it."""
    with (
        closing(sqlite3.connect(told[0].data / "runtime.db")) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)


async def test_an_event_and_its_change_are_stored_together_or_not_at_all(office: Office) -> None:
    """When the change fails, its event is gone too, and the chain has no gap."""
    run = await office.start()

    def fail(session: object) -> None:
        session.events.append("run.ended", run.id)  # type: ignore[attr-defined]
        raise LookupError("midway")

    with pytest.raises(LookupError):
        await office.runtime.store.write("default", fail)
    await office.drive(run)
    numbers = [event.number for event in office.record(run).events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert office.runtime.verify().problem == ""


async def test_bodies_are_salted(office: Office) -> None:
    """Two equal bodies have different digests: an erased one cannot be confirmed by guessing."""
    first, second = [
        await office.runtime.store.write("default", lambda s: s.events.append("run.paused"))
        for _ in range(2)
    ]
    assert first.body == second.body
    assert first.body_digest != second.body_digest
