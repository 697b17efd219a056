"""The report on paper: what is folded on a screen is there, and nothing is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import ViewportSize, async_playwright

from agent_runtime.report import build_report, render_page
from tests.conftest import OpenOffice
from tests.console.browser import launch
from tests.replay.conftest import PROMPTED

PAPER: ViewportSize = {"width": 673, "height": 986}
"""A4 in pixels, without its margins."""

MEASURED = """() => {
  const style = getComputedStyle(document.body), box = document.querySelector(".graph");
  const drawn = box.getBoundingClientRect();
  return {
    wide: document.documentElement.scrollWidth, right: drawn.right, tall: drawn.height,
    colours: [style.color, style.backgroundColor],
    prompts: [...document.querySelectorAll("details pre")]
      .filter(one => one.checkVisibility({contentVisibilityAuto: true})).length,
  };
}"""


@pytest.mark.parametrize("media", ["print", "screen"])
async def test_a_report_is_printed_whole_and_black_on_white(
    open_office: OpenOffice, tmp_path: Path, media: Literal["print", "screen"]
) -> None:
    """Prompts are unfolded on paper alone; the drawing fits one sheet, whatever the screen is."""
    office = await open_office(step=PROMPTED)
    office.bank.put("a1", amount="500.00")
    record = await office.flow("lena approve", message="a" * 300)
    report = build_report(office.runtime.store.read("default"), record.run)
    (tmp_path / "report.html").write_text(render_page(report), encoding="utf-8")
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        page = await browser.new_page(viewport=PAPER, color_scheme="dark")
        await page.emulate_media(media=media)
        await page.goto((tmp_path / "report.html").as_uri())
        seen = await page.evaluate(MEASURED)
        await browser.close()
    assert (seen["wide"], seen["right"] <= PAPER["width"], seen["tall"] <= 851) == (673, True, True)
    on_paper = seen["colours"] == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert (on_paper, seen["prompts"] > 0) == ((True, True) if media == "print" else (False, False))
