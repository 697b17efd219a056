"""A server whose ledger asks a model: a local one, of which two are set up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_runtime.testing import ChatServer
from tests.api.project import write_project
from tests.api.served import Served, serving_project
from tests.models.conftest import MODEL, SPARE, answer

PROMPT = "Decide on the payout."

WORKFLOW = """
from agent_runtime import Reasoning
from tests.ledger import make_pay, pay_workflow

pay = make_pay()
workflow = pay_workflow(pay, reasoning=Reasoning(prompt="pay", proposes=[pay]))
"""


@dataclass(frozen=True)
class Asking:
    """The server, and who answers it."""

    served: Served
    model: ChatServer

    def paid(self, amount: str = "50.00") -> str:
        """A run that has paid so much, unattended; its id."""
        run = self.served.begin(amount)
        assert run["state"] == "completed", run
        return str(run["id"])

    def asked(self) -> list[tuple[str, str]]:
        """Each model that was asked so far, and what it was told first."""
        return [(one.model, str(one.messages[0]["content"])) for one in self.model.requests]


def write_prompted(folder: Path) -> Path:
    """The tests' ledger with a prompt in place of its rule."""
    write_project(folder)
    (folder / "graphs/ledger/workflow.py").write_text(WORKFLOW)
    (folder / "graphs/ledger/prompts").mkdir()
    (folder / "graphs/ledger/prompts/pay.md").write_text(PROMPT + "\n")
    return folder


@contextmanager
def asking_server(folder: Path) -> Iterator[Asking]:
    """A server on a new folder; `spare` is its other model."""
    with ChatServer(answer, models=[MODEL, SPARE]) as model:
        env: dict[str, Any] = {
            "OPENAI_BASE_URL": model.base_url,
            "OPENAI_API_KEY": "test",
            "AGENT_RUNTIME_MODEL": MODEL,
            "AGENT_RUNTIME_MODELS": f'{{"spare": {{"model": "{SPARE}"}}}}',
        }
        with serving_project(write_prompted, folder, **env) as served:
            yield Asking(served, model)
