"""Five thousand questions: a list that is there at once, scrolls, and loses one row by its id."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.api.served import Served, serving_project
from tests.console.conftest import SignIn
from tests.console.crowd import crowd
from tests.console.project import write_project
from tests.patience import at_best

MANY = 5_000


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, list[str]]]:
    """A server with five thousand questions, and their ids, the most urgent first."""
    with serving_project(write_project, tmp_path_factory.mktemp("busy")) as served:
        asked = served.question(served.begin("300.00"))
        yield served, crowd(served, MANY, asked)


async def test_it_is_there_at_once_and_scrolls_to_a_thousand(
    sign_in: SignIn, busy: tuple[Served, list[str]]
) -> None:
    """A page of rows at a time, each row once, in order."""
    server, _ = busy
    visit = await sign_in("lena", server)

    async def opening() -> float:
        began = time.monotonic()
        await visit.live("/inbox")
        return time.monotonic() - began

    assert await at_best(opening, 3.0) < 3.0
    page = visit.page
    assert str(MANY + 1) in await visit.text("[data-view=open]")
    count = 0
    while count < 1_000:
        await page.locator("#rows").evaluate("list => { list.scrollTop = list.scrollHeight; }")
        await page.wait_for_function("n => document.querySelectorAll('.row').length > n", arg=count)
        count = await page.locator(".row").count()
    deadlines = await page.locator(".row").evaluate_all("rows => rows.map(r => r.dataset.deadline)")
    assert deadlines == sorted(deadlines)
    ids = await page.locator(".row").evaluate_all("rows => rows.map(row => row.id)")
    assert len(set(ids)) == len(ids)


async def test_one_of_them_decided_leaves_alone(
    sign_in: SignIn, busy: tuple[Served, list[str]]
) -> None:
    """The list keeps its place; the count goes down by one."""
    server, ids = busy
    visit = await sign_in("lena", server)
    page = await visit.live("/inbox")
    await page.locator("#rows").evaluate("list => { list.scrollTop = 900; }")
    asked = server.as_("luis").get(f"/v1/approvals/{ids[3]}").json()
    assert server.decide(asked, "luis", "reject").is_success
    await expect(page.locator(f"#row-{ids[3]}")).to_have_count(0)
    assert await page.locator("#rows").evaluate("list => list.scrollTop") > 700
    await expect(page.locator("[data-view=open] .count")).to_have_text(str(MANY))


async def test_a_search_finds_one_of_them(sign_in: SignIn, busy: tuple[Served, list[str]]) -> None:
    """By whatever a row shows."""
    server, ids = busy
    visit = await sign_in("lena", server)
    page = await visit.open("/inbox")
    await page.keyboard.press("/")
    await page.keyboard.type(ids[4_321])
    await page.keyboard.press("Enter")
    await expect(page.locator(".row")).to_have_count(1)
    await expect(page.locator(f"#row-{ids[4_321]}")).to_be_attached()


async def test_a_filter_that_finds_nothing_says_what_it_hides(
    sign_in: SignIn, busy: tuple[Served, list[str]]
) -> None:
    """With a way back."""
    server, _ = busy
    visit = await sign_in("lena", server)
    await visit.open("/inbox?risk=high")
    assert "hidden by the filter" in await visit.text("#empty")
