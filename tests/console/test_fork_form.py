"""Forks by a form: with another prompt, another model, and rehearsed under another policy."""

from __future__ import annotations

from playwright.async_api import Locator, Page

from tests.api.asking import PROMPT, Asking
from tests.api.project import LOW_RISK
from tests.console.browser import NARROW, Visit
from tests.console.conftest import SignIn
from tests.models.conftest import SPARE

STRICT = LOW_RISK.replace('decimal("100.00")', 'decimal("1.00")')


async def form_of(visit: Visit, run: str) -> Page:
    """The form, with all of its parts open."""
    page = await visit.open(f"/runs/{run}/fork")
    for part in await page.locator("form details").all():
        await part.locator("summary").first.click()
    return page


def row(page: Page, of: str) -> Locator:
    return page.locator("table.beside tr", has=page.get_by_role("rowheader", name=of))


async def test_a_prompt_and_a_model_are_chosen_by_the_form(
    sign_in: SignIn, prompted: Asking
) -> None:
    """The text stands there as it is; without a change of it, nothing is said to be other."""
    run = prompted.paid()
    visit = await sign_in("mara", server=prompted.served, java_script_enabled=False)
    page = await form_of(visit, run)
    assert await page.locator("[name='prompt.pay']").input_value() == PROMPT + "\n"
    assert await page.locator("[name=model] option").all_text_contents() == [
        "as the step declares",
        "default",
        "spare",
    ]
    await page.locator("[name='prompt.pay']").fill("Look at it twice.")
    await page.locator("[name=model]").select_option("spare")
    await page.locator("[name=reason]").fill("Tried otherwise.")
    await page.get_by_role("button", name="Fork").click()
    said = await visit.text("#run-head .figures")
    assert f"Forked from{run}" in said
    assert "edited: prompt.pay, model" in said
    prompted.served.reached({"id": page.url.rsplit("/", 1)[1]}, "completed")
    model, told = prompted.asked()[-1]
    assert (model, "Look at it twice." in told) == (SPARE, True)


async def test_a_policy_is_tried_by_a_rehearsal_that_does_nothing(
    sign_in: SignIn, prompted: Asking
) -> None:
    """What was decided then stands beside what would be; really, nobody acts by it."""
    run, paid = prompted.paid(), prompted.served.bank.payouts
    visit = await sign_in("mara", server=prompted.served, java_script_enabled=False)
    visit.expected += ("422",)
    page = await form_of(visit, run)
    await page.locator("[name='policy.ledger']").fill(STRICT)
    await page.get_by_role("button", name="Rehearse only").click()
    assert await row(page, "verdict").locator("td").all_text_contents() == [
        "",
        "allow small-unattended",
        "needs approval ask-lead",
    ]
    assert "with other policy.ledger" in await visit.text("main")
    await page.go_back()
    await page.locator("[name=reason]").fill("For real.")
    await page.get_by_role("button", name="Fork").click()
    assert "is not in force" in await visit.text("[role=alert]")
    assert await page.locator("[name='policy.ledger']").input_value() == STRICT
    assert prompted.served.bank.payouts == paid


async def test_whoever_may_only_read_may_rehearse(sign_in: SignIn, prompted: Asking) -> None:
    """As the API lets them; a policy that cannot be read is told above the form."""
    visit = await sign_in("carl", server=prompted.served)
    visit.expected += ("422",)
    page = await form_of(visit, prompted.paid())
    assert await page.get_by_role("button", name="Fork", exact=True).count() == 0
    await page.locator("[name='policy.ledger']").fill("permit (")
    await page.get_by_role("button", name="Rehearse only").click()
    assert "ledger.cedar: unexpected end of input" in await visit.text("[role=alert]")
    await page.locator("[name='policy.ledger']").fill(STRICT)
    await page.get_by_role("button", name="Rehearse only").click()
    assert "nothing happened" in await visit.text("main")


async def test_form_and_rehearsal_are_for_everybody_s_eyes(
    sign_in: SignIn, prompted: Asking
) -> None:
    run = prompted.paid()
    for options in ({"color_scheme": "dark"}, {"viewport": NARROW}):
        visit = await sign_in("mara", server=prompted.served, **options)
        page = await form_of(visit, run)
        assert await visit.findings() == []
        await page.get_by_role("button", name="Rehearse only").click()
        await page.get_by_role("heading", name="A rehearsed fork").wait_for()
        assert await visit.findings() == []
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0


async def test_a_text_that_was_another_then_is_shown_beside(
    sign_in: SignIn, prompted: Asking
) -> None:
    """A fork's own prompt is not inherited by its forks: it is there to be copied."""
    body = {"at": "pay_out", "reason": "Try it.", "prompt": {"pay": "Only this once."}}
    made = prompted.served.as_("mara").post(f"/v1/runs/{prompted.paid()}/fork", json=body).json()
    prompted.served.reached(made, "completed")
    visit = await sign_in("mara", server=prompted.served, java_script_enabled=False)
    page = await form_of(visit, made["id"])
    assert await page.locator("[name='prompt.pay']").input_value() == PROMPT + "\n"
    assert await page.get_by_label("Prompt pay as it was").text_content() == "Only this once."
