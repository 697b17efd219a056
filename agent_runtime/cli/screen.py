"""What the command line prints: tables and colour on a terminal, plain lines or JSON elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Screen:
    """Standard output, in one of two manners: for people, or `--json`.

    Untrusted text is escaped and its control characters are shown, never sent to the terminal.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())

    @property
    def interactive(self) -> bool:
        """Whether a person sits at both ends."""
        return sys.stdin.isatty() and sys.stdout.isatty() and not self.as_json

    def line(self, text: str = "", *, style: str = "") -> None:
        """One line for people; nothing in JSON mode."""
        if not self.as_json:
            self._console.print(escape(visible(text)), style=style or None)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Rows for people: a table on a terminal, tab-separated lines elsewhere."""
        if self.as_json:
            return
        if not self._console.is_terminal:
            for row in rows:
                sys.stdout.write("\t".join(visible(str(cell)) for cell in row) + "\n")
            return
        table = Table(*columns, box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*(escape(visible(str(cell))) for cell in row))
        self._console.print(table)

    def document(self, value: Any) -> None:
        """One JSON document on one line, in JSON mode."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")

    def ask(self, question: str, default: str = "") -> str:
        """A person's answer to a question."""
        answer = self._console.input(f"{escape(visible(question))} ")
        return answer.strip() or default


def visible(text: str) -> str:
    """The text with control and direction-changing characters shown as escapes."""
    return "".join(_show(character) for character in text)


def _show(character: str) -> str:
    if character == "\n" or (character.isprintable() and character not in _DIRECTION):
        return character
    return f"\\u{ord(character):04x}"


_DIRECTION = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
