"""Without JavaScript: every screen shows its content, and every decision works by forms."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.api.served import Served
from tests.console.browser import cookie_of
from tests.console.conftest import SignIn


@pytest.fixture
def asked(desk: Served) -> str:
    return str(desk.question(desk.begin("330.00"))["id"])


async def test_a_question_is_read_and_approved_by_forms(
    sign_in: SignIn, desk: Served, asked: str
) -> None:
    """And undone, within the window that the server holds."""
    visit = await sign_in("lena", java_script_enabled=False)
    page = await visit.open("/inbox?q=330")
    await page.locator(f"#row-{asked} a").click()
    assert "330.00" in await visit.text("#ask")
    await page.get_by_role("button", name="Approve 330.00").click()
    assert "You said approve" in await visit.text("#held")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("#ask")).to_have_attribute("data-status", "open")


async def test_a_reject_without_a_reason_keeps_what_was_typed(
    sign_in: SignIn, desk: Served, asked: str
) -> None:
    """The page says what is missing; the note is still there."""
    visit = await sign_in("lena", java_script_enabled=False)
    visit.expected += ("422",)
    page = await visit.open(f"/inbox/{asked}")
    await page.locator("#reject summary").click()
    await page.locator("#reject select").select_option("other")
    await page.locator("#reject textarea").fill(" ")
    await page.locator("#reject button[type=submit]").click()
    assert "needs one" in await visit.text("#refused")
    assert desk.as_("lena").get(f"/v1/approvals/{asked}").json()["decisions"] == []


async def test_an_edit_is_judged_and_then_approved(
    sign_in: SignIn, desk: Served, asked: str
) -> None:
    """Two forms: what policy says, then the yes."""
    visit = await sign_in("lena", java_script_enabled=False)
    page = await visit.open(f"/inbox/{asked}")
    await page.locator("#edit summary").click()
    await page.get_by_label("Note", exact=True).fill("in two parts")
    await page.get_by_role("button", name="Check against policy").click()
    assert "in two parts" in await visit.text("#tried ins")
    await page.get_by_role("button", name="Approve edited").click()
    assert "edited action" in await visit.text("#held")


async def test_remarks_claims_and_sending_back_work_too(
    sign_in: SignIn, desk: Served, asked: str
) -> None:
    """By the same functions of the API."""
    visit = await sign_in("lena", java_script_enabled=False)
    page = await visit.open(f"/inbox/{asked}")
    await page.get_by_label("Tell the others").fill("Asked the bank.")
    await page.get_by_role("button", name="Add the remark").click()
    assert "Asked the bank." in await visit.text("#talk")
    await page.get_by_role("button", name="Claim").click()
    assert await visit.text("#looking") == "you are looking"
    await page.locator("#more summary").click()
    await page.get_by_label("Send it back with an answer").fill("Which statement?")
    await page.get_by_role("button", name="Send back").click()
    assert "You said respond" in await visit.text("#held")


async def test_several_are_decided_together_by_forms(sign_in: SignIn, desk: Served) -> None:
    """Preview, decision, a result each."""
    ids = [desk.question(desk.begin(amount))["id"] for amount in ("341.00", "342.00")]
    visit = await sign_in("luis", java_script_enabled=False)
    page = await visit.open("/inbox?amount_from=341&amount_to=342")
    for one in ids:
        await page.locator(f"#row-{one} input").check()
    await page.get_by_role("button", name="Review selected").click()
    assert "Sum683.00" in await visit.text("main")
    await page.get_by_role("button", name="Approve 2").click()
    assert "Decided: 2 of 2" in await visit.text("h1")


async def test_a_sign_in_that_ends_in_mid_decision_loses_no_word(
    sign_in: SignIn, desk: Served, asked: str
) -> None:
    """One signs in and is back at the same question, with the text in its field."""
    visit = await sign_in("lena", java_script_enabled=False)
    visit.expected += ("401",)
    page = await visit.open(f"/inbox/{asked}")
    await page.locator("#reject summary").click()
    await page.locator("#reject select").select_option("duplicate")
    await page.locator("#reject textarea").fill("Paid on Monday.")
    await visit.context.clear_cookies()
    await page.locator("#reject button[type=submit]").click()
    assert "Nothing was sent" in await visit.text("main")
    await page.get_by_label("API token").fill(desk.token("lena"))
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("button", name="Back to the form").click()
    await expect(page.locator("#reject textarea")).to_have_value("Paid on Monday.")
    await expect(page.locator("#ask")).to_have_attribute("data-id", asked)
    assert cookie_of(desk, desk.token("lena")).startswith("ars_")
