"""The knowledge screen: sources, what a search finds, who sees what, and where a quote is from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.served import Served
from tests.console.browser import NARROW
from tests.console.conftest import SignIn

TEXT = "# Windows\n\nThe zebra window is long.\n\n# Doors\n\nDoors <b>stay</b> shut."


@pytest.fixture
def known(desk: Served) -> dict[str, Any]:
    """A source that no step's labels name."""
    about = {"labels": ["attic"], "version": "7", "valid_to": "2020-01-01"}
    for name, more in (("zebra.md", {}), ("old-zebra.md", {"about": about})):
        body = {"name": name, "text": TEXT, **more}
        answer = desk.as_("ada").post("/v1/knowledge/sources", json=body)
        assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_source_is_found_by_its_words(sign_in: SignIn, known: dict[str, Any]) -> None:
    """What is not in force is not; that no step would see it is said beside it."""
    visit = await sign_in("lena", java_script_enabled=False)
    page = await visit.open("/knowledge?q=zebra+windows")
    found = await visit.text(".answers")
    assert "The zebra window is long." in found
    assert "no step sees it" in found
    assert "old-zebra.md" not in found
    assert "until 2020-01-01 (not now)" in await visit.text("main")
    await page.locator(".answers a").first.click()
    assert "Doors <b>stay</b> shut." in await visit.text("main")


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"viewport": NARROW}])
async def test_it_is_for_everybodys_eyes(
    sign_in: SignIn, known: dict[str, Any], options: dict[str, Any]
) -> None:
    visit = await sign_in("lena", **options)
    for path in ("/knowledge?q=zebra", f"/knowledge/sources/{known['source']}"):
        page = await visit.open(path)
        assert await visit.findings() == []
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


async def test_only_an_administrator_removes_a_source(
    sign_in: SignIn, desk: Served, known: dict[str, Any]
) -> None:
    """Others are told that they may not, and nothing is gone."""
    path = f"/knowledge/sources/{known['source']}"
    for name, gone in (("lena", False), ("ada", True)):
        visit = await sign_in(name)
        visit.expected += ("403",)
        page = await visit.open(path)
        await page.locator("details summary", has_text="Remove").click()
        await page.get_by_role("button", name="Remove").click()
        await page.wait_for_load_state()
        assert (desk.as_("ada").get(f"/v1{path}").status_code == 404) == gone


async def test_a_passage_that_was_shown_tells_where_it_is_from(
    sign_in: SignIn, desk: Served
) -> None:
    """Its exact text, who quoted it, and that no document of ours holds it."""
    run = desk.begin("500.00")
    bundles = desk.as_("lena").get(f"/v1/runs/{run['id']}/evidence").json()["items"]
    passages = bundles[0]["passages"]
    (content,) = [name for name, p in passages.items() if p["source"].startswith("account-")]
    visit = await sign_in("lena")
    await visit.open(f"/runs/{run['id']}/evidence/{content}")
    told = await visit.text("main")
    assert "Payouts follow the closing statement." in told
    assert "verbatim" in told
    assert "no document" in told
    assert await visit.findings() == []
