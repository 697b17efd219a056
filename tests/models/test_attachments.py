"""What comes with a run beside text: what may come in, and how a model is shown it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from agent_runtime.brief import Brief
from agent_runtime.errors import InvalidInput
from agent_runtime.evidence import Document
from agent_runtime.testing import ChatReply, ChatRequest
from tests.ledger import proposal
from tests.models.conftest import Ask

PNG = b"\x89PNG\r\n\x1a\n and then some pixels"


def attached(content: bytes = PNG, type_: str = "image/png", text: str = "A receipt.") -> Document:
    data = base64.b64encode(content).decode()
    document = {"source": "photo-1", "text": text, "attachment": {"type": type_, "data": data}}
    return Document.model_validate(document)


def seeing(request: ChatRequest) -> ChatReply:
    brief = Brief.model_validate_json(request.messages[1]["content"][0]["text"])
    return ChatReply(proposal(brief).model_dump_json(exclude_none=True), prompt_tokens=9)


async def test_a_picture_is_shown_and_its_caption_is_evidence(ask: Ask) -> None:
    """As a block of its own; the caption can be quoted under its source."""
    desk = await ask(seeing, attachments=True)
    record = await desk.flow(documents=[attached()])
    text, image = desk.server.requests[0].messages[1]["content"]
    brief = Brief.model_validate_json(text["text"])
    assert record.run.state == "completed", record.run.reason
    assert ("photo-1", "A receipt.") in [(p.source, p.text) for p in brief.evidence]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


async def test_the_recording_names_it_by_its_hash(ask: Ask) -> None:
    """Its bytes are stored once, with the run."""
    desk = await ask(seeing, attachments=True)
    document = attached()
    record = await desk.flow(documents=[document])
    session = desk.office.runtime.store.read("default")
    (said,) = [r for r in session.recordings.find(record.run.id) if r.kind == "model"]
    block = said.request["messages"][1]["content"][1]
    assert document.attachment is not None
    assert block == {"type": "image", "mime_type": "image/png", "hash": document.attachment.hash}


async def test_a_step_that_does_not_ask_for_it_is_not_shown_it(ask: Ask) -> None:
    """The caption it is."""
    from tests.models.conftest import answer

    desk = await ask(answer)
    await desk.flow(documents=[attached()])
    assert isinstance(desk.server.requests[0].messages[1]["content"], str)


@pytest.mark.parametrize(
    ("document", "asking", "field"),
    [
        (attached(type_="image/svg+xml"), {}, "documents.0.attachment.type: is not allowed"),
        (attached(b"<script>"), {}, "is not what the content is"),
        (attached(), {"attachment_max": 10}, "documents.0.attachment.data: is too large"),
    ],
    ids=["type", "disguised", "size"],
)
async def test_what_may_not_come_in_is_named(
    ask: Ask, document: Document, asking: dict[str, Any], field: str
) -> None:
    """No run is started."""
    desk = await ask(asking=asking)
    with pytest.raises(InvalidInput, match=field):
        await desk.flow(documents=[document])


async def test_what_is_no_base64_is_refused(ask: Ask) -> None:
    """By the field's name."""
    desk = await ask()
    broken = {"type": "image/png", "data": "???"}
    document = Document.model_validate({"source": "p", "text": "", "attachment": broken})
    with pytest.raises(InvalidInput, match="data: is not base64"):
        await desk.flow(documents=[document])
