"""The settings: tokens, who is told what, schedules; each works without a script."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.api.served import Served
from tests.console.conftest import SignIn


async def test_a_token_is_made_shown_once_used_and_revoked(sign_in: SignIn, desk: Served) -> None:
    visit = await sign_in("ada", tenant="other", java_script_enabled=False)
    page = await visit.open("/settings/tokens")
    await page.get_by_label("Speaks for").fill("crm")
    await page.get_by_label("Roles").fill("starter, lead")
    await page.get_by_label("read", exact=True).check()
    await page.get_by_role("button", name="Make the token").click()
    secret = re.search(r"art_\S+", await visit.text(".note.ok .code"))
    assert secret is not None
    with desk.client(secret.group()) as client:
        assert client.get("/v1/runs").status_code == 200
        assert client.post("/v1/runs", json={"workflow": "ledger", "input": {}}).status_code == 403
        await visit.open("/settings/tokens")
        assert secret.group() not in await page.content()
        await page.locator("tr", has_text="crm").get_by_role("button", name="Revoke").click()
        assert client.get("/v1/runs").status_code == 401


async def test_a_refused_form_keeps_what_was_typed(sign_in: SignIn) -> None:
    visit = await sign_in("ada")
    visit.expected += ("422",)
    page = await visit.open("/settings/webhooks")
    await page.get_by_label("An https address").fill("http://crm.example.com/hook")
    await page.get_by_label("a person is asked").check()
    await page.get_by_role("button", name="Tell them").click()
    await expect(page.locator("[role=alert]")).to_have_count(1)
    assert (
        await page.get_by_label("An https address").input_value() == "http://crm.example.com/hook"
    )
    assert await page.get_by_label("a person is asked").is_checked()
    assert await visit.findings() == []


async def test_who_is_told_what_is_listed_and_removed(sign_in: SignIn) -> None:
    visit = await sign_in("ada")
    page = await visit.open("/settings/webhooks")
    await page.get_by_label("An https address").fill("https://crm.example.com/hook")
    await page.get_by_label("Secret that signs").fill("crm")
    await page.get_by_label("a question will soon be late").check()
    await page.get_by_role("button", name="Tell them").click()
    row = page.locator("tr", has_text="crm.example.com")
    await row.get_by_role("button", name="Remove").click()
    await expect(row).to_have_count(0)


async def test_a_schedule_is_made_paused_and_removed(sign_in: SignIn, desk: Served) -> None:
    visit = await sign_in("ada")
    page = await visit.open("/settings/schedules")
    await page.get_by_label("Name", exact=True).fill("mornings")
    await page.get_by_label("Cron").fill("0 6 * * 1-5")
    await page.get_by_label("Input of its runs").fill(f'{{"account": "{desk.account("1.00")}"}}')
    await page.get_by_role("button", name="Make the schedule").click()
    row = page.locator("tr", has_text="mornings")
    await row.get_by_role("button", name="Pause").click()
    await expect(row).to_contain_text("paused")
    assert await visit.findings() == []
    await row.get_by_role("button", name="Remove").click()
    await expect(row).to_have_count(0)


async def test_cron_nonsense_is_told_beside_what_was_typed(sign_in: SignIn) -> None:
    visit = await sign_in("ada", java_script_enabled=False)
    visit.expected += ("422",)
    page = await visit.open("/settings/schedules")
    await page.get_by_label("Name", exact=True).fill("never")
    await page.get_by_label("Cron").fill("61 25 * *")
    await page.get_by_label("Input of its runs").fill('{"account": "a"}')
    await page.get_by_role("button", name="Make the schedule").click()
    assert "61 25" in await visit.text("[role=alert]")
    assert await page.get_by_label("Name", exact=True).input_value() == "never"


async def test_who_does_not_administer_sees_their_own_settings_alone(sign_in: SignIn) -> None:
    visit = await sign_in("lena")
    page = await visit.open("/settings")
    assert await page.get_by_role("link", name="Tokens").count() == 0
    assert await visit.findings() == []
    visit.expected += ("403",)
    await visit.open("/settings/tokens")
    assert "administer" in await visit.text("main")


async def test_this_browser_tells_of_a_question_that_is_mine(sign_in: SignIn, desk: Served) -> None:
    visit = await sign_in("lena")
    await visit.context.grant_permissions(["notifications"])
    await visit.context.add_init_script(
        "globalThis.Notification = class { static permission = 'granted';"
        " static requestPermission = async () => 'granted';"
        " constructor(title, { tag }) { document.documentElement.dataset.told = tag; } }"
    )
    page = await visit.open("/settings")
    await page.get_by_role("button", name="Tell me").click()
    await visit.is_live()
    mine = desk.question(desk.begin("500.00"))
    await page.wait_for_selector(f"[data-told='{mine['id']}']")
    desk.begin("5000.00")  # finance is asked, not a lead
    await page.wait_for_timeout(300)
    assert await page.locator(f"[data-told='{mine['id']}']").count() == 1
