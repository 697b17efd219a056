"""Notices: what other systems and people are told of the history, and who asked to be told.

A subscription says who is told what; a notice is one event told to one subscription.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from agent_runtime.errors import InvalidInput
from agent_runtime.event import Event, EventType
from agent_runtime.run import RunState

Topic = Literal["pending", "reminded", "escalated", "decided", "finished", "failed", "alert"]
"""pending: people are asked; reminded: a question will soon be late; escalated: its deadline passed
and others are asked; decided: a question is over, however; finished: a run has ended; failed: it
failed, or waits for a person's attention; alert: a declared threshold was passed, or a rollout
rolled back."""

Channel = Literal["webhook", "mail"]

NoticeState = Literal["due", "delivered", "dead"]
"""due: will be delivered, or tried again; dead: given up, until somebody sends it again."""

MOST = 20
"""Subscriptions of one tenant: each is looked at for every event that may be told."""

STUCK: frozenset[RunState] = frozenset({"needs_attention", "outcome_unknown", "version_mismatch"})

TOLD: frozenset[EventType] = frozenset(
    {
        "approval.opened",
        "approval.reminded",
        "approval.closed",
        "run.ended",
        "run.waits",
        "alert.raised",
        "rollout.ended",
    }
)
"""Events that have a topic, mostly: all others are passed by at no cost."""

_ADDRESS = re.compile(r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")

Short = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Wanted(BaseModel):
    """What somebody wants to be told, and where: `to` is an https URL or an e-mail address.

    `workflow`: of this one only. `secret`: the name of the tenant's secret that webhooks are signed
    with. `content`: what is proposed is told too, where the installation allows that at all.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "channel": "webhook",
                    "to": "https://crm.example.com/hooks/approvals",
                    "topics": ["pending", "escalated", "decided"],
                    "secret": "crm",
                }
            ]
        },
    )

    channel: Channel
    to: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    topics: Annotated[tuple[Topic, ...], Field(min_length=1, max_length=7)]
    workflow: Short | None = None
    secret: Short | None = None
    content: bool = False

    @model_validator(mode="after")
    def _fits_its_channel(self) -> Wanted:
        match self.channel:
            case "webhook":
                check_url(self.to)
                if self.secret is None:
                    raise ValueError("a webhook needs the name of the secret that signs it")
            case "mail":
                if len(self.to) > 254 or _ADDRESS.match(self.to) is None:
                    raise ValueError("to is no e-mail address")
        return self


class Subscription(Wanted):
    """What is wanted, as stored."""

    id: str
    tenant: str
    created_by: str
    created_at: datetime


class Notice(BaseModel):
    """One event to be told to one subscription. `tries` counts attempts to deliver it; `why` says
    what became of the last one, in words of ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    tenant: str
    subscription: str
    state: NoticeState
    topic: Topic
    event: int
    event_hash: str
    at: datetime
    run: str
    workflow: str
    status: str
    approval: str | None = None
    tries: int = 0
    why: str = ""
    changed_at: datetime


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt to deliver. `why` is empty when it got there, else says in our own
    words why not, with nothing of what the other side said; `final`: no other attempt can succeed.
    `wait`: the seconds that the other side asked us to stay away for.
    """

    why: str = ""
    final: bool = False
    wait: float = 0.0

    @property
    def delivered(self) -> bool:
        """Whether it got there."""
        return not self.why


_ALWAYS: Mapping[EventType, Topic] = {
    "approval.opened": "pending",
    "approval.reminded": "reminded",
    "alert.raised": "alert",
}
"""What these are told as, whatever they say."""


def topic_of(event: Event) -> Topic | None:
    """What an event is told as, if it is told."""
    body = event.body or {}
    match event.type:
        case "approval.opened" | "approval.reminded" | "alert.raised":
            return _ALWAYS[event.type]
        case "approval.closed":
            return "escalated" if body["status"] == "escalated" else "decided"
        case "run.ended":
            return "failed" if body["state"] == "failed" else "finished"
        case "run.waits" if body["state"] in STUCK:
            return "failed"
        case "rollout.ended" if body["state"] == "rolled_back":
            return "alert"
        case _:
            return None


def status_of(event: Event) -> str:
    """The state that an event has led to: of the question, the run or the rollout; of an alert, its
    name."""
    body: dict[str, Any] = event.body or {}
    match event.type:
        case "approval.opened" | "approval.reminded":
            return "open"
        case "approval.closed":
            return str(body["status"])
        case "alert.raised":
            return str(body["alert"])
        case _:
            return str(body["state"])


def check_url(text: str) -> None:
    """Raises InvalidInput unless the text is a plain web address; which of them may be reached is
    asked when a notice is sent."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise InvalidInput("to", "a URL", "cannot be read") from error
    if url.scheme not in ("https", "http") or not url.hostname or not text.isascii():
        raise InvalidInput("to", url.scheme, "is no URL", remedy="Begin it with https://.")
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise InvalidInput("to", url.hostname, "holds blanks or control characters")
    if url.username is not None or url.password is not None or url.fragment:
        raise InvalidInput("to", url.hostname, "holds a password or a fragment")
