"""The decision envelope: the one JSON document that each node of each step emits."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent_runtime.action import ProposedAction, require_json
from agent_runtime.errors import InvalidInput
from agent_runtime.evidence import Evidence

Status = Literal["ok", "proposed", "needs_approval", "insufficient", "denied", "failed", "done"]
Node = Literal["context", "reasoning", "gate", "action"]

MAX_BYTES = 256_000
"""An envelope larger than this is refused before it is parsed."""


class Envelope(BaseModel):
    """One node's output. The first six fields are the contract; the rest are ours, optional.

    `status`: ok (carry on), proposed (an action to be gated), needs_approval (the proposer or
    the gate wants a person), insufficient (evidence does not suffice), denied, failed, done
    (nothing is left to do). `confidence` is the proposer's own estimate, 0..1; it can narrow
    what is allowed and never widen it. `producer` names what wrote the envelope: a model's
    name, `offline`, `rule:<function>` or `runtime`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    step: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    status: Status
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=200)] = ()
    proposed_action: ProposedAction | None = None
    reason: Annotated[str, StringConstraints(max_length=4_000)]

    node: Node | None = None
    visit: Annotated[int, Field(ge=1)] | None = None
    producer: Annotated[str, StringConstraints(max_length=200)] | None = None


def parse_envelope(text: str) -> Envelope:
    """Read an envelope from JSON text; raises InvalidInput that names the field at fault."""
    if len(text) > MAX_BYTES:
        raise InvalidInput("envelope", f"{len(text)} characters", f"is longer than {MAX_BYTES}")
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("envelope", text, f"is not JSON: {error}") from error
    return validate_envelope(document)


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
