"""The commands for schedules, and a run that starts later, on a project of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import (
    PROJECT,
    Said,
    Say,
    clean_environment,
    copy_project,
    say,
    write_input,
)
from tests.program import run as program

__all__ = ["clean_environment", "copy_project", "say", "write_input"]

NIGHTLY = """schedules=[
    Schedule("nightly", cron="30 2 * * *", zone="Europe/Berlin", owner="controlling",
      input={"customer": "mia", "order_id": "o-1", "message": "Hi", "received_on": "2026-04-02"}),
    Schedule("weekly", cron="0 6 * * 1", owner="controlling",
      input={"customer": "mia", "order_id": "o-1", "message": "Hi", "received_on": "2026-04-02"}),
], subject="customer\""""

PEOPLE = {"ada": "administrator", "sam": "support"}

Ask = Callable[..., Said]


@pytest.fixture
def ask(copy_project: Any, tmp_path: Path) -> Ask:
    """Speaks to a project whose refunds have two schedules; its data folder is there."""
    file = "graphs/refund/workflow.py"
    project = copy_project(file, 'subject="customer"', NIGHTLY)
    workflow = (project / file).read_text()
    (project / file).write_text(workflow.replace("Reasoning, Step", "Reasoning, Schedule, Step"))
    (project / "operators.toml").write_text(
        "".join(f'[operators.{name}]\nroles = ["{role}"]\n' for name, role in PEOPLE.items())
    )
    (project / "operators.toml").chmod(0o600)
    place = ("--app", str(project), "--data", str(tmp_path / "data"))

    def call(*words: str) -> Said:
        done = program(*words, *place)
        return Said(done.returncode, done.stdout, done.stderr)

    call("worker", "--once")
    return call


def test_schedules_are_listed_paused_and_resumed(ask: Ask) -> None:
    """By their ids, with the person's name; for people and for programs."""
    listed = ask("schedules", "list", "--json").json
    assert [one["id"] for one in listed] == ["refund:nightly", "refund:weekly"]
    paused = ask("schedules", "pause", "refund:nightly", "--as", "ada", "--reason", "Audit.")
    assert paused.out == "schedule refund:nightly: paused\n"
    rows = [line.split("\t") for line in ask("schedules", "list").out.splitlines()]
    assert [row[3] == "paused" for row in rows] == [True, False]
    coming = ask("schedules", "next", "--count", "2", "--json").json
    assert [one["schedule"] for one in coming] == ["refund:weekly"] * 2
    resumed = ask("schedules", "resume", "refund:nightly", "--as", "ada", "--json")
    assert (resumed.json["paused"], resumed.json["next_at"] is None) == (False, False)


def test_the_next_times_are_told_in_utc_and_in_the_schedules_zone(ask: Ask) -> None:
    """Half past two at night in Berlin, whatever the season."""
    rows = ask("schedules", "next", "refund:nightly", "--count", "400").out.splitlines()
    assert len(rows) == 400
    local = {row.split("\t")[2][11:] for row in rows}
    assert {"02:30 CET", "02:30 CEST"} <= local <= {"02:30 CET", "02:30 CEST", "03:00 CEST"}


def test_unknown_schedules_and_people_are_named(ask: Ask) -> None:
    """With how to find the right ones."""
    ask("schedules", "pause", "refund:yearly", "--as", "ada").fails(2, "schedules list")
    ask("schedules", "pause", "refund:nightly", "--as", "nobody").fails(2, "nobody")


def test_only_administrators_pause_schedules(ask: Ask) -> None:
    """Whoever else tries is refused, and nothing is paused."""
    ask("schedules", "pause", "refund:nightly", "--as", "sam").fails(3, "administer")
    assert not any(one["paused"] for one in ask("schedules", "list", "--json").json)


def test_a_run_for_later_is_left_to_the_workers(ask: Ask, write_input: Any) -> None:
    """It is queued, and no worker takes it up before its time."""
    at = ("--at", "2999-01-01T06:00:00+01:00")
    run = json.loads(ask("run", "refund", "--input", write_input(), *at, "--json").out)
    assert (run["state"], run["ready_at"]) == ("queued", "2999-01-01T05:00:00Z")
    ask("worker", "--once")
    (listed,) = ask("runs", "list", "--json").json
    assert (listed["state"], listed["epoch"]) == ("queued", 0)


def test_a_time_that_is_none_is_refused(say: Say, write_input: Any) -> None:
    """Nonsense, and a time without its zone."""
    for text, problem in (("soon", "is no time"), ("2026-03-30T06:00", "has no time zone")):
        words = ("run", "refund", "--input", write_input(), "--at", text, "--app", str(PROJECT))
        say(*words).fails(2, f"--at: {problem}", "+02:00")
