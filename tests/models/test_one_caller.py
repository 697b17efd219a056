"""Nobody but the executor asks a model: else something is spent or said without a record of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_runtime

HOME = Path(agent_runtime.__file__).parent

SEAM = "models/executor.py"
"""Who may call `Model.exchange`."""

LANGCHAIN = {
    "models/model.py": "the seam itself",
    "replay/stub.py": "a chat model that the executor asks, and that may pass a question on",
    "worker.py": "a compiled graph",
    "tool.py": "a tool that was adopted",
    "testing/rules.py": "offline rules",
}
"""Who may call a LangChain object, and what it is."""

ASKING = frozenset(
    name for verb in ("invoke", "generate", "generate_prompt") for name in (verb, f"a{verb}")
) | {"abatch", "astream", "astream_events"}


def callers(text: str, names: frozenset[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr in names:
            yield node.attr


def files_that_use(names: frozenset[str]) -> set[str]:
    found = ((path, path.read_text(encoding="utf-8")) for path in sorted(HOME.rglob("*.py")))
    return {str(p.relative_to(HOME)) for p, text in found if any(callers(text, names))}


def test_only_the_executor_exchanges_messages_with_a_model() -> None:
    assert files_that_use(frozenset({"exchange"})) == {SEAM}


def test_only_the_seam_calls_a_chat_model_itself() -> None:
    assert files_that_use(ASKING) <= set(LANGCHAIN)
    assert "models/model.py" in files_that_use(ASKING)


@pytest.mark.parametrize("text", ["await model.exchange([], [])", "ask = model.exchange"])
def test_another_caller_would_be_found(text: str) -> None:
    assert list(callers(text, frozenset({"exchange"}))) == ["exchange"]
