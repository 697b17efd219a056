"""Accessible: axe finds nothing, and what axe cannot see is tried: small, zoomed, still, forced."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import expect

from tests.api.served import Served
from tests.console.browser import NARROW
from tests.console.conftest import SignIn

SMALL_TARGETS = """() => [...document.querySelectorAll(
  'a, button, input:not([type=hidden]), select, textarea, summary')]
  .filter(one => {  // in a sentence, or in a drawing that has its table, they may be smaller
    if (!one.checkVisibility() || one.closest('p, .skip, td, svg')) return false;
    if (one.matches('[type=checkbox], [type=radio]')) return false;  // axe measures their room
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.right > 0 && (box.height < 24 || box.width < 24);
  }).map(one => one.outerHTML.slice(0, 120))"""

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def asked(desk: Served) -> str:
    return str(desk.question(desk.begin("360.00"))["id"])


@pytest.mark.parametrize(("scheme", "rule"), [("light", ""), ("dark", "color-contrast")])
async def test_axe_finds_nothing_on_any_screen_or_dialog(
    sign_in: SignIn, desk: Served, asked: str, scheme: Literal["light", "dark"], rule: str
) -> None:
    """WCAG 2.2 A and AA, with every form open; in the dark it is the colours that differ."""
    visit = await sign_in("lena", color_scheme=scheme)
    visit.expected += ("404",)
    page = await visit.open("/inbox")
    assert await visit.findings(rule=rule) == []
    await page.locator("[data-command=help]").first.click()
    assert await visit.findings(rule=rule) == []
    await page.keyboard.press("Escape")
    for menu in ("#me", ".filter-menu"):
        await page.locator(f"{menu} > summary").click()
        assert await visit.findings(rule=rule) == []
    await visit.open(f"/inbox/{asked}")
    for form in ("reject", "edit", "more"):
        await page.locator(f"#{form} > summary").click()
        assert await visit.findings(rule=rule) == []
    await page.locator("[data-command=approve]").click()
    await page.wait_for_selector(".toast")
    assert await visit.findings(rule=rule) == []
    await visit.open("/inbox/none")
    assert await visit.findings(rule=rule) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_where_one_signs_in(
    sign_in: SignIn, scheme: Literal["light", "dark"]
) -> None:
    """The first page that anybody sees."""
    visit = await sign_in(None, color_scheme=scheme)
    await visit.open("/sign-in")
    assert await visit.findings() == []


async def test_at_320_pixels_nothing_is_cut_off(sign_in: SignIn, asked: str) -> None:
    """One column; the list and the question are pages of their own. 200 % zoom is half the
    width."""
    visit = await sign_in("lena", viewport=NARROW)
    for path in ("/inbox", f"/inbox/{asked}"):
        page = await visit.open(path)
        assert await page.evaluate(OVERFLOW) <= 0, path
        assert await page.evaluate(SMALL_TARGETS) == [], path
        assert await visit.findings() == [], path
    await expect(page.locator(".back")).to_be_visible()
    await page.locator("[data-command=approve]").click()
    await page.wait_for_selector(".toast")


async def test_targets_are_large_enough(sign_in: SignIn, asked: str) -> None:
    """24 pixels each way, or more room around them."""
    visit = await sign_in("lena")
    page = await visit.open(f"/inbox/{asked}")
    for form in ("reject", "edit", "more"):
        await page.locator(f"#{form} > summary").click()
        assert await page.evaluate(SMALL_TARGETS) == []


async def test_at_200_percent_everything_is_reached(sign_in: SignIn, asked: str) -> None:
    """A browser zoomed to 200 % has half the pixels."""
    visit = await sign_in("lena", viewport={"width": 720, "height": 450})
    page = await visit.open(f"/inbox/{asked}")
    assert await page.evaluate(OVERFLOW) <= 0
    await page.locator("[data-command=reject]").click()
    await expect(page.locator("#reject textarea")).to_be_visible()


async def test_forced_colours_and_reduced_motion_work(sign_in: SignIn, asked: str) -> None:
    """Marks stay marks, and nothing moves."""
    visit = await sign_in("lena", forced_colors="active", reduced_motion="reduce")
    page = await visit.live(f"/inbox/{asked}")
    assert await visit.findings() == []
    moving = "() => document.getAnimations().length"
    await page.keyboard.press("a")
    await page.wait_for_selector(".toast")
    assert await page.evaluate(moving) == 0
