"""Metrics in a browser: drawn with their tables, led on from, and never more than is known."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.async_api import expect

from agent_runtime.clock import SystemClock
from agent_runtime.store import Session, Store
from tests.api.served import PAUSED, Served
from tests.console.browser import NARROW
from tests.console.conftest import SignIn

TENANT = "figures"


@pytest.fixture(scope="module")
def figures(desk: Served) -> str:
    """A tenant with one run that asks, and forty answers of earlier ones; that run's id."""
    body = {"workflow": "ledger", "input": {"account": desk.account("500.00")}}
    run = desk.as_("desk", TENANT).post("/v1/runs", json=body, params=PAUSED).json()
    store = Store(desk.data / "runtime.db", SystemClock())

    def tell(session: Session) -> None:
        for number in range(40):
            began = {"workflow": "ledger", "version": "1", "input": {}}
            session.events.append("run.queued", f"run-earlier{number}", **began)
            kind = "reject" if number < 10 else "approve"
            given = {"approval": f"apr-{number}", "operator": "lena", "roles": ["lead"]}
            session.events.append("approval.decided", f"run-earlier{number}", **given, kind=kind)

    try:
        # In a thread of its own: the tests' loop may be at work.
        ThreadPoolExecutor(1).submit(asyncio.run, store.write(TENANT, tell)).result()
    finally:
        store.close()
    return str(run["id"])


async def test_shares_are_drawn_with_their_table_without_scripts(
    sign_in: SignIn, figures: str
) -> None:
    visit = await sign_in("lena", tenant=TENANT, java_script_enabled=False)
    page = await visit.open("/quality")
    chart = page.locator("figure", has_text="Answers by role")
    assert "75 %" in (await chart.locator("svg.chart").text_content() or "")
    await chart.locator("summary").click()
    assert "75 % (60 to 86)" in (await chart.locator("tbody").text_content() or "")
    assert "NaN" not in await visit.text("main")


async def test_a_rule_s_bar_leads_to_its_runs(sign_in: SignIn, figures: str) -> None:
    visit = await sign_in("lena", tenant=TENANT)
    page = await visit.open("/quality?workflow=ledger")
    verdicts = page.locator("figure", has_text="Verdicts by rule")
    await verdicts.get_by_role("link", name="ask-lead").click()
    await expect(page.locator(f"tr#{figures}")).to_have_count(1)
    assert "ask-lead" in await visit.text("main .note")
    await visit.open("/runs?rule=ask-nobody")
    assert await page.locator(f"tr#{figures}").count() == 0


async def test_metrics_are_for_everybody_s_eyes(sign_in: SignIn, figures: str) -> None:
    phone = {"width": 390, "height": 844}
    for options in ({"color_scheme": "dark"}, {"viewport": NARROW}, {"viewport": phone}):
        visit = await sign_in("lena", tenant=TENANT, **options)
        page = await visit.open("/quality")
        assert await visit.findings() == []
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0


async def test_days_that_cannot_be_are_told_and_kept(sign_in: SignIn, figures: str) -> None:
    visit = await sign_in("lena", tenant=TENANT)
    visit.expected += ("422",)
    page = await visit.open("/quality?since=2999-01-01&until=&error_rate=5")
    assert "lies in the future" in await visit.text("[role=alert]")
    assert await page.locator("[name=since]").input_value() == "2999-01-01"


async def test_a_tenant_without_history_is_told_so(sign_in: SignIn) -> None:
    visit = await sign_in("lena", tenant="blank")
    await visit.open("/quality")
    said = await visit.text("main")
    assert "not enough history" in said
    assert "0 %" not in said
