"""Races for one question: one winner, whom everybody else is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.crash.races import Said, judge, race, race_deadline

SEED = 20_260_330


def test_of_fifty_answers_from_five_processes_one_wins(tmp_path: Path) -> None:
    """Approve, reject and edit at the same moment: 49 are told whose answer came first, and the
    winner's own answer, sent again, is told the same."""
    contest = race(tmp_path, 4, SEED)
    assert contest.unclear == ()
    assert (contest.answers, contest.won, contest.refused) == (200, 4, 196)


def test_a_person_and_the_deadline_have_one_outcome(tmp_path: Path) -> None:
    """From two processes at once: answered or expired, and both are told which."""
    contest = race_deadline(tmp_path, 12, SEED)
    assert contest.unclear == ()
    assert (contest.won, contest.refused) == (12, 12)
    assert set(contest.outcomes) <= {"approved", "expired"}


WON = Said("q", "ann", won=True, status="approved", by="ann", again="ann")
LOST = Said("q", "bob", won=False, status="approved", by="ann")


@pytest.mark.parametrize(
    "told",
    [
        [LOST, LOST],
        [WON, replace(WON, name="bob", by="bob")],
        [WON, replace(LOST, by="carl")],
        [WON],
        [replace(WON, again="accepted twice"), LOST],
    ],
)
def test_a_contest_without_one_named_winner_is_found(told: list[Said]) -> None:
    """No winner, two of them, another one named, an answer missing, a repeated answer taken."""
    assert judge(["q"], [WON, LOST], 2).unclear == ()
    assert len(judge(["q"], told, 2).unclear) == 1
