"""Budgets: drawn on before a call, settled after it, and never overdrawn."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.budget import Budget, Price, Scope, Spent
from agent_runtime.clock import SystemClock
from agent_runtime.errors import BudgetExceeded
from agent_runtime.store import Session, Store
from agent_runtime.testing import ChatReply, fault
from tests.models.conftest import Ask, answer

PRICES = {"test-model": {"input": "2.00", "output": "10.00", "cached": "0.50"}}
CHEAP = {"prices": PRICES, "model_max_output": 100}


def spent(desk: Any, scope: Scope, name: str) -> Spent:
    found: Spent = desk.office.runtime.store.read("default").calls.spent(scope, name)
    return found


async def test_a_call_costs_what_the_table_says(ask: Ask) -> None:
    """Cached input at its own price, in billionths, and rounded up."""
    replies = [lambda request: ChatReply(answer(request).content, (), 200, "", 1_000, 100, 400)]
    desk = await ask(*replies, asking=CHEAP)
    (call,) = desk.calls(await desk.flow())
    assert call.cost == (600 * 2_000 + 400 * 500 + 100 * 10_000)
    assert (call.tokens_in, call.tokens_cached, call.tokens_out) == (1_000, 400, 100)


async def test_without_a_price_the_cost_is_unknown(ask: Ask) -> None:
    """It is not nothing."""
    desk = await ask(answer)
    (call,) = desk.calls(await desk.flow())
    assert call.cost is None


async def test_limiting_money_needs_a_price(ask: Ask) -> None:
    """Nobody is asked; the run names model and setting."""
    desk = await ask(asking={"budgets": {"run": {"money": "1.00"}}})
    record = await desk.flow()
    assert record.run.state == "needs_attention"
    assert "'test-model' has no price" in record.run.reason
    assert "AGENT_RUNTIME_PRICES" in record.run.reason
    assert desk.server.requests == []


async def test_what_is_settled_is_what_the_provider_says(ask: Ask) -> None:
    """The estimate is replaced, in every scope alike."""
    budgets = {scope: {"tokens": 100_000} for scope in ("step", "run", "workflow", "tenant_day")}
    desk = await ask(answer, asking={**CHEAP, "budgets": budgets})
    record = await desk.flow()
    expected = Spent(tokens=120, money=100 * 2_000 + 20 * 10_000, calls=1)
    names: dict[Scope, str] = {
        "step": f"{record.run.id}/pay_out",
        "run": record.run.id,
        "workflow": "ledger/2026-03-30",
        "tenant_day": "2026-03-30",
    }
    for scope, name in names.items():
        assert spent(desk, scope, name).model_copy(update={"millis": 0}) == expected


@pytest.mark.parametrize("limit", [{"tokens": 50}, {"money": "0.0001"}], ids=["tokens", "money"])
async def test_an_estimate_that_is_too_much_is_not_spent(ask: Ask, limit: dict[str, Any]) -> None:
    """Nobody is asked, and the run waits with the limit in its reason."""
    desk = await ask(asking={**CHEAP, "budgets": {"run": limit}})
    record = await desk.flow()
    assert record.run.state == "needs_attention"
    assert f"The budget of the run is used up ({next(iter(limit))}" in record.run.reason
    assert desk.server.requests == []


async def test_whoever_resumes_a_run_grants_it_as_much_again(ask: Ask) -> None:
    """One more call, and not a third."""
    wrong = [lambda request: answer(request, step="another")] * 2
    desk = await ask(*wrong, answer, asking={"budgets": {"run": {"calls": 1}}})
    record = await desk.flow()
    assert "calls: 2 of 1" in record.run.reason
    office = desk.office
    await office.runtime.resume(record.run.id, office.person("lena"))
    run = await office.drive(record.run)
    assert run.state == "needs_attention"
    assert "calls: 3 of 2" in run.reason


async def test_time_is_limited_too(ask: Ask) -> None:
    """What asking took counts once it is over; then nobody is asked again."""
    desk = await ask(
        lambda request: fault.slow(answer(request, step="another"), 0.3),
        asking={"budgets": {"run": {"seconds": 0.2}}},
    )
    record = await desk.flow()
    assert "The budget of the run is used up (seconds" in record.run.reason
    assert desk.outcomes(record) == ["wrong_content"]


@pytest.mark.parametrize("scope", ["workflow", "tenant_day"])
async def test_nobody_grants_a_day_more_by_resuming_a_run(ask: Ask, scope: str) -> None:
    """It belongs to others too."""
    desk = await ask(answer, asking={"budgets": {scope: {"calls": 1}}})
    await desk.flow()
    refused = await desk.flow()
    await desk.office.runtime.resume(refused.run.id, desk.office.person("lena"))
    run = await desk.office.drive(refused.run)
    assert run.state == "needs_attention"
    assert "calls: 2 of 1" in run.reason


async def test_a_budget_may_end_the_run(ask: Ask) -> None:
    """Failed, cleanly, with the reason; nobody has to look."""
    desk = await ask(asking={"budgets": {"run": {"tokens": 50, "exceeded": "fail"}}})
    record = await desk.flow()
    assert record.run.state == "failed"
    assert "budget of the run" in record.run.reason
    assert record.envelopes[-1]["status"] == "failed"


async def test_the_day_of_a_tenant_is_shared_by_its_runs(ask: Ask) -> None:
    """The second run finds too little left; the next day there is room again."""
    desk = await ask(answer, answer, asking={"budgets": {"tenant_day": {"calls": 1}}})
    assert (await desk.flow()).run.state == "completed"
    refused = await desk.flow()
    assert "tenant of the day" in refused.run.reason
    desk.office.clock.move(timedelta(days=1))
    await desk.office.runtime.resume(refused.run.id, desk.office.person("lena"))
    assert (await desk.office.drive(refused.run)).state == "completed"


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.decimals("0", "1000", places=4))
def test_a_price_is_never_rounded_down(into: int, out: int, per_million: Decimal) -> None:
    """The sum of many costs is at least what is owed."""
    price = Price(input=per_million, output=per_million)
    exact = (into + out) * per_million * 1000
    assert 0 <= price.of(into, out) - exact < 1


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 200))
def test_reservations_at_once_never_exceed_the_limit(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int
) -> None:
    """Whatever is granted together stays within it, in whatever order it is asked for."""

    async def race() -> int:
        store = Store(tmp_path_factory.mktemp("budget") / "runtime.db", SystemClock())
        try:
            wishes = (store.write("default", reserving(size, limit)) for size in sizes)
            found = await asyncio.gather(*wishes, return_exceptions=True)
            assert all(error is None or isinstance(error, BudgetExceeded) for error in found)
            return store.read("default").calls.spent("run", "r").tokens
        finally:
            store.close()

    assert 0 <= asyncio.run(race()) <= limit


def reserving(size: int, limit: int) -> Any:
    def work(session: Session) -> None:
        scopes: dict[Scope, Any] = {"run": ("r", Budget(tokens=limit), 1)}
        session.calls.reserve(scopes, Spent(tokens=size, calls=1))

    return work


def test_processes_share_one_budget(tmp_path: Path) -> None:
    """Four of them draw at once: what they get together is exactly what there is."""
    database = tmp_path / "runtime.db"
    Store(database, SystemClock()).close()
    program = [sys.executable, "-m", "tests.models.spender", str(database)]
    spenders = [subprocess.Popen(program, stdout=subprocess.PIPE) for _ in range(4)]
    granted = sum(json.loads(spender.communicate(timeout=60)[0]) for spender in spenders)
    store = Store(database, SystemClock())
    assert granted == 100
    assert store.read("default").calls.spent("run", "r").tokens == 100
    store.close()
