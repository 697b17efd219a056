"""A change's rehearsal in a browser: what it would make of what was decided."""

from __future__ import annotations

from pathlib import Path

from tests.api.served import Served
from tests.console.browser import NARROW
from tests.console.conftest import SignIn


def proposed(desk: Served) -> str:
    """A change that lets nothing run unattended, after one run that did; its id."""
    desk.begin("70.00")
    text = Path(desk.folder / "policies/ledger.cedar").read_text().replace('"100.00"', '"20.00"')
    body = {"text": text, "reason": "Too much ran unattended."}
    made = desk.as_("petra").post("/v1/policies/ledger/propose", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def test_a_stricter_policy_is_seen_to_ask_people(sign_in: SignIn, desk: Served) -> None:
    change = proposed(desk)
    visit = await sign_in("petra", java_script_enabled=False)
    page = await visit.open("/policies")
    await page.locator(f"a[href='/policies/changes/{change}/rehearsal']").click()
    told = await visit.text("section:has(#changes-title)")
    assert "now asked" in told
    assert "Pay on" in told
    chart = page.locator("figure", has_text="What becomes of the decisions")
    await chart.locator("summary").click()
    assert "now asked" in (await chart.locator("tbody").text_content() or "")


async def test_a_rehearsal_is_for_everybody_s_eyes(sign_in: SignIn, desk: Served) -> None:
    change = proposed(desk)
    for options in ({"color_scheme": "dark"}, {"viewport": NARROW}):
        visit = await sign_in("petra", **options)
        page = await visit.open(f"/policies/changes/{change}/rehearsal")
        assert await visit.findings() == []
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
