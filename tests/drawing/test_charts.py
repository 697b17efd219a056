"""Charts: round scales, parts that add up, and texts that stay texts."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime.drawing.chart import Chart, Row, draw_bars, draw_columns, draw_shares
from agent_runtime.drawing.scale import scale_of

DRAWINGS = (draw_columns, draw_shares, draw_bars)


def chart(*rows: Row) -> Chart:
    return Chart("c", "Answers by rule", "answers", ("approved", "rejected"), rows)


def parts(svg: str) -> list[ET.Element]:
    return [one for one in ET.fromstring(svg).iter() if "c-part" in one.get("class", "")]  # noqa: S314 — our own


@given(st.floats(min_value=0, max_value=1e12))
def test_a_scale_holds_what_it_is_for_and_not_much_more(most: float) -> None:
    scale = scale_of(most)
    assert scale.top >= most * (1 - 1e-9) or most < 1e-9
    assert scale.marks[0] == 0
    assert scale.marks[-1] == scale.top
    assert len(scale.marks) <= 6
    assert most < 1e-9 or scale.top <= max(1, most) * 2.5


def test_people_are_marked_in_whole_numbers() -> None:
    assert scale_of(2).marks == (0, 1, 2)


def test_the_parts_of_a_bar_are_as_its_values_are() -> None:
    drawn = parts(draw_shares(chart(Row("lead", (3, 1)), Row("finance", (1, 1)))))
    widths = [float(one.get("width", "")) for one in drawn]
    assert widths[0] == pytest.approx(3 * widths[1], rel=0.01)
    assert widths[2] == pytest.approx(widths[3], rel=0.01)
    assert sum(widths[:2]) == pytest.approx(sum(widths[2:]), rel=0.01)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_a_bar_leads_to_its_cases(draw: object) -> None:
    assert callable(draw)
    drawn = ET.fromstring(draw(chart(Row("lead", (3, 1), "/runs?rule=lead"))))  # noqa: S314 — our own
    links = list(drawn.iter("a"))
    assert [one.get("href") for one in links] == ["/runs?rule=lead"]
    assert drawn.get("role") == "group"


@pytest.mark.parametrize("draw", DRAWINGS)
def test_a_label_is_never_markup(draw: object) -> None:
    assert callable(draw)
    label = '<script>alert("1")</script>&'
    drawn = draw(chart(Row(label, (1, 0), '/"onload="x')))
    assert "<script" not in drawn
    assert [one.get("href") for one in ET.fromstring(drawn).iter("a")] == ['/"onload="x']  # noqa: S314 — our own
    assert "style=" not in drawn


@pytest.mark.parametrize("draw", DRAWINGS)
def test_nothing_is_drawn_of_nothing(draw: object) -> None:
    assert callable(draw)
    empty = chart(Row("lead", (0, 0)))
    assert empty.empty
    assert "NaN" not in draw(empty)
    assert "NaN" not in draw(chart())
