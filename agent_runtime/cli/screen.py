"""What the command line prints: tables and colour on a terminal, plain lines or JSON elsewhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from agent_runtime.cli.faults import drop_output
from agent_runtime.cli.visible import visible

GAP = 2
LAST = 16
"""Columns between two of a table's, and the least that is of use of its last one."""


class Screen:
    """Standard output, in one of two manners: for people, or `--json`.

    Untrusted text is made visible and never read as markup. When nobody reads any more (a closed
    pipe), `closed` is set and what is printed is dropped: the work itself goes on, because a
    reader that leaves must not stop a run in its middle.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.closed = False
        self._terminal = sys.stdout.isatty() and not as_json
        plain = {"color_system": None} if os.environ.get("NO_COLOR") else {}
        self._console = Console(highlight=False, markup=False, emoji=False, **plain)  # type: ignore[arg-type]  # a dict of options

    @property
    def interactive(self) -> bool:
        """Whether a person sits at both ends."""
        return self._terminal and sys.stdin.isatty()

    def line(self, text: str = "", *, style: str = "") -> None:
        """One line for people; nothing in JSON mode."""
        if self.as_json:
            return
        shown = visible(text)
        if self._terminal:
            self._send(lambda: self._console.print(Text(shown, style=style), soft_wrap=True))
        else:
            self._write(shown)

    def lines(self, lines: Iterable[str]) -> None:
        """Several lines for people."""
        for line in lines:
            self.line(line)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str = ""
    ) -> None:
        """Rows for people: a table on a terminal, tab-separated lines elsewhere.

        The first column, an id to be copied, is never cut; what a narrow terminal has no room
        for is left out, from the right. `empty` is said where there are no rows.
        """
        if self.as_json:
            return
        if not rows and empty:
            self.note(empty)
        elif self._terminal:
            self._send(lambda: self._console.print(_grid(columns, rows, self._console.width)))
        else:
            for row in rows:
                self._write("\t".join(visible(str(cell)) for cell in row))

    def document(self, value: Any) -> None:
        """One JSON document on one line, in JSON mode. ASCII, so that no terminal is steered."""
        if self.as_json:
            self._write(json.dumps(value))

    def schema(self, value: Any) -> None:
        """A JSON document for people and programs alike: indented, or on one line."""
        self._write(json.dumps(value, indent=None if self.as_json else 2))

    def raw(self, text: str) -> None:
        """A document of its own, such as a page, as it is."""
        self._write(text)

    def ask(self, question: str) -> None:
        """A question to the person at the terminal, who answers on the same line."""
        self._send(lambda: self._console.print(Text(visible(question)), end=" ", soft_wrap=True))

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator[Callable[[], None]]:
        """A bar under the lines while `what` is done; the yielded function advances it by one."""
        if not self._terminal:
            yield lambda: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)

    def note(self, text: str) -> None:
        """A remark that is no row: standard error keeps it out of pipes."""
        if self._terminal:
            self.line(text)
        else:
            sys.stderr.write(text + "\n")

    def _write(self, text: str) -> None:
        self._send(lambda: print(text, flush=True))

    def _send(self, put: Callable[[], None]) -> None:
        if self.closed:
            return
        try:
            put()
        except OSError:
            self.closed = True
            drop_output()


def _grid(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> Table:
    """A table within the width: the last column is cut, then whole columns go from the right."""
    cells = [[visible(str(cell)) for cell in row] for row in rows]
    needed = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    kept = len(columns)
    needed[-1] = min(needed[-1], max(LAST, width - sum(needed[:-1]) - GAP * (kept - 1)))
    while kept > 1 and sum(needed[:kept]) + GAP * (kept - 1) > width:
        kept -= 1
    table = Table(box=None, header_style="bold", padding=(0, GAP, 0, 0), pad_edge=False)
    for column, size in zip(columns[:kept], needed, strict=False):
        table.add_column(column, no_wrap=True, overflow="ellipsis", min_width=size, max_width=size)
    for row in cells:
        table.add_row(*(Text(cell) for cell in row[:kept]))
    return table
