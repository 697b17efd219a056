"""Failures of a model call, and the one table of what is done about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FailureKind = Literal[
    "rate_limited",
    "server_error",
    "unreachable",
    "timed_out",
    "invalid_json",
    "wrong_content",
    "too_long",
    "refused",
    "filtered",
    "unauthorized",
    "unknown_model",
    "unusable",
]
"""rate_limited: asked too often; server_error: 5xx; unreachable: no connection, or cut off;
timed_out: no answer in time; invalid_json: no JSON document; wrong_content: JSON that the step
cannot use; too_long: more than the model's context holds; refused: the model will not; filtered:
the provider withheld it; unauthorized: the key; unknown_model: no model of that name; unusable:
the provider will not have the request, or says nothing that is an answer."""

Then = Literal["wait", "again", "hint", "compact"]
"""How one more attempt is made. wait: after a growing pause; again: at once, unchanged; hint: with
what was wrong; compact: with less evidence."""

Otherwise = Literal["fall_back", "person"]
"""What follows the last attempt. fall_back: the model's declared fallback, else an optional step
is skipped and any other waits for a person; person: a person, whatever else is declared."""


@dataclass(frozen=True)
class Remedy:
    """What is done about one kind of failure: `times` further attempts, then `otherwise`.

    `first` and `longest` are seconds of a `wait`; it doubles from one to the other.
    """

    then: Then = "again"
    times: int = 0
    otherwise: Otherwise = "fall_back"
    first: float = 0.5
    longest: float = 30.0


Table = Mapping[FailureKind, Remedy]

TABLE: Table = {
    "rate_limited": Remedy("wait", 5, first=1.0, longest=60.0),
    "server_error": Remedy("wait", 3),
    "unreachable": Remedy("wait", 2),
    "timed_out": Remedy("again", 1),
    "invalid_json": Remedy("again", 2),
    "wrong_content": Remedy("hint", 2),
    "too_long": Remedy("compact", 1),
    "refused": Remedy(otherwise="person"),
    "filtered": Remedy(otherwise="person"),
    "unauthorized": Remedy(),
    "unknown_model": Remedy(),
    "unusable": Remedy(),
}
"""In force where a step declares nothing else: `Reasoning(failures={"timed_out": Remedy(…)})`."""
