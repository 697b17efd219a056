"""What the comparison says of two runs, without a browser."""

from __future__ import annotations

import pytest

from agent_runtime.console.compare_view import _figures, said
from agent_runtime.console.forking import Change, changed
from agent_runtime.errors import InvalidInput
from agent_runtime.report import Beside


def test_figures_say_how_much_b_is_above_or_below_a() -> None:
    figures = dict.fromkeys(("calls", "tokens", "millis"), (None, None))
    beside = Beside(
        one="run-a",
        other="run-b",
        versions=("w/1", "w/2"),
        graph=(),
        parts=None,
        differences=(),
        figures={
            "working": (8.4, 7.2),
            "waiting": (8_040.0, 8_160.0),
            "money": (2_000_000, 6_000_000),
            **figures,
            "calls": (2, None),
        },
    )
    told = {one.label: (one.one, one.other, one.by) for one in _figures(beside)}
    assert told == {
        "Worked": ("8.4 s", "7.2 s", "\u22121.2 s"),
        "Waited for people": ("2 h 14 min", "2 h 16 min", "+2 min"),
        "Cost": ("0.002", "0.006", "+0.004"),
        "Model calls": ("2", "not known", "not known"),
    }


def test_a_visit_that_never_was_is_said_to_be_none() -> None:
    assert said(None) == "not visited"


BEFORE = [
    Change("input", "message", "Message", "Half, please."),
    Change("input", "amount", "Amount", "5", is_text=False),
    Change("input", "urgent", "Urgent", "false", is_text=False),
    Change("evidence", "mail-1", "mail-1", "It came late."),
]


def test_only_what_was_typed_otherwise_is_changed_in_a_fork() -> None:
    typed = {"input.message": "All of it.", "input.amount": "5", "input.urgent": "true"}
    typed |= {"input.invented": "1", "evidence.mail-1": "It came late."}
    assert changed(BEFORE, typed) == {"input": {"message": "All of it.", "urgent": True}}


def test_a_number_that_is_no_json_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidInput, match=r"input\.amount"):
        changed(BEFORE, {"input.amount": "five"})
