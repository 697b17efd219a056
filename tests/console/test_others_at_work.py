"""What happens elsewhere while a page is open: others decide, deadlines pass, servers die."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.api.served import Served, hasten, serving_project
from tests.console.conftest import SignIn
from tests.console.project import write_project
from tests.patience import awaited

AWAY = (
    "ERR_CONNECTION_REFUSED",
    "ERR_INCOMPLETE_CHUNKED",
    "ERR_EMPTY_RESPONSE",
    "ERR_CONNECTION_RESET",
)
CONFLICT = "status of 409"
OURS = "/inbox?amount_from=300&amount_to=320"
"""The list of these tests' questions: one of all that wait here would not show them at once."""


@pytest.fixture
def asked(desk: Served) -> str:
    return str(desk.question(desk.begin("300.00"))["id"])


async def test_of_two_who_answer_at_once_one_counts(
    sign_in: SignIn, desk: Served, asked: str
) -> None:
    """The other is told who was faster, and their page is to read only."""
    pages = []
    for name in ("lena", "luis"):
        visit = await sign_in(name)
        visit.expected += (CONFLICT,)
        page = await visit.live(f"/inbox/{asked}")
        pages.append(page)
    overriding = pages[1].locator("[name=override]")
    if await overriding.count():
        await overriding.check()
    await asyncio.gather(*(page.keyboard.press("a") for page in pages))

    def look() -> Any:
        return desk.as_("lena").get(f"/v1/approvals/{asked}").json()

    found = await asyncio.to_thread(awaited, look, lambda found: found["decisions"])
    loser = pages[1] if found["held_by"] == "lena" else pages[0]
    await expect(loser.locator("#answers")).to_have_count(0)
    await expect(loser.locator("#ask")).to_contain_text(found["held_by"])
    assert len(look()["decisions"]) == 1
    # It would leave the list in the middle of another test.
    assert desk.as_(found["held_by"]).post(f"/v1/approvals/{asked}/undo").is_success


async def test_a_colleagues_decision_turns_the_page_read_only(
    sign_in: SignIn, desk: Served, asked: str
) -> None:
    """With their name, and with what one had typed."""
    visit = await sign_in("lena")
    page = await visit.live(f"/inbox/{asked}")
    await page.keyboard.press("r")
    await page.locator("#reject textarea").fill("half a reason")
    assert desk.decide(
        {"id": asked, "digest": await digest(desk, asked)}, "luis", override=True
    ).is_success
    await expect(page.locator("#closed h2")).to_contain_text("Approved by luis")
    await expect(page.locator("#answers")).to_have_count(0)
    await expect(page.locator("#announce")).to_contain_text("Approved by luis")


async def digest(desk: Served, approval: str) -> str:
    return str(desk.as_("lena").get(f"/v1/approvals/{approval}").json()["digest"])


async def test_who_is_looking_is_seen_by_others(sign_in: SignIn, asked: str) -> None:
    """Opening a question claims it softly; who lets go of it may look on."""
    lena, luis = await sign_in("lena"), await sign_in("luis")
    await lena.page.clock.install()
    claims: list[str] = []
    lena.page.on("request", lambda one: claims.append(one.url) if "/claim" in one.url else None)
    page = await luis.live(OURS)
    opened = await lena.open(f"/inbox/{asked}")
    await expect(page.locator(f"#row-{asked} .looking")).to_have_text("lena is looking")
    claims.clear()
    await opened.locator("[data-command=claim]").click()
    await expect(page.locator(f"#row-{asked} .looking")).to_have_count(0)
    await opened.clock.fast_forward(2_000)
    await expect(opened.locator("[data-command=claim]")).to_contain_text("Claim")
    assert claims == []


async def test_a_deadline_that_passes_closes_the_open_page(
    sign_in: SignIn, desk: Served, asked: str
) -> None:
    """It is said, and nothing can be pressed; then the server says what became of it."""
    visit = await sign_in("lena")
    await visit.page.clock.install()
    page = await visit.live(f"/inbox/{asked}")
    await expect(page.locator("[data-command=approve]")).to_be_enabled()
    # The page knows an hour, and its clock is put past that; the server's own comes later.
    await page.clock.fast_forward("02:00:00")
    await expect(page.locator("#over")).to_be_visible()
    await expect(page.locator("[data-command=approve]:enabled")).to_have_count(0)
    await asyncio.to_thread(hasten, desk, [{"id": asked}], 0.1)
    await expect(page.locator("#closed h2")).to_contain_text("Expired")


async def test_new_questions_wait_above_the_list_until_n(
    sign_in: SignIn, desk: Served, asked: str
) -> None:
    """No row moves by itself, and none loses the focus."""
    visit = await sign_in("lena")
    page = await visit.live(OURS)
    await page.keyboard.press("j")
    before = await page.locator(".row").count()
    fresh = desk.question(desk.begin("310.00"))["id"]
    await expect(page.locator("#new-rows")).to_contain_text("1 new")
    assert await page.locator(".row").count() == before
    await page.keyboard.press("n")
    await expect(page.locator(f"#row-{fresh} a")).to_be_focused()
    await expect(page.locator("#new-rows")).to_be_hidden()


async def test_one_row_leaves_by_its_id(sign_in: SignIn, desk: Served, asked: str) -> None:
    """What somebody else decides goes; the others stay where they are."""
    visit = await sign_in("luis")
    page = await visit.live(OURS)
    rows = await page.locator(".row").evaluate_all("rows => rows.map(row => row.dataset.id)")
    desk.decide({"id": asked, "digest": await digest(desk, asked)}, "lena")
    await expect(page.locator(f"#row-{asked}")).to_have_count(0)
    after = await page.locator(".row").evaluate_all("rows => rows.map(row => row.dataset.id)")
    assert after == [one for one in rows if one != asked]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Served]:
    """A server that a test may kill."""
    with serving_project(write_project, tmp_path) as served:
        yield served


async def test_a_killed_server_costs_no_typed_word(sign_in: SignIn, other: Served) -> None:
    """Not live is shown, decisions are disabled; after the restart all works, text kept."""
    asked = other.question(other.begin("250.00"))["id"]
    visit = await sign_in("lena", other)
    visit.expected += AWAY
    page = await visit.live(f"/inbox/{asked}")
    await page.keyboard.press("r")
    await page.locator("#reject select").select_option("duplicate")
    await page.locator("#reject textarea").fill("half a rea")
    other.stop(signal.SIGKILL)
    await expect(page.locator("#live")).to_contain_text("Not live since")
    await expect(page.locator("#decide button:enabled")).to_have_count(0)
    await asyncio.to_thread(other.start)
    await visit.is_live()
    await expect(page.locator("#reject textarea")).to_have_value("half a rea")
    await page.locator("#reject textarea").press_sequentially("son")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_selector(".toast")
    found = other.as_("lena").get(f"/v1/approvals/{asked}").json()["decisions"][0]
    assert found["reason"] == "half a reason"


async def streams(desk: Served, count: str) -> None:
    """Wait until the server has so many."""

    def look() -> list[str]:
        return re.findall(r"event_streams (\d+)", desk.as_("ada").get("/metrics").text)

    await asyncio.to_thread(awaited, look, lambda found: found == [count])


async def test_eight_tabs_share_one_stream(sign_in: SignIn, desk: Served, asked: str) -> None:
    """All of them hear; the seventh does not hang; a closed leader hands over without a gap."""
    await streams(desk, "0")  # browsers of the tests before may take a moment to hang up
    visit = await sign_in("luis")
    pages = [await visit.open(OURS), *[await visit.tab(OURS) for _ in range(7)]]
    for page in pages:
        await visit.is_live(page)
    await streams(desk, "1")
    desk.decide({"id": asked, "digest": await digest(desk, asked)}, "lena")
    for page in pages:
        await expect(page.locator(f"#row-{asked}")).to_have_count(0)
    await pages[0].close()
    fresh = desk.question(desk.begin("320.00"))["id"]
    for page in pages[1:]:
        await expect(page.locator("#new-rows")).to_contain_text("1 new")
    assert fresh
