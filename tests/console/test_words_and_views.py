"""Words and views: what pages are made of, without a browser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from agent_runtime.approval import ApprovalStatus
from agent_runtime.console.assets import Assets
from agent_runtime.console.claims import Passage, claims_of
from agent_runtime.console.form import local_path
from agent_runtime.console.look import Look
from agent_runtime.console.row import STATES
from agent_runtime.console.text import due, money, plain, span, visible, words
from agent_runtime.errors import InvalidInput

STATIC = Path(__file__).parents[2] / "agent_runtime/console/static"
TEMPLATES = STATIC.parent / "templates"
NOON = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (240, "4 min"), (8_040, "2 h 14 min"), (7_200, "2 h")]
    + [(60_000, "16 h"), (172_800, "2 d"), (-5, "0 s")],
)
def test_a_span_is_told_in_the_units_that_matter(seconds: int, said: str) -> None:
    """Never more than two."""
    assert span(seconds) == said


def test_a_deadline_is_words_before_and_after() -> None:
    """Late is said, not only coloured."""
    assert due(NOON + timedelta(minutes=4), NOON) == "due in 4 min"
    assert due(NOON - timedelta(minutes=9), NOON) == "9 min late"


@pytest.mark.parametrize(
    ("amount", "said"),
    [("1250", "1\u202f250.00"), ("0.5", "0.50"), ("12.3456", "12.3456"), ("1E+3", "1\u202f000.00")],
)
def test_an_amount_keeps_its_places(amount: str, said: str) -> None:
    """Two at least, and none is rounded away."""
    assert money(Decimal(amount)) == said


def test_untrusted_text_is_escaped_and_its_tricks_are_shown() -> None:
    """Line breaks stay, markup is text, what turns the direction is a number."""
    assert visible("a<b>\nc") == "a&lt;b&gt;\nc"
    assert "U+202E" in visible("\u202egnp.exe")
    assert "U+0007" in visible("\a")
    assert "U+" not in visible("naïve Ünïcödé 日本 👩\u200d🚀")


def test_names_become_words() -> None:
    """As people say them."""
    assert words("approve_refund") == "Approve refund"
    assert plain(None) == "not given"
    assert plain(False) == "no"


def test_every_status_has_its_words() -> None:
    """A new one is given some here."""
    assert set(STATES) == set(get_args(ApprovalStatus))


@pytest.mark.parametrize("text", ["much", "NaN", "1e99", "0.00001"])
def test_a_filters_amount_is_an_amount(text: str) -> None:
    """Whatever Decimal would take."""
    with pytest.raises(InvalidInput, match="is no amount"):
        Look(amount_from=text).wanted()


def test_a_look_is_told_by_its_address_alone() -> None:
    """What is as always is left out; a change keeps the rest."""
    assert Look().query() == ""
    assert Look(view="late", q=" a b ").query(sort="amount") == "?view=late&q=a+b&sort=amount"


@pytest.mark.parametrize("path", ["//e.example", "https://e.example", "/\\e", "e", "/a\r\nb", ""])
def test_only_a_path_of_ours_is_gone_on_to(path: str) -> None:
    """Everything else is the start page."""
    assert local_path(path) == "/"
    assert local_path("/inbox?view=late") == "/inbox?view=late"


def test_a_quote_is_shown_within_its_source() -> None:
    """With a little of what stands around it, and the rest counted."""
    shown = [Passage("mail-1", "x" * 1_000 + "The parcel was lost." + "y" * 900, "1", "tool", "")]
    cited = [{"source": "mail-1", "quote": "The parcel was lost."}]
    (claim,) = claims_of({"evidence": cited}, shown)
    assert claim.excerpt is not None
    assert claim.excerpt.quote == "The parcel was lost."
    assert (claim.excerpt.before, claim.excerpt.after) == (600, 500)


def test_a_quote_of_another_source_supports_nothing() -> None:
    """The same words elsewhere are not evidence."""
    shown = [Passage("mail-2", "The parcel was lost.", "1", "tool", "")]
    cited = [{"source": "mail-1", "quote": "The parcel was lost."}, "rubbish"]
    (claim,) = claims_of({"evidence": cited}, shown)
    assert not claim.is_supported


def test_scripts_stay_small_and_nothing_stands_inline() -> None:
    """60 kB of scripts in all; no style, script or handler in a template, nothing marked safe."""
    assert sum(file.stat().st_size for file in STATIC.glob("*.js")) <= 60_000
    for file in TEMPLATES.glob("*.html"):
        text = file.read_text()
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|\|\s*safe|javascript:", text), file.name
        for tag in re.findall(r"<script[^>]*>", text):
            assert "src=" in tag, file.name


def test_an_address_of_a_file_changes_with_any_file() -> None:
    """Scripts import each other by relative names."""
    assets = Assets.load()
    changed = Assets(assets.version[::-1], assets.files)
    assert assets.url("app.js") != changed.url("app.js")
    with pytest.raises(KeyError):
        assets.url("none.js")
