"""Layout: where each step, node and edge of a drawing stands, in pixels.

Steps stand in columns from left to right, by the longest way to them. What leads on runs between
the columns; what skips a column runs below all steps, what leads back above them. So no line
crosses a step, without a search for the best order: workflows have few steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from agent_runtime.drawing.line import END, START, Link, Route, links_of
from agent_runtime.envelope import Node
from agent_runtime.topology import StepShape, Topology

CHARACTER = 6.6
"""Width of a character of the labels' 12 pixels, on average and rounded up."""
LINE = 15.0
MARGIN = 16.0
NODE_HEIGHT, NODE_GAP, HEADER = 44.0, 18.0, 32.0
INSET = 30.0
"""Room beside a step's nodes, where its inner lines lead back."""
FOLDED_HEIGHT = 62.0
STEP_WIDTH, WIDEST = 236.0, 320.0
SLOT, ARROW, ROW_GAP = 12.0, 14.0, 40.0
LABEL_CHARACTERS = 20
END_WIDTH, END_HEIGHT = 116.0, 36.0


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower side."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Halfway down."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class PlacedStep:
    """One step. `nodes` is empty where it is drawn folded; `ends`: in which state the run ends
    after which outcome, line by line, at the foot."""

    shape: StepShape
    box: Box
    nodes: Mapping[Node, Box]
    ends: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PlacedLine:
    """One edge: its corners in order, and its label's lines from `at` downwards."""

    link: Link
    points: tuple[tuple[float, float], ...]
    label: tuple[str, ...]
    at: tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """A whole drawing. `end` is None where no run can complete."""

    width: float
    height: float
    steps: tuple[PlacedStep, ...]
    lines: tuple[PlacedLine, ...]
    start: tuple[float, float]
    end: Box | None


def lay_out(topology: Topology, *, folded: bool) -> Plan:
    """Place everything. `folded`: each step is one box, without its nodes."""
    links = links_of(topology)
    return _Layout(topology, links, folded=folded).plan()


class _Layout:
    """One drawing at work."""

    def __init__(self, topology: Topology, links: Sequence[Link], *, folded: bool) -> None:
        self._links = links
        self._folded = folded
        self._shapes = {step.name: step for step in topology.steps}
        self._ends = {
            step.name: tuple(
                (", ".join(outcomes), state)
                for state, outcomes in topology.ends(step).items()
                if state != "completed"
            )
            for step in topology.steps
        }
        self._columns = _columns(topology, links)
        self._labels = {link: _label(link, self._folded) for link in links}
        self._lefts: list[float] = []
        self._boxes: dict[str, Box] = {}

    def plan(self) -> Plan:
        """Columns first, then lanes above, then the lines."""
        above = [link for link in self._links if link.route is Route.BACK]
        below = [link for link in self._links if link.route is Route.SKIP]
        top = MARGIN + sum(self._lane(link) for link in above)
        right = self._place_columns(top)
        bottom = max(box.bottom for box in self._boxes.values())
        lanes = self._lanes(above, below, top, bottom)
        height = bottom + MARGIN + sum(self._lane(link) for link in below)
        return Plan(
            width=right + MARGIN,
            height=height,
            steps=tuple(self._step(name) for name in self._shapes),
            lines=tuple(self._line(link, lanes) for link in self._links),
            start=(MARGIN + 8, self._boxes[START].middle),
            end=self._boxes.get(END),
        )

    def _lane(self, link: Link) -> float:
        return LINE * len(self._labels[link]) + 14

    def _lanes(
        self, above: Sequence[Link], below: Sequence[Link], top: float, bottom: float
    ) -> dict[Link, float]:
        """Where the lines that pass steps by run. The shortest is the nearest."""
        lanes: dict[Link, float] = {}
        y = top - 10
        for link in sorted(above, key=self._reach):
            lanes[link] = y
            y -= self._lane(link)
        y = bottom
        for link in sorted(below, key=self._reach):
            y += self._lane(link)
            lanes[link] = y
        return lanes

    def _reach(self, link: Link) -> int:
        return abs(self._column(link.target) - self._column(link.source))

    def _column(self, name: str) -> int:
        return next(n for n, column in enumerate(self._columns) if name in column)

    def _place_columns(self, top: float) -> float:
        """Place all boxes; returns the right side of the last."""
        sizes = {name: self._size(name) for column in self._columns for name in column}
        heights = [
            sum(sizes[name][1] for name in column) + ROW_GAP * (len(column) - 1)
            for column in self._columns
        ]
        tallest, x = max(heights), MARGIN
        for number, column in enumerate(self._columns):
            self._lefts.append(x)
            y = top + (tallest - heights[number]) / 2
            width = max(sizes[name][0] for name in column)
            for name in column:
                self._boxes[name] = Box(x, y, width, sizes[name][1])
                y += sizes[name][1] + ROW_GAP
            x += width + self._gap(number)
        return max(box.right for box in self._boxes.values())

    def _size(self, name: str) -> tuple[float, float]:
        if name == START:
            return 16.0, 16.0
        if name == END:
            return END_WIDTH, END_HEIGHT
        ports = 16 + sum(self._port(link) for link in self._leaving(name))
        if self._folded:
            width = min(WIDEST, max(150.0, CHARACTER * len(name) + 40))
            return width, max(FOLDED_HEIGHT, ports)
        inner = len(self._shapes[name].nodes)
        nodes = inner * NODE_HEIGHT + (inner - 1) * NODE_GAP
        foot = (LINE + 2) * len(self._ends[name]) + 8 if self._ends[name] else 0.0
        texts = [name, *(f"! {outcomes} → {state}" for outcomes, state in self._ends[name])]
        widest = CHARACTER * max(map(len, texts)) + 28
        return min(WIDEST, max(STEP_WIDTH, widest)), max(HEADER + nodes + foot + 14, ports)

    def _leaving(self, name: str) -> list[Link]:
        """Downwards on the right side: what leads back, what leads on, what skips."""
        found = [link for link in self._links if link.source == name]
        return sorted(found, key=lambda link: link.route.value)

    def _port(self, link: Link) -> float:
        return LINE * len(self._labels[link]) + 10 if link.route is Route.ON else SLOT

    def _slots(self, gap: int) -> list[tuple[Link, str]]:
        """What turns in the gap behind a column, each with the side on which it does."""
        leaving = [(link, "out") for link in self._links if self._column(link.source) == gap]
        entering = [
            (link, "in")
            for link in self._links
            if link.route is not Route.ON and self._column(link.target) == gap + 1
        ]
        return [*leaving, *entering]

    def _gap(self, number: int) -> float:
        texts = [
            len(line)
            for link in self._links
            if link.route is Route.ON and self._column(link.source) == number
            for line in self._labels[link]
        ]
        return CHARACTER * max(texts, default=0) + SLOT * len(self._slots(number)) + ARROW + 22

    def _turn(self, link: Link, side: str) -> float:
        """Where a line runs up or down, on the way out of its source or into its target."""
        gap = self._column(link.source) if side == "out" else self._column(link.target) - 1
        slots = self._slots(gap)
        left = self._lefts[gap + 1] if gap + 1 < len(self._lefts) else self._last_right()
        return left - ARROW - 4 - SLOT * (len(slots) - slots.index((link, side)) - 0.5)

    def _last_right(self) -> float:
        number = len(self._columns) - 1
        width = max(self._boxes[name].width for name in self._columns[number])
        return self._lefts[number] + width + self._gap(number)

    def _step(self, name: str) -> PlacedStep:
        shape, box = self._shapes[name], self._boxes[name]
        nodes: dict[Node, Box] = {}
        if not self._folded:
            for number, node in enumerate(shape.nodes):
                y = box.y + HEADER + number * (NODE_HEIGHT + NODE_GAP)
                nodes[node] = Box(box.x + INSET, y, box.width - 2 * INSET, NODE_HEIGHT)
        return PlacedStep(shape, box, nodes, () if self._folded else self._ends[name])

    def _line(self, link: Link, lanes: Mapping[Link, float]) -> PlacedLine:
        source, target = self._boxes[link.source], self._boxes[link.target]
        y, into = self._out_port(link), self._in_port(link)
        label = self._labels[link]
        turn = self._turn(link, "out")
        points = [(source.right, y), (turn, y)]
        if link.route is Route.ON:
            points += [(turn, into), (target.x, into)]
            at = (source.right + 8, y - 6 - LINE * (len(label) - 1))
        else:
            lane, back = lanes[link], self._turn(link, "in")
            points += [(turn, lane), (back, lane), (back, into), (target.x, into)]
            at = (min(turn, back) + 8, lane - 6 - LINE * (len(label) - 1))
        return PlacedLine(link, tuple(points), label, at)

    def _out_port(self, link: Link) -> float:
        leaving, box = self._leaving(link.source), self._boxes[link.source]
        heights = [self._port(one) for one in leaving]
        number = leaving.index(link)
        # A label stands above its line: among others, the line gives way to it.
        alone = len(leaving) == 1 or link.route is not Route.ON
        below = 0.0 if alone else max(0.0, LINE * len(self._labels[link]) / 2 - 4)
        return box.middle - sum(heights) / 2 + sum(heights[:number]) + heights[number] / 2 + below

    def _in_port(self, link: Link) -> float:
        """Like the ports on the other side: from above, straight, from below."""
        entering = sorted(
            (one for one in self._links if one.target == link.target),
            key=lambda one: (one.route.value, self._boxes[one.source].middle),
        )
        box, step = self._boxes[link.target], 18.0
        middle = box.middle - step * (len(entering) - 1) / 2
        ahead = [one for one in entering if one.route is Route.ON]
        if len(ahead) == 1:
            # Straight, where that is possible; the others stand above and below it.
            y = self._out_port(ahead[0])
            if box.y + 8 <= y <= box.bottom - 8:
                middle = y - step * entering.index(ahead[0])
        y = middle + step * entering.index(link)
        return min(max(y, box.y + 8), box.bottom - 8)


def _columns(topology: Topology, links: Sequence[Link]) -> list[list[str]]:
    """The names by column: each as far right as the longest way to it."""
    depth = {START: 0}
    for _ in range(len(topology.steps) + 1):
        for link in links:
            if link.route is not Route.BACK and link.source in depth:
                depth[link.target] = max(depth.get(link.target, 0), depth[link.source] + 1)
    if END in depth:
        depth[END] = 1 + max(n for name, n in depth.items() if name != END)
    columns: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in (START, *(step.name for step in topology.steps), END):
        if name in depth:
            columns[depth[name]].append(name)
    return columns


def _label(link: Link, folded: bool) -> tuple[str, ...]:  # noqa: FBT001 — the layout's own
    wide = link.route is not Route.ON
    room = 26 if folded and wide else 44 if wide else LABEL_CHARACTERS
    return tuple(wrap(link.label, room, break_long_words=False))
