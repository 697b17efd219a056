"""Edits: how much of each field a person changed."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

LONGEST = 2_000
"""Characters of a text that are compared: the time it takes grows with their square."""


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    """By field, how far what is there now is from what was there: 0 to 1. Equal ones are left
    out."""
    return {
        name: distance(before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def distance(before: Any, after: Any) -> float:
    """0: the same; 1: nothing in common. Of numbers, their difference in proportion to the larger;
    of texts, the share of characters that are not kept; of all else, whether they differ."""
    first, second = _number(before), _number(after)
    if first is not None and second is not None:
        larger = max(abs(first), abs(second))
        return min(1.0, abs(first - second) / larger) if larger else 0.0
    if isinstance(before, str) and isinstance(after, str):
        return 1 - SequenceMatcher(None, before[:LONGEST], after[:LONGEST]).ratio()
    return float(before != after)


def _number(value: Any) -> float | None:
    """A number, also as text: amounts are."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
