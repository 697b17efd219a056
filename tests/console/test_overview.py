"""The overview: what waits, and figures that say when they are too few."""

from __future__ import annotations

from tests.api.served import Served
from tests.console.browser import NARROW
from tests.console.conftest import SignIn


async def test_what_waits_is_counted_and_drawn_with_its_table(
    sign_in: SignIn, desk: Served
) -> None:
    desk.begin("500.00")
    visit = await sign_in("lena", java_script_enabled=False)
    page = await visit.open("/overview")
    assert int((await visit.text(".tiles dd")).replace(",", "")) >= 1
    chart = page.locator("figure", has_text="Open questions by age")
    await chart.locator("summary").click()
    assert await chart.locator("tbody tr").count() == 5


async def test_it_is_for_everybody_s_eyes(sign_in: SignIn) -> None:
    for options in ({"color_scheme": "dark"}, {"viewport": NARROW}):
        visit = await sign_in("lena", **options)
        page = await visit.open("/overview")
        assert await visit.findings() == []
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0


async def test_shares_of_few_answers_are_said_to_be_few(sign_in: SignIn, desk: Served) -> None:
    run = desk.begin("500.00")
    asked = desk.question(run)
    body = {"kind": "approve", "digest": asked["digest"], "version": asked["version"]}
    desk.as_("lena").post(f"/v1/approvals/{asked['id']}/decide", json=body)
    visit = await sign_in("lena")
    await visit.open("/overview")
    assert "NaN" not in await visit.text("main")
    assert "n" in await visit.text("main")
