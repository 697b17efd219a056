"""Requests that cannot be used: each ends in one clear error, and nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import PROJECT, Desk, Say

WriteInput = Callable[..., str]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"customer": 1', "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b"\xff\xfe{", "is not UTF-8 text"),
        (b"", "is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": Infinity}', "Infinity is no JSON number"),
        (b" " * 2_000_001, "is larger than 2000000 bytes"),
    ],
)
def test_malformed_file(desk: Desk, tmp_path: Path, content: bytes, words: str) -> None:
    """A file that holds no JSON object is refused with what is wrong with it."""
    path = tmp_path / "request.json"
    path.write_bytes(content)
    desk("run", "refund", "--input", str(path)).fails(2, "--input", words, str(path))


@pytest.mark.parametrize(("name", "words"), [("none.json", "No such file"), (".", "directory")])
def test_no_file(desk: Desk, tmp_path: Path, name: str, words: str) -> None:
    """A missing file and a folder are named as such."""
    desk("run", "refund", "--input", str(tmp_path / name)).fails(2, words, "Name a JSON file")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"message": "a" * 9_000}, "message: String should have at most 8000 characters"),
        ({"message": "a" * 300_000}, "is longer than 256000"),
        ({"customer": 7}, "customer: Input should be a valid string"),
        ({"customer": ""}, "customer: String should have at least 1 character"),
        ({"received_on": "yesterday"}, "received_on"),
        ({"discount": 1}, "discount: Extra inputs are not permitted"),
        ({"customer": "\ud800"}, "customer"),
    ],
)
def test_wrong_field(
    desk: Desk, write_input: WriteInput, changed: dict[str, object], words: str
) -> None:
    """A field at fault is named, with what the workflow takes."""
    desk("run", "refund", "--input", write_input(**changed)).fails(2, words)
    assert len(desk("runs", "list").out.splitlines()) == 3


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--key", "k" * 201, "at most 200"),
        ("--key", "", "at least 1"),
        ("--trigger", "", "least 1"),
    ],
)
def test_wrong_trigger(
    desk: Desk, write_input: WriteInput, option: str, value: str, words: str
) -> None:
    """A key or an owner that cannot be used is named by its option."""
    desk("run", "refund", "--input", write_input(), option, value).fails(2, f"{option}: ", words)


def test_unknown_workflow(desk: Desk, write_input: WriteInput) -> None:
    """An unknown workflow lists those there are."""
    said = desk("run", "refnd", "--input", write_input())
    said.fails(2, "no workflow 'refnd'", "after_sales, refund")


def test_same_key(desk: Desk, write_input: WriteInput) -> None:
    """The same key gives the same run; with another input it is refused."""
    words = ("run", "refund", "--key", "once", "--json", "--input")
    first, again = desk(*words, write_input()), desk(*words, write_input())
    assert first.json["id"] == again.json["id"]
    desk(*words, write_input(order_id="order-1")).fails(4, "with another input", "new key")


def test_standard_input(desk: Desk, spawn: Say, write_input: WriteInput) -> None:
    """A dash reads the request from standard input."""
    text = Path(write_input(order_id="order-none")).read_text()
    here = ("--app", str(PROJECT), "--data", str(desk.data), "--json")
    assert spawn("run", "refund", "--input", "-", *here, input=text).json["state"] == "completed"


def test_json_errors(desk: Desk) -> None:
    """With --json an error is one line on standard output, and plain words on the other."""
    said = desk("runs", "show", "run-1", "--json")
    said.fails(2, "There is no run 'run-1'")
    assert json.loads(said.out) == {
        "error": {
            "code": "not_found",
            "message": "There is no run 'run-1'.",
            "remedy": "List them with: agent-runtime runs list",
        }
    }


def test_json_usage_errors(say: Say) -> None:
    """A misused option is reported in the same form."""
    said = say("runs", "list", "--bogus", "--json")
    said.fails(2, "--bogus")
    assert said.json["error"]["code"] == "usage"
    assert said.json["error"]["remedy"] == "See: agent-runtime runs list --help"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("runs", "list", "--state", "done"), 2, "is none of queued"),
        (("runs", "show"), 2, "Missing argument"),
        (("runs", "settle", "r", "maybe", "--as", "lena"), 2, "did-not-happen"),
        (("runs", "cancel", "r", "--as", "lena"), 2, "--reason"),
        (("events", "tail", "--last", "-3"), 2, "is negative"),
        (("events", "tail", "--last", "many"), 2, "--last"),
        (("events", "tail", "--run", "run-1"), 2, "no run 'run-1'"),
        (("events", "verify", "--head", "3"), 2, "is not NUMBER:HASH"),
    ],
)
def test_wrong_words(desk: Desk, words: tuple[str, ...], code: int, told: str) -> None:
    """Every other word that cannot be used is named."""
    desk(*words).fails(code, told)


def test_unexpected_error(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect is told in one line with its place; the traceback is for those who ask for it."""
    monkeypatch.setattr("agent_runtime.cli.reading.MAX_BYTES", "none")
    said = say("run", "refund", "--input", str(PROJECT / "pyproject.toml"))
    said.fails(1, "Unexpected TypeError in reading.py:", "AGENT_RUNTIME_LOG_LEVEL=DEBUG")
    monkeypatch.setenv("AGENT_RUNTIME_LOG_LEVEL", "DEBUG")
    assert "Traceback" in say("run", "refund", "--input", str(PROJECT / "pyproject.toml")).err
