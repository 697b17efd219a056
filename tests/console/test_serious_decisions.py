"""Decisions that need more than one key: high risk, two people, other hands, an answer in words."""

from __future__ import annotations

from playwright.async_api import expect

from tests.api.served import Served
from tests.console.conftest import SignIn


async def test_at_high_risk_the_amount_is_typed(sign_in: SignIn, desk: Served) -> None:
    """The key leads to the field; a wrong amount is refused by the server."""
    asked = desk.question(desk.begin("1500.00"))["id"]
    visit = await sign_in("fay")
    visit.expected += ("422",)
    page = await visit.live(f"/inbox/{asked}")
    await page.keyboard.press("a")
    await expect(page.locator("[name=confirm]")).to_be_focused()
    await page.keyboard.type("150")
    await page.keyboard.press("Enter")
    await expect(page.locator("#refused")).to_contain_text("is not what this would do")
    await page.locator("[name=confirm]").fill("1 500.00")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".toast")
    assert desk.as_("fay").get(f"/v1/approvals/{asked}").json()["status"] == "held"


async def test_of_two_people_each_sees_the_other(sign_in: SignIn, desk: Served) -> None:
    """The first yes leaves it open for the second; nobody says yes twice."""
    asked = desk.question(desk.begin("700.00"))
    assert desk.decide(asked, "luis").is_success
    visit = await sign_in("luis")
    await visit.open(f"/inbox/{asked['id']}")
    assert await visit.text("#why-not") == "You have answered; others are still asked."
    other = await sign_in("lena")
    page = await other.live(f"/inbox/{asked['id']}")
    assert "luis approve" in await other.text("#h-answers + .talk")
    await page.keyboard.press("a")
    await page.wait_for_selector(".toast")


async def test_an_answer_in_words_goes_back_to_the_model(sign_in: SignIn, desk: Served) -> None:
    """Held like any other, and undone with z."""
    asked = desk.question(desk.begin("401.00"))["id"]
    visit = await sign_in("lena")
    page = await visit.live(f"/inbox/{asked}")
    await page.locator("#more summary").click()
    await expect(page.get_by_label("Send it back with an answer")).to_be_focused()
    await page.keyboard.type("Which statement?")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".toast")).to_contain_text("Sent back")
    found = desk.as_("lena").get(f"/v1/approvals/{asked}").json()["decisions"][0]
    assert (found["kind"], found["reason"]) == ("respond", "Which statement?")


async def test_a_part_is_handed_to_somebody_else(sign_in: SignIn, desk: Served) -> None:
    """Who did that decides no more, and sees to whom it went."""
    asked = desk.question(desk.begin("402.00"))["id"]
    visit = await sign_in("lena")
    page = await visit.live(f"/inbox/{asked}")
    await page.locator("#more summary").click()
    await page.get_by_label("Hand my part to").fill("luis")
    await page.get_by_role("button", name="Hand on").click()
    await expect(page.locator("#why-not")).to_have_text(
        "You have handed your part to somebody else."
    )


async def test_what_somebody_may_not_decide_says_why(sign_in: SignIn, desk: Served) -> None:
    """And has no button that would only be refused."""
    asked = desk.question(desk.begin("403.00"))["id"]
    visit = await sign_in("fay")
    page = await visit.open(f"/inbox/{asked}")
    assert await visit.text("#why-not") == "It waits for lead, which you are not."
    await expect(page.locator("#answers")).to_have_count(0)


async def test_facts_that_changed_meanwhile_are_told_before_a_yes(
    sign_in: SignIn, desk: Served
) -> None:
    """Reading again closes it as stale; the run asks anew on the facts of now."""
    run = desk.begin("404.00")
    asked = desk.question(run)
    visit = await sign_in("lena")
    page = await visit.live(f"/inbox/{asked['id']}")
    desk.bank.put(asked["action"]["target_id"], amount="405.00")
    await page.get_by_role("button", name="Read again").click()
    await expect(page.locator("#closed h2")).to_contain_text("Facts changed")
    assert "amount was 404.00, is 405.00" in await visit.text("#closed")


async def test_a_confidence_has_a_meaning_once_there_is_history(
    sign_in: SignIn, desk: Served
) -> None:
    """Until then it says that there is not enough."""
    asked = desk.question(desk.begin("406.00"))["id"]
    visit = await sign_in("lena")
    await visit.open(f"/inbox/{asked}")
    said = await visit.text("#h-sure + p")
    assert "0.95" in said
    assert "not enough history" in said or "of 100 such cases" in said
