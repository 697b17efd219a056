"""The whole story by keyboard alone: open, read, edit, approve, undo, reject, together."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from playwright.async_api import Page, Route, expect

from tests.api.served import Served
from tests.console.conftest import SignIn

moment = datetime.fromisoformat
OURS = "?amount_from=210&amount_to=230"
"""The list of this story's questions: one of all that wait here would not show them at once."""


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


@pytest.fixture
def questions(desk: Served) -> list[str]:
    """Three questions to a lead, of low risk, the last one the least urgent."""
    return [desk.question(desk.begin(amount))["id"] for amount in ("210.00", "220.00", "230.00")]


async def test_j_and_enter_open_what_is_most_urgent(sign_in: SignIn, questions: list[str]) -> None:
    """Focus is on the question's title, and the page is named for it."""
    visit = await sign_in("lena")
    page = await visit.live("/inbox")
    await press(page, "j", "Enter")
    await page.wait_for_url("**/inbox/apr-*")
    await expect(page.locator("#ask-title")).to_be_focused()
    assert "Pay" in await page.title()


async def test_a_approves_z_undoes_within_the_window(
    sign_in: SignIn, desk: Served, questions: list[str]
) -> None:
    """The server holds the answer; undone, it is open again."""
    visit = await sign_in("lena")
    page = await visit.live(f"/inbox/{questions[0]}")
    await press(page, "a")
    await page.wait_for_selector(".toast")
    held = desk.as_("lena").get(f"/v1/approvals/{questions[0]}").json()
    assert (held["status"], held["held_by"]) == ("held", "lena")
    assert held["decisions"][0]["channel"].startswith("console:")
    await press(page, "z")
    await page.wait_for_url(f"**/inbox/{questions[0]}*")
    await expect(page.locator("#announce")).to_contain_text("Undone.")
    await expect(page.locator("#ask")).to_have_attribute("data-status", "open")
    assert desk.as_("lena").get(f"/v1/approvals/{questions[0]}").json()["status"] == "open"


async def test_what_was_asked_for_last_is_shown_whatever_answers_first(
    sign_in: SignIn, questions: list[str]
) -> None:
    """The next question comes when the one before it is undone and open again: it stays out."""
    visit = await sign_in("lena")
    page = await visit.live(f"/inbox/{questions[0]}{OURS}")
    late, is_undone = asyncio.Event(), asyncio.Event()

    async def hold_back(route: Route) -> None:
        await is_undone.wait()
        await route.continue_()
        late.set()

    await page.route(lambda url: "/inbox/apr-" in url and questions[0] not in url, hold_back)
    await press(page, "a")
    await page.wait_for_selector(".toast")
    await press(page, "z")
    await expect(page.locator("#announce")).to_contain_text("Undone.")
    async with page.expect_response(lambda answer: questions[0] not in answer.url):
        is_undone.set()
    await late.wait()
    assert await page.evaluate("new Promise(done => setTimeout(done, 50, true))")
    await expect(page.locator("#ask")).to_have_attribute("data-id", questions[0])


async def test_how_long_an_answer_can_be_undone_is_ones_own_choice(
    sign_in: SignIn, desk: Served, questions: list[str]
) -> None:
    """WCAG 2.2.1: who needs longer has longer."""
    visit = await sign_in("lena", undo="5")
    page = await visit.open("/inbox")
    await page.locator("#me > summary").click()
    await page.get_by_label("20", exact=True).check()
    await page.get_by_role("button", name="Apply").click()
    await page.wait_for_url("**/inbox")
    page = await visit.live(f"/inbox/{questions[0]}")
    await press(page, "a")
    await expect(page.locator(".toast")).to_contain_text("Undo (")
    assert await page.locator("html").get_attribute("data-undo") == "20"
    asked = desk.as_("lena").get(f"/v1/approvals/{questions[0]}").json()
    held = moment(asked["effective_at"]) - moment(asked["decisions"][0]["at"])
    assert held.total_seconds() == pytest.approx(20, abs=0.5)


async def test_after_a_decision_the_next_one_has_the_focus(
    sign_in: SignIn, desk: Served, questions: list[str]
) -> None:
    """And it is announced; the one that was decided takes effect by itself."""
    visit = await sign_in("lena", undo="5")
    page = await visit.live(f"/inbox/{questions[1]}{OURS}")
    await press(page, "a")
    await expect(page.locator("#ask")).not_to_have_attribute("data-id", questions[1])
    await expect(page.locator("#ask-title")).to_be_focused()
    await expect(page.locator("#announce")).to_contain_text("Approved. Next:")
    await expect(page.locator(f"#row-{questions[1]}")).to_have_count(0)
    await page.goto(f"{desk.url}/inbox/{questions[1]}")
    await expect(page.locator("#closed h2")).to_contain_text("Approved by you")


async def test_r_rejects_with_a_reason_from_the_list(
    sign_in: SignIn, desk: Served, questions: list[str]
) -> None:
    """Without one nothing is sent."""
    visit = await sign_in("lena")
    page = await visit.live(f"/inbox/{questions[0]}")
    await press(page, "r")
    await expect(page.locator("#reject select")).to_be_focused()
    await press(page, "Control+Enter")
    await expect(page.locator("#ask")).to_have_attribute("data-id", questions[0])
    await press(page, "i")  # more of its words would be another's, were they too slow
    await expect(page.locator("#reject select")).to_have_value("duplicate")
    await press(page, "Tab")
    await page.keyboard.type("Paid on Monday.")
    await press(page, "Control+Enter")
    await page.wait_for_selector(".toast")
    found = desk.as_("lena").get(f"/v1/approvals/{questions[0]}").json()["decisions"][0]
    assert (found["kind"], found["code"], found["reason"]) == (
        "reject", "duplicate", "Paid on Monday.",
    )  # fmt: skip


async def test_e_edits_and_policy_speaks_before_it_can_be_approved(
    sign_in: SignIn, desk: Served, questions: list[str]
) -> None:
    """The difference is shown field by field, the button only works after the check."""
    visit = await sign_in("lena")
    page = await visit.live(f"/inbox/{questions[2]}")
    await press(page, "e")
    approve = page.locator("#approve-edited")
    await expect(approve).to_be_disabled()
    await page.get_by_label("Note", exact=True).fill("second half")
    await expect(page.locator("#tried ins")).to_have_text("second half")
    await expect(page.locator("#tried")).to_contain_text("Your yes counts for it.")
    await expect(approve).to_be_enabled()
    await approve.focus()
    await press(page, "Enter")
    await page.wait_for_selector(".toast")
    before = desk.as_("lena").get(f"/v1/approvals/{questions[2]}").json()
    assert before["status"] == "edited"
    after = desk.as_("lena").get(f"/v1/approvals/{before['replaced_by']}").json()
    assert (after["status"], after["action"]["arguments"]["note"]) == ("held", "second half")


async def test_x_selects_and_all_are_decided_together(
    sign_in: SignIn, desk: Served, questions: list[str]
) -> None:
    """After a look at count, sum, largest and every row; each has its own result."""
    visit = await sign_in("lena")
    page = await visit.live(f"/inbox{OURS}")
    for one in questions[:2]:
        await page.locator(f"#row-{one} a").focus()
        await press(page, "x")
    await expect(page.locator("#picked")).to_have_text("2 selected, 430.00")
    await page.locator("#bulk-review").focus()
    await press(page, "Enter")
    await page.wait_for_url("**/inbox/bulk")
    words = await visit.text("main")
    assert "Sum430.00" in words
    assert "Largest220.00" in words
    await press(page, "a")
    await page.wait_for_url("**/inbox/bulk/decide")
    assert "Decided: 2 of 2" in await visit.text("h1")
    await press(page, "z")
    await page.wait_for_url("**/inbox/bulk/undo")
    states = {
        desk.as_("lena").get(f"/v1/approvals/{one}").json()["status"] for one in questions[:2]
    }
    assert states == {"open"}


async def test_letters_do_nothing_where_they_are_switched_off(
    sign_in: SignIn, questions: list[str]
) -> None:
    """WCAG 2.1.4: speech users would press them by talking."""
    visit = await sign_in("lena")
    page = await visit.open("/inbox")
    await page.locator("#me > summary").click()
    await page.get_by_label("off", exact=True).check()
    await page.get_by_role("button", name="Apply").click()
    await page.wait_for_url("**/inbox")
    await press(page, "?")
    await expect(page.locator("#help")).not_to_be_visible()
