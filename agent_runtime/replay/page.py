"""A rehearsal as text and as a page of its own: no script, nothing from elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import jinja2

from agent_runtime.replay.rehearsal import AnswerOf, Changed, Limits, Load, Rehearsal

HEIGHT = 120
BAR = 14
SHOWN = 40
"""Changes and gaps that the text names; the rest are counted. JSON and the page have all."""


def render_text(found: Rehearsal, limits: Limits) -> list[str]:
    """The report for a terminal: alarms first."""
    return [*_head(found), *_changes(found), *_rest(found), *_gate(found, limits)]


def render_page(found: Rehearsal, limits: Limits) -> str:
    """The report as HTML, its charts drawn as SVG beside their tables."""
    return _template().render(
        found=found, broken=limits.broken(found), load=chart(found.load), answer=answer
    )


def chart(load: tuple[Load, ...]) -> str:
    """People asked a day, before and after, as bars; numbers and dates only."""
    most = max((max(one.before, one.after) for one in load), default=0) or 1
    width = max(1, len(load)) * BAR * 3
    bars = [
        f'<rect x="{n * BAR * 3 + side * BAR}" y="{HEIGHT - _tall(value, most)}" width="{BAR - 2}"'
        f' height="{_tall(value, most)}" class="{name}"><title>{one.day}, {name}: {value}</title>'
        "</rect>"
        for n, one in enumerate(load)
        for side, (name, value) in enumerate((("before", one.before), ("after", one.after)))
    ]
    return (
        f'<svg width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" role="img"'
        f' aria-label="People asked a day, before and after">{"".join(bars)}</svg>'
    )


def answer(said: AnswerOf) -> str:
    """A policy set's answer in words."""
    people = f" ({', '.join(said.people)})" if said.people else ""
    return f"{said.kind.replace('_', ' ')}{people} by {', '.join(said.rules) or 'no rule'}"


def _tall(value: int, most: int) -> int:
    return round(value / most * (HEIGHT - 4)) + (2 if value else 0)


def _head(found: Rehearsal) -> Iterator[str]:
    yield f"rehearsed: {found.change}"
    yield f"  {found.decisions} decisions, each of which the old policy gave once more"
    seen = "was seen" if found.canary else "had nothing to forbid"
    yield f"  canary: a policy that forbids everything {seen}"
    changed, unknown = len(found.changes), len(found.unknown)
    yield f"  {found.unchanged} unchanged, {changed} changed, {unknown} unknown"
    if found.model:
        yield f"  answers that are no recording's, given now by {found.model}: {found.live}"
    totals = ", ".join(f"{number} {kind}" for kind, number in sorted(found.totals.items()))
    if totals:
        yield f"  {totals}; {found.rerun} graphs played again"


def _changes(found: Rehearsal) -> Iterator[str]:
    if found.alarms:
        yield ""
        yield f"ALARM: rejected by a person, now unattended: {len(found.alarms)}"
    ordered = sorted(found.changes, key=lambda change: (not change.alarm, change.number))
    if ordered:
        yield ""
    for change in ordered[:SHOWN]:
        yield from _change(change)
    if len(ordered) > SHOWN:
        yield f"  and {len(ordered) - SHOWN} more"


def _change(change: Changed) -> Iterator[str]:
    amount = "" if change.amount is None else f", {change.amount:.2f}"
    mark = "! " if change.alarm else "  "
    yield f"{mark}{change.run} {change.tool} on {change.target}{amount}: {change.kind}"
    yield f"    was {answer(change.old)}"
    yield f"    is  {answer(change.new)}"
    if change.people:
        yield f"    people: {change.people}"
    if change.then:
        yield f"    then: {change.then}"


def _rest(found: Rehearsal) -> Iterator[str]:
    yield ""
    for one in found.load:
        yield f"  {one.day}: {one.before} people were asked, {one.after} would be"
    said = found.agreement
    answered = said.asked + said.agree + said.disagree
    yield (
        f"  of {answered} that people answered, {said.asked} would be asked still,"
        f" {said.agree} decided as they did, {said.disagree} otherwise"
    )
    through = len(found.fixtures.let_through)
    yield f"  must not be allowed: {found.fixtures.tried} tried, {through} let through"
    for words in found.fixtures.let_through[:SHOWN]:
        yield f"    {words}"
    for gap in found.unknown[:SHOWN]:
        yield f"  not rehearsed: {gap.run}: {gap.why}"
    yield f"  events {found.first} to {found.last}; report {found.digest}"
    yield from (
        f"    {name}: {found.old.get(name, 'none')} -> {found.new.get(name, 'none')}"
        for name in {**found.old, **found.new}
        if found.old.get(name) != found.new.get(name)
    )


def _gate(found: Rehearsal, limits: Limits) -> Iterator[str]:
    for words in limits.broken(found):
        yield f"  over the limit: {words}"


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("agent_runtime.replay", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("rehearsal.html")
