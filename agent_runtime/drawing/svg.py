"""A workflow drawn as SVG, with the way that a run took.

No style is written into it: colours are `currentColor` and classes, so that one stylesheet makes
it light or dark under a policy that allows no inline style. What matters is told by more than
colour: thick is taken, filled is now, dashed with `!` went wrong, two bars wait for a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from agent_runtime.drawing.layout import LINE, Box, PlacedLine, PlacedStep, Plan, lay_out
from agent_runtime.drawing.line import END, START
from agent_runtime.drawing.trail import Passed, Trail
from agent_runtime.envelope import Node
from agent_runtime.topology import Topology

RADIUS = 8.0
TIMES = "\u00d7"
_NEVER = Trail("queued")
_FONT = 'font-family="system-ui, sans-serif" font-size="12" fill="currentColor"'
_BROKEN = ' stroke-dasharray="6 4"'
_LETTERS = {"only-a": "A", "only-b": "B"}
"""What stands beside that which only one of two runs passed."""
_INNER: tuple[tuple[Node, Node], ...] = (
    ("context", "reasoning"),
    ("reasoning", "gate"),
    ("gate", "action"),
)
_BACK: tuple[tuple[Node, Node], ...] = (
    ("gate", "reasoning"),
    ("gate", "context"),
    ("action", "context"),
)
"""Ways back within a step: impossible or answered in words; a fact has changed since."""


def draw_svg(
    topology: Topology,
    trail: Trail | None = None,
    *,
    folded: bool = False,
    name: str = "drawing",
    standalone: bool = False,
) -> str:
    """The drawing. `name` prefixes its ids; `standalone`: a file of its own, on white."""
    plan, way = lay_out(topology, folded=folded), trail or _NEVER
    size = f'width="{plan.width:.0f}" height="{plan.height:.0f}"'
    alone = ' xmlns="http://www.w3.org/2000/svg" color="#1a1a1a"' if standalone else ""
    parts = [
        f'<svg{alone} class="graph" {size} viewBox="0 0 {plan.width:.0f} {plan.height:.0f}"'
        f' role="img" aria-labelledby="{escape(name)}-title {escape(name)}-desc">',
        f'<title id="{escape(name)}-title">{escape(_title(topology))}</title>',
        f'<desc id="{escape(name)}-desc">{escape(describe(topology, trail))}</desc>',
    ]
    if standalone:
        parts.append('<rect width="100%" height="100%" fill="#ffffff"/>')
    parts += [f"<g {_FONT}>", *_lines(plan, way), *_terminals(plan, way)]
    parts += [part for step in plan.steps for part in _step(step, way)]
    return "\n".join([*parts, "</g>", "</svg>", ""])


def describe(topology: Topology, trail: Trail | None) -> str:
    """The drawing in a sentence or two."""
    steps = ", ".join(step.name for step in topology.steps)
    whole = f"{len(topology.steps)} {'step' if len(topology.steps) == 1 else 'steps'}: {steps}."
    if trail is None:
        return whole
    been = [f"{s.name} {TIMES}{trail.times(s.name)}" for s in topology.steps if trail.times(s.name)]
    stands = f" It stands at {' '.join(trail.current)}." if trail.current else ""
    return f"{whole} The run passed {', '.join(been) or 'nothing yet'}.{stands}"


def _title(topology: Topology) -> str:
    return f"Workflow {topology.workflow}, version {topology.version}"


def _lines(plan: Plan, way: Trail) -> Iterator[str]:
    # Two edges between the same steps are counted as one by the runtime: both are thick then.
    begun = bool(way.nodes)
    for line in plan.lines:
        times = way.edges.get(line.link.key, 0)
        if line.link.source == START:
            times = int(begun)
        if line.link.target == END:
            times = int(way.state == "completed" and _ended_in(way, line.link.source))
        yield from _edge(line, times, way.side(line.link.key) if times else "")


def _ended_in(way: Trail, step: str) -> bool:
    return way.last == step


def _edge(line: PlacedLine, times: int, side: str) -> Iterator[str]:
    classes = f"g-edge taken {side}".strip() if times else "g-edge"
    weight = 'stroke-width="3"' if times else 'stroke-width="1.25" stroke-opacity="0.6"'
    weight += _BROKEN if side == "only-b" else ""
    path = _rounded(line.points)
    yield f'<path class="{classes}" d="{path}" fill="none" stroke="currentColor" {weight}/>'
    x, y = line.points[-1]
    bold = 6 if times else 4.5
    yield (
        f'<path class="g-head{f" taken {side}".rstrip() if times else ""}" fill="currentColor"'
        f' d="M{x:.1f} {y:.1f}l-{bold * 2} -{bold}v{bold * 2}z"/>'
    )
    words = list(line.label)
    if times > 1:
        words[-1:] = [f"{words[-1] if words else ''} {TIMES}{times}".strip()]
    if side in _LETTERS:
        words[-1:] = [f"{words[-1] if words else ''} {_LETTERS[side]}".strip()]
    x, y = line.at
    for number, text in enumerate(words):
        yield f'<text class="g-label" x="{x:.1f}" y="{y + number * LINE:.1f}">{escape(text)}</text>'


def _rounded(points: tuple[tuple[float, float], ...]) -> str:
    """A path through the corners, each of them rounded off."""
    done = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for before, (x, y), after in zip(points, points[1:-1], points[2:], strict=False):
        near, far = _towards((x, y), before), _towards((x, y), after)
        done.append(f"L{near[0]:.1f} {near[1]:.1f}Q{x:.1f} {y:.1f} {far[0]:.1f} {far[1]:.1f}")
    # The arrow's point reaches the step; a thick line behind it must not.
    done.append(f"L{points[-1][0] - 6:.1f} {points[-1][1]:.1f}")
    return "".join(done)


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """A point beside a corner, on the way to another: at most half the way."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)
    part = 0.0 if length == 0 else min(RADIUS, length / 2) / length
    return corner[0] + dx * part, corner[1] + dy * part


def _terminals(plan: Plan, way: Trail) -> Iterator[str]:
    x, y = plan.start
    yield f'<circle class="g-start" cx="{x:.1f}" cy="{y:.1f}" r="7" fill="currentColor"/>'
    if plan.end is None:
        return
    here = way.state == "completed"
    yield _rect(plan.end, f"g-end{' taken' if here else ''}", 3 if here else 1.25, rx=18)
    yield _text(plan.end.x + 16, plan.end.middle + 4, "completed", "g-title")


def _step(step: PlacedStep, way: Trail) -> Iterator[str]:
    name = step.shape.name
    times = way.times(name)
    standing = way.current is not None and way.current[0] == name
    side = f" {way.side((name, 'context'))}".rstrip() if times else ""
    classes = f"g-step{' taken' if times else ''}{' current' if standing else ''}{side}"
    yield f'<g class="{classes}"{_anchor(here=standing and not step.nodes)}>'
    yield _rect(step.box, "g-box", 2.5 if times else 1.25)
    room = int(step.box.width / 7.2)
    yield _text(step.box.x + 14, step.box.y + 21, _cut(name, room), "g-title", bold=True)
    if times > 1:
        yield _text(step.box.right - 14, step.box.y + 21, f"{TIMES}{times}", "g-count", end=True)
    if not step.nodes:
        yield from _folded(step, way, standing=standing)
    for node, box in step.nodes.items():
        yield from _node(step, node, box, way)
    yield from _inner(step, way)
    foot = step.box.bottom - 12 - (LINE + 2) * (len(step.ends) - 1)
    for number, (outcomes, state) in enumerate(step.ends):
        yield from _foot(step, outcomes, state, foot + number * (LINE + 2), way)
    yield "</g>"


def _anchor(*, here: bool) -> str:
    """What the page scrolls to."""
    return ' data-current="true"' if here else ""


def _folded(step: PlacedStep, way: Trail, *, standing: bool) -> Iterator[str]:
    what = f"policy {step.shape.policy}" if step.shape.policy else "proposes nothing"
    if standing and way.current is not None:
        what = f"{'waits' if way.waits else 'now'}: {way.current[1]}"
    yield _text(step.box.x + 14, step.box.y + 42, _cut(what, int(step.box.width / 7)), "g-tools")
    if standing and way.waits:
        yield from _bars(step.box, inverse=False)
    elif any(_trouble(way, step.shape.name, node) for node in step.shape.nodes):
        yield _badge(step.box, inverse=False)


def _node(step: PlacedStep, node: Node, box: Box, way: Trail) -> Iterator[str]:
    place = (step.shape.name, node)
    passed, here = way.nodes.get(place, Passed(0)), way.current == place
    trouble = bool(passed.trouble)
    marks = {"taken": passed.times > 0, "current": here, "trouble": trouble, "waits": way.waits}
    side = way.side(place) if passed.times else ""
    named = [mark for mark, holds in marks.items() if holds]
    classes = " ".join(["g-node", *named, *filter(None, [side])])
    yield f'<g class="{classes}"{_anchor(here=here)}>'
    weight = 2.5 if passed.times else 1.25
    fill = "currentColor" if here else "none"
    yield _rect(box, "g-box", weight, fill=fill, dashed=trouble or side == "only-b", rx=6)
    ink = ' fill="#ffffff"' if here else ""
    marked = trouble or (here and way.waits)
    yield _text(box.x + 10, box.y + 18, node, "g-name", bold=True, more=ink)
    under = _under(step, node, int((box.width - (44 if marked else 16)) / 6.4))
    yield _text(box.x + 10, box.y + 34, under, "g-tools", more=ink)
    if passed.times > 1:
        times = f"{TIMES}{passed.times}"
        x = box.right - (32 if marked else 10)
        yield _text(x, box.y + 18, times, "g-count", end=True, more=ink)
    if side in _LETTERS:
        yield _text(box.right - 10, box.bottom - 10, _LETTERS[side], "g-side", bold=True, end=True)
    elif here and way.waits:
        yield from _bars(box, inverse=True)
    elif trouble:
        yield _badge(box, inverse=here)
    yield "</g>"


def _under(step: PlacedStep, node: Node, room: int) -> str:
    """What a node works with, as far as there is room; the table beside the drawing has all."""
    match node:
        case "gate":
            return _cut(f"policy {step.shape.policy}", room)
        case "reasoning":
            return _cut(step.shape.thinker, room)
        case "context" | "action":
            names = [tool.name for tool in step.shape.nodes[node]]
            if len(names) > 1 and len(", ".join(names)) > room:
                return f"{len(names)} tools"
            return _cut(", ".join(names) or "no tools", room)


def _inner(step: PlacedStep, way: Trail) -> Iterator[str]:
    """The arrows within a step: downwards between its nodes, and back at their side."""
    nodes, name = step.nodes, step.shape.name
    for before, after in _INNER:
        if before in nodes and after in nodes:
            times = way.inner.get((name, before, after), 0)
            x = nodes[before].x + nodes[before].width / 2
            path = f"M{x:.1f} {nodes[before].bottom:.1f}V{nodes[after].y - 5:.1f}"
            head = f"M{x:.1f} {nodes[after].y:.1f}l-4.5 -9h9z"
            yield _arrow(path, head, times=times, side=way.side((name, before, after)))
    for before, after in _BACK:
        times = way.inner.get((name, before, after), 0)
        if before in nodes and (times or (before, after) != ("gate", "context")):
            side = way.side((name, before, after))
            yield _return(nodes[before], nodes[after], (before, after), times, side)


def _return(before: Box, after: Box, nodes: tuple[Node, Node], times: int, side: str) -> str:
    """A way back: to reasoning on the right side, to context on the left."""
    named, to = nodes
    left = to == "context"
    edge, out = (before.x, -1) if left else (before.right, 1)
    bend = edge + out * (22 if named == "action" or not left else 12)
    y = after.middle if left else after.middle + 8
    path = f"M{edge:.1f} {before.middle:.1f}H{bend:.1f}V{y:.1f}H{edge + out * 5:.1f}"
    head = f"M{edge:.1f} {y:.1f}l{out * 9} -4.5v9z"
    counted = ""
    if times > 1:
        x = bend + 3 if left else edge + 3
        counted = _text(x, after.bottom + 13, f"{TIMES}{times}", "g-count")
    return _arrow(path, head, times=times, side=side, dashed=True) + counted


def _arrow(path: str, head: str, *, times: int, side: str = "", dashed: bool = False) -> str:
    weight = 'stroke-width="2.5"' if times else 'stroke-width="1.25" stroke-opacity="0.6"'
    broken = ' stroke-dasharray="3 3"' if dashed and not times else ""
    broken = _BROKEN if times and side == "only-b" else broken
    taken = f" taken {side}".rstrip() if times else ""
    return (
        f'<path class="g-edge{taken}" d="{path}" fill="none" stroke="currentColor"'
        f' {weight}{broken}/><path class="g-head{taken}" d="{head}" fill="currentColor"/>'
    )


def _foot(step: PlacedStep, outcomes: str, state: str, y: float, way: Trail) -> Iterator[str]:
    """One way for the run to end here without having completed."""
    ended = way.state == state and _ended_in(way, step.shape.name)
    classes = "g-foot taken" if ended else "g-foot"
    words = f"{'! ' if ended else ''}{outcomes} → {state}"
    yield _text(step.box.x + 14, y, words, classes, bold=ended)


def _bars(box: Box, *, inverse: bool) -> Iterator[str]:
    """Two bars in a circle: this waits for a person."""
    (x, y), (disc, sign) = _corner(box), _inks(inverse=inverse)
    yield f'<circle class="g-mark waits" cx="{x:.1f}" cy="{y:.1f}" r="10" fill="{disc}"/>'
    for left in (-4.5, 1.5):
        yield (
            f'<rect class="g-sign" x="{x + left:.1f}" y="{y - 5:.1f}" width="3" height="10"'
            f' fill="{sign}"/>'
        )


def _badge(box: Box, *, inverse: bool) -> str:
    """An exclamation mark in a circle: this went wrong, or was refused."""
    (x, y), (disc, sign) = _corner(box), _inks(inverse=inverse)
    return (
        f'<circle class="g-mark trouble" cx="{x:.1f}" cy="{y:.1f}" r="10" fill="{disc}"/>'
        f'<text class="g-sign" x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle"'
        f' font-size="14" font-weight="700" fill="{sign}">!</text>'
    )


def _corner(box: Box) -> tuple[float, float]:
    """Where a mark stands: the lower right corner, which no line touches."""
    return box.right - 16, box.bottom - 15


def _inks(*, inverse: bool) -> tuple[str, str]:
    return ("#ffffff", "currentColor") if inverse else ("currentColor", "#ffffff")


def _trouble(way: Trail, step: str, node: Node) -> bool:
    passed = way.nodes.get((step, node))
    return passed is not None and bool(passed.trouble)


def _rect(
    box: Box, name: str, weight: float, *, fill: str = "none", dashed: bool = False, rx: float = 8
) -> str:
    broken = _BROKEN if dashed else ""
    faint = "" if weight > 2 else ' stroke-opacity="0.6"'
    return (
        f'<rect class="{name}" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}"'
        f' height="{box.height:.1f}" rx="{rx:g}" fill="{fill}" stroke="currentColor"'
        f' stroke-width="{weight:g}"{faint}{broken}/>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    name: str,
    *,
    bold: bool = False,
    end: bool = False,
    more: str = "",
) -> str:
    weight = ' font-weight="600"' if bold else ""
    anchor = ' text-anchor="end"' if end else ""
    return (
        f'<text class="{name}" x="{x:.1f}" y="{y:.1f}"{weight}{anchor}{more}>{escape(text)}</text>'
    )


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(1, room - 1)]}…"
