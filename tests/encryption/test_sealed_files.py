"""A sealed file: what a thief reads in it, and what the runtime does with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime.anchor import open_anchor
from agent_runtime.backup import make_backup, restore_backup
from agent_runtime.cipher import make_cipher
from agent_runtime.doctor import examine
from agent_runtime.errors import StoreError
from agent_runtime.retention import Term, prune
from agent_runtime.store.retention import PARTS
from tests.encryption.conftest import (
    FOREIGN,
    KEY,
    NEWER,
    PLANTED,
    Seal,
    ask,
    live,
    planted,
    settings,
)
from tests.office import Office, opened


async def test_without_a_key_everything_can_be_read(seal: Seal) -> None:
    """So that the next test can fail: each planted word comes into the file."""
    office = await seal()
    await live(office)
    assert planted(office.data) == set(PLANTED)


async def test_with_a_key_no_personal_data_can_be_read(seal: Seal) -> None:
    """Neither in the file nor in its log: not what came in, was shown, decided, said or done."""
    office = await seal(KEY)
    await live(office)
    assert planted(office.data) == set()


async def test_a_sealed_file_works_as_any_other(seal: Seal) -> None:
    """Runs end, history verifies, what was said can be read by whoever has the key."""
    office = await seal(KEY)
    asked = await live(office)
    record = office.record(asked.run_id)
    assert record.run.input["customer"] == PLANTED["customer"]
    assert record.approvals[0].facts["owner"] == PLANTED["customer"]
    assert record.approvals[0].decisions[0].reason == PLANTED["reason"]
    found = office.runtime.audit()
    assert (found.problem, found.anchored) == ("", True)
    assert len(office.bank.payouts) == 1


async def reopened(office: Office, *keys: str) -> StoreError:
    """The error of opening the office's file anew with these keys."""
    with pytest.raises(StoreError) as found:
        async with opened(office.runtime.app, office.data, settings=settings(*keys)):
            pass
    return found.value


async def test_a_missing_or_wrong_key_is_told_when_the_file_is_opened(seal: Seal) -> None:
    """With the key's id and the remedy; not a row is changed."""
    office = await seal(KEY)
    await live(office)
    before = dump(office.data)
    for keys, words in (((), "none is set"), ((FOREIGN,), "which is not set")):
        error = await reopened(office, *keys)
        assert words in error.message
        assert "AGENT_RUNTIME_CONTENT_KEY" in error.remedy
        assert KEY not in str(error)
        assert FOREIGN not in str(error)
    assert dump(office.data) == before


async def test_an_older_file_stays_readable_and_what_is_new_is_sealed(seal: Seal) -> None:
    """From the moment that there is a key; the run that began in clear goes on."""
    plain = await seal()
    asked = await ask(plain)
    sealed = await seal(KEY)
    assert sealed.question(asked.run_id).facts["owner"] == PLANTED["customer"]
    assert {"customer", "document"} <= planted(sealed.data)
    await sealed.answer(asked, "lena", "reject", reason=PLANTED["reason"])
    assert (await sealed.drive(sealed.read(asked.run_id))).state == "rejected"
    assert "reason" not in planted(sealed.data)
    assert "none is set" in (await reopened(sealed)).message


async def test_keys_rotate(seal: Seal) -> None:
    """The newer one seals, the older one still opens what it has sealed; it stays needed."""
    first = await seal(KEY)
    asked = await ask(first)
    second = await seal(NEWER, KEY)
    await second.answer(asked, "lena")
    assert (await second.drive(second.read(asked.run_id))).state == "completed"
    assert second.runtime.audit().problem == ""
    assert "which is not set" in (await reopened(second, NEWER)).message
    async with opened(second.runtime.app, second.data, settings=settings(KEY, NEWER)) as swapped:
        assert swapped.record(asked.run_id).run.state == "completed"


SWAPS: dict[str, str] = {
    "runs": "UPDATE runs SET input = (SELECT o.input FROM runs AS o WHERE o.id <> runs.id)",
    "contents": "UPDATE contents SET body = (SELECT o.body FROM contents AS o"
    " WHERE o.hash <> contents.hash LIMIT 1)",
    "approvals": "UPDATE approvals SET body = (SELECT o.body FROM approvals AS o"
    " WHERE o.id <> approvals.id LIMIT 1)",
    "checkpoints": "UPDATE checkpoint_values SET value = (SELECT o.value FROM checkpoint_values"
    " AS o WHERE o.channel = checkpoint_values.channel ORDER BY o.thread_id DESC LIMIT 1)",
}

READS: dict[str, Callable[[Office, str], object]] = {
    "runs": lambda office, run_id: office.read(run_id),
    "contents": lambda office, run_id: office.runtime.store.read("default").recordings.find(run_id),
    "approvals": lambda office, run_id: office.record(run_id),
    "checkpoints": lambda office, run_id: office.runtime.store.read("default").checkpoints.get(
        run_id, ""
    ),
}


@pytest.mark.parametrize("table", SWAPS)
async def test_a_sealed_value_opens_in_its_own_row_only(seal: Seal, table: str) -> None:
    """Whoever can write the file cannot make one customer's data another's."""
    office = await seal(KEY)
    first, _ = await ask(office), await ask(office)
    with closing(sqlite3.connect(office.data / "runtime.db")) as connection:
        connection.execute(SWAPS[table])
        connection.commit()
    with pytest.raises(StoreError, match="does not open: it was changed, or moved"):
        READS[table](office, first.run_id)


async def test_a_sealed_thread_can_be_copied(seal: Seal) -> None:
    """Its rows are sealed anew for the thread that they go to."""
    office = await seal(KEY)
    asked = await ask(office)
    store = office.runtime.store
    await store.write("default", lambda s: s.checkpoints.copy_thread(asked.run_id, "copy"))
    first, second = (
        store.read("default").checkpoints.get(name, "") for name in (asked.run_id, "copy")
    )
    assert first is not None
    assert second is not None
    assert (first.values, first.writes) == (second.values, second.writes)
    assert planted(office.data) == set()


async def test_what_has_changed_in_a_question_is_sealed_too(seal: Seal) -> None:
    """Old and new value; who has the key reads both."""
    office = await seal(KEY)
    asked = await ask(office)
    store = office.runtime.store
    await store.write("default", lambda s: s.approvals.update(asked.id, risk="high"))
    (told,) = store.read("default").approvals.changes(asked.id, asked.version)
    assert (told.old, told.new) == ("medium", "high")
    with closing(sqlite3.connect(office.data / "runtime.db")) as connection:
        rows = connection.execute("SELECT old, new FROM approval_changes").fetchall()
    assert all(value.startswith("\x01sealed:1:") for row in rows for value in row)


async def test_a_changed_event_is_found_by_verifying(seal: Seal) -> None:
    """Its body does not open, and the chain says at which event."""
    office = await seal(KEY)
    await live(office)
    with closing(sqlite3.connect(office.data / "runtime.db")) as connection:
        connection.execute("DROP TRIGGER bodies_never_change")
        connection.execute(
            "UPDATE event_bodies SET body = (SELECT body FROM event_bodies WHERE seq = 2)"
            " WHERE seq = 4"
        )
        connection.commit()
    assert "event 4 cannot be opened" in office.runtime.audit().problem


async def test_a_backup_stays_sealed_and_is_restored(seal: Seal, tmp_path: Path) -> None:
    """Verified with the key, refused without it; the doctor finds nothing wrong."""
    office = await seal(KEY)
    asked = await live(office)
    cipher, file = make_cipher(settings(KEY).content_key), tmp_path / "backup.db"
    anchor = office.runtime.anchor.file
    with pytest.raises(StoreError, match="none is set"):
        make_backup(office.data, file, anchor, force=False)
    make_backup(office.data, file, anchor, force=False, cipher=cipher)
    raw = file.read_bytes()
    assert not [text for text in PLANTED.values() if text.encode() in raw]
    data, now = tmp_path / "new", office.clock.now()
    kept = open_anchor(data, None, office.clock)
    app = office.runtime.app
    restore_backup(data, file, app, kept.file, by="root", now=now, cipher=cipher)
    assert planted(data) == set()
    assert [f for f in examine(data, kept, now, cipher) if f.severity == "error"] == []
    async with opened(app, data, settings=settings(KEY)) as restored:
        assert restored.read(asked.run_id).input["customer"] == PLANTED["customer"]


async def test_pruning_finds_its_way_in_a_sealed_file(seal: Seal) -> None:
    """What is still referred to stays, though the references are sealed too."""
    office = await seal(KEY)
    await live(office)
    waiting = await ask(office)
    office.clock.move(-(office.clock.now() - waiting.created_at))
    term = Term(PARTS, office.clock.now().replace(year=2030))
    done = await prune(office.runtime.store, office.person("lena"), [term], lambda: None)
    assert (len(done.runs), done.contents > 0) == (2, True)
    await office.answer(waiting, "lena")
    assert (await office.drive(office.read(waiting.run_id))).state == "completed"
    assert office.runtime.audit().problem == ""


def dump(data: Path) -> list[str]:
    with closing(sqlite3.connect(f"{(data / 'runtime.db').as_uri()}?mode=ro", uri=True)) as found:
        return list(found.iterdump())
