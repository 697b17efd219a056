"""A killed backup or restore: nothing half-made stands in a file's place, and what is left behind
is swept away by the next one, or named by the doctor."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.anchor import AnchorFile, open_anchor
from agent_runtime.backup import make_backup, restore_backup, verify_file
from agent_runtime.clock import ManualClock
from agent_runtime.doctor import examine
from agent_runtime.store.draft import drafted, left_behind
from tests.office import NOON, opened
from tests.processes import spawn, wait
from tests.upkeep.test_backup_restore import LATER, app_with


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def back_up(data: Path, target: Path, **options: Any) -> None:
    make_backup(data, target, AnchorFile(data / "anchors.jsonl"), force=True, **options)


def restore(data: Path, source: Path, **options: Any) -> None:
    anchor = AnchorFile(data / "anchors.jsonl")
    restore_backup(data, source, app_with(), anchor, by="root", now=LATER, **options)


def back_up_child(data: Path, target: Path) -> None:
    """Killed at the first report of progress."""
    back_up(data, target, progress=die)


def restore_child(data: Path, source: Path) -> None:
    """Killed while the data file is being replaced."""
    restore(data, source, progress=die)


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A data folder with two runs, of which a backup beside it holds the first."""
    folder = tmp_path / "data"
    (tmp_path / "backups").mkdir()
    async with opened(app_with(), folder) as office:
        await office.flow()
        back_up(folder, tmp_path / "backups" / "b.db")
        await office.flow()
    return folder


def codes(data: Path) -> list[str]:
    anchor = open_anchor(data, None, ManualClock(NOON))
    return [finding.code for finding in examine(data, anchor, NOON)]


def test_a_killed_backup_leaves_the_old_one(data: Path, tmp_path: Path) -> None:
    """Its draft goes with the next backup of that name, and with no other."""
    target = tmp_path / "backups" / "b.db"
    before = target.read_bytes()
    assert wait(spawn(back_up_child, data, target)) == [-9]
    assert target.read_bytes() == before
    assert left_behind(target.parent) != []
    back_up(data, target.with_name("other.db"))
    assert left_behind(target.parent) != []
    back_up(data, target)
    assert sorted(file.name for file in target.parent.iterdir()) == ["b.db", "other.db"]


def test_a_killed_restore_leaves_a_whole_file(data: Path, tmp_path: Path) -> None:
    """As it was or as it was to be; the doctor names the draft, and the next restore removes it."""
    source = tmp_path / "backups" / "b.db"
    assert wait(spawn(restore_child, data, source)) == [-9]
    assert "draft" in codes(data)
    assert verify_file(data / "runtime.db")[0].problem == ""
    restore(data, source)
    assert left_behind(data) == []
    assert "draft" not in codes(data)


def test_the_draft_of_a_live_process_stays(tmp_path: Path) -> None:
    """Whoever else makes one; it is gone once its own process is done with it."""
    with drafted(tmp_path / "b.db") as draft:
        draft.write_text("half")
        assert left_behind(tmp_path) == []
        with drafted(tmp_path / "b.db.old"):
            assert draft.exists()
    assert list(tmp_path.iterdir()) == []
