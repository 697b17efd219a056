"""One browser at one server: what its person waits for, and what the server keeps for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from benchmarks.api.server import Server
from benchmarks.engine.case import WrongRun
from benchmarks.scale.usage import resident_mb

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
)
COOKIE = "agent_runtime"
SHOWN = 60
"""Rows that a page begins with."""

LEFT = """id => new Promise(resolve => {
  const gone = () => !document.getElementById(`row-${id}`);
  const look = () => { if (gone()) { watcher.disconnect(); resolve(Date.now()); } };
  const watcher = new MutationObserver(look);
  watcher.observe(document.getElementById('rows'), { childList: true });
  look();
})"""
"""When a row has left the list, by the clock of this machine, which is the server's too."""


@dataclass
class Cold:
    """A first visit: milliseconds until keys are answered, and bytes over the wire."""

    usable_ms: float
    bytes: int


@dataclass
class Wire:
    """Counts what a page is sent, headers too."""

    bytes: int = field(default=0)

    def add(self, told: dict[str, Any]) -> None:
        self.bytes += int(told["encodedDataLength"])


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=FLAGS.split()
        )
        yield browser
        await browser.close()


def sign_in(server: Server) -> str:
    """The cookie's secret of a new sign-in."""
    url = f"http://127.0.0.1:{server.port}/sign-in"
    answer = httpx.post(url, data={"token": server.rita}, trust_env=False)
    if COOKIE not in answer.cookies:
        raise WrongRun(f"The sign-in failed with {answer.status_code}.")
    return str(answer.cookies[COOKIE])


async def _person(browser: Browser, server: Server) -> BrowserContext:
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    cookie: Any = {"name": COOKIE, "value": sign_in(server), "url": _url(server), "httpOnly": True}
    await context.add_cookies([cookie])
    return context


async def cold(browser: Browser, server: Server, pending: int) -> Cold:
    """A browser that has never been here opens the inbox."""
    context = await _person(browser, server)
    page = await context.new_page()
    wire = Wire()
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    session.on("Network.loadingFinished", wire.add)
    await page.goto(f"{_url(server)}/inbox")
    await page.wait_for_selector("html[data-usable]")
    usable = await page.locator("html").get_attribute("data-usable")
    rows = await page.locator(".row").count()
    shown = await page.locator("[data-view=open] .count").text_content()
    await page.wait_for_timeout(200)
    await context.close()
    if (rows, shown) != (min(pending, SHOWN), str(pending)):
        raise WrongRun(f"The inbox shows {rows} rows and counts {shown}.")
    return Cold(float(usable or 0), wire.bytes)


async def told(browser: Browser, server: Server, times: int) -> list[float]:
    """Milliseconds from a decision being sent until its row has left somebody else's list."""
    context = await _person(browser, server)
    page = await context.new_page()
    await page.goto(f"{_url(server)}/inbox")
    await page.wait_for_selector("#live:not(.off):has-text('live')")
    ids = await page.locator(".row").evaluate_all("rows => rows.map(row => row.dataset.id)")
    spent = [await _told(page, server, one) for one in ids[:times]]
    await context.close()
    return spent


async def _told(page: Page, server: Server, approval: str) -> float:
    headers = {"authorization": f"Bearer {server.rita}"}
    async with httpx.AsyncClient(base_url=_url(server), headers=headers, trust_env=False) as rita:
        asked = (await rita.get(f"/v1/approvals/{approval}")).json()
        left = asyncio.create_task(page.evaluate(LEFT, approval))
        await asyncio.sleep(0.05)
        body = {"kind": "reject", "digest": asked["digest"], "reason": "Not now."}
        begun = time.time() * 1e3
        answer = await rita.post(f"/v1/approvals/{approval}/decide", json=body)
    if not answer.is_success:
        raise WrongRun(f"A decision was refused: {answer.text}")
    return float(await left) - begun


async def memory(server: Server, pages: int) -> float:
    """Kilobytes that the server holds for each open page: its connection and its stream."""
    cookies = {COOKIE: sign_in(server)}
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(
            base_url=_url(server), cookies=cookies, limits=limits, trust_env=False
        ) as client,
        AsyncExitStack() as stack,
    ):
        for _ in range(20):  # what is made once is not a page's
            await client.get("/inbox")
        before = resident_mb(server.pid)
        for _ in range(pages):
            await client.get("/inbox")
            opened = client.stream("GET", "/v1/events/stream?brief=true")
            await stack.enter_async_context(opened)
        await asyncio.sleep(1.0)
        return (resident_mb(server.pid) - before) * 1024 / pages


def _url(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"
