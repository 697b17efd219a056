"""The reception: takes signed events of other systems, and starts each one's run once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from agent_runtime.action import canonical
from agent_runtime.cloudevent import read_cloudevent
from agent_runtime.errors import Conflict, InvalidInput, SettingsError, SignatureRefused
from agent_runtime.queue import put
from agent_runtime.run import Run
from agent_runtime.signature import verify
from agent_runtime.store import Session
from agent_runtime.telemetry import log
from agent_runtime.trigger import EventTrigger, Trigger
from agent_runtime.verdict import Operator
from agent_runtime.worker import Installation
from agent_runtime.workflow import Workflow, validate_input

STARTER = "starter"
"""The role that a trigger's owner has for access: they start, and do nothing else through it."""


@dataclass(frozen=True)
class Message:
    """A message whose signature counts, for the trigger that it was sent to."""

    id: str
    trigger: EventTrigger
    workflow: Workflow
    headers: Mapping[str, str]
    body: bytes

    @property
    def sender(self) -> Operator:
        """Whom it counts as sent by."""
        declared = self.trigger
        return Operator(name=declared.owner, roles=(STARTER,), tenant=declared.tenant)


@dataclass(frozen=True)
class _Event:
    """What a message says: the run to start, and what names it."""

    key: str
    input: dict[str, Any]
    digest: str


class Reception:
    """Takes events for the triggers of an installation's project."""

    def __init__(self, installation: Installation) -> None:
        self._in = installation

    def admit(self, name: str, headers: Mapping[str, str], body: bytes) -> Message:
        """The message, once its signature counts. Header names are in lower case.

        Raises SignatureRefused; also for an unknown trigger, so that names cannot be guessed.
        """
        try:
            if name not in self._in.app.triggers:
                raise SignatureRefused("unknown")
            trigger, workflow = self._in.app.triggers[name]
            message = verify(self._secrets_of(trigger), headers, body, self._in.clock.now())
        except SignatureRefused as refused:
            known = name if name in self._in.app.triggers else ""
            log("event refused", trigger=known, why=refused.why)
            raise
        return Message(message, trigger, workflow, headers, body)

    async def take(self, message: Message) -> tuple[Run, bool]:
        """The run of a message's event, and whether it is a new one.

        Raises InvalidInput that names the field at fault, Conflict when the message's id or the
        event's came with another content before; then nothing is stored.
        """
        event = _read(message)
        return await self._in.store.write(
            message.trigger.tenant, partial(self._start, message, event)
        )

    def _start(self, message: Message, event: _Event, session: Session) -> tuple[Run, bool]:
        trigger = message.trigger
        if not session.messages.take(trigger.name, message.id, event.digest):
            raise Conflict(
                "A message of this id came before, with another content.",
                remedy="Give each message an id of its own; a repeated one stays as it was.",
            )
        known = session.runs.by_key(message.workflow.name, event.key)
        if known is not None:
            if known.input != event.input:
                raise Conflict(
                    f"This event started run {known.id}, with another input.",
                    remedy="Give each event an id of its own.",
                )
            return known, False
        started = Trigger(kind="event", owner=trigger.owner, key=event.key)
        trace = self._in.telemetry.new_trace()
        return put(session, message.workflow, event.input, started, trace), True

    def _secrets_of(self, trigger: EventTrigger) -> tuple[bytes, ...]:
        try:
            return tuple(self._in.secrets.get(trigger.tenant, trigger.secret_name))
        except SettingsError as error:
            # Nobody can have signed with a secret that we don't have.
            log("trigger without a secret", trigger=trigger.name, error=error.code)
            raise SignatureRefused("no secret") from error


def _read(message: Message) -> _Event:
    """What a message says. Of the event's attributes, those in headers are not signed: they count
    with the message's id, so that it cannot be sent again under others."""
    content = _json(message.body)
    event = read_cloudevent(message.headers, content)
    if event is not None:
        document, data = event.document, event.data
        named = ["cloudevent", event.source, event.id]
    else:
        document = data = content
        named = message.trigger.name_of(document, message.id)
    inputs = validate_input(message.workflow, message.trigger.input_of(document, data))
    whole = hashlib.sha256(canonical([named, inputs]) + message.body).hexdigest()
    return _Event(message.trigger.key_of(named), inputs, whole)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError) as error:
        raise InvalidInput("body", f"{len(body)} bytes", "is no JSON") from error
