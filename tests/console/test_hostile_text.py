"""Texts that would be more than text: markup, direction marks, control characters, 100 kB."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from agent_runtime.store import Session
from tests.api.served import Served
from tests.console.conftest import SignIn
from tests.console.crowd import crowd, write

MARKUP = "<script>document.title='pwned'</script><img src=x onerror=alert(1)>\"'>{{ 7 * 7 }}"
HIDDEN = "invoice\u202egnp.exe \u0007bell \u2066isolate"
LONG = "A long text. " * 8_000

INJECTED = "document.querySelectorAll('img, script:not([src]), iframe, [onerror]').length"


def question(desk: Served, text: str) -> tuple[str, dict[str, Any]]:
    """One in whose every field the text stands."""
    like = desk.question(desk.begin("380.00"))
    short = text[:180].strip()
    (name,) = crowd(
        desk,
        1,
        like,
        action={"target_id": short, "arguments": {**like["action"]["arguments"], "note": text}},
        facts={"owner": text},
        asked={"rules": (short,), "reasons": (text,), "started_by": short},
    )
    return name, like


def propose(desk: Served, run: str, visit: int, body: dict[str, Any]) -> None:
    """Let a run's reasoning have said that."""

    def append(session: Session) -> None:
        told = {"step": "pay_out", "visit": visit, "node": "reasoning", **body}
        session.events.append("envelope.emitted", run, **told)

    write(desk, append)


def said(text: str) -> dict[str, Any]:
    cited = [{"source": text[:150].strip(), "quote": text[:3_900]}]
    return {"status": "proposed", "confidence": 0.5, "reason": text[:3_900], "evidence": cited}


@pytest.mark.parametrize("text", [MARKUP, HIDDEN, LONG], ids=["markup", "hidden", "long"])
async def test_it_is_shown_and_stays_text(sign_in: SignIn, desk: Served, text: str) -> None:
    """In the list, in the question, in the proposal, in remarks and refusals."""
    name, like = question(desk, text)
    propose(desk, like["run_id"], like["visit"] + 1, said(text))
    words = {"text": text[:3_900]}
    desk.as_("luis").post(f"/v1/approvals/{name}/comments", json=words)
    visit = await sign_in("lena")
    visit.expected += ("422",)
    page = await visit.live(f"/inbox/{name}")
    assert await page.evaluate(INJECTED) == 0
    assert "pwned" not in await page.title() or "<script>" in await page.title()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if text is MARKUP:
        assert "49" not in await visit.text("#talk")
        await expect(page.locator("#talk")).to_contain_text("<script>document.title=")
    if text is HIDDEN:
        marks = await page.locator("#talk .ctl").all_text_contents()
        assert marks == ["U+202E", "U+0007", "U+2066"]
    if text is LONG:
        await expect(page.locator("summary .more").first).to_contain_text("more characters")
    await page.keyboard.press("r")
    await page.locator("#reject textarea").fill(text[:3_900])
    await expect(page.locator("#reject textarea")).to_have_value(text[:3_900])


async def test_an_address_with_markup_is_a_search_for_it(sign_in: SignIn) -> None:
    """It comes back as the words that were looked for."""
    visit = await sign_in("lena")
    page = await visit.open("/inbox?q=%3Cimg%20src=x%20onerror=alert(1)%3E")
    assert await page.evaluate(INJECTED) == 0
    await expect(page.get_by_label("Search")).to_have_value("<img src=x onerror=alert(1)>")


async def test_a_proposal_that_is_none_is_shown_raw_with_the_reason(
    sign_in: SignIn, desk: Served
) -> None:
    """And can be decided: an interrupt that misses a schema is not an invisible one."""
    like = desk.question(desk.begin("390.00"))
    broken = {"status": "proposed", "confidence": "very", "reason": 7, "evidence": "none"}
    propose(desk, like["run_id"], like["visit"], broken)
    visit = await sign_in("lena")
    page = await visit.live(f"/inbox/{like['id']}")
    assert "cannot be shown as one: confidence" in await visit.text("#ask")
    assert '"very"' in await visit.text("#ask pre")
    await page.keyboard.press("a")
    await page.wait_for_selector(".toast")


async def test_a_quote_that_stands_nowhere_is_marked(sign_in: SignIn, desk: Served) -> None:
    """Beside one that is highlighted in its source."""
    like = desk.question(desk.begin("391.00"))
    source = f"account-{like['action']['target_id']}"
    cited = [
        {"source": source, "quote": "Payouts follow the closing statement."},
        {"source": "letter-9", "quote": "The parcel was lost."},
    ]
    body = {**said("The parcel was lost."), "evidence": cited}
    propose(desk, like["run_id"], like["visit"], body)
    visit = await sign_in("lena")
    page = await visit.open(f"/inbox/{like['id']}")
    await expect(page.locator("mark").first).to_have_text("Payouts follow the closing statement.")
    unsupported = page.locator(".evidence > li").nth(1)
    await expect(unsupported).to_contain_text("no source found")
