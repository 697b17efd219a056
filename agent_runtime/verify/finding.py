"""Findings: what trying to break a rule has shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["held", "broken", "not applicable"]
"""held: what must not happen was tried, and did not; broken: it did, or its control failed, so
that nothing was shown; not applicable: there was nothing to try it on, which shows nothing."""


class Finding(BaseModel):
    """One attempt. `control`: what showed that the attempt would have been seen to succeed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    about: str
    state: State
    seen: str
    control: str = ""


def held(
    name: str, about: str, *, refused: bool, seen: str, controlled: bool, control: str
) -> Finding:
    """What an attempt has shown; without its control it has shown nothing."""
    if not controlled:
        return Finding(name=name, about=about, state="broken", seen=f"control failed: {control}")
    state: State = "held" if refused else "broken"
    return Finding(name=name, about=about, state=state, seen=seen, control=control)


def missing(name: str, about: str, why: str) -> Finding:
    """There was nothing to try it on."""
    return Finding(name=name, about=about, state="not applicable", seen=why)


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each."""
    found = {"held": 0, "broken": 0, "not applicable": 0}
    for finding in findings:
        found[finding.state] += 1
    return found
