"""Fixtures: a receiver, and an office that tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agent_runtime.notice import Subscription, Topic, Wanted
from agent_runtime.settings import NoticeSettings, Settings
from tests.conftest import OpenOffice
from tests.notices.receiver import Receiver, receiving
from tests.office import OFFLINE, Office
from tests.queue.conftest import serve
from tests.triggers.sender import SECRET

__all__ = ["serve"]

TOPICS: tuple[Topic, ...] = (
    "pending",
    "reminded",
    "escalated",
    "decided",
    "finished",
    "failed",
    "alert",
)
LOCAL = {"notice_networks": ("127.0.0.0/8",)}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def open_telling(open_office: OpenOffice) -> Any:
    """Opens an office that may reach this machine; `notices` are further settings of that kind."""

    async def open_one(notices: dict[str, Any] | None = None, **options: Any) -> Office:
        settings = Settings.model_validate({**OFFLINE, "secrets": {"default/crm": SECRET}})
        own = NoticeSettings.model_validate({**LOCAL, **(notices or {})})
        return await open_office(settings=settings, notices=own, **options)

    return open_one


@pytest.fixture
async def telling(open_telling: Any) -> Office:
    office: Office = await open_telling()
    return office


async def subscribe(office: Office, receiver: Receiver, **fields: Any) -> Subscription:
    """Have everything told to the receiver; `fields` replace parts of what is wanted."""
    wanted = {"channel": "webhook", "to": receiver.url, "topics": TOPICS, "secret": "crm", **fields}
    return await office.runtime.outbox.subscribe(
        office.person("lena"), Wanted.model_validate(wanted)
    )


async def deliver(office: Office) -> None:
    """Let the courier deliver what is due now."""
    for task in office.runtime.courier.set_out(office.tenant):
        await task
