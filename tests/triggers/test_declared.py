"""Triggers as developers declare them: wrong ones are found when the project is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agent_runtime.app import _check_triggers
from agent_runtime.errors import SettingsError, WorkflowError
from agent_runtime.pointer import MISSING, find
from agent_runtime.secret import Secrets
from agent_runtime.trigger import EventTrigger, Trigger
from tests.triggers.sender import MAIL, OLDER, SECRET, workflow

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a name with a blank": ({"name": "my mail"}, "no trigger's name"),
    "nobody's": ({"owner": ""}, "owner"),
    "no pointer": ({"mapping": {"account": "order.id"}}, "no JSON pointer"),
    "no field of the input": ({"mapping": {"nope": "/id"}}, "nope"),
    "an id that is no pointer": ({"id": "order"}, "no JSON pointer"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_declaration_is_an_error(name: str) -> None:
    """It names the workflow, the trigger and the field."""
    fields, words = WRONG[name]
    wrong = EventTrigger(**{"name": "mail", "owner": "mailroom", **fields})
    with pytest.raises(WorkflowError, match=words):
        workflow(wrong).check()


def test_two_triggers_share_neither_name_nor_secret() -> None:
    """A message that is signed for one must not count at the other."""
    with pytest.raises(WorkflowError, match="secret 'default/mail'"):
        _check_triggers([workflow(MAIL, EventTrigger("post", owner="x", secret="mail"))])  # noqa: S106 — its name
    with pytest.raises(WorkflowError, match="name 'mail'"):
        _check_triggers([workflow(MAIL, EventTrigger("mail", owner="x", secret="other"))])  # noqa: S106 — its name


def test_a_key_of_an_event_is_nobody_elses() -> None:
    """A request could otherwise take an event's place beforehand."""
    with pytest.raises(ValueError, match="belongs to an event"):
        Trigger(kind="request", owner="mallory", key="event:mail:0")


DOCUMENT = {"a": [{"b/c": 1}, None], "~": "t", "": 0}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("", DOCUMENT), ("/a/0/b~1c", 1), ("/a/1", None), ("/~0", "t"), ("/", 0)],
)
def test_a_pointer_finds(pointer: str, value: Any) -> None:
    """As RFC 6901 has it."""
    assert find(DOCUMENT, pointer) == value


@pytest.mark.parametrize("pointer", ["/b", "/a/2", "/a/-1", "/a/01", "/a/x", "/a/0/b~1c/d"])
def test_a_pointer_to_nothing(pointer: str) -> None:
    """Is no error: what is required is the input's own affair."""
    assert find(DOCUMENT, pointer) is MISSING


def test_a_tenant_has_its_own_secrets(tmp_path: Path) -> None:
    """From the file, and before it from the environment."""
    file = tmp_path / "secrets.toml"
    file.touch(0o600)
    file.write_text(f'[default]\ncrm = ["{SECRET}", "{OLDER}"]\n')
    secrets = Secrets(file, {"other/crm": SecretStr(OLDER)})
    assert secrets.get("default", "crm") == [b"s" * 32, b"o" * 32]
    assert secrets.get("other", "crm") == [b"o" * 32]
    with pytest.raises(SettingsError, match="no secret 'crm'"):
        secrets.get("third", "crm")


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (f'[default]\ncrm = ["{SECRET}"]', 0o644, "open to other users"),
        ("[default", 0o600, "no TOML"),
        (f'crm = "{SECRET}"', 0o600, "another form"),
        ('[default]\ncrm = ["hunter2"]', 0o600, "24 to 64 bytes"),
        (f'[default]\ncrm = ["{SECRET[:20]}"]', 0o600, "24 to 64 bytes"),
    ],
)
def test_a_file_of_no_use_is_refused(tmp_path: Path, text: str, mode: int, words: str) -> None:
    """Without telling what is in it."""
    file = tmp_path / "secrets.toml"
    file.touch(mode)
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(SettingsError, match=words) as refused:
        Secrets(file).get("default", "crm")
    assert SECRET[6:20] not in str(refused.value)
    assert "hunter2" not in str(refused.value)
