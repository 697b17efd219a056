"""Drawings: readable, safe to put into a page, and true to the way that a run took."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from agent_runtime.drawing import Passed, Trail, draw, draw_svg, merge
from agent_runtime.drawing.layout import Plan, lay_out
from agent_runtime.envelope import Node
from agent_runtime.topology import NODES, EdgeShape, StepShape, ToolHeld, Topology, topology_of
from tests.ledger import make_pay, pay_workflow

SVG = "{http://www.w3.org/2000/svg}"


def step(name: str, *, acts: bool = True) -> StepShape:
    held: dict[Node, tuple[ToolHeld, ...]] = {
        node: (ToolHeld(name="look", effect="read"),) if node == "context" else ()
        for node in NODES
        if acts or node in ("context", "reasoning")
    }
    policy = "p" if acts else None
    return StepShape(name=name, nodes=held, thinker="prompt x", policy=policy, budget=100)


def topology(names: str, *edges: tuple[str, str]) -> Topology:
    """Steps of one letter each; an edge back is bounded."""
    drawn = [
        EdgeShape(source=a, target=b, on=("acted",), at_most=2 if b <= a else None)
        for a, b in edges
    ]
    return Topology(
        workflow="w", version="v", steps=tuple(step(n) for n in names), edges=tuple(drawn)
    )


def loop() -> Topology:
    return topology("a", ("a", "a"))


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 — our own drawing


def words(element: ElementTree.Element) -> list[str]:
    """The texts of a drawing, in order."""
    return [text.text or "" for text in element.iter(f"{SVG}text")]


def crossings(plan: Plan) -> list[str]:
    """Where a line runs through a step."""
    return [
        f"{line.link.key} crosses {placed.shape.name}"
        for line in plan.lines
        for (x1, y1), (x2, y2) in pairwise(line.points)
        for placed in plan.steps
        if max(x1, x2) > placed.box.x + 0.5
        and min(x1, x2) < placed.box.right - 0.5
        and max(y1, y2) > placed.box.y + 0.5
        and min(y1, y2) < placed.box.bottom - 0.5
    ]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("folded", [True, False])
def test_no_line_crosses_a_step(seed: int, folded: bool) -> None:
    """Whatever the edges are, lines run between the steps, and steps don't overlap."""
    chance = random.Random(seed)  # noqa: S311 — a test's own dice
    names = "abcdefgh"[: chance.randint(1, 8)]
    chain = list(pairwise(names))
    more = [(chance.choice(names), chance.choice(names)) for _ in range(chance.randint(0, 6))]
    plan = lay_out(topology(names, *chain, *more), folded=folded)
    assert crossings(plan) == []
    boxes = [placed.box for placed in plan.steps]
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart = one.right <= other.x or other.right <= one.x
            assert apart or one.bottom <= other.y or other.bottom <= one.y
    assert all(
        0 <= x <= plan.width and 0 <= y <= plan.height for one in plan.lines for x, y in one.points
    )


def test_loops_are_counted_and_the_way_is_thick() -> None:
    """What a run took twice says so, and only what it took is thick."""
    way = Trail(
        "running",
        nodes={("a", "context"): Passed(3), ("a", "reasoning"): Passed(3)},
        edges={"a>a": 2},
        inner={("a", "context", "reasoning"): 3},
        current=("a", "reasoning"),
    )
    svg = draw_svg(loop(), way, standalone=True)
    assert "at most 2 times \u00d72" in svg
    taken = [
        e.get("stroke-width")
        for e in parsed(svg).iter(f"{SVG}path")
        if e.get("class") == "g-edge taken"
    ]
    assert len(taken) == 3
    assert set(taken) <= {"3", "2.5"}


def test_trouble_is_told_by_more_than_colour() -> None:
    """A failed node is dashed and carries an exclamation mark; one that is passed is neither."""
    way = Trail(
        "failed", nodes={("a", "gate"): Passed(1), ("a", "action"): Passed(1, "failed")}, last="a"
    )
    root = parsed(draw_svg(loop(), way, standalone=True))
    nodes = {
        words(group)[0]: group
        for group in root.iter(f"{SVG}g")
        if "g-node" in (group.get("class") or "")
    }
    dashed = {
        name: next(group.iter(f"{SVG}rect")).get("stroke-dasharray")
        for name, group in nodes.items()
    }
    assert dashed == {"context": None, "reasoning": None, "gate": None, "action": "6 4"}
    assert words(nodes["action"])[-1] == "!"
    assert "!" not in words(nodes["gate"])


def test_a_waiting_node_is_filled_and_has_two_bars() -> None:
    """Where a run stands is marked once, so that a page can go there."""
    way = Trail("paused", nodes={("a", "gate"): Passed(1)}, current=("a", "gate"))
    for folded in (True, False):
        root = parsed(draw_svg(loop(), way, folded=folded, standalone=True))
        assert len([e for e in root.iter() if e.get("data-current")]) == 1
        assert len([e for e in root.iter(f"{SVG}rect") if e.get("class") == "g-sign"]) == 2


def test_an_end_is_told_at_the_step_it_happened_in() -> None:
    """A rejected run's way ends in the step's foot, in bold, with a mark."""
    way = Trail("rejected", nodes={("b", "gate"): Passed(1, "denied")}, last="b")
    svg = draw_svg(topology("ab", ("a", "b")), way)
    assert svg.count("! denied, rejected → rejected") == 1
    assert svg.count("denied, rejected → rejected") == 2


def test_names_are_only_text() -> None:
    """What an author calls a thing cannot become markup, in the drawing or its description."""
    named = topology("a").model_copy(
        update={"steps": (step('<b onload="x">&'),), "workflow": "<i>"}
    )
    svg = draw_svg(named, standalone=True)
    assert "<b" not in svg
    assert "<i>" not in svg
    assert parsed(svg).findtext(f"{SVG}title") == "Workflow <i>, version v"


def test_no_style_is_written_into_it() -> None:
    """A page with a strict policy shows it as it is meant."""
    svg = draw_svg(loop(), Trail("paused", current=("a", "gate")))
    assert not re.search(r"style|<script|on\w+=", svg)


def test_a_drawing_is_an_image_with_words() -> None:
    """Who doesn't see it hears what it shows."""
    way = Trail("paused", nodes={("a", "context"): Passed(2)}, current=("a", "gate"))
    root = parsed(draw_svg(loop(), way, standalone=True, name="x"))
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "x-title x-desc")
    told = "1 step: a. The run passed a \u00d72. It stands at a gate."
    assert root.findtext(f"{SVG}desc") == told


def test_texts_stay_within_their_boxes() -> None:
    """Long names are cut, and the drawing grows only so far."""
    name = "a_step_whose_name_is_longer_than_any_box_could_be_drawn_in_this_world"
    plan = lay_out(topology("a").model_copy(update={"steps": (step(name),)}), folded=False)
    assert plan.steps[0].box.width <= 320
    assert (
        f">{name}<"
        not in draw_svg(topology("a").model_copy(update={"steps": (step(name),)})).split("</desc>")[
            1
        ]
    )


def test_a_workflow_is_drawn_in_every_form() -> None:
    """Text, mermaid and SVG name the same steps and tools."""
    workflow = pay_workflow(make_pay())
    for form in ("text", "mermaid", "svg"):
        drawn = draw(workflow, form)
        assert "pay_out" in drawn
        assert "get_account" in drawn
    assert topology_of(workflow).steps[0].nodes["action"][0].recovery == "idempotency_key"


def test_two_ways_are_one_drawing_that_says_whose_is_whose() -> None:
    """Grey what both passed; solid and A, or dashed and B, what one of them did alone."""
    one = Trail("rejected", {("a", "context"): Passed(1), ("a", "gate"): Passed(1)}, last="a")
    other = Trail("completed", {("a", "context"): Passed(3), ("a", "action"): Passed(1)}, last="a")
    both = merge(one, other)
    assert both.nodes["a", "context"].times == 3
    drawn = draw_svg(loop(), both)
    assert 'class="g-node taken shared"' in drawn
    assert re.findall(r'class="g-side"[^>]*>(.)<', drawn) == ["A", "B"]
    alone = drawn.split('class="g-node taken only-b"')[1].split("</g>")[0]
    assert "stroke-dasharray" in alone
    assert 'class="g-edge taken only-b"' in drawn


def test_a_run_merged_with_itself_is_nobody_s_alone() -> None:
    way = Trail("completed", {("a", "context"): Passed(1)}, {"a>b": 1}, last="a")
    assert merge(way, way).sides == {}
    assert "g-side" not in draw_svg(loop(), merge(way, way))
