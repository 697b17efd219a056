"""Runs in pages: a list of a hundred thousand is read a page at a time."""

from __future__ import annotations

import re

from tests.cli.conftest import Desk


def test_runs_are_listed_in_pages(desk: Desk) -> None:
    """Each says where the next one begins; the newest come first where that is asked."""
    everything = [run["id"] for run in desk("runs", "list", "--json").json]
    assert len(everything) == 3
    first = desk("runs", "list", "--limit", "2")
    found = re.search(r"There are more: --after (\S+)", first.out + first.err)
    assert found is not None
    (last,) = desk("runs", "list", "--limit", "2", "--after", found[1], "--json").json
    assert last["id"] == everything[-1]
    newest = [run["id"] for run in desk("runs", "list", "--newest", "--json").json]
    assert newest == everything[::-1]
