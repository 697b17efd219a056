"""A worker's name belongs to one live process."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.errors import Conflict, InvalidInput
from agent_runtime.presence import FOLDER, owner_of, present
from agent_runtime.queue.owner import is_gone
from tests.cli.conftest import (
    Desk,
    after_demo,
    clean_environment,
    demo_made,
    say,
)
from tests.patience import PATIENCE
from tests.processes import CONTEXT, spawn, wait

__all__ = ["after_demo", "clean_environment", "demo_made", "say"]


def hold_child(data: Path, ready: Any) -> None:
    """Hold the name until killed."""
    with present(data, "till"):
        ready.set()
        time.sleep(60)


def test_a_name_is_held_by_one(tmp_path: Path) -> None:
    """The second one is told what to do; other names and other folders are free."""
    (tmp_path / "other").mkdir()
    with present(tmp_path, "till"):
        with pytest.raises(Conflict, match="'till' is at work") as found, present(tmp_path, "till"):
            pass
        assert "--name" in found.value.remedy
        with present(tmp_path, "desk"), present(tmp_path / "other", "till"):
            pass
    assert list((tmp_path / FOLDER).iterdir()) == []
    with present(tmp_path, "till"):
        pass


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    """The kernel lets go of its name; the file that it left is swept away by the next."""
    ready = CONTEXT.Event()
    child = spawn(hold_child, tmp_path, ready)
    assert ready.wait(PATIENCE)
    with pytest.raises(Conflict), present(tmp_path, "till"):
        pass
    os.kill(child.pid or 0, signal.SIGKILL)
    assert wait(child) == [-9]
    with present(tmp_path, "desk"):
        assert [file.name for file in (tmp_path / FOLDER).iterdir()] == ["desk.lock"]


@pytest.mark.parametrize("name", ["", "../till", "a b", "x" * 65, "-till", "a/b"])
def test_a_name_is_a_plain_word(tmp_path: Path, name: str) -> None:
    """It becomes a file's name and stands in the history."""
    with pytest.raises(InvalidInput, match="is no name"), present(tmp_path, name):
        pass


def test_the_death_of_a_named_worker_is_seen(tmp_path: Path) -> None:
    """Its claims end in host and process, whatever its name."""
    child = spawn(os.getpid)
    assert wait(child) == [0]
    host = socket.gethostname()
    assert is_gone(owner_of("till", f"{host}:{child.pid}"))
    assert not is_gone(owner_of("till", f"{host}:{os.getpid()}"))
    assert not is_gone(owner_of("till", f"elsewhere:{child.pid}"))


def test_the_command_refuses_a_name_in_use(after_demo: Desk) -> None:
    """With exit code 4 and the remedy; once it is free, the worker works."""
    words = ("worker", "--once", "--name", "till")
    with present(after_demo.data, "till"):
        after_demo(*words).fails(4, "'till' is at work", "--name")
    assert after_demo(*words).code == 0
