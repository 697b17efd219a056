"""The reception: takes signed events of other systems, and starts each one's run once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from agent_runtime.action import canonical
from agent_runtime.cloudevent import read_cloudevent
from agent_runtime.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    SettingsError,
    SignatureRefused,
    StoreError,
)
from agent_runtime.event import EventType
from agent_runtime.installation import Installation
from agent_runtime.queue import put
from agent_runtime.resumption import began_with
from agent_runtime.run import Run
from agent_runtime.signature import verify
from agent_runtime.store import Session
from agent_runtime.telemetry import log
from agent_runtime.trigger import WITHIN, EventTrigger, StoredTrigger, Trigger, WantedTrigger
from agent_runtime.verdict import Operator
from agent_runtime.workflow import Workflow, told_input, validate_input

Known = tuple[EventTrigger, Workflow]
"""A trigger with what it starts; its `name` is its address."""

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
        found = self._found(name)
        try:
            if found is None:
                raise SignatureRefused("unknown")
            trigger, workflow = found
            message = verify(self._secrets_of(trigger), headers, body, self._in.clock.now())
        except SignatureRefused as refused:
            log("event refused", trigger="" if found is None else name, why=refused.why)
            raise
        return Message(message, trigger, workflow, headers, body)

    def find(self, tenant: str) -> list[Known]:
        """All triggers of a tenant, by address: code's, and those that people have made."""
        declared = [found for found in self._in.app.triggers.values() if found[0].tenant == tenant]
        made = [self._made(tenant, stored) for stored in self._session(tenant).triggers.find()]
        known = [*declared, *(one for one in made if one is not None)]
        return sorted(known, key=lambda one: one[0].name)

    def get(self, tenant: str, address: str) -> Known:
        """One of them; raises NotFound."""
        found = next((one for one in self.find(tenant) if one[0].name == address), None)
        if found is None:
            raise NotFound("trigger", address, remedy="List them with: GET /v1/triggers")
        return found

    async def make(self, operator: Operator, wanted: WantedTrigger) -> Known:
        """Let another system's events start a workflow of the operator's tenant.

        Raises InvalidInput that names the field at fault, NotFound for an unknown workflow,
        Conflict where there is one of that name.
        """
        return await self._put(operator, wanted, "trigger.created")

    async def change(self, operator: Operator, address: str, wanted: WantedTrigger) -> Known:
        """Have a trigger be something else from now on; it keeps its name. Raises as `make` does,
        and Conflict for one of code's."""
        plain = self._own(operator.tenant, address)
        if wanted.name != plain:
            raise InvalidInput("name", wanted.name, f"is not {plain!r}: a trigger keeps its name")
        return await self._put(operator, wanted, "trigger.changed")

    async def remove(self, operator: Operator, address: str) -> Known:
        """Take nothing more for it; raises NotFound, Conflict for one of code's."""
        plain = self._own(operator.tenant, address)
        found = self.get(operator.tenant, address)

        def remove(session: Session) -> None:
            session.triggers.get(plain)
            session.triggers.remove(plain)
            session.events.append("trigger.removed", None, trigger=address, by=operator.name)

        await self._in.store.write(operator.tenant, remove)
        return found

    async def _put(self, operator: Operator, wanted: WantedTrigger, what: EventType) -> Known:
        workflow, tenant = self._in.app.workflow(wanted.workflow), operator.tenant
        stored = StoredTrigger(
            **wanted.model_dump(exclude={"owner"}),
            owner=wanted.owner or operator.name,
            made_by=operator.name,
            made_at=self._in.clock.now(),
        )
        trigger = stored.of(tenant)
        self._check_fields(workflow, trigger)

        def put(session: Session) -> None:
            there = {known.name: known for known in session.triggers.find()}
            if (stored.name in there) is (what == "trigger.created"):
                is_new = what == "trigger.created"
                raise _taken(trigger.name) if is_new else NotFound("trigger", trigger.name)
            self._check_secret(trigger, there.values())
            session.triggers.put(stored)
            body = wanted.model_dump(exclude={"name"}) | {"owner": stored.owner}
            session.events.append(what, None, trigger=trigger.name, **body, by=operator.name)

        await self._in.store.write(tenant, put)
        return trigger, workflow

    def _check_fields(self, workflow: Workflow, trigger: EventTrigger) -> None:
        unknown = sorted(set(trigger.mapping or {}) - set(workflow.input.model_fields))
        if unknown:
            raise InvalidInput("mapping", unknown[0], f"is no field of {workflow.name}'s input")
        if not self._in.secrets.knows(trigger.tenant, trigger.secret_name):
            raise InvalidInput("secret", trigger.secret_name, "is no secret of this tenant")

    def _check_secret(self, trigger: EventTrigger, made: Iterable[StoredTrigger]) -> None:
        """A message that is signed for one trigger must not count at another."""
        others = [one.of(trigger.tenant) for one in made]
        declared = [
            one for one, _ in self._in.app.triggers.values() if one.tenant == trigger.tenant
        ]
        for other in [*others, *declared]:
            if other.name != trigger.name and other.secret_name == trigger.secret_name:
                raise InvalidInput(
                    "secret",
                    trigger.secret_name,
                    f"signs for the trigger {other.name!r} already",
                    remedy="Give each its own.",
                )

    def _own(self, tenant: str, address: str) -> str:
        """The name of a trigger that somebody of that tenant has made."""
        if address in self._in.app.triggers and self._in.app.triggers[address][0].tenant == tenant:
            raise Conflict(
                f"The trigger {address!r} is declared in the project's code.",
                remedy="Change it there.",
            )
        owner, found, plain = address.rpartition(WITHIN)
        if not found or owner != tenant:
            raise NotFound("trigger", address, remedy="List them with: GET /v1/triggers")
        return plain

    def _found(self, address: str) -> Known | None:
        """The trigger of whatever tenant at that address."""
        if address in self._in.app.triggers:
            return self._in.app.triggers[address]
        tenant, _, plain = address.rpartition(WITHIN)
        if not tenant:
            return None
        try:
            return self._made(tenant, self._session(tenant).triggers.get(plain))
        except (NotFound, StoreError):
            return None

    def _made(self, tenant: str, stored: StoredTrigger) -> Known | None:
        """With its workflow; None where the project has that no more."""
        workflow = self._in.app.workflows.get(stored.workflow)
        return None if workflow is None else (stored.of(tenant), workflow)

    def _session(self, tenant: str) -> Session:
        return self._in.store.read(tenant)

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
            if not began_with(session, known, event.input):
                raise Conflict(
                    f"This event started run {known.id}, with another input.",
                    remedy="Give each event an id of its own.",
                )
            return known, False
        started = Trigger(kind="event", owner=trigger.owner, key=event.key)
        trace, version = self._in.telemetry.new_trace(), self._in.app.version(message.workflow.name)
        told = told_input(message.workflow, event.input)
        return put(session, version, event.input, started, trace, told=told), True

    def _secrets_of(self, trigger: EventTrigger) -> tuple[bytes, ...]:
        try:
            return tuple(self._in.secrets.get(trigger.tenant, trigger.secret_name))
        except SettingsError as error:
            # Nobody can have signed with a secret that we don't have.
            log("trigger without a secret", trigger=trigger.name, error=error.code)
            raise SignatureRefused("no secret") from error


def _taken(address: str) -> Conflict:
    return Conflict(
        f"There is a trigger {address!r} already.", remedy="Change it, or choose another name."
    )


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
