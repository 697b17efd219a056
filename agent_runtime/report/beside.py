"""Two runs side by side: where they first part, and all in which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent_runtime.envelope import Node
from agent_runtime.report.report import Report, VisitTold

Side = Literal["both", "one", "other"]


class Passage(BaseModel):
    """One node of the merged graph, and which of the runs passed it, how often each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    node: Node
    side: Side
    one: int
    other: int


class Difference(BaseModel):
    """One value that is not the same in both; None where a run has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str
    visit: int
    what: Literal["bundle", "envelope", "verdict", "question", "act"]
    field: str
    one: Any = None
    other: Any = None

    def __str__(self) -> str:
        place = f"step {self.step}, visit {self.visit}: {self.what} {self.field}".rstrip()
        return f"{place}: {self.one!r} | {self.other!r}"


class Beside(BaseModel):
    """Two runs compared. `parts` is the first difference; None where there is none.

    `figures`: cost and time of each, by name; None where it is not known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    one: str
    other: str
    versions: tuple[str, str]
    graph: tuple[Passage, ...]
    parts: Difference | None
    differences: tuple[Difference, ...]
    figures: dict[str, tuple[float | None, float | None]]


def put_beside(one: Report, other: Report) -> Beside:
    """Compare two runs of one workflow, visit by visit."""
    mine = {(visit.step, visit.visit): visit for visit in one.visits}
    its = {(visit.step, visit.visit): visit for visit in other.visits}
    places = list(dict.fromkeys([*mine, *its]))
    found = [
        difference
        for place in places
        for difference in _differences(place, mine.get(place), its.get(place))
    ]
    return Beside(
        one=one.run,
        other=other.run,
        versions=(one.label, other.label),
        graph=tuple(_merged(one, other)),
        parts=found[0] if found else None,
        differences=tuple(found),
        figures=_figures(one, other),
    )


def _merged(one: Report, other: Report) -> Iterator[Passage]:
    first, second = _passed(one), _passed(other)
    for step, node in dict.fromkeys([*first, *second]):
        mine, its = first.get((step, node), 0), second.get((step, node), 0)
        side: Side = "both" if mine and its else "one" if mine else "other"
        yield Passage(step=step, node=node, side=side, one=mine, other=its)


def _passed(report: Report) -> dict[tuple[str, Node], int]:
    found: dict[tuple[str, Node], int] = {}
    for visit in report.visits:
        for envelope in visit.envelopes:
            place: tuple[str, Any] = (visit.step, envelope.node)
            found[place] = found.get(place, 0) + 1
    return found


def _differences(
    place: tuple[str, int], one: VisitTold | None, other: VisitTold | None
) -> Iterator[Difference]:
    step, visit = place
    for (what, mine), (_, its) in zip(_parts(one), _parts(other), strict=True):
        for number, (left, right) in enumerate(zip_longest(mine, its)):
            for field, a, b in _leaves(left, right, f"[{number}]" if len(mine) > 1 else ""):
                yield Difference(step=step, visit=visit, what=what, field=field, one=a, other=b)


Part = Literal["bundle", "envelope", "verdict", "question", "act"]


def _parts(visit: VisitTold | None) -> list[tuple[Part, list[dict[str, Any]]]]:
    """What is compared of a visit; nothing that differs between any two runs, such as times."""
    names: tuple[Part, ...] = ("bundle", "envelope", "verdict", "question", "act")
    if visit is None:
        return [(name, []) for name in names]
    judged = [] if visit.verdict is None else [visit.verdict]
    return [
        ("bundle", [_shown(bundle.model_dump()) for bundle in visit.bundles]),
        ("envelope", [one.model_dump(exclude={"at"}) for one in visit.envelopes]),
        ("verdict", [one.model_dump(exclude={"at"}) for one in judged]),
        ("question", [_asked(one.model_dump()) for one in visit.questions]),
        ("act", [one.model_dump(include={"tool", "state", "result", "why"}) for one in visit.acts]),
    ]


def _shown(bundle: dict[str, Any]) -> dict[str, Any]:
    texts = {one["source"] or one["hash"]: one["text"] for one in bundle["shown"]}
    return {"shown": texts, "left_out": [one.get("source") for one in bundle["left_out"]]}


def _asked(question: dict[str, Any]) -> dict[str, Any]:
    answers = [{"by": one["by"], "kind": one["kind"]} for one in question["answers"]]
    kept = {name: question[name] for name in ("status", "asked", "closed_by")}
    return {**kept, "answers": answers}


def _leaves(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Every place in which two JSON values differ."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            inside = f"{path}.{name}" if path else str(name)
            yield from _leaves(old.get(name), new.get(name), inside)
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
        for number, (was, now) in enumerate(zip_longest(old, new)):
            yield from _leaves(was, now, f"{path}[{number}]")
    else:
        yield path, old, new


def _figures(one: Report, other: Report) -> dict[str, tuple[float | None, float | None]]:
    costs = (one.cost, other.cost)
    known = {
        name: tuple(None if cost is None else getattr(cost, name) for cost in costs)
        for name in ("calls", "tokens", "money", "millis")
    }
    found = {name: (mine, its) for name, (mine, its) in known.items()}
    return {
        "working": (one.working, other.working),
        "waiting": (one.waiting, other.waiting),
        **found,
    }
