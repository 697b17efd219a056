"""A yes at high risk on the command line: the amount is an option, or asked for on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Desk, Said, Say, Terminal


@dataclass(frozen=True)
class Risky:
    """A project whose leads are asked at high risk, and its one open question."""

    words: tuple[str, ...]
    asked: str
    say: Say

    def __call__(self, *words: str) -> Said:
        return self.say(*words, *self.words)


@pytest.fixture
def risky(
    desk: Desk, copy_project: Callable[..., Path], write_input: Callable[..., str], say: Say
) -> Risky:
    folder = copy_project(
        "policies/refund.cedar", '@deadline("72h")\n@esc', '@deadline("72h") @risk("high")\n@esc'
    )
    words = ("--app", str(folder), "--data", str(desk.data))
    run = say("run", "refund", "--input", write_input(), "--json", *words).json["id"]
    rows = say("approvals", "list", "--json", *words).json
    return Risky(words, next(row["id"] for row in rows if row["run_id"] == run), say)


def test_the_amount_is_an_option(risky: Risky) -> None:
    """Without a terminal nobody is asked: it is missing or wrong, and nothing is decided."""
    decide = ("approvals", "decide", risky.asked, "approve", "--as", "lena")
    risky(*decide).fails(2, "confirm: is missing", "→ Type 49.00.")
    risky(*decide, "--confirm", "48").fails(2, "confirm: is not what this would do")
    assert "risk high: type 49.00 to approve" in risky("approvals", "show", risky.asked).out
    assert "is completed" in risky(*decide, "--confirm", "49").out


def test_on_a_terminal_it_is_asked_for(risky: Risky, terminal: Callable[..., Terminal]) -> None:
    """As the person writes it."""
    on = terminal("approvals", "decide", risky.asked, "approve", "--as", "lena", *risky.words)
    on.expect("Confirm:")
    on.type("49,00\n")
    on.expect("is completed")
    assert on.end() == 0


def test_the_demos_person_types_it(risky: Risky, terminal: Callable[..., Terminal]) -> None:
    """As everywhere else: a slip is told, and the question stays theirs."""
    on = terminal("demo", *risky.words[:2], "--data", str(Path(risky.words[1]) / "fresh"))
    on.expect("[skip]:")
    for typed, told in (("4\n", "[skip]:"), ("49.00\n", "approved")):
        on.type("approve\n")
        on.expect("As whom?")
        on.type("lena\n")
        on.expect("Type 49.00 to approve:")
        on.type(typed)
        on.expect(told)
    assert "is not what this would do" in on.seen
