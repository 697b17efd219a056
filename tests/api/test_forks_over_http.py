"""Forks with another prompt, model or policy, over HTTP and from the command line with --url."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.asking import Asking
from tests.api.project import LOW_RISK
from tests.api.served import is_problem
from tests.cli.conftest import Said, Say, say
from tests.models.conftest import SPARE

__all__ = ["say"]

TWICE = "Look at it twice."
STRICT = LOW_RISK.replace('decimal("100.00")', 'decimal("1.00")')


@pytest.fixture
def mara(prompted: Asking) -> httpx.Client:
    """She may read, start and resume."""
    return prompted.served.as_("mara")


@pytest.fixture
def there(prompted: Asking, say: Say, monkeypatch: pytest.MonkeyPatch) -> Say:
    """`runs fork` with --url, in her name."""
    monkeypatch.setenv("AGENT_RUNTIME_TOKEN", prompted.served.token("mara"))

    def fork(run: str, *words: str) -> Said:
        place = ("--at", "pay_out", "--url", prompted.served.url, "--json")
        return say("runs", "fork", run, *place, *words)

    return fork


def verdicts(report: dict[str, Any]) -> list[str]:
    return [one["verdict"]["kind"] for one in report["visits"] if one["verdict"]]


def test_another_prompt_and_model_are_what_the_fork_asks(
    prompted: Asking, mara: httpx.Client
) -> None:
    """And its origin names both."""
    body = {"at": "pay_out", "reason": "Try it.", "prompt": {"pay": TWICE}, "model": "spare"}
    made = mara.post(f"/v1/runs/{prompted.paid()}/fork", json=body)
    assert made.json()["origin"]["edits"] == ["prompt.pay", "model"]
    prompted.served.reached(made.json(), "completed")
    model, told = prompted.asked()[-1]
    assert (model, TWICE in told) == (SPARE, True)


def test_the_same_is_said_on_the_command_line(prompted: Asking, there: Say, tmp_path: Path) -> None:
    """The prompt is read from a file."""
    (tmp_path / "pay.md").write_text(TWICE)
    words = ("--set", f"prompt.pay={tmp_path / 'pay.md'}", "--set", "model=spare")
    said = there(prompted.paid(), *words, "--reason", "Try it.")
    assert (said.json["state"], said.json["origin"]["edits"]) == (
        "completed",
        ["prompt.pay", "model"],
    )
    model, told = prompted.asked()[-1]
    assert (model, TWICE in told) == (SPARE, True)


def test_another_policy_judges_a_rehearsal_and_nothing_real(
    prompted: Asking, mara: httpx.Client, there: Say, tmp_path: Path
) -> None:
    """Over HTTP and on the command line: what ran unattended would be asked about."""
    (tmp_path / "ledger.cedar").write_text(STRICT)
    run, paid = prompted.paid(), prompted.served.bank.payouts
    body: dict[str, Any] = {"at": "pay_out", "policy": {"ledger": STRICT}}
    said = there(run, "--set", f"policy.ledger={tmp_path / 'ledger.cedar'}", "--rehearsal")
    for told in (mara.post(f"/v1/runs/{run}/fork/rehearsal", json=body).json(), said.json):
        assert (verdicts(told), told["origin"]["rehearsal"]) == (["needs_approval"], True)
    real = mara.post(f"/v1/runs/{run}/fork", json={**body, "reason": "For real."})
    is_problem(real, 422, "invalid_input", "is not in force")
    assert prompted.served.bank.payouts == paid


def test_a_policy_that_cannot_be_read_is_told_and_changes_nothing(
    prompted: Asking, mara: httpx.Client, there: Say, tmp_path: Path
) -> None:
    """No report, no run, no event."""
    (tmp_path / "ledger.cedar").write_text("permit (")
    run = prompted.paid()
    before = prompted.served.read()
    body = {"at": "pay_out", "policy": {"ledger": "permit ("}}
    answer = mara.post(f"/v1/runs/{run}/fork/rehearsal", json=body)
    is_problem(answer, 422, "policy_error", "ledger.cedar")
    said = there(run, "--set", f"policy.ledger={tmp_path / 'ledger.cedar'}", "--rehearsal")
    said.fails(5, "ledger.cedar: unexpected end of input")
    assert prompted.served.read() == before


def test_what_a_model_said_is_no_answer_of_another(prompted: Asking, mara: httpx.Client) -> None:
    """Rehearsed with another one, the recording ends where it would be asked; it isn't asked."""
    run, asked = prompted.paid(), len(prompted.model.requests)
    answer = mara.post(f"/v1/runs/{run}/fork/rehearsal", json={"at": "pay_out"}).json()
    assert verdicts(answer) == ["allow"]
    body = {"at": "pay_out", "model": "spare"}
    answer = mara.post(f"/v1/runs/{run}/fork/rehearsal", json=body).json()
    said = "its answer of the model 'spare' was never recorded"
    assert (verdicts(answer), said in answer["reason"]) == ([], True)
    assert len(prompted.model.requests) == asked
