"""Compare, fork and replay in a browser: where two runs part, and what may be trusted of it."""

from __future__ import annotations

from typing import Any

from tests.api.served import Served
from tests.console.browser import NARROW
from tests.console.conftest import SignIn


def forked(desk: Served) -> tuple[str, str]:
    """A run that asks a lead, and its fork for an account that asks nobody."""
    run = desk.begin("500.00")
    body: dict[str, Any] = {"at": "pay_out", "reason": "Try the small one."}
    body["input"] = {"account": desk.account("50.00")}
    made = desk.as_("mara").post(f"/v1/runs/{run['id']}/fork", json=body)
    assert made.status_code == 201, made.text
    desk.reached(made.json(), "completed")
    return str(run["id"]), str(made.json()["id"])


async def test_two_runs_part_where_it_is_said_and_drawn(sign_in: SignIn, desk: Served) -> None:
    one, other = forked(desk)
    visit = await sign_in("lena", java_script_enabled=False)
    page = await visit.open(f"/runs/{other}")
    await page.get_by_role("link", name="Compare with its origin").click()
    assert "They part at step pay_out, visit 1" in await visit.text(".note.warn")
    assert "side effects: real" in await visit.text("[aria-label='Run B']")
    assert f"/runs/{one}" in await page.locator("[aria-label='Run B']").inner_html()
    drawn = page.locator("svg.graph")
    assert await drawn.locator(".only-b .g-side").all_text_contents() == ["B"]
    assert await drawn.locator(".only-b > .g-box[stroke-dasharray]").count() == 1
    assert await drawn.locator(".g-node.shared").count() == 3
    told = await visit.text("table.beside")
    assert "needs approval, open" in told
    assert "allow, pay executed" in told


async def test_the_comparison_is_for_everybody_s_eyes(sign_in: SignIn, desk: Served) -> None:
    one, other = forked(desk)
    for options in ({"color_scheme": "dark"}, {"viewport": NARROW}):
        visit = await sign_in("lena", **options)
        page = await visit.open(f"/compare?a={one}&b={other}&rows=all")
        assert await visit.findings() == []
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0


async def test_what_cannot_be_compared_is_told_above_the_form(
    sign_in: SignIn, desk: Served
) -> None:
    run = desk.begin("50.00")["id"]
    visit = await sign_in("lena", tenant="other")
    visit.expected += ("404",)
    page = await visit.open(f"/compare?a={run}&b={run}")
    assert "There is no run" in await visit.text("[role=alert]")
    assert await page.locator("[name=a]").input_value() == run
    assert "pay_out" not in await visit.text("main")


async def test_a_run_is_forked_by_a_form_and_says_so(sign_in: SignIn, desk: Served) -> None:
    run = desk.begin("500.00")["id"]
    visit = await sign_in("mara", java_script_enabled=False)
    page = await visit.open(f"/runs/{run}/fork")
    await page.locator("[name='input.account']").fill(desk.account("60.00"))
    await page.locator("[name=reason]").fill("A smaller one.")
    await page.get_by_role("button", name="Fork").click()
    assert page.url != f"{desk.url}/runs/{run}/fork"
    assert "Forked from" in await visit.text("#run-head")
    assert "input.account" in await visit.text("#run-head")


async def test_evidence_and_conclusion_are_changed_by_the_form_too(
    sign_in: SignIn, desk: Served
) -> None:
    """As the API does it: on other evidence the step thinks anew; another conclusion goes to the
    gate as it is. Each place that shows the fork says what it comes from."""
    run = desk.begin("500.00")
    visit = await sign_in("mara", java_script_enabled=False)
    for group, start in (("Evidence", "evidence."), ("Conclusion", "envelope.reason")):
        page = await visit.open(f"/runs/{run['id']}/fork?at=pay_out")
        await page.locator("summary", has_text=group).click()
        field = page.locator(f"[name^='{start}']").first
        name = str(await field.get_attribute("name"))
        await field.fill(f"{await field.input_value()} As a person says.")
        await page.locator("[name=reason]").fill("Tried otherwise.")
        await page.get_by_role("button", name="Fork").click()
        said = await visit.text("#run-head .figures")
        assert f"Forked from{run['id']}" in said
        assert name in said
    made = desk.reached({"id": page.url.rsplit("/", 1)[1]}, "paused")
    await visit.open("/runs")
    assert f"fork of {run['id']}" in await visit.text("#runs")
    await visit.open(f"/inbox/{desk.question(made)['id']}")
    assert f"fork of {run['id']}" in await visit.text(".ask-head")


async def test_a_fork_that_cannot_be_keeps_what_was_typed(sign_in: SignIn, desk: Served) -> None:
    run = desk.begin("500.00")["id"]
    visit = await sign_in("mara")
    visit.expected += ("422",)
    page = await visit.open(f"/runs/{run}/fork")
    assert await visit.findings() == []
    await page.locator("[name='input.account']").fill("a-typed-one")
    await page.locator("[name=reason]").fill(" ")
    await page.get_by_role("button", name="Fork").click()
    assert "reason" in await visit.text("[role=alert]")
    assert await page.locator("[name='input.account']").input_value() == "a-typed-one"


async def test_a_replay_is_identical_and_does_nothing(sign_in: SignIn, desk: Served) -> None:
    run = desk.begin("50.00")["id"]
    paid = len(desk.paid())
    visit = await sign_in("lena")
    page = await visit.open(f"/runs/{run}")
    await page.get_by_role("button", name="Replay").click()
    assert "Everything came out the same." in await visit.text("main")
    assert await visit.findings() == []
    assert len(desk.paid()) == paid
