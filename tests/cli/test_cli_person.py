"""The demo on a terminal: a person decides, hands over, goes away, presses Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import PROJECT, Say, Terminal

OpenTerminal = Callable[..., Terminal]
ANSWER, WHOM, WHY, MORE = "[skip]:", "As whom?", "why?", "[no]:"


@pytest.fixture
def stage(terminal: OpenTerminal, tmp_path: Path) -> Terminal:
    """A demo that waits for its person's first answer."""
    on = terminal("demo", "--app", str(PROJECT), "--data", str(tmp_path / "data"))
    on.expect(ANSWER)
    return on


def test_person_decides(stage: Terminal) -> None:
    """A person sees the question, corrects a slip, answers, and leaves the rest to the script."""
    assert "order-8821, 49.00 by the books" in stage.seen
    stage.type("aprove\n")
    stage.expect("none of these")
    stage.type("approve\n")
    stage.expect(WHOM)
    stage.type("sam\n")
    stage.expect(ANSWER)
    stage.type("reject\n")
    stage.expect(WHOM)
    stage.type("marek\n")
    stage.expect(WHY)
    stage.type("Not this time.\n")
    stage.expect(MORE)
    stage.type("\n")
    assert stage.end() == 0
    assert "marek says reject: Not this time." in stage.seen
    assert "7 executed" in stage.seen


def test_person_starts_a_quorum(stage: Terminal) -> None:
    """Where a person's yes leaves the script no room, the demo says so and goes on."""
    stage.type("skip\n")
    stage.expect(MORE)
    stage.type("yes\n")
    stage.expect(ANSWER)
    stage.type("approve\n")
    stage.expect(WHOM)
    stage.type("fatima\n")
    stage.expect(MORE)
    stage.type("no\n")
    assert stage.end() == 0
    assert "fatima's scripted answer does not fit" in stage.seen
    assert "8 executed" in stage.seen


def test_what_is_left_open(terminal: OpenTerminal, say: Say, tmp_path: Path) -> None:
    """Asked to leave questions open, the demo asks nobody here, and more requests wait."""
    data = str(tmp_path / "data")
    on = terminal("demo", "--leave-open", "--app", str(PROJECT), "--data", data)
    assert on.end() == 0
    assert WHOM not in on.seen
    assert "approve_refund on order-8840, 1250.00: asks 2 of finance" in on.seen
    waiting = say("approvals", "list", "--app", str(PROJECT), "--data", data)
    assert len(waiting.out.splitlines()) == 6


def test_end_of_input(stage: Terminal) -> None:
    """Ctrl-D hands all questions to the sample's people."""
    stage.type("\x04")
    assert stage.end() == 0
    assert "8 executed" in stage.seen


def test_ctrl_c(stage: Terminal, tmp_path: Path, say: Say) -> None:
    """Ctrl-C ends the demo at once, cleanly, with nothing lost."""
    stage.interrupt()
    assert stage.end() == 130
    assert "Interrupted." in stage.seen
    assert "Traceback" not in stage.seen
    here = ("--app", str(PROJECT), "--data", str(tmp_path / "data"))
    assert len(say("approvals", "list", *here).out.splitlines()) == 10
