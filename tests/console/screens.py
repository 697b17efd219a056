"""Screenshots of every screen, light and dark, wide and narrow: `make screenshots`.

A screen of one's own: a row in SHOTS.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from agent_runtime.app import load_app
from agent_runtime.cli.demo import load_systems
from agent_runtime.clock import ManualClock
from agent_runtime.evaluation.keeper import Keeper
from agent_runtime.store import Store
from tests.api.served import Served
from tests.cli.conftest import PROGRAM
from tests.console.browser import launch
from tests.console.past import remember
from tests.program import ROOT
from tests.triggers.sender import SECRET

SIZES: dict[str, ViewportSize] = {
    "wide": {"width": 1440, "height": 900},
    "narrow": {"width": 390, "height": 844},
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SAMPLES = ROOT / "graphs/refund/samples"

Prepare = Callable[[Page], Awaitable[None]]


@dataclass(frozen=True)
class Shot:
    """One screen. `path` may hold {approval} and {run}: of an open question of the demo; {fork} and
    {origin}: of two runs; {change}: of a policy; {disputed}: a run whose sources disagree.
    `prepare` brings the page into the state that is shown; `full`: all of the page, however long;
    `by`: who looks, nobody in particular being who may do everything."""

    name: str
    path: str
    prepare: Prepare | None = None
    full: bool = False
    by: str = "lena"


async def _press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)
    await page.wait_for_timeout(150)


async def _edit(page: Page) -> None:
    await page.locator("[data-command=edit]").click()
    await page.locator('#edit-form [name^="arg."]').last.fill("12.50")
    await page.wait_for_timeout(900)


async def _reject(page: Page) -> None:
    await page.locator("[data-command=reject]").click()


async def _undo(page: Page) -> None:
    await page.locator("[data-command=approve]").first.click()
    await page.wait_for_selector(".toast")
    await page.wait_for_timeout(200)


async def _help(page: Page) -> None:
    await page.locator("[data-command=help]").first.click()


async def _menu(page: Page) -> None:
    await page.locator("#me > summary").click()


async def _fill_in(page: Page) -> None:
    for name, value in json.loads((SAMPLES / "requests.json").read_text())[0]["input"].items():
        await page.locator(f'[name$="{name}"]').fill(value)


async def _more(page: Page) -> None:
    await page.locator("#more > summary").click()


async def _scroll(page: Page) -> None:
    await page.evaluate(
        "for (const e of [document.getElementById('detail'), document.scrollingElement])"
        " e.scrollTop = 620"
    )


SHOTS = (
    Shot("inbox", "/inbox"),
    Shot("approval", "/inbox/{approval}"),
    Shot("approval-lower", "/inbox/{approval}", _scroll),
    Shot("approval-edit", "/inbox/{approval}", _edit),
    Shot("approval-reject", "/inbox/{approval}", _reject),
    Shot("approval-more", "/inbox/{approval}", _more),
    Shot("inbox-done", "/inbox?view=done"),
    Shot("inbox-empty", "/inbox?q=nothing+like+this"),
    Shot("help", "/inbox", _help),
    Shot("menu", "/inbox", _menu),
    Shot("not-found", "/inbox/apr-none"),
    Shot("undo", "/inbox/{approval}", _undo),
    Shot("runs", "/runs"),
    Shot("run", "/runs/{run}", full=True),
    Shot("run-context", "/runs/{run}/steps/draft_refund_decision/1/context", full=True),
    Shot("run-policy", "/runs/{run}/steps/draft_refund_decision/1/policy", full=True),
    Shot("run-state", "/runs/{run}/steps/draft_refund_decision/1/state", full=True),
    Shot("workflows", "/workflows"),
    Shot("workflow", "/workflows/after_sales", full=True, by=""),
    Shot("workflow-try", "/workflows/refund/try", _fill_in, by=""),
    Shot("policies", "/policies"),
    Shot("policy", "/policies/refund", full=True),
    Shot("policy-explain", "/policies/refund/explain?case=exactly+the+lead%27s+limit", full=True),
    Shot("overview", "/overview", full=True),
    Shot("metrics", "/quality?workflow=refund", full=True),
    Shot("rollouts", "/rollouts", full=True),
    Shot("labels", "/labels", full=True),
    Shot("fork", "/runs/{run}/fork", full=True),
    Shot("forked", "/runs/{fork}", full=True),
    Shot("compare", "/compare?a={origin}&b={fork}", full=True),
    Shot("rehearsal", "/policies/changes/{change}/rehearsal", full=True),
    Shot("audit", "/audit", by=""),
    Shot("knowledge", "/knowledge?q=refund+window", full=True),
    Shot("contradiction", "/runs/{disputed}/steps/draft_refund_decision/1/context", full=True),
    Shot("settings", "/settings"),
    Shot("tokens", "/settings/tokens", full=True, by=""),
    Shot("webhooks", "/settings/webhooks", full=True, by=""),
    Shot("schedules", "/settings/schedules", full=True, by=""),
)


async def shoot(browser: Browser, url: str, folder: Path, only: str) -> None:
    """Take all whose name has `only` in it."""
    cookies = {shot.by: _sign_in(url, shot.by) for shot in SHOTS}
    tried = _try(url, _known(url, cookies["lena"])["run"])
    for shot in SHOTS:
        if not re.search(only, shot.name):
            continue
        for scheme in SCHEMES:
            for size, viewport in SIZES.items():
                cookie = cookies[shot.by]
                known = {**tried, **_known(url, cookies["lena"])}
                context = await browser.new_context(
                    color_scheme=scheme,
                    viewport=viewport,
                    device_scale_factor=1,
                )
                await context.add_cookies([{"name": "agent_runtime", "value": cookie, "url": url}])
                page = await context.new_page()
                await page.goto(url + shot.path.format(**known))
                await page.wait_for_timeout(500)
                if shot.prepare is not None:
                    await shot.prepare(page)
                path = folder / f"{shot.name}-{size}-{scheme}.png"
                await page.screenshot(path=path, full_page=shot.full)
                await context.close()
    print(f"screenshots in {folder}")


def _sign_in(url: str, name: str) -> str:
    answer = httpx.post(url + "/sign-in/dev", data={"as": name}, trust_env=False)
    return answer.cookies["agent_runtime"]


def _known(url: str, cookie: str) -> dict[str, str]:
    with httpx.Client(base_url=url, trust_env=False, cookies={"agent_runtime": cookie}) as client:
        found: list[dict[str, Any]] = client.get("/v1/approvals").json()["items"]
        runs: list[dict[str, Any]] = client.get("/v1/runs?limit=200").json()["items"]
    disputed = [run["id"] for run in runs if str(run["trigger"]["key"]).endswith("inbox-009")]
    mine = [one for one in found if one["status"] == "open" and float(one["amount"]) < 1_000]
    largest = max(mine, key=lambda one: float(one["amount"]))
    return {"approval": largest["id"], "run": largest["run_id"], "disputed": disputed[0]}


def _try(url: str, run: str) -> dict[str, str]:
    """A fork of the run, and a stricter policy that is proposed: nobody in particular may."""
    text = (ROOT / "policies/refund.cedar").read_text().replace('"100.00"', '"20.00"')
    asked = {"at": "draft_refund_decision", "input": {"message": "Half of it, please."}}
    with httpx.Client(base_url=url, trust_env=False) as client:
        fork = client.post(f"/v1/runs/{run}/fork", json={**asked, "reason": "Asked again."})
        body = {"text": text, "reason": "Small refunds were too large."}
        change = client.post("/v1/policies/refund/propose", json=body)
    return {"origin": run, "fork": fork.json()["id"], "change": change.json()["id"]}


def _set_up(url: str) -> None:
    """What an administrator has made: tokens, a webhook, a schedule."""
    hook = {"channel": "webhook", "to": "https://hooks.example.org/refunds", "secret": "refunds"}
    made: dict[str, list[dict[str, Any]]] = {
        "tokens": [
            {"operator": "mailroom", "scopes": ["start", "read"], "days": 90},
            {"operator": "lena", "roles": ["support", "support_lead"]},
        ],
        "subscriptions": [{**hook, "topics": ["escalated", "failed"]}],
        "schedules": [
            {
                "workflow": "refund",
                "name": "monday-check",
                "cron": "0 6 * * 1",
                "zone": "Europe/Berlin",
                "input": json.loads((SAMPLES / "requests.json").read_text())[0]["input"],
            }
        ],
    }
    with httpx.Client(base_url=url, trust_env=False) as client:
        for kind, bodies in made.items():
            for body in bodies:
                answer = client.post(f"/v1/{kind}", json=body)
                assert answer.is_success, answer.text


def _fill(server: Served) -> None:
    """The demo's story, and then its requests once more, for somebody to decide."""
    subprocess.run(
        [PROGRAM, "demo", "--json", "--data", server.data, "--app", ROOT],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    asyncio.run(load_systems(load_app(ROOT), server.data, SAMPLES))
    asyncio.run(_remember(server))


async def _remember(server: Served) -> None:
    """Weeks of history, for the figures, up to a moment ago."""
    clock = ManualClock(datetime.now(UTC) - timedelta(days=29, hours=23))
    store = Store(server.data / "runtime.db", clock)
    try:
        await remember(store, clock, runs=900, days=29.9)
        await Keeper(store).keep_up("default")
    finally:
        store.close()


def _ask(server: Served) -> None:
    requests = json.loads((SAMPLES / "requests.json").read_text())
    with server.client(None) as client:
        for round_ in range(2):
            for one in requests:
                body = {"workflow": "refund", "input": one["input"]}
                key = {"idempotency-key": f"{one['key']}-again-{round_}"}
                client.post("/v1/runs", json=body, headers=key, params={"wait": "paused"})


async def _take(url: str, folder: Path, only: str) -> None:
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        await shoot(browser, url, folder, only)
        await browser.close()


def main() -> None:
    """`python -m tests.console.screens FOLDER [PATTERN]`."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        server = Served(ROOT)
        server.place = Path(place) / "data"
        _fill(server)
        server.env["AGENT_RUNTIME_SECRETS"] = json.dumps({"default/refunds": SECRET})
        server.start("--dev", "--data", str(server.data))
        try:
            _ask(server)
            _set_up(server.url)
            asyncio.run(_take(server.url, folder, sys.argv[2] if len(sys.argv) > 2 else ""))
        finally:
            server.close()


if __name__ == "__main__":
    main()
