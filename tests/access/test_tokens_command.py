"""`agent-runtime tokens`: made at the command line, shown once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PROJECT
from tests.program import run as program

Said = subprocess.CompletedProcess[str]


@pytest.fixture
def tokens(tmp_path: Path) -> Callable[..., Said]:
    """Run one of its commands on a data folder of its own."""
    (tmp_path / "data").mkdir()

    def run(*words: str) -> Said:
        place = ("--app", str(PROJECT), "--data", str(tmp_path / "data"))
        return program("tokens", *words, *place)

    return run


def last(said: Said) -> Any:
    return json.loads(said.stdout.splitlines()[-1])


def test_a_token_takes_the_roles_of_the_list(tokens: Callable[..., Said]) -> None:
    """lena's are in operators.toml; the secret is in this output and in no later one."""
    made = last(tokens("create", "--operator", "lena", "--json"))
    assert set(made["token"]["roles"]) >= {"support", "support_lead"}
    listed = tokens("list", "--json")
    assert [token["id"] for token in last(listed)] == [made["token"]["id"]]
    assert made["secret"].startswith("art_")
    assert made["secret"] not in listed.stdout
    ended = last(tokens("revoke", made["token"]["id"], "--json"))
    assert ended["revoked_at"] is not None


def test_a_program_gets_roles_by_name(tokens: Callable[..., Said]) -> None:
    """It is on no list; so are its tenant, its end and its limits."""
    words = ("--operator", "shop-desk", "--role", "starter", "--tenant", "acme")
    made = last(tokens("create", *words, "--expires", "12h", "--scope", "start", "--json"))["token"]
    assert (made["roles"], made["tenant"], made["scopes"]) == (["starter"], "acme", ["start"])
    assert tokens("list", "--json").stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--operator", "ghost"), "--role"),
        (("--operator", "lena", "--tenant", "acme"), "--role"),
        (("--operator", "lena", "--expires", "soon"), "--expires"),
        (("--operator", "lena", "--expires", "9999d"), "--expires"),
        (("--operator", "lena", "--scope", "fly"), "--scope"),
        (("--operator", 'le"na', "--role", "x"), "operator"),
        (("--operator", "lena", "--role", "a b"), "roles"),
    ],
)
def test_what_cannot_be_made_is_refused(
    tokens: Callable[..., Said], words: tuple[str, ...], problem: str
) -> None:
    """With the option at fault, and nothing stored."""
    said = tokens("create", *words)
    assert (said.returncode, problem in said.stderr) == (2, True), said
    assert "art_" not in said.stdout
