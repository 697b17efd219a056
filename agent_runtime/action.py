"""Actions: one proposed call of one write tool, and the digests that name it exactly."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Annotated, Any

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_runtime.errors import InvalidInput, ToolRefused

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
CallId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,80}$")]


class ProposedAction(BaseModel):
    """What reasoning proposes. `type` names a write tool of the step.

    `stated_amount` is the money that the proposal claims to move; it is compared with the
    computed one and never used. `call_id` is the proposer's own name for the call: its result
    becomes evidence under `action:<call_id>`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: Name
    target_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    arguments: dict[str, Any] = {}
    stated_amount: Annotated[Decimal, Field(allow_inf_nan=False)] | None = None
    call_id: CallId | None = None


class Action(BaseModel):
    """One exact call: tool, target and complete arguments as plain JSON, defaults filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: Name
    target_type: str
    target_id: str
    arguments: dict[str, Any]


def canonical(value: Any) -> bytes:
    """The canonical JSON (RFC 8785) of `value`; raises ValueError or RecursionError where there
    is none. The same bytes as `rfc8785.dumps`, which takes several times as long."""
    return _canonical(value).encode()


def _canonical(value: Any) -> str:
    # By exact types, those first that there are most of: this is done for every part of every
    # event. What is none of them is left to the library: numbers that need care, and errors.
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is dict and all(type(name) is str for name in value):
        # UTF-16 and code points order ASCII alike.
        names = sorted(value) if "".join(value).isascii() else sorted(value, key=_utf16)
        pairs = [f"{encode_basestring(name)}:{_canonical(value[name])}" for name in names]
        return "{" + ",".join(pairs) + "}"
    if kind is list or kind is tuple:
        return "[" + ",".join([_canonical(part) for part in value]) + "]"
    if kind is int and -_SAFE <= value <= _SAFE:
        return str(value)
    if value is None or kind is bool:
        return _WORDS[value]
    return rfc8785.dumps(value).decode()


_SAFE = 2**53 - 1
_WORDS = {None: "null", True: "true", False: "false"}


def _utf16(name: str) -> bytes:
    return name.encode("utf-16be")


def digest(value: Any) -> str:
    """`sha256:` and the hex SHA-256 over the canonical JSON (RFC 8785) of `value`."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def require_json(field: str, value: Any) -> bytes:
    """The canonical text of `value`; raises InvalidInput where there is none, which digests and
    history need: no NaN or infinity, no integer beyond 53 bits, no half of a surrogate pair."""
    try:
        return canonical(value)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(field, value, f"is not JSON in canonical form: {error}") from error


def action_digest(tenant: str, action: Action) -> str:
    """Names "the same thing again": tenant, tool, arguments, target; nothing advisory."""
    return digest({"tenant": tenant, **action.model_dump(mode="json")})


def approval_digest(
    action: str, *, run_id: str, step: str, visit: int, contract: str, facts: dict[str, Any]
) -> str:
    """Names "exactly what you were asked": an action digest in one visit of one run's step,
    under the step's contract and on the facts relied on (plain JSON)."""
    asked = {"action": action, "run": run_id, "step": step, "visit": visit}
    return digest({**asked, "contract": contract, "facts": facts})


def fill_target(proposed: ProposedAction, field: str) -> dict[str, Any]:
    """The proposal's arguments with the target argument taken from `target_id` where omitted.

    Raises ToolRefused when both are given and differ: which record is meant must be beyond doubt.
    """
    arguments = dict(proposed.arguments)
    named = arguments.setdefault(field, proposed.target_id)
    if str(named) != proposed.target_id:
        raise ToolRefused(f"target_id {proposed.target_id!r} and {field} {named!r} differ.")
    return arguments
