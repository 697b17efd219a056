"""The doctor finds each planted fault, with its remedy, and is silent about a healthy file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from agent_runtime.anchor import open_anchor
from agent_runtime.doctor import ROWS, Finding, examine
from agent_runtime.store.findings import QUERIES
from tests.office import Office
from tests.upkeep.conftest import Tamper, anchors, forge


def findings(office: Office) -> list[Finding]:
    office.runtime.anchor.flush()
    anchor = open_anchor(office.data, None, office.clock)
    return examine(office.data, anchor, office.clock.now())


@pytest.fixture
async def busy(asking: Office) -> Office:
    """An office with ended runs and one that is paused."""
    await asking.flow("lena approve")
    await asking.flow("lena reject")
    await asking.parked()
    return asking


async def test_a_healthy_file_is_passed_over_in_silence(busy: Office) -> None:
    """Ended and paused runs, open questions, everything in order."""
    assert findings(busy) == []


def test_every_query_has_its_words() -> None:
    """What the store finds, the doctor can tell."""
    assert ROWS.keys() == QUERIES.keys()


@pytest.mark.parametrize(
    ("code", "severity", "statements"),
    [
        (
            "lease_lapsed",
            "warning",
            ["UPDATE runs SET state = 'running', lease_until = '2020' WHERE state = 'paused'"],
        ),
        ("paused_unasked", "error", ["UPDATE approvals SET status = 'voided'"]),
        (
            "asked_after_end",
            "error",
            ["UPDATE runs SET state = 'cancelled' WHERE state = 'paused'"],
        ),
        ("intent_after_end", "error", ["UPDATE journal SET state = 'intended'"]),
        ("overdue", "warning", ["UPDATE approvals SET deadline = '2020'"]),
        ("approval_without_run", "error", ["DELETE FROM runs WHERE state = 'paused'"]),
        ("authorization_without_run", "error", ["DELETE FROM runs WHERE state = 'completed'"]),
        ("journal_without_run", "error", ["DELETE FROM runs WHERE state = 'completed'"]),
        ("recording_without_run", "warning", ["DELETE FROM runs WHERE state = 'completed'"]),
        ("checkpoint_without_run", "warning", ["DELETE FROM runs WHERE state = 'completed'"]),
        ("damaged", "error", ["DELETE FROM runs WHERE state = 'completed'"]),
        ("contents", "warning", ["INSERT INTO contents VALUES ('default', 'sha256:x', '1')"]),
        ("schema", "error", ["PRAGMA user_version = 99"]),
        ("schema", "warning", ["PRAGMA user_version = 1"]),
        ("chain", "error", ["DELETE FROM events WHERE number > 3"]),
        ("chain", "error", ["UPDATE event_bodies SET body = '{}' WHERE seq = 2"]),
    ],
)
async def test_a_planted_fault_is_found(
    busy: Office, tamper: Tamper, code: str, severity: str, statements: list[str]
) -> None:
    """Named, placed, weighed, and with something to do about it."""
    with tamper(busy) as connection:
        for statement in statements:
            connection.execute(statement)
    found = {finding.code: finding for finding in findings(busy)}
    assert found[code].severity == severity
    assert found[code].remedy
    assert found[code].where


async def test_an_event_that_nobody_anchored_is_a_warning(busy: Office, tamper: Tamper) -> None:
    """A process died, or it was forged; the doctor cannot tell, a person may."""
    anchors(busy)
    with tamper(busy) as connection:
        forge(connection, "2020-01-01T00:00:00.000000Z")
    (found,) = findings(busy)
    assert (found.code, found.severity) == ("unanchored", "warning")
    assert "events tail --last 1" in found.remedy


def _open_up(data: Path) -> None:
    (data / "runtime.db").chmod(0o644)


def _block_anchor(data: Path) -> None:
    (data / "anchors.jsonl").unlink()
    (data / "anchors.jsonl").mkdir()


def _fail_webhook(data: Path) -> None:
    (data / "anchors.jsonl.unsent").touch(0o600)


def _corrupt(data: Path) -> None:
    (data / "runtime.db").write_bytes(b"\x07" * 8_192)


def _without_vacuum(data: Path) -> None:
    with closing(sqlite3.connect(data / "runtime.db")) as connection:
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("VACUUM")


def _grow_log(data: Path) -> None:
    with (data / "runtime.db-wal").open("ab") as log:
        log.truncate(80 * 2**20)


@pytest.mark.parametrize(
    ("code", "plant"),
    [
        ("mode", _open_up),
        ("anchor", _block_anchor),
        ("webhook", _fail_webhook),
        ("unusable", _corrupt),
        ("vacuum", _without_vacuum),
        ("wal", _grow_log),
        ("no_file", lambda data: (data / "runtime.db").unlink()),
    ],
)
async def test_a_fault_of_the_folder_is_found(
    busy: Office, tmp_path: Path, code: str, plant: Callable[[Path], None]
) -> None:
    """Rights, anchors, logs and pages: on a copy, so that the office stays usable."""
    anchors(busy)
    data = tmp_path / "copy"
    data.mkdir()
    with closing(sqlite3.connect(busy.data / "runtime.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (data / "runtime.db").touch(0o600)
        (data / "runtime.db").write_bytes((busy.data / "runtime.db").read_bytes())
    (data / "anchors.jsonl").touch(0o600)
    (data / "anchors.jsonl").write_bytes(anchors(busy).read_bytes())
    healthy = examine(data, open_anchor(data, None, busy.clock), busy.clock.now())
    assert healthy == []
    plant(data)
    found = examine(data, open_anchor(data, None, busy.clock), busy.clock.now())
    assert code in {finding.code for finding in found}


async def test_examining_changes_nothing(busy: Office) -> None:
    """Neither the file nor its schema."""
    busy.clock.move(timedelta(days=3))
    before = busy.runtime.store.read("default").events.head()
    assert {finding.code for finding in findings(busy)} == {"overdue"}
    assert busy.runtime.store.read("default").events.head() == before
