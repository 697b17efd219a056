"""Untrusted text made harmless: what customers and models wrote never steers a terminal."""

from __future__ import annotations


def visible(text: str) -> str:
    """The text on one line, with every control and direction-changing character as an escape.

    Line breaks are escaped too: a message could otherwise forge a line of ours.
    """
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def short(text: str, limit: int = 90) -> str:
    """The text's words on one line, cut at the limit."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
