"""`agent-runtime notices`: who is told what, and what could not be told, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import PROJECT, Said, Say, clean_environment, say
from tests.triggers.sender import SECRET

__all__ = ["clean_environment", "say"]

REQUEST = {
    "customer": "mia",
    "order_id": "o-1",
    "received_on": "2026-04-02",
    "message": "Please refund these goods.",
}
INSIDE = "https://10.0.0.1/hook"
FILES = {
    "operators.toml": """
[operators.ada]
roles = ["administrator"]
[operators.sam]
roles = ["support"]
""",
    "secrets.toml": f'[default]\ncrm = ["{SECRET}"]',
    "request.json": json.dumps(REQUEST),
}

Ask = Callable[..., Said]


@pytest.fixture
def ask(say: Say, tmp_path: Path) -> Ask:
    """Runs one command on a data folder of its own, with an administrator and a secret."""
    data = tmp_path / "data"
    data.mkdir()
    for name, text in FILES.items():
        (data / name).touch(0o600)
        (data / name).write_text(text)

    def run(*words: str) -> Said:
        return say(*words, "--app", str(PROJECT), "--data", str(data), "--json")

    return run


def subscribe(ask: Ask, who: str = "ada", signed: str = "crm") -> Said:
    words = ("--as", who, "--topic", "finished", "--topic", "failed", "--secret", signed)
    return ask("notices", "subscribe", INSIDE, *words)


def test_what_could_not_be_told_is_found_and_sent_again(ask: Ask, tmp_path: Path) -> None:
    """The doctor warns of it; a person has it sent again."""
    made = subscribe(ask).json
    assert [one["id"] for one in ask("notices", "subscriptions").json] == [made["id"]]
    ask("run", "refund", "--input", str(tmp_path / "data" / "request.json"))
    ask("worker", "--once")
    (dead,) = ask("notices", "dead").json
    assert (dead["subscription"], dead["tries"]) == (made["id"], 1)
    assert "dead_notices" in ask("doctor").out
    assert ask("notices", "resend", dead["id"], "--as", "ada").json["state"] == "due"
    assert ask("notices", "dead").json == []
    assert ask("notices", "unsubscribe", made["id"], "--as", "ada").code == 0
    assert ask("notices", "subscriptions").json == []


def test_only_an_administrator_has_others_told(ask: Ask) -> None:
    """And only signed with a secret that is there."""
    subscribe(ask, who="sam").fails(3, "may not administer")
    subscribe(ask, signed="nope").fails(2, "no secret of this tenant")
