"""The inbox on the command line: pages, claims, holds, comments, delegations, bulk."""

from __future__ import annotations

from tests.cli.conftest import Desk


def test_pages_of_the_list(desk: Desk) -> None:
    """A page ends with how to go on; the last one does not."""
    every = [row["id"] for row in desk("approvals", "list", "--json").json]
    first = desk("approvals", "list", "--limit", "2")
    assert [line.split("\t")[0] for line in first.out.splitlines()] == every[:2]
    assert f"--after {every[1]}" in first.err
    last = desk("approvals", "list", "--limit", "200", "--after", every[1], "--json")
    assert ([row["id"] for row in last.json], last.err) == (every[2:], "")


def test_filters_of_the_list(desk: Desk) -> None:
    """By person, amount and rule, sorted by amount."""
    large = desk("approvals", "list", "--min", "1000", "--sort", "amount", "--json").json
    assert [row["amount"] for row in large] == ["1250.00"]
    mine = desk("approvals", "list", "--mine", "--as", "ivo", "--json").json
    assert {row["slots"][0]["role"] for row in mine} == {"finance"}
    found = desk("approvals", "list", "--search", "489.00 ORDER", "--limit", "1", "--json")
    assert ([row["amount"] for row in found.json], found.err) == (["489.00"], "")
    counts = desk("approvals", "list", "--counts", "--json").json
    assert counts["total"] == sum(counts["tools"].values())


def test_wrong_filters(desk: Desk) -> None:
    """Each names what is wrong."""
    desk("approvals", "list", "--mine").fails(6, "--mine", "--as")
    desk("approvals", "list", "--after", "apr-none").fails(2, "apr-none", "last id")
    desk("approvals", "list", "--min", "much").fails(2, "much")
    desk("approvals", "list", "--search", "much", "--counts").fails(2, "--search", "out")


def test_hold_and_undo(desk: Desk) -> None:
    """A held answer leaves the run paused, is shown, and can be taken back by its author alone."""
    asked = desk.approval("489.00")
    held = desk("approvals", "decide", asked, "approve", "--as", "lena", "--hold", "600")
    assert f"approval {asked} is held by lena, and takes effect at" in held.out
    assert "is paused" in held.out
    assert "held by lena" in desk("approvals", "show", asked).out
    desk("approvals", "undo", asked, "--as", "marek").fails(3, "Only lena")
    assert f"approval {asked} is open" in desk("approvals", "undo", asked, "--as", "lena").out


def test_claim_and_release(desk: Desk) -> None:
    """A colleague is told who is at work on it, and may insist."""
    asked = desk.approval("489.00")
    assert "claimed   by lena until" in desk("approvals", "claim", asked, "--as", "lena").out
    desk("approvals", "claim", asked, "--as", "marek").fails(4, "lena is at work", "override")
    said = desk("approvals", "decide", asked, "reject", "--as", "marek", "--reason", "No.",
                "--code", "duplicate", "--override", "--json").json["approval"]  # fmt: skip
    decision = said["decisions"][0]
    assert (decision["overrode"], decision["code"]) == ("lena", "duplicate")


def test_comment_and_look(desk: Desk) -> None:
    """What was said is shown, and who looked has a time to decide."""
    asked = desk.approval("489.00")
    desk("approvals", "comment", asked, "Seen the parcel?", "--as", "petra")
    assert "“Seen the parcel?” — petra" in desk("approvals", "show", asked, "--as", "lena").out
    said = desk("approvals", "decide", asked, "approve", "--as", "lena", "--record-only", "--json")
    assert said.json["approval"]["decisions"][0]["shown_at"] is not None


def test_delegate(desk: Desk) -> None:
    """The part goes to somebody in operators.toml, and is gone from who handed it on."""
    asked = desk.approval("489.00")
    desk("approvals", "delegate", asked, "eve", "--as", "lena").fails(2, "'eve'")
    said = desk("approvals", "delegate", asked, "ivo", "--as", "lena", "--reason", "Leave.")
    assert "handed    from lena to ivo for support_lead" in said.out
    desk("approvals", "decide", asked, "approve", "--as", "lena").fails(3, "to ivo")
    assert "is completed" in desk("approvals", "decide", asked, "approve", "--as", "ivo").out


def test_bulk_is_for_low_risk_alone(desk: Desk) -> None:
    """The sample's rules mark nothing as low risk, so that nothing goes in bulk."""
    asked = desk.approval("489.00")
    desk("approvals", "bulk", "approve", asked, "--as", "lena").fails(2, "medium risk", "by itself")
