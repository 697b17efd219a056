"""Approvals answered on the command line, by everybody and in every wrong way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.conftest import PROJECT, Desk, Say


def test_three_processes(desk: Desk, spawn: Say, write_input: Callable[..., str]) -> None:
    """A run is started by one process, decided in a second and executed in a third."""
    here = ("--app", str(PROJECT), "--data", str(desk.data))
    started = spawn("run", "refund", "--input", write_input(), *here, "--json")
    assert started.json["state"] == "paused"
    asked = desk("approvals", "list", "--json").json[-1]
    assert asked["run_id"] == started.json["id"]
    decided = spawn("approvals", "decide", asked["id"], "approve", "--as", "lena",
                    "--record-only", *here, "--json")  # fmt: skip
    assert decided.json["run"]["state"] == "queued"
    executed = spawn("runs", "resume", started.json["id"], *here)
    assert "action    done" in executed.out
    assert executed.out.splitlines()[-1] == f"run {started.json['id']} is completed"


def test_unknown_approval(desk: Desk) -> None:
    """An answer to an unknown approval says how to list them."""
    desk("approvals", "decide", "apr-1", "approve", "--as", "lena").fails(2, "'apr-1'", "→ List")


def test_unknown_decision(desk: Desk) -> None:
    """A misspelt decision names the four that there are."""
    said = desk("approvals", "decide", "apr-1", "aprove", "--as", "lena")
    said.fails(2, "'approve', 'edit', 'reject', 'respond'", "--help")


def test_unknown_person(desk: Desk) -> None:
    """A name that operators.toml does not have lists those it has."""
    said = desk("approvals", "decide", desk.approval("49.00"), "approve", "--as", "eve")
    said.fails(2, "There is no operator 'eve'", "fatima, ivo, lena")


def test_second_answer_of_the_same_person(desk: Desk) -> None:
    """One of a quorum of two cannot answer twice."""
    asked = desk.approval("1250.00")
    first = desk("approvals", "decide", asked, "approve", "--as", "ivo")
    assert f"approval {asked} is open, and waits for finance" in first.out
    desk("approvals", "decide", asked, "approve", "--as", "ivo").fails(4, "by ivo", "show")
    second = desk("approvals", "decide", asked, "approve", "--as", "fatima")
    assert "is completed" in second.out


def test_second_answer_of_another_person(desk: Desk) -> None:
    """Who comes second is told who was first, and nothing changes."""
    asked = desk.approval("49.00")
    desk("approvals", "decide", asked, "reject", "--as", "lena", "--reason", "No.")
    desk("approvals", "decide", asked, "approve", "--as", "marek").fails(4, "rejected", "by lena")
    assert "rejected by lena" in desk("approvals", "show", asked).out


def test_wrong_digest(desk: Desk) -> None:
    """An answer to another question than the one asked now is refused."""
    asked = desk.approval("49.00")
    said = desk("approvals", "decide", asked, "approve", "--as", "lena", "--digest", "sha256:0")
    said.fails(4, "asks something else", "Look at it again")


@pytest.mark.parametrize("kind", ["reject", "respond"])
def test_no_reason(desk: Desk, kind: str) -> None:
    """A no and a question back need words."""
    said = desk("approvals", "decide", desk.approval("49.00"), kind, "--as", "lena")
    said.fails(2, "reason", f"a {kind} needs one")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"amount": "a lot"}', "amount"),
        ('{"amount": "-1.00"}', ""),
        ('{"sum": "1.00"}', "sum"),
        ("{", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"amount": "1.00", "amount": "2.00"}', "'amount' is given twice"),
        ('{"amount": NaN}', "NaN is no JSON number"),
    ],
)
def test_edit_that_does_not_fit(desk: Desk, arguments: str, words: str) -> None:
    """Edited arguments of the wrong name, type or form are refused, and the question stays."""
    asked = desk.approval("49.00")
    said = desk("approvals", "decide", asked, "edit", "--as", "lena", "--arguments", arguments)
    said.fails(said.code, words)
    assert said.code in (2, 3)
    assert desk.approval("49.00") == asked


def test_edit_without_arguments(desk: Desk) -> None:
    """An edit that changes nothing is refused."""
    said = desk("approvals", "decide", desk.approval("49.00"), "edit", "--as", "lena")
    said.fails(2, "an edit needs them")


def test_wrong_role(desk: Desk) -> None:
    """Whoever holds none of the roles asked is refused with the reason."""
    said = desk("approvals", "decide", desk.approval("49.00"), "approve", "--as", "petra")
    said.fails(3, "petra")


def test_own_run(desk: Desk, write_input: Callable[..., str]) -> None:
    """Whoever started a run cannot approve in it; somebody else can."""
    desk("run", "refund", "--input", write_input(), "--trigger", "lena", "--key", "own")
    asked = desk("approvals", "list").out.splitlines()[-1].split("\t")[0]
    said = desk("approvals", "decide", asked, "approve", "--as", "lena")
    said.fails(3, "access-decider-started-it")
    assert desk("approvals", "decide", asked, "approve", "--as", "marek").code == 0


def test_decision_is_recorded_with_its_channel(desk: Desk) -> None:
    """A local decision names the system's user, whatever the environment says."""
    asked = desk.approval("49.00")
    said = desk("approvals", "decide", asked, "approve", "--as", "lena", "--json")
    assert said.json["approval"]["decisions"][0]["channel"].startswith("cli:")
    assert said.json["approval"]["decisions"][0]["channel"].endswith(" as lena")
    assert said.json["run"]["state"] == "completed"


def test_show_open_approval(desk: Desk) -> None:
    """An open question says what would happen, on what, and how it is answered."""
    said = desk("approvals", "show", desk.approval("489.00"))
    for words in ("order-8833, 489.00 by the books", "“", "waits for support_lead",
                  "then finance is asked", "approvals decide"):  # fmt: skip
        assert words in said.out


def test_cancel_and_resume(desk: Desk) -> None:
    """A cancelled run withdraws its question; a paused one tells that it waits for an answer."""
    run = desk("runs", "list", "--state", "paused", "--json").json[0]["id"]
    desk("runs", "resume", run, "--as", "lena").fails(4, "is paused", "Answer its approval")
    desk("runs", "resume", run).fails(6, "waits for a person", "--as")
    assert "is cancelled" in desk("runs", "cancel", run, "--as", "lena", "--reason", "Moot.").out
    desk("runs", "cancel", run, "--as", "lena", "--reason", "Again.").fails(4, "cancelled already")
    assert "withdrawn" in desk("approvals", "list", "--all").out
    desk("runs", "settle", run, "happened", "--as", "lena").fails(4, "no lost call")
