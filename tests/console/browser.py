"""A browser that tells on its pages: whatever they ask of other hosts, throw or block fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright._impl._api_structures import SetCookieParam
from playwright.async_api import Browser, BrowserContext, Page, Playwright

from tests.api.served import Served
from tests.patience import PATIENCE

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 320, "height": 640}
COOKIE, DISPLAY = "agent_runtime", "agent_runtime_display"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


async def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium."""
    return await playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))


@dataclass
class Visit:
    """One person's browser at the console. `faults` are what went wrong in its pages, `expected`
    words of what is meant to, `elsewhere` the one other place that it may ask."""

    server: Served
    context: BrowserContext
    page: Page
    faults: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    elsewhere: str = "data:"

    async def open(self, path: str) -> Page:
        """Go there."""
        await self.page.goto(self.server.url + path)
        return self.page

    async def live(self, path: str) -> Page:
        """Go there, and wait until it is live."""
        await self.open(path)
        await self.is_live()
        return self.page

    async def tab(self, path: str) -> Page:
        """The same in another tab."""
        page = await self.context.new_page()
        await page.goto(self.server.url + path)
        return page

    async def is_live(self, page: Page | None = None) -> None:
        """Wait until the page hears of events."""
        await (page or self.page).wait_for_selector("#live:not(.off):has-text('live')")

    async def text(self, selector: str) -> str:
        """All its words, drawn or not; after a click, those of the page that it led to."""
        await self.page.wait_for_load_state()
        return " ".join((await self.page.locator(selector).first.text_content() or "").split())

    async def findings(self, page: Page | None = None, rule: str = "") -> list[str]:
        """What axe says against the page, WCAG 2.2 A and AA, or one rule alone."""
        shown = page or self.page
        await shown.wait_for_load_state()
        if not await shown.evaluate("() => 'axe' in window"):
            await shown.evaluate(AXE_SCRIPT)
        only = {"type": "rule", "values": [rule]} if rule else RULES
        options = {"runOnly": only, "resultTypes": ["violations"]}
        find = "async options => (await axe.run(options)).violations"
        return [
            f"{one['id']}: {node['html'][:200]}"
            for one in await shown.evaluate(find, options)
            for node in one["nodes"]
        ]

    def watch(self, page: Page) -> None:
        """Note what goes wrong in a page."""
        page.set_default_timeout(PATIENCE * 1_000)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        # Saying that one is looking may come too late, which the browser notes like any refusal.
        looks = str(message.location.get("url", "")).endswith(("/claim", "/release"))
        is_late = looks and any(status in message.text for status in ("403", "409"))
        is_meant = is_late or any(word in message.text for word in self.expected)
        if message.type == "error" and not is_meant:
            self.faults.append(f"console: {message.text} {message.location}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.server.url, self.elsewhere, "data:", "about:")):
            self.faults.append(f"elsewhere: {request.url}")


def cookie_of(server: Served, token: str) -> str:
    """Sign in as a browser does; the cookie's secret."""
    with server.client(None) as client:
        answer = client.post("/sign-in", data={"token": token})
    assert answer.status_code == 200, answer.text
    return answer.cookies[COOKIE]


def _cookie(server: Served, name: str, value: str) -> SetCookieParam:
    host = urlsplit(server.url).hostname or ""
    return {
        "name": name, "value": value, "domain": host, "path": "/", "httpOnly": True,
        "sameSite": "Strict",
    }  # fmt: skip


@asynccontextmanager
async def visiting(
    browser: Browser, server: Served, name: str | None, **options: Any
) -> AsyncIterator[Visit]:
    """Somebody at the console, signed in unless `name` is None. `undo`: for how long their answers
    are held; a slow machine undoes nothing within the 5 s that people have."""
    options.setdefault("viewport", WIDE)
    tenant, undo = options.pop("tenant", "default"), options.pop("undo", "60")
    context = await browser.new_context(**options)
    await context.add_cookies([_cookie(server, DISPLAY, f"auto.dense.on.{undo}")])
    if name is not None:
        secret = cookie_of(server, server.token(name, tenant=tenant))
        await context.add_cookies([_cookie(server, COOKIE, secret)])
    visit = Visit(server, context, None)  # type: ignore[arg-type]  # the page is made a line below
    context.on("page", visit.watch)
    visit.page = await context.new_page()
    try:
        yield visit
    finally:
        await context.close()
    if visit.faults:
        raise AssertionError(f"the pages of {name} went wrong: {visit.faults}")
