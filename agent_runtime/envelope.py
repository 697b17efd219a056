"""The decision envelope: the one JSON document that each node of each step emits."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent_runtime.action import ProposedAction, require_json
from agent_runtime.budget import Tier
from agent_runtime.errors import InvalidInput
from agent_runtime.evidence import Evidence

Status = Literal["ok", "proposed", "needs_approval", "insufficient", "denied", "failed", "done"]
Node = Literal["context", "reasoning", "gate", "action"]

NO_JSON = "is not JSON"

MAX_BYTES = 256_000
"""An envelope larger than this is refused before it is parsed."""


class Route(BaseModel):
    """Which tier's model answered, and why that one: the step's own, escalated or fallen back."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    tier: Tier
    reason: Annotated[str, StringConstraints(max_length=500)]


class Envelope(BaseModel):
    """One node's output. The first six fields are the contract; the rest are ours, optional.

    `status`: ok (carry on), proposed (an action to be gated), needs_approval (the proposer or
    the gate wants a person), insufficient (evidence does not suffice), denied, failed, done
    (nothing is left to do). `confidence` is the proposer's own estimate, 0..1; it can narrow
    what is allowed and never widen it. `producer` names what wrote the envelope: a model's
    name, `offline`, `rule:<function>` or `runtime`. `route`: why that one; `prompt`: id, version
    and hash of what it was asked by; `language`: what the customer writes in, as far as known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    step: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    status: Status
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=200)] = ()
    proposed_action: ProposedAction | None = None
    reason: Annotated[str, StringConstraints(max_length=4_000)]

    node: Node | None = None
    route: Route | None = None
    language: Annotated[str, StringConstraints(max_length=20)] | None = None
    prompt: Annotated[str, StringConstraints(max_length=300)] | None = None
    visit: Annotated[int, Field(ge=1)] | None = None
    producer: Annotated[str, StringConstraints(max_length=200)] | None = None


def parse_envelope(text: str) -> Envelope:
    """Read an envelope from JSON text; raises InvalidInput that names the field at fault."""
    return validate_envelope(parse_answer("envelope", text))


def parse_answer(name: str, text: str) -> Any:
    """The JSON document that a model answered with; raises InvalidInput that names it."""
    if len(text) > MAX_BYTES:
        raise InvalidInput(name, f"{len(text)} characters", f"is longer than {MAX_BYTES}")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(name, text, f"{NO_JSON}: {error}") from error


def is_no_json(error: InvalidInput) -> bool:
    """Whether a text was refused because it is no JSON document, whatever would stand in it."""
    return error.message.startswith(f"{error.field}: {NO_JSON}: ")


def validate_envelope(document: Any) -> Envelope:
    """Validate parsed JSON as an envelope; raises InvalidInput that names the field at fault."""
    text = require_json("envelope", document)
    try:
        return Envelope.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "envelope"
        raise InvalidInput(field, first["input"], first["msg"]) from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
