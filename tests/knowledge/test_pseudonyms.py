"""Pseudonyms are turned back for the one call that was approved, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import Envelope, Probe, ToolCall, ToolUnavailable, tool
from agent_runtime.approval import Answer as Yes
from agent_runtime.brief import Brief
from agent_runtime.clock import ManualClock
from agent_runtime.replay.replay import replay
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.settings import ModelSettings, Settings
from agent_runtime.store import JournalEntry
from agent_runtime.tool import Tool
from agent_runtime.trigger import Trigger
from tests.knowledge.mailroom import (
    Answer,
    Post,
    answer,
    case_facts,
    mailroom,
    send_answer,
)
from tests.office import NOON, OFFLINE, PEOPLE

MADE_UP = "[email:abcdefghijkl]"
LETTER = {"case": "c1", "message": "Please answer."}


async def approved(
    post: Post, folder: Path, offline: Any = answer, send: Tool = send_answer
) -> tuple[Run, list[JournalEntry]]:
    """A letter answered, once lena has said yes to it."""
    settings = Settings.model_validate(OFFLINE)
    app = mailroom(post, offline=offline, send=send)
    async with Runtime.open(app, folder, clock=ManualClock(NOON), settings=settings) as runtime:
        run = await runtime.start("mailroom", LETTER, trigger=Trigger(kind="event", owner="desk"))
        assert (await runtime.drive(run.id)).state == "paused"
        (asked,) = runtime.store.read("default").approvals.find(["open"])
        yes = Yes(kind="approve", digest=asked.digest, channel="test")
        await runtime.decide(asked.id, PEOPLE["lena"], yes)
        run = await runtime.drive(run.id)
        return run, runtime.store.read("default").journal.find(run.id)


@pytest.fixture
def post() -> Post:
    return Post(customer={"id": "c1", "mail": "mia@example.com"}, problem="It is closed.")


def to(name: str) -> Callable[[Brief], Envelope]:
    """Answers to whom it likes, whatever it was shown."""

    def rule(brief: Brief) -> Envelope:
        envelope = answer(brief)
        action = envelope.proposed_action
        if action is None:
            return envelope
        other = action.model_copy(update={"arguments": {**action.arguments, "to": name}})
        return envelope.model_copy(update={"proposed_action": other})

    return rule


async def test_one_that_nobody_gave_is_not_executed(post: Post, tmp_path: Path) -> None:
    """Not even by an approved action; the journal says which one it was."""
    run, journal = await approved(post, tmp_path, to(MADE_UP))
    assert (run.state, post.sent) == ("failed", [])
    (entry,) = journal
    assert (entry.state, entry.result) == (
        "failed",
        f"{MADE_UP} stands for nothing that is known here.",
    )


async def was_sent(args: Answer, call: ToolCall) -> Probe:
    known = args.to in [whom for whom, _ in call.get(Post).sent]
    return Probe("yes", f"sent to {args.to}") if known else Probe("no")


@tool(effect="write", recovery="probe", target="Case.case", facts=case_facts, probe=was_sent)
async def lost_answer(args: Answer, call: ToolCall) -> str:
    """Send an answer; whether it went nobody says."""
    call.get(Post).sent.append((args.to, args.text))
    raise ToolUnavailable("The line went dead.")


async def test_whether_a_lost_call_happened_is_asked_by_the_value(
    post: Post, tmp_path: Path
) -> None:
    """The outside system knows no pseudonym: it would say no, and the letter went twice."""
    send = replace(lost_answer, name="send_answer")
    run, _ = await approved(post, tmp_path, send=send)
    assert [whom for whom, _ in post.sent] == ["mia@example.com"]
    assert run.state == "completed"


async def test_one_of_another_run_that_a_person_names_is_replayed(
    post: Post, tmp_path: Path
) -> None:
    """The run itself never saw the value, so that nothing of it could make the name anew."""
    first, _ = await approved(post, tmp_path)
    post.customer["mail"] = "leo@example.com"
    app, settings = mailroom(post), Settings.model_validate(OFFLINE)
    async with Runtime.open(app, tmp_path, clock=ManualClock(NOON), settings=settings) as runtime:
        session = runtime.store.read("default")
        (before,) = session.approvals.find(run_id=first.id)
        run = await runtime.start("mailroom", LETTER, trigger=Trigger(kind="event", owner="other"))
        await runtime.drive(run.id)
        (asked,) = session.approvals.find(["open"])
        edit = {**asked.action.arguments, "to": before.action.arguments["to"]}
        said = Yes(kind="edit", digest=asked.digest, arguments=edit, channel="test")
        await runtime.decide(asked.id, PEOPLE["lena"], said)
        assert (await runtime.drive(run.id)).state == "completed"
        (found,) = [one async for one in replay(session, app, ModelSettings(), [run.id])]
    assert [whom for whom, _ in post.sent] == ["mia@example.com", "mia@example.com"]
    assert found.result == "identical"
