"""Rollouts in a browser: a policy is tried from where its change waits, watched, and stopped."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.api.project import LOW_RISK
from tests.api.served import Served
from tests.console.browser import NARROW
from tests.console.conftest import SignIn

WIDER = LOW_RISK.replace('decimal("100.00")', 'decimal("100.01")')


@pytest.fixture(scope="module")
def change(desk: Served) -> str:
    """A policy that waits for another owner, rehearsed on one decision; its id."""
    desk.begin("70.00")
    body = {"text": WIDER, "reason": "Less to do."}
    made = desk.as_("petra").post("/v1/policies/ledger/propose", json=body).json()
    return str(made["id"])


async def test_a_waiting_policy_says_what_speaks_for_it_is_tried_and_stopped(
    sign_in: SignIn, change: str
) -> None:
    """Nobody was asked about what it would let through: there is no evidence, and that is said."""
    visit = await sign_in("paul")
    page = await visit.open("/policies")
    waiting = page.locator(f"article#{change}")
    assert "There is no evidence" in (await waiting.locator(".note").text_content() or "")
    await waiting.locator("[name=what]").select_option("ledger")
    await waiting.locator("[name=share]").fill("1")
    await waiting.get_by_role("button", name="Try it").click()
    card = page.locator("section.card", has_text=change)
    await expect(card).to_contain_text("1 % of new runs")
    await expect(card.locator("tbody")).to_contain_text("not enough cases")
    assert "NaN" not in await visit.text("main")
    assert await visit.findings() == []
    await stop(sign_in, change)


async def stop(sign_in: SignIn, change: str) -> None:
    """On a narrow screen, with a reason; from the metrics there is a way to it."""
    visit = await sign_in("petra", viewport=NARROW)
    page = await visit.open("/quality")
    await page.get_by_role("link", name="All rollouts").click()
    card = page.locator("section.card", has_text=change)
    await card.locator("[name=reason]").fill("Seen enough.")
    await card.get_by_role("button", name="Stop").click()
    await expect(card).to_contain_text("by petra: Seen enough.")
    await expect(card.get_by_role("button", name="Stop")).to_have_count(0)


async def test_who_proposed_a_policy_is_not_offered_to_try_it(sign_in: SignIn, change: str) -> None:
    visit = await sign_in("petra")
    page = await visit.open("/policies")
    assert await page.locator(f"article#{change}").count() == 1
    assert await page.locator(f"article#{change} [name=share]").count() == 0
