"""Routing by cost: which tier answers, and when a dearer one is asked instead. Decides only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent_runtime.budget import TIERS, Tier

DEFAULT = "default"
"""The model of every tier that no other is named for."""


@dataclass(frozen=True)
class Choice:
    """Who is asked, and why: `reason` is told in the envelope."""

    tier: Tier
    name: str
    reason: str


def begin(tier: Tier, tiers: Mapping[Tier, str], forked: str = "") -> Choice:
    """The step's own tier, or the model that a fork asks."""
    if forked:
        return Choice(tier, forked, "the fork asks it")
    return Choice(tier, tiers.get(tier, DEFAULT), f"the step's tier is {tier}")


def escalate(choice: Choice, why: str, tiers: Mapping[Tier, str]) -> Choice | None:
    """The next dearer tier that has another model; None where there is none to turn to."""
    for tier in TIERS[TIERS.index(choice.tier) + 1 :]:
        name = tiers.get(tier, DEFAULT)
        if tier in tiers and name != choice.name:
            return Choice(tier, name, f"escalated from {choice.tier}: {why}")
    return None


def fall_back(choice: Choice, name: str, why: str) -> Choice:
    """Another model of the same tier, because this one failed for good."""
    return Choice(choice.tier, name, f"fell back from {choice.name}: {why}")
