"""Settings: what the environment says is taken, or refused by variable, value and remedy."""

from __future__ import annotations

import os

import pytest

from agent_runtime.errors import SettingsError
from agent_runtime.settings import KINDS, SECRET, Kept, load_serve_settings, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AGENT_RUNTIME_", "OPENAI_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LEASE", "0", "greater than 0 (got '0')"),
        ("LEASE", "inf", "finite number (got 'inf')"),
        ("LEASE", "soon", "number, unable to parse string as a number (got 'soon')"),
        ("BUSY_TIMEOUT", "-1", "greater than or equal to 0 (got '-1')"),
        ("STOP_GRACE", "1e9", "less than or equal to 86400 (got '1e9')"),
        ("TENANT_LIMIT", "0", "greater than 0 (got '0')"),
        ("LOG_LEVEL", "LOUD", "'WARNING', 'ERROR' or 'CRITICAL' (got 'LOUD')"),
        ("WORKFLOW_LIMITS", '{"refund": -1}', "(refund) cannot be used"),
        ("WORKFLOW_LIMITS", "{refund: 1}", "it is not JSON"),
        ("RETENTION", "{90", "it is not JSON"),
        ("RETENTION", '{"refund": {"recordings": 0}}', "(refund.recordings) cannot be used"),
        ("RETENTION", '{"refund": {"record": 9}}', "(refund.record) cannot be used"),
        ("RETENTION", '{"refund": true}', "(refund) cannot be used"),
        ("RETENTION", '{"*": 99999}', "(*.runs) cannot be used: input should be less"),
        ("MAX_BODY", "0", "greater than 0 (got '0')"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """With its variable, what is right and what to do."""
    monkeypatch.setenv(f"AGENT_RUNTIME_{name}", value)
    load = load_serve_settings if name.startswith("MAX_") else load_settings
    with pytest.raises(SettingsError) as found:
        load()
    assert found.value.message.startswith(f"AGENT_RUNTIME_{name}")
    assert words in found.value.message
    assert "unset it" in found.value.remedy


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("LEESE", "Did you mean AGENT_RUNTIME_LEASE?"),
        ("CONTENT_KEYS", "Did you mean AGENT_RUNTIME_CONTENT_KEY?"),
        ("RETENSION", "Did you mean AGENT_RUNTIME_RETENTION?"),
        ("XYZZY", "There are AGENT_RUNTIME_…: ANCHOR, APP"),
    ],
)
def test_a_misspelt_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, remedy: str
) -> None:
    """Its value, which may be a key, is not told."""
    monkeypatch.setenv(f"AGENT_RUNTIME_{name}", "hunter2")
    with pytest.raises(SettingsError, match=f"no setting AGENT_RUNTIME_{name}") as found:
        load_settings()
    assert remedy in found.value.remedy
    assert "hunter2" not in str(found.value)


def test_what_is_right_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line's own variables and small letters too."""
    for name, value in {
        "APP": "here",
        "DATA": "there",
        "log_level": "debug",
        "RETENTION": '{"refund": {"recordings": 30}, "*": 90}',
    }.items():
        monkeypatch.setenv(f"AGENT_RUNTIME_{name}", value)
    settings = load_settings()
    assert settings.log_level == "DEBUG"
    assert settings.retention["*"] == Kept(runs=90, recordings=90, events=90)


def test_every_secret_is_known_as_one() -> None:
    """So that no error tells its value."""
    fields = {name: field for kind in KINDS for name, field in kind.model_fields.items()}
    assert {name for name, field in fields.items() if "Secret" in str(field.annotation)} == SECRET
