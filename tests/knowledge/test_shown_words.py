"""A person's address in the places where nobody looks for one: names, ids, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent_runtime import Envelope, ToolCall, ToolRefused
from agent_runtime.brief import Brief
from agent_runtime.clock import ManualClock
from agent_runtime.evidence import Document
from agent_runtime.redact import Minimise
from agent_runtime.runtime import Runtime
from agent_runtime.settings import Settings
from agent_runtime.tool import Tool
from agent_runtime.trigger import Trigger
from tests.knowledge.mailroom import SEES, Answer, Post, answer, mailroom, send_answer
from tests.office import NOON, OFFLINE

MAIL = "mia@example.com"
LETTER = {"case": "c1", "message": "Please answer."}


@dataclass
class Desk:
    """Drives one letter, and keeps all that the step was shown for it."""

    folder: Path
    post: Post

    async def shown(
        self,
        inputs: dict[str, Any] = LETTER,
        documents: Sequence[Document] = (),
        send: Tool = send_answer,
        sees: Minimise = SEES,
    ) -> list[Brief]:
        briefs: list[Brief] = []

        def rule(brief: Brief) -> Envelope:
            briefs.append(brief)
            return answer(brief)

        app = mailroom(self.post, offline=rule, send=send, sees=sees)
        settings = Settings.model_validate(OFFLINE)
        clock, trigger = ManualClock(NOON), Trigger(kind="event", owner="desk")
        async with Runtime.open(app, self.folder, clock=clock, settings=settings) as runtime:
            run = await runtime.start("mailroom", inputs, trigger=trigger, documents=documents)
            await runtime.drive(run.id)
        return briefs


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    customer = {"id": "c1", "mail": "leo@example.com", "notes": "None."}
    return Desk(tmp_path, Post(customer=customer, problem="It is closed."))


async def refuses(args: Answer, call: ToolCall) -> None:
    raise ToolRefused(f"{MAIL} takes no letters.")


async def test_what_a_tool_says_when_it_refuses(desk: Desk) -> None:
    """It comes back as feedback on the proposal."""
    briefs = await desk.shown(send=replace(send_answer, check=refuses))
    assert "takes no letters" in briefs[-1].feedback[-1].text
    assert MAIL not in briefs[-1].model_dump_json()


async def test_the_name_of_a_field(desk: Desk) -> None:
    """Who is named there is a person like any other."""
    desk.post.customer["notes"] = {MAIL: "called on Monday"}
    (brief,) = await desk.shown()
    assert "called on Monday" in brief.model_dump_json()
    assert MAIL not in brief.model_dump_json()


async def test_the_source_of_a_document_that_was_handed_in(desk: Desk) -> None:
    """A mail program names files after who sent them."""
    (brief,) = await desk.shown(documents=[Document(source=f"{MAIL}.txt", text="I moved.")])
    assert "I moved." in brief.model_dump_json()
    assert MAIL not in brief.model_dump_json()


async def test_what_was_looked_up(desk: Desk) -> None:
    """A look-up is named by what it looked for, here by whom."""
    sees = replace(SEES, input=None)
    (brief,) = await desk.shown({**LETTER, "case": MAIL}, sees=sees)
    assert any(p.source.startswith("get_customer:[email:") for p in brief.evidence)
    assert MAIL not in brief.model_dump_json()


async def test_a_field_that_is_not_listed(desk: Desk) -> None:
    """Nothing but what the step lists leaves a look-up, whatever else the record holds."""
    desk.post.customer |= {"shoe_size": "forty-one", "notes": "Likes blue."}
    (brief,) = await desk.shown()
    assert "Likes blue." in brief.model_dump_json()
    assert "forty-one" not in brief.model_dump_json()


async def test_what_a_passage_claims(desk: Desk) -> None:
    """A claim is held against other claims; whose it is, is nothing to whoever reads of it."""
    desk.post.letters, desk.post.claims = ["We moved."], {"contact": MAIL}
    await desk.shown(sees=replace(SEES, text={"email": "mask"}))  # no list of pseudonyms to find
    kept = b"".join(file.read_bytes() for file in desk.folder.glob("runtime.db*"))
    assert b'"contact"' in kept
    assert MAIL.encode() not in kept


async def test_a_message_that_is_not_listed(desk: Desk) -> None:
    """The run's own message is a field of its input like any other."""
    (brief,) = await desk.shown(sees=replace(SEES, input={"case": "show"}))
    assert brief.input == {"case": "c1"}
    assert LETTER["message"] not in brief.model_dump_json()
