"""docs/notices.md knows every topic and every setting."""

from __future__ import annotations

import json
from typing import get_args

from agent_runtime.notice import Topic
from agent_runtime.settings import NoticeSettings
from tests.docs.document import ROOT
from tests.docs.test_documents_name import table

PAGE = ROOT / "docs" / "notices.md"


def test_settings_are_complete() -> None:
    """Each variable, with its default."""
    rows = {row[0]: row[2] for row in table(PAGE, "variable")}
    for name, setting in NoticeSettings.model_fields.items():
        shown = rows.pop(f"AGENT_RUNTIME_{name.upper()}")
        default = setting.default
        plain = default if isinstance(default, str) else json.dumps(default)
        assert shown == ("none" if default is None else plain)
    assert rows == {}


def test_topics_are_complete() -> None:
    """Each that can be subscribed to, in its order."""
    assert [row[0] for row in table(PAGE, "topic")] == list(get_args(Topic))
