"""The proof at the end of a scenario: what the processes were told, held against what is there."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent_runtime.anchor import open_anchor
from agent_runtime.clock import SystemClock
from agent_runtime.doctor import examine
from agent_runtime.run import ENDS, Run
from agent_runtime.runtime import DATABASE
from agent_runtime.store import Session
from benchmarks.crash.bank import Bank
from benchmarks.crash.child import NOTES, TENANT
from benchmarks.crash.notes import Notes


@dataclass(frozen=True)
class Proof:
    """What a data folder shows. `lost`: of what was acknowledged, what is not there any more, and
    completed runs without their effect; `doubled`: accounts paid out more than once. `problems`
    says what each of them is, and whatever else is wrong."""

    runs: int
    effects: int
    lost: int
    doubled: int
    problems: tuple[str, ...]


def prove(folder: Path) -> Proof:
    """Look at a folder that no process works on any more."""
    notes, effects = Notes(folder / NOTES), Bank(folder).effects()
    path = folder / "data" / DATABASE
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
        session = Session(connection, TENANT, datetime.now(UTC))
        runs = session.runs.find()
        lost = [*_unkept(session, notes), *_without_effect(runs, effects)]
        wrong = [*_unfinished(runs), *_broken(session, folder, integrity)]
    doubled = [f"{name} was paid out {n} times" for name, n in effects.items() if n > 1]
    started = Counter(run.trigger.key for run in runs)
    doubled += [f"{key} has started {n} runs" for key, n in started.items() if n > 1]
    problems = (*lost, *doubled, *wrong)
    return Proof(len(runs), sum(effects.values()), len(lost), len(doubled), problems)


def _unkept(session: Session, notes: Notes) -> Iterator[str]:
    """Acknowledged events, starts and decisions that are not there."""
    kept = {event.number: event.hash for event in session.events.find()}
    for note in notes.read("event"):
        if kept.get(note["number"]) != note["hash"]:
            yield f"event {note['number']} ({note['type']}) was acknowledged and is gone"
    accounts = {run.id: run.input["account"] for run in session.runs.find()}
    for note in notes.read("started"):
        if accounts.get(note["run"]) != note["account"]:
            yield f"run {note['run']} was acknowledged and is gone"
    asked = {approval.id: approval for approval in session.approvals.find()}
    for note in notes.read("decided"):
        found = asked.get(note["approval"])
        if found is None or not found.decisions or found.status != note["status"]:
            yield f"the decision on {note['approval']} was acknowledged and is gone"


def _without_effect(runs: list[Run], effects: Counter[str]) -> Iterator[str]:
    for run in runs:
        if run.state == "completed" and not effects[run.input["account"]]:
            yield f"run {run.id} is completed, and {run.input['account']} was not paid out"


def _unfinished(runs: list[Run]) -> Iterator[str]:
    for run in runs:
        if run.state != "completed":
            stuck = "ended" if run.state in ENDS else "is stuck"
            yield f"run {run.id} {stuck} as {run.state}: {run.reason}"


def _broken(session: Session, folder: Path, integrity: str) -> Iterator[str]:
    if integrity != "ok":
        yield f"the file is damaged: {integrity}"
    chain = session.events.verify()
    if chain.problem:
        yield f"the chain is broken: {chain.problem}"
    with closing(open_anchor(folder / "data", None, SystemClock())) as anchor:
        for finding in examine(folder / "data", anchor, datetime.now(UTC)):
            if finding.severity == "error":
                yield f"doctor: {finding.code} {finding.where}: {finding.what}"
