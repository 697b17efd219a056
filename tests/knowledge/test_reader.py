"""Documents are parsed in a process of their own: one that hangs, swells or crashes fails alone."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime.errors import InvalidInput
from agent_runtime.knowledge import reader as reading
from agent_runtime.knowledge.index import Library
from agent_runtime.knowledge.reader import Reader, timed
from tests.knowledge.conftest import Shelf, states

SMALL = b'{"rule": "The window is long."}'
SWELLS = b"[" + b'{"a":0},' * 600_000 + b"{}]"
HANGS = b"<p>" * 200_000
LONG = b"The window is long. " * 200
WAITS = """
import time
from agent_runtime.knowledge import parse

parse._PARSERS["text/plain"] = lambda name, raw: time.sleep(600)
"""
"""What Python runs before anything else: a parser that waits and does no work."""


@pytest.fixture
def strict() -> Iterator[Reader]:
    """A reader that allows little."""
    reader = Reader(seconds=1.0, memory=150_000_000, patience=600.0)
    yield reader
    reader.close()


def pid(reader: Reader) -> int:
    assert reader._process is not None
    return reader._process.pid


@pytest.mark.parametrize(
    ("name", "media", "raw", "problem"),
    [
        ("slow.html", "text/html", HANGS, "more than 1 s of work"),
        ("big.json", "application/json", SWELLS, "needs more memory"),
        ("odd.bin", "image/odd", b"x", "breaks its parser .KeyError."),
    ],
    ids=["hangs", "swells", "breaks"],
)
def test_what_a_parser_cannot_bear_is_refused_by_name(
    strict: Reader, name: str, media: str, raw: bytes, problem: str
) -> None:
    """And the next document is read."""
    with pytest.raises(InvalidInput, match=problem) as refused:
        strict.read(name, media, raw)
    assert name in str(refused.value)
    assert strict.read("a.json", "application/json", SMALL)[0].text == "rule: The window is long."


def test_a_parser_that_only_waits_is_ended_by_the_clock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """However little work it does meanwhile."""
    (tmp_path / "sitecustomize.py").write_text(WAITS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    impatient = Reader(patience=0.5)
    with pytest.raises(InvalidInput, match=r"is not read within 0\.5 s"):
        impatient.read("a.txt", "text/plain", b"One.")
    assert impatient._process is None


def test_no_limit_of_time_outlives_its_document() -> None:
    """A process that waits for the next one does not end."""
    with timed(3_600, 7_200):
        assert all(signal.getitimer(one)[0] > 0 for one in TIMERS)
    assert [signal.getitimer(one)[0] for one in TIMERS] == [0, 0]


TIMERS = (signal.ITIMER_PROF, signal.ITIMER_REAL)


def test_an_answer_beyond_its_limit_is_not_taken(
    strict: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has taken the process over could send any amount; the next document is read."""
    monkeypatch.setattr(reading, "LONGEST", 1_000)
    with pytest.raises(InvalidInput, match="breaks its parser"):
        strict.read("a.txt", "text/plain", LONG)
    assert strict.read("a.json", "application/json", SMALL)


def test_a_parser_that_is_killed_is_started_again(strict: Reader) -> None:
    """One process reads for many documents, as long as it lives."""
    strict.read("a.json", "application/json", SMALL)
    first = pid(strict)
    strict.read("b.json", "application/json", SMALL)
    assert pid(strict) == first
    os.kill(first, signal.SIGKILL)
    strict._process.wait()  # type: ignore[union-attr]
    strict.read("c.json", "application/json", SMALL)
    assert pid(strict) != first


def test_it_is_told_no_key_and_writes_no_file(
    strict: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a document take it over, it finds nothing there."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    strict.read("a.json", "application/json", SMALL)
    place = Path(f"/proc/{pid(strict)}")
    assert b"OPENAI" not in (place / "environ").read_bytes()
    limits = (place / "limits").read_text()
    assert "Max file size             0" in limits
    strict.close()
    assert not place.exists()


async def test_one_bad_file_harms_no_other(shelf: Shelf, strict: Reader, tmp_path: Path) -> None:
    """In a folder it names itself, with nothing of it indexed, and the rest comes in."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, raw in {"a.json": SMALL, "b.html": HANGS, "c.json": SWELLS, "d.md": b"One."}.items():
        (folder / name).write_bytes(raw)
    shelf.library = Library(shelf.store, shelf.clock, strict)
    found = states(await shelf.take(folder))
    assert found == {
        "docs/a.json": "added",
        "docs/b.html": "refused",
        "docs/c.json": "refused",
        "docs/d.md": "added",
    }
    assert shelf.names() == ["docs/a.json", "docs/d.md"]
