"""Labels in a browser: one run at a time, by key or by button, each kept by the API."""

from __future__ import annotations

import secrets

from tests.api.served import PAUSED, Served
from tests.console.browser import NARROW
from tests.console.conftest import SignIn

EVIL = "<img src=x onerror=alert(1)>\u202egpj"


def ended(desk: Served, tenant: str, message: str = "Please.") -> str:
    """A run that has ended, in a tenant of its own."""
    given = {"account": desk.account("50.00"), "message": message}
    body = {"workflow": "ledger", "input": given}
    made = desk.as_("desk", tenant).post("/v1/runs", json=body, params=PAUSED)
    assert made.json()["state"] == "completed", made.text
    return str(made.json()["id"])


def said(desk: Served, tenant: str, run: str) -> list[tuple[str, str]]:
    found = desk.as_("lena", tenant).get(f"/v1/runs/{run}/labels").json()["items"]
    return [(one["operator"], one["value"]) for one in found]


async def test_a_key_labels_and_the_next_run_comes(sign_in: SignIn, desk: Served) -> None:
    tenant = f"t{secrets.token_hex(4)}"
    older, newer = ended(desk, tenant), ended(desk, tenant, EVIL)
    visit = await sign_in("lena", tenant=tenant)
    page = await visit.open("/labels")
    assert "<b>as much</b>" in await visit.text("aside")
    assert "<img" in await visit.text("main")
    assert await visit.findings() == []
    await visit.is_live()
    await page.keyboard.press("2")
    await page.wait_for_selector(".note.ok")
    assert said(desk, tenant, newer) == [("lena", "no")]
    assert await page.locator("input[name=run]").get_attribute("value") == older
    await page.get_by_role("link", name="Say something else of it").click()
    await page.wait_for_url(f"**run={newer}")
    await visit.is_live()
    await page.keyboard.press("1")
    await page.wait_for_selector(f"input[name=run][value={older}]", state="attached")
    assert said(desk, tenant, newer) == [("lena", "yes")]


async def test_without_scripts_a_button_labels(sign_in: SignIn, desk: Served) -> None:
    tenant = f"t{secrets.token_hex(4)}"
    run = ended(desk, tenant)
    options = {"java_script_enabled": False, "viewport": NARROW, "color_scheme": "dark"}
    visit = await sign_in("carl", tenant=tenant, **options)
    page = await visit.open("/labels")
    wide = await page.locator("html").evaluate("page => page.scrollWidth - page.clientWidth")
    assert wide <= 0
    await page.get_by_role("button", name="Yes").click()
    assert said(desk, tenant, run) == [("carl", "yes")]
    assert "Nothing is left to label" in await visit.text("main")
    assert "not enough history" in await visit.text("aside")


async def test_a_label_that_is_none_is_told_and_nothing_is_kept(
    sign_in: SignIn, desk: Served
) -> None:
    tenant = f"t{secrets.token_hex(4)}"
    run = ended(desk, tenant)
    visit = await sign_in("lena", tenant=tenant)
    visit.expected += ("422",)
    page = await visit.open("/labels")
    button = page.get_by_role("button", name="Yes")
    await button.evaluate("button => { button.value = 'perhaps'; }")
    await button.click()
    assert "is no label here" in await visit.text("[role=alert]")
    assert said(desk, tenant, run) == []
