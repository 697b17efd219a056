"""The runs, workflows and policies in a browser: true while they are open."""

from __future__ import annotations

from tests.api.served import Served
from tests.console.browser import NARROW
from tests.console.conftest import SignIn


async def test_a_drawing_opens_where_the_run_stands(sign_in: SignIn, desk: Served) -> None:
    """On a narrow screen the node that waits is in view, at a size that can be read."""
    visit = await sign_in(viewport=NARROW)
    page = await visit.live(f"/runs/{desk.begin('500.00')['id']}")
    frame = await page.locator("[data-scroll]").bounding_box()
    node = await page.locator("[data-current]").bounding_box()
    assert frame is not None
    assert node is not None
    assert frame["x"] <= node["x"]
    assert node["x"] + node["width"] <= frame["x"] + frame["width"]
    assert node["height"] >= 40


async def test_a_run_page_follows_its_run(sign_in: SignIn, desk: Served) -> None:
    """Somebody else's answer shows without a reload, and a reason that is being typed stays."""
    run = desk.begin("500.00")
    visit = await sign_in("ona")
    page = await visit.live(f"/runs/{run['id']}")
    await page.locator("summary:has-text('Cancel the run')").click()
    await page.locator("textarea[name=reason]").fill("Half a reason")
    desk.decide(desk.question(run), "luis")
    await page.wait_for_selector("#run-head .badge:has-text('done')")
    await page.wait_for_selector(".phase:has-text('approved by luis')")
    assert await page.locator("textarea[name=reason]").input_value() == "Half a reason"


async def test_the_list_follows_and_does_not_move(sign_in: SignIn, desk: Served) -> None:
    """A row changes where it stands; a new run is announced and comes when it is asked for."""
    run = desk.begin("500.00")
    visit = await sign_in()
    page = await visit.live("/runs")
    await page.locator(f"#{run['id']} .run-what a").focus()
    rows = await page.locator("#runs tr").evaluate_all("rows => rows.map(row => row.id)")
    desk.decide(desk.question(run), "luis")
    await page.wait_for_selector(f"#{run['id']} .badge:has-text('done')")
    focused = await page.evaluate("document.activeElement.getAttribute('href')")
    assert focused == f"/runs/{run['id']}"
    other = desk.begin("50.00")
    await page.wait_for_selector("#fresh:not([hidden])")
    assert await page.locator("#runs tr").evaluate_all("rows => rows.map(row => row.id)") == rows
    await page.keyboard.press("n")
    await page.wait_for_selector(f"#{other['id']}")


async def test_without_scripts_a_run_is_read_and_ended(sign_in: SignIn, desk: Served) -> None:
    """The drawing, the steps and the form are in the page itself."""
    run = desk.begin("500.00")
    visit = await sign_in("ona", java_script_enabled=False)
    page = await visit.open(f"/runs/{run['id']}")
    assert await page.locator("svg.graph .current").count() > 0
    await page.locator("summary:has-text('Cancel the run')").click()
    await page.locator("textarea[name=reason]").fill("Paid by hand.")
    await page.locator("button:has-text('Cancel the run')").click()
    assert "cancelled" in await visit.text("#run-head")
    assert "Paid by hand." in await visit.text("#run-head")


async def test_a_workflow_is_tried_without_scripts(sign_in: SignIn, desk: Served) -> None:
    """Wrong input is marked at its field and kept; corrected, it starts."""
    visit = await sign_in("both", java_script_enabled=False)
    visit.expected += ("422",)
    page = await visit.open("/workflows/ledger/try")
    await page.locator("#f-account").fill(desk.account("50.00"))
    await page.locator("button:has-text('Start the run')").click()
    await page.wait_for_url("**/runs/run-*")
