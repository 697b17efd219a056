"""operators.toml: whose yes counts, so nothing about it is guessed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent_runtime.errors import SettingsError
from agent_runtime.operators import channel, load_operators, provide_operators


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list of one person, mode 0600."""
    path = tmp_path / "operators.toml"
    path.touch(mode=0o600)
    path.write_text('[operators.lena]\nroles = ["support_lead"]\n')
    return path


def test_good_list(people: Path) -> None:
    """Names, roles and the tenant come from the list."""
    assert load_operators(people.parent)["lena"].roles == ("support_lead",)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_open_to_others(people: Path, mode: int) -> None:
    """A list that others may read or write is refused with the command that closes it."""
    people.chmod(mode)
    with pytest.raises(SettingsError, match=f"open to other users.* chmod 600 {people}"):
        load_operators(people.parent)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x = [", "Invalid value"),
        (b'[operators.lena]\nrolls = ["a"]', "operators.lena.roles: Field required"),
        (b'[operators.lena]\nroles = "lead"', "operators.lena.roles: Input should be a valid"),
        (b"", "operators: Field required"),
        (b"\xff\xfe", "it is not UTF-8 text"),
    ],
)
def test_malformed(people: Path, content: bytes, words: str) -> None:
    """A list that cannot be read says where, in one line, and how it should look."""
    people.write_bytes(content)
    with pytest.raises(SettingsError, match=words) as raised:
        load_operators(people.parent)
    assert "\n" not in raised.value.message
    assert "[operators.NAME]" in raised.value.remedy


def test_missing(tmp_path: Path) -> None:
    """Without a list nobody can be chosen, and the error shows how to write one."""
    with pytest.raises(SettingsError, match=r"There is no .*operators\.toml.*chmod 600"):
        load_operators(tmp_path)


def test_provided_once(people: Path, tmp_path: Path) -> None:
    """A project's list is copied, closed to others, and never over one that is there."""
    data = tmp_path / "data"
    data.mkdir()
    provide_operators(data, people)
    target = data / "operators.toml"
    assert target.stat().st_mode & 0o777 == 0o600
    target.write_text("[operators]\n")
    provide_operators(data, people)
    assert load_operators(data) == {}
    assert [path.name for path in data.iterdir()] == ["operators.toml"]


def test_channel_is_the_systems_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who decided is asked of the system: $USER and $LOGNAME say what their owner likes."""
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    assert "somebody-else" not in channel("lena")


def test_channel_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no name for the user, the number is recorded."""
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    assert channel("lena") == "cli:3999999999 as lena"
