"""Files that cannot be used: one line that names the file and the key, and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.conftest import Run
from tests.benchmarks.small_shop import adversaries, cancelling, database


def without(document: Any, key: str) -> Any:
    return {name: value for name, value in document.items() if name != key}


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([], "at least 1 item"),
        ({"tasks": []}, "valid tuple"),
        ([without(cancelling(), "actions")], "0.actions: Field required"),
        ([without(cancelling(), "expected_changes")], "0.expected_changes: Field required"),
        ([cancelling() | {"id": ""}], "0.id:"),
        ([cancelling() | {"actions": [{"action_id": "a"}]}], "0.actions.0.name: Field required"),
    ],
)
def test_bad_tasks_are_named(run: Run, folder: Path, tasks: Any, said: str) -> None:
    """The line names the tasks' file and the key."""
    ended = run("--json", tasks=tasks)
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert str(folder / "tasks.json") in line
    assert said in line


@pytest.mark.parametrize(
    ("database", "said"),
    [
        (without(database(), "users"), "users: Field required"),
        (database() | {"orders": {"#1": {"user_id": "ada"}}}, "orders"),
        (database() | {"orders": [1]}, "orders: "),
        (database() | {"users": {"ada": {"payment_methods": [1]}}}, "a record is malformed"),
    ],
)
def test_a_bad_database_is_named(run: Run, folder: Path, database: Any, said: str) -> None:
    """The line names db.json and the key."""
    (folder / "db.json").write_text(json.dumps(database))
    ended = run("--json")
    (line,) = ended.err.splitlines()
    assert ended.code == 2
    assert str(folder / "db.json") in line
    assert said in line


def test_bad_proposals_are_named(run: Run) -> None:
    """The line names the proposals' file and the key."""
    ended = run("--json", proposals=[without(adversaries()[0], "proposal")])
    assert ended.code == 2
    assert "bad.json: proposals.0.proposal: Field required" in ended.err


@pytest.mark.parametrize("text", ["{", "\ufeff[]", '[{"id": NaN}]'])
def test_what_is_no_json_is_refused(run: Run, folder: Path, text: str) -> None:
    """Neither half a document nor a number that JSON doesn't have gets through."""
    (folder / "tasks.json").write_text(text)
    ended = run("--json")
    assert ended.code == 2
    assert "tasks.json: is not JSON" in ended.err


def test_missing_files_are_named(run: Run, folder: Path) -> None:
    """The line names what is not there."""
    (folder / "db.json").unlink()
    ended = run("--json")
    assert ended.code == 2
    assert f"{folder / 'db.json'}: cannot be read: No such file" in ended.err
