"""A file or folder that may not be written: told with what to do, and read where it can be."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.conftest import Desk, asked_made, clean_environment, desk, say, write_input
from tests.disk.conftest import ReadOnly

__all__ = ["asked_made", "clean_environment", "desk", "say", "write_input"]


def test_a_read_only_folder(
    desk: Desk, make_read_only: ReadOnly, write_input: Callable[..., str]
) -> None:
    """SQLite needs it for its log: every command says so, and what to do about it."""
    make_read_only(desk.data)
    for words in (("runs", "list"), ("run", "refund", "--input", write_input()), ("worker",)):
        desk(*words).fails(6, "cannot be opened", "writable")
    found = {finding["code"]: finding for finding in desk("doctor", "--json").json}
    assert {"readonly", "unusable"} <= found.keys()
    assert "restore" not in found["unusable"]["remedy"]


def test_a_read_only_file(
    desk: Desk, make_read_only: ReadOnly, write_input: Callable[..., str]
) -> None:
    """It can still be read; whatever writes is refused, with nothing stored."""
    before = desk("runs", "list").out
    make_read_only(desk.data / "runtime.db")
    desk("run", "refund", "--input", write_input()).fails(6, "cannot be written", "write the file")
    decide = ("approvals", "decide", desk.approval("49.00"), "approve", "--as", "lena")
    desk(*decide).fails(6, "cannot be written", "write the file")
    assert desk("runs", "list").out == before
    said = desk("doctor", "--json")
    assert (said.code, [finding["code"] for finding in said.json]) == (1, ["readonly"])
