"""Fixtures: a run replayed, under its own app or another one, and its file tampered with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

from agent_runtime import Reasoning
from agent_runtime.app import App
from agent_runtime.brief import Brief
from agent_runtime.replay.replay import Replayed, replay
from agent_runtime.run import Run
from agent_runtime.settings import ModelSettings
from agent_runtime.testing import ChatReply, ChatRequest
from agent_runtime.workflow import Workflow
from tests.ledger import POLICY, make_app, make_pay, pay_once, proposal
from tests.office import Office, Record

PROMPTED = {"reasoning": Reasoning(prompt="pay", offline=pay_once, proposes=[make_pay()])}
"""A step that asks a model; offline, the ordinary rule answers."""


async def again(office: Office, run: Run | Record, app: App | None = None) -> Replayed:
    """The run replayed, under the office's own app unless another one is given."""
    run_id = run.run.id if isinstance(run, Record) else run.id
    session = office.runtime.store.read(office.tenant)
    (found,) = [
        one async for one in replay(session, app or office.runtime.app, ModelSettings(), [run_id])
    ]
    return found


def under(office: Office, *, policy: str = POLICY, prompt: str = "") -> App:
    """The office's app with another policy or another prompt."""
    app = office.runtime.app
    changed = make_app(app.workflows["ledger"], policy)
    return replace(changed, prompts={"ledger": {"pay": prompt}} if prompt else app.prompts)


def with_workflow(workflow: Workflow) -> App:
    return make_app(workflow, POLICY)


def rewrite(office: Office, statement: str, *values: Any) -> int:
    """Somebody with the file changes it; how many rows."""
    with closing(sqlite3.connect(office.data / "runtime.db")) as connection:
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in connection.execute(triggers).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        changed = connection.execute(statement, values).rowcount
        connection.commit()
        return changed


def brief_of(request: ChatRequest) -> Brief:
    return Brief.model_validate_json(request.messages[1]["content"])


def proposing(request: ChatRequest) -> ChatReply:
    return ChatReply(proposal(brief_of(request)).model_dump_json(exclude_none=True))
