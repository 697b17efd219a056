"""Every screen, for everybody: light and dark, small, zoomed, with its folded parts open."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page

from agent_runtime.console.screens import TABS
from agent_runtime.console.visit import TABS as TABS_OF_A_VISIT
from tests.api.served import Served
from tests.console.browser import Visit
from tests.console.conftest import SignIn
from tests.console.test_accessible import OVERFLOW, SMALL_TARGETS

BY = {
    "lena": (
        "/inbox",
        "/inbox?view=done",
        "/inbox/{asked}",
        "/inbox/{asked}/exchange",
        "/overview",
        "/quality",
        "/labels",
        "/knowledge",
    ),
    "luis": (
        "/runs",
        "/runs/{run}",
        "/runs/{run}?drawn=steps",
        "/runs/{run}/fork",
        "/runs/{run}/history",
        "/runs/{run}/input",
        *(f"/runs/{{run}}/steps/pay_out/1/{tab}" for tab in TABS_OF_A_VISIT),
        "/compare?a={run}&b={run}",
    ),
    "petra": (
        "/workflows",
        "/workflows/ledger",
        "/workflows/ledger/try",
        "/policies",
        "/policies/ledger",
        "/policies/ledger/explain",
        "/rollouts",
    ),
    "ada": (
        "/audit",
        "/settings",
        "/settings/tokens",
        "/settings/webhooks",
        "/settings/schedules",
    ),
}
"""Screens by somebody who may do all that they offer."""
UNFOLD = """() => document.querySelectorAll('main details:not([data-load], .choose > details)')
  .forEach(one => { one.open = true; })"""
FOLD = """() => document.querySelectorAll('main details')
  .forEach(one => { one.open = false; })"""

BARE = """() => document.getAnimations().map(one => `moves: ${one.animationName}`).concat(
  [...document.querySelectorAll('main .button:not(.quiet), .badge, .card')]
  .filter(one => one.checkVisibility() && getComputedStyle(one).borderTopWidth === '0px')
  .map(one => `has no edge: ${one.outerHTML.slice(0, 120)}`))"""


@pytest.mark.parametrize("who", BY)
async def test_a_screen_can_be_used_by_anybody(sign_in: SignIn, desk: Served, who: str) -> None:
    """WCAG 2.2 A and AA in light and dark; in forced colours things keep their edges, and nothing
    moves; at 320 pixels and at 200 % nothing is cut off, and what is pressed has 24 pixels."""
    asked = desk.question(desk.begin("360.00"))
    visit = await sign_in(who)
    visit.expected += ("403", "422")
    found = []
    for path in BY[who]:
        page = await visit.open(path.format(asked=asked["id"], run=asked["run_id"]))
        found += [f"{path}: {line}" async for line in _faults(visit, page)]
    assert not found, "\n".join(found)


async def _faults(visit: Visit, page: Page) -> AsyncIterator[str]:
    # So high that the bar at its foot covers nothing: what it covers can be scrolled to.
    await page.set_viewport_size({"width": 1440, "height": 3_000})
    await page.evaluate(UNFOLD)
    for line in await visit.findings():
        yield line
    await page.emulate_media(color_scheme="dark")
    for line in await visit.findings(rule="color-contrast"):
        yield f"dark: {line}"
    await page.emulate_media(forced_colors="active", reduced_motion="reduce")
    for line in await page.evaluate(BARE):
        yield f"in forced colours: {line}"
    await page.emulate_media(
        color_scheme="light", forced_colors="none", reduced_motion="no-preference"
    )
    await page.evaluate(FOLD)
    for width, height in ((320, 640), (720, 450)):
        await page.set_viewport_size({"width": width, "height": height})
        for line in await page.evaluate(SMALL_TARGETS):
            yield f"small at {width}: {line}"
        over = await page.evaluate(OVERFLOW)
        if over > 0:
            yield f"cut off at {width} by {over}"


def test_no_tab_is_left_out() -> None:
    """A new one is added above."""
    for tab in TABS:
        assert any(path.startswith(tab.path) for paths in BY.values() for path in paths), tab.path
