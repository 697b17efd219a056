"""Triggers: what started a run, and the events that may."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from agent_runtime.action import canonical, require_json
from agent_runtime.errors import InvalidInput
from agent_runtime.pointer import MISSING, check_pointer, find

SCHEDULED = "schedule:"
"""How the keys of scheduled times begin: nobody else may take one of them beforehand."""

SENT = "event:"
"""How the keys of events begin that were sent to a declared trigger."""

_OWNED = {SCHEDULED: "schedule", SENT: "event"}
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,59}$")


TriggerKind = Literal["request", "event", "schedule"]


class Trigger(BaseModel):
    """A request, event or schedule. `owner` counts as who started the run: they may not
    approve in it. The same `key` for one workflow and tenant gives the same run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: TriggerKind
    owner: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    key: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None

    @field_validator("key")
    @classmethod
    def _leaves_others_their_keys(cls, key: str | None, info: ValidationInfo) -> str | None:
        for prefix, kind in _OWNED.items():
            if key is not None and key.startswith(prefix) and info.data.get("kind") != kind:
                raise ValueError(f"a key that begins with {prefix!r} belongs to {_A[kind]}")
        return key


_A = {"schedule": "a schedule", "event": "an event"}


@dataclass(frozen=True)
class EventTrigger:
    """Starts a workflow when another system sends an event to `/v1/triggers/<name>`.

    Whoever holds the `secret` of that name (default: the trigger's own) in the trigger's tenant
    may send, and what it sends counts as started by `owner`, who may not approve in it.

    `mapping` says by JSON pointers where in the event each field of the input stands; without one,
    the event's data is the input. `id` points at what names an event that is no CloudEvent; without
    it, that is the id of the message.
    """

    name: str
    owner: str
    secret: str = ""
    mapping: Mapping[str, str] | None = None
    id: str | None = None
    tenant: str = "default"

    @property
    def secret_name(self) -> str:
        """Which of the tenant's secrets signs for it."""
        return self.secret or self.name

    def check(self) -> None:
        """Raises InvalidInput that names the field at fault, its value and what is right."""
        if _NAME.match(self.name) is None:
            remedy = "Use lower-case letters, digits, - and _, 60 at most."
            raise InvalidInput("name", self.name, "is no trigger's name", remedy=remedy)
        if not 0 < len(self.owner) <= 200:
            raise InvalidInput("owner", self.owner, "is empty or longer than 200 characters")
        for field, pointer in (self.mapping or {}).items():
            check_pointer(f"mapping.{field}", pointer)
        if self.id is not None:
            check_pointer("id", self.id)

    def input_of(self, document: Any, data: Any) -> dict[str, Any]:
        """The run's input, still to be validated: what stands nowhere in the event is left out."""
        if self.mapping is None:
            if not isinstance(data, dict):
                remedy = "Send an object, or declare a mapping on the trigger."
                raise InvalidInput("data", type(data).__name__, "is no object", remedy=remedy)
            return data
        found = {field: find(document, pointer) for field, pointer in self.mapping.items()}
        return {field: value for field, value in found.items() if value is not MISSING}

    def name_of(self, document: Any, message: str) -> list[Any]:
        """What names an event that is no CloudEvent; raises InvalidInput where it is not there."""
        if self.id is None:
            return ["message", message]
        found = find(document, self.id)
        if not isinstance(found, str | int) or isinstance(found, bool) or found == "":
            kind = "nothing" if found is MISSING else type(found).__name__
            raise InvalidInput("id", kind, f"the event has no text or number at {self.id}")
        require_json("id", found)
        return ["id", str(found)]

    def key_of(self, named: list[Any]) -> str:
        """The trigger key of an event by what names it, however long and strange that is."""
        return f"{SENT}{self.name}:{hashlib.sha256(canonical(named)).hexdigest()[:40]}"


class WantedTrigger(BaseModel):
    """What a person wants to be started by another system's events; see `EventTrigger`. Without an
    `owner`, what it sends counts as started by whoever makes it."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"name": "crm", "workflow": "refund", "secret": "crm", "owner": "crm"}]
        },
    )

    name: Annotated[str, StringConstraints(pattern=_NAME.pattern)]
    workflow: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    secret: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    owner: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    mapping: Annotated[dict[str, str], Field(max_length=100)] | None = None
    id: Annotated[str, StringConstraints(max_length=200)] | None = None


class StoredTrigger(BaseModel):
    """A trigger that a person has made in a tenant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    workflow: str
    secret: str
    owner: str
    mapping: dict[str, str] | None = None
    id: str | None = None
    made_by: str
    made_at: datetime

    def of(self, tenant: str) -> EventTrigger:
        """The same as code would have declared it, but for its address: that holds the tenant, so
        that it can be none of code's, or another tenant's. Raises InvalidInput as `check` does."""
        plain = EventTrigger(
            self.name,
            owner=self.owner,
            secret=self.secret,
            mapping=self.mapping,
            id=self.id,
            tenant=tenant,
        )
        plain.check()
        return replace(plain, name=f"{tenant}{WITHIN}{self.name}")


WITHIN = "."
"""Between tenant and name in the address of a trigger that a person has made."""
