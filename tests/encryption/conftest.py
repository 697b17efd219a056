"""Fixtures: keys, offices whose content is sealed, and what a thief of the file would read."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent_runtime.approval import Approval
from agent_runtime.comment import Comment
from agent_runtime.evidence import Document
from agent_runtime.settings import Settings
from tests.conftest import OpenOffice
from tests.office import NOON, OFFLINE, Office
from tests.timers.conftest import hourly

KEY, NEWER, FOREIGN = (base64.b64encode(bytes([n]) * 32).decode() for n in (7, 8, 9))

PLANTED = {
    "customer": "Zephyrine Quux",
    "message": "please-wire-to-aunt",
    "document": "my-doctors-letter",
    "reason": "she-called-me-in-tears",
    "comment": "known-to-be-ill",
    "schedule": "monthly-alimony",
    "note": "for-the-hospital-bill",
    "result": "paid 50.00",
}
"""Personal data, by the place where it comes in."""


def settings(*keys: str) -> Settings:
    """Settings with these keys, the first of which seals."""
    return Settings.model_validate({**OFFLINE, "content_key": " ".join(keys) or None})


def planted(data: Path) -> set[str]:
    """Which of the planted data stand in the file or its log."""
    raw = b"".join(path.read_bytes() for path in sorted(data.glob("runtime.db*")))
    return {name for name, text in PLANTED.items() if text.encode() in raw}


Seal = Callable[..., Awaitable[Office]]


@pytest.fixture
def seal(open_office: OpenOffice) -> Seal:
    """Opens an office on the one data folder with these keys; with none, in clear."""

    async def open_one(*keys: str, **options: object) -> Office:
        office = await open_office(settings=settings(*keys), **options)
        office.bank.put("a1", amount="500.00", owner=PLANTED["customer"])
        return office

    return open_one


async def ask(office: Office) -> Approval:
    """A run that has been told personal data, and asks people."""
    document = Document(source="mail", text=PLANTED["document"])
    fields = {"customer": PLANTED["customer"], "message": PLANTED["message"]}
    return await office.parked(documents=[document], **fields)


async def live(office: Office) -> Approval:
    """A whole life: asked, commented, rejected with a reason, paid in another run, scheduled."""
    asked = await ask(office)
    comment = Comment(
        id="com-1", approval_id=asked.id, author="fay", text=PLANTED["comment"], at=NOON
    )
    monthly = hourly(input={"message": PLANTED["schedule"]})

    def store(session) -> None:  # type: ignore[no-untyped-def]  # a session's parts
        session.comments.add(comment)
        session.schedules.put("ledger", monthly, declared=False)

    await office.runtime.store.write("default", store)
    await office.answer(asked, "lena", "reject", reason=PLANTED["reason"])
    await office.drive(office.read(asked.run_id))
    second = await ask(office)
    await office.answer(second, "lena", "edit", arguments={"note": PLANTED["note"]})
    await office.drive(office.read(second.run_id))
    return asked
