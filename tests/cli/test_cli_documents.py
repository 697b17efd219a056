"""Files that come with a run from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Desk

WriteInput = Callable[..., str]
PNG = b"\x89PNG\r\n\x1a\n and more"


def test_texts_and_pictures_come_with_a_run(
    desk: Desk, write_input: WriteInput, tmp_path: Path
) -> None:
    """Each is evidence under its file's name; a text can be read there."""
    (tmp_path / "mail.txt").write_text("The parcel was wet.")
    (tmp_path / "parcel.png").write_bytes(PNG)
    handed = [word for name in ("mail.txt", "parcel.png") for word in ("--document", name)]
    words = [str(tmp_path / word) if "." in word else word for word in handed]
    run = desk("run", "refund", "--input", write_input(), *words, "--json").json["id"]
    trail = desk("runs", "evidence", run).out
    assert "mail.txt" in trail
    assert "The parcel was wet." in trail
    assert "parcel.png" in trail


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tool.exe", b"MZ", "is not allowed"),
        ("parcel.png", b"no picture", "is not what the content is"),
        ("parcel.png", PNG + bytes(5_000_000), "is too large"),
        ("parcel.png", bytes(30_000_001), "is larger than 30000000 bytes"),
        ("mail.txt", b"a" * 200_001, "at most 200000 characters"),
        ("mail.txt", b"\xff\xfe", "is not UTF-8 text"),
        ("mail.txt", None, "No such file"),
    ],
)
def test_a_file_that_may_not_come_in_is_told(
    desk: Desk,
    write_input: WriteInput,
    tmp_path: Path,
    name: str,
    content: bytes | None,
    words: str,
) -> None:
    """By what is wrong with it, and nothing is started."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    path, before = str(tmp_path / name), desk("runs", "list", "--json")
    desk("run", "refund", "--input", write_input(), "--document", path).fails(2, words)
    assert desk("runs", "list", "--json") == before


def test_two_files_of_one_name_are_refused(
    desk: Desk, write_input: WriteInput, tmp_path: Path
) -> None:
    """A citation could not say which of them it means."""
    (tmp_path / "mail.txt").touch()
    path = str(tmp_path / "mail.txt")
    said = desk("run", "refund", "--input", write_input(), "--document", path, "--document", path)
    said.fails(2, "is named twice (got 'mail.txt')")
