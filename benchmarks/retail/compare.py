"""Comparing: recorded results with those seen, and the final records with those expected."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.retail.dataset import Change, GoldAction, Json, Records

ABSENT = None
"""A null and an absent field are the same in the benchmark's files."""


@dataclass(frozen=True)
class Difference:
    """One place where two documents differ; `path` is a JSON Pointer from their root."""

    path: str
    expected: Any
    got: Any


def differences(expected: Any, got: Any, path: str = "") -> Iterator[Difference]:
    """Where two JSON values differ. Numbers are equal by value, a bool is no number."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in dict.fromkeys([*expected, *got]):
            inside = f"{path}/{_escape(key)}"
            yield from differences(expected.get(key), got.get(key), inside)
    elif isinstance(expected, list) and isinstance(got, list):
        for index in range(max(len(expected), len(got))):
            pair = (_element(expected, index), _element(got, index))
            yield from differences(*pair, f"{path}/{index}")
    elif isinstance(expected, bool) is not isinstance(got, bool) or expected != got:
        yield Difference(path, expected, got)


def record_differences(expected: Records, got: Records) -> list[Difference]:
    """Where two shops differ. Records that are equal at a glance are not walked through."""
    return [
        difference
        for name, records in expected.items()
        for key in dict.fromkeys([*records, *got[name]])
        if records.get(key) != got[name].get(key)
        for difference in differences(
            records.get(key), got[name].get(key), f"/{name}/{_escape(key)}"
        )
    ]


def same_result(action: GoldAction, text: str | None) -> bool:
    """Whether a tool's answer, as the model was shown it, is the recorded one.

    A text is compared as it is, anything else as the JSON that it is the text of.
    """
    if text is None or text.startswith("Error: ") is not action.is_error:
        return False
    if isinstance(action.result, str):
        return text == action.result
    try:
        shown = json.loads(text)
    except ValueError:
        return False
    return not any(differences(action.result, shown))


def apply(records: Records, changes: Iterable[Change]) -> list[Difference]:
    """Make the changes in `records`, in place; returns those that have no place there.

    What is removed goes last, the highest index first, so that indices keep their meaning.
    """
    ordered = sorted(changes, key=_turn)
    return [
        Difference(f"/{change.collection}/{change.id}{change.path}", change.after, "no such place")
        for change in ordered
        if not _apply(records[change.collection], change)
    ]


def expected_records(
    base: Records, changes: tuple[Change, ...]
) -> tuple[Records, list[Difference]]:
    """The records after the changes; only the records that change are copied."""
    after = {name: dict(records) for name, records in base.items()}
    for change in changes:
        if change.id in base[change.collection]:
            original = base[change.collection][change.id]
            after[change.collection][change.id] = copy.deepcopy(original)
    return after, apply(after, changes)


def _turn(change: Change) -> tuple[bool, int, str, int]:
    parent, _, last = change.path.rpartition("/")
    index = int(last) if last.isdecimal() else 0
    removed = change.after is ABSENT
    # Of additions and replacements the outer and the lower come first, of removals the deeper.
    depth = change.path.count("/")
    return removed, -depth if removed else depth, parent, -index if removed else index


def _apply(records: dict[str, Json], change: Change) -> bool:
    parts = [change.id, *(_unescape(part) for part in change.path.split("/")[1:])]
    parent: Any = records
    for part in parts[:-1]:
        parent = _child(parent, part)
    last = parts[-1]
    if isinstance(parent, dict):
        _set_key(parent, last, change.after)
        return True
    return isinstance(parent, list) and last.isdecimal() and _set(parent, int(last), change.after)


def _set_key(parent: Json, key: str, after: Any) -> None:
    if after is ABSENT:
        parent.pop(key, None)
    else:
        parent[key] = copy.deepcopy(after)


def _set(parent: list[Any], index: int, after: Any) -> bool:
    if after is ABSENT:
        return index == len(parent) - 1 and parent.pop() is not ABSENT
    if index == len(parent):
        parent.append(None)
    if index >= len(parent):
        return False
    parent[index] = copy.deepcopy(after)
    return True


def _child(parent: Any, part: str) -> Any:
    if isinstance(parent, list) and part.isdecimal():
        return _element(parent, int(part))
    return parent.get(part) if isinstance(parent, dict) else ABSENT


def _element(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else ABSENT


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
