"""docs/api.md knows every setting, every code and every act."""

from __future__ import annotations

import json

from agent_runtime.access import ACTS
from agent_runtime.api.problem import OWN, STATUS
from agent_runtime.errors import AgentRuntimeError, CallerError, PolicyError
from agent_runtime.settings import ServeSettings
from tests.docs.document import ROOT
from tests.docs.test_documents_name import table

PAGE = ROOT / "docs" / "api.md"


def test_settings_are_complete() -> None:
    """Each variable, with its default: of the API, and of signing in to the console."""
    pages = (PAGE, PAGE.with_name("console.md"))
    rows = {row[0]: row[2] for page in pages for row in table(page, "variable")}
    for name, setting in ServeSettings.model_fields.items():
        shown = rows.pop(f"AGENT_RUNTIME_{name.upper()}")
        value = setting.default
        plain = json.dumps(value) if isinstance(value, tuple) else str(value)
        assert shown == ("none" if value is None else plain.removesuffix(".0"))
    assert rows == {}


def test_codes_are_complete() -> None:
    """Each that a caller can get, with its status."""

    def kinds(kind: type[AgentRuntimeError]) -> list[type[AgentRuntimeError]]:
        return [kind, *(found for sub in kind.__subclasses__() for found in kinds(sub))]

    expected = {code: status for code, (status, _) in OWN.items()}
    callers: list[type[AgentRuntimeError]] = [*kinds(CallerError), PolicyError]
    for kind in callers:
        status = next(status for known, status, _ in STATUS if issubclass(kind, known))
        expected[kind.code] = status
    rows = {row[0]: int(row[1]) for row in table(PAGE, "code")}
    assert rows == expected


def test_acts_are_complete() -> None:
    """Each that rules can name."""
    named = [act for row in table(PAGE, "act") for act in row[0].replace("`", "").split(", ")]
    assert sorted(named) == sorted(ACTS)
