"""Another system that sends signed messages: what it writes, and the office that takes them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agent_runtime.run import Run
from agent_runtime.signature import read_secret, sign
from agent_runtime.trigger import EventTrigger
from agent_runtime.workflow import Workflow
from tests.ledger import make_pay, pay_workflow
from tests.office import Office

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OLDER = "whsec_" + base64.b64encode(b"o" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"x" * 32).decode()

MAIL = EventTrigger("mail", owner="mailroom")
"""Takes events whose data is the input."""

MAPPED = EventTrigger(
    "shop",
    owner="the shop",
    mapping={"account": "/order/accounts/0", "message": "/note"},
    id="/order/id",
)
"""Takes any JSON of this form."""


def workflow(*triggers: EventTrigger) -> Workflow:
    """The ledger's workflow, started by these triggers."""
    return replace(pay_workflow(make_pay()), triggers=triggers or (MAIL, MAPPED))


def cloudevent(**changes: Any) -> dict[str, Any]:
    """A structured event; `changes` replace its attributes."""
    whole = {"specversion": "1.0", "id": "1", "source": "/mail", "type": "mail.received"}
    return {**whole, "data": {"account": "a1"}, **changes}


@dataclass
class Letter:
    """One message: what is sent, and how it is signed."""

    content: Any
    id: str = "msg-1"
    headers: dict[str, str] = field(default_factory=dict)
    secret: str = SECRET

    @property
    def body(self) -> bytes:
        return (
            self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()
        )

    def signed(self, at: datetime) -> dict[str, str]:
        """All of its headers."""
        structured = isinstance(self.content, dict) and "specversion" in self.content
        kind = "application/cloudevents+json" if structured else "application/json"
        own = sign([read_secret(self.secret, "test")], self.id, at, self.body)
        return {"content-type": kind, **own, **self.headers}


def event(content: Any = None, **options: Any) -> Letter:
    """A message that carries a structured event."""
    return Letter(cloudevent() if content is None else content, **options)


def binary(data: Any = None, id: str = "msg-1", **attributes: str) -> Letter:  # noqa: A002 — the attribute's name
    """A message that carries an event in its binary form."""
    named = {"specversion": "1.0", "id": "1", "source": "/mail", "type": "mail.received"}
    headers = {f"ce-{name}": value for name, value in {**named, **attributes}.items()}
    return Letter({"account": "a1"} if data is None else data, id=id, headers=headers)


async def send(
    office: Office, letter: Letter, to: str = "mail", at: datetime | None = None
) -> tuple[Run, bool]:
    """What the office makes of a message: the run, and whether it is new."""
    reception = office.runtime.reception
    headers = letter.signed(at or office.clock.now())
    return await reception.take(reception.admit(to, headers, letter.body))
