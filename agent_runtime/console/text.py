"""Text: how values are shown to people. Untrusted words stay words, whatever is in them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from agent_runtime.drawing.chart import Chart, draw_bars, draw_columns, draw_shares

FOLD = 1_200
"""Characters of a text that are shown before it is folded."""

_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
"""Kinds of characters that show nothing, or change how others are shown."""
_PLAIN = frozenset("\n\t\u200c\u200d")
"""Those of them that ordinary writing needs: emoji and several scripts use the joiners."""

_SPLIT = re.compile(r"[_.\-\s]+")


def visible(text: object) -> Markup:
    """A text with each control and direction-changing character shown as its number."""
    return Markup("").join(_shown(character) for character in str(text))


def _shown(character: str) -> Markup:
    if character in _PLAIN or unicodedata.category(character) not in _HIDDEN:
        return escape(character)
    name = unicodedata.name(character, "control character")
    return Markup('<span class="ctl" title="{}">U+{:04X}</span>').format(name, ord(character))


def cut(text: object, limit: int = 90) -> str:
    """The text's words on one line, cut at the limit."""
    line = " ".join(str(text)[: limit * 4].split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def words(name: str) -> str:
    """An identifier as words: `approve_refund` is “Approve refund”."""
    parted = " ".join(_SPLIT.split(name)).strip()
    return parted[:1].upper() + parted[1:] if parted else name


def money(amount: Decimal | None) -> str:
    """An amount with its thousands apart, and at least two places."""
    if amount is None:
        return "-"
    plain = amount.normalize()
    places = max(2, -int(plain.as_tuple().exponent))
    return f"{amount:,.{places}f}".replace(",", "\u202f")


def pretty(value: Any) -> str:
    """JSON as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)


def plain(value: Any) -> str:
    """One value of an argument or a fact, in a line."""
    match value:
        case None:
            return "not given"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case list() | dict():
            return json.dumps(value, ensure_ascii=False, default=str) if value else "none"
        case _:
            return str(value)


def span(seconds: float) -> str:
    """A length of time in the one or two units that matter: “4 min”, “2 h 14 min”, “3 d”."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if hours < 1:
        return f"{minutes} min"
    if days < 2:
        rest = minutes % 60
        return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"
    return f"{days} d"


def due(deadline: datetime, now: datetime) -> str:
    """A deadline in words."""
    left = (deadline - now) / timedelta(seconds=1)
    return f"due in {span(left)}" if left > 0 else f"{span(-left)} late"


def ago(moment: datetime, now: datetime) -> str:
    """How long something is past."""
    return f"{span((now - moment) / timedelta(seconds=1))} ago"


def clock(moment: datetime) -> str:
    """A moment, to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _drawing(draw: Callable[[Chart], str]) -> Callable[[Chart], Markup]:
    return lambda chart: Markup(draw(chart))  # noqa: S704 — its texts are escaped where it is drawn


FILTERS = {
    "visible": visible,
    "cut": cut,
    "words": words,
    "money": money,
    "pretty": pretty,
    "plain": plain,
    "span": span,
    "due": due,
    "ago": ago,
    "clock": clock,
    "columns": _drawing(draw_columns),
    "shares": _drawing(draw_shares),
    "bars": _drawing(draw_bars),
}
