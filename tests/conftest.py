"""Fixtures for whole-flow tests: offices on the ledger app, closed when the test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

import tests.processes  # noqa: F401 — it says what all children are forked with
from agent_runtime.tool import Recovery
from agent_runtime.workflow import Workflow
from tests.conformance import pytest_terminal_summary
from tests.ledger import POLICY, Rule, make_app, make_pay, pay_once, pay_workflow
from tests.office import Office, lay_out, opened

if TYPE_CHECKING:
    from tests.api.asking import Asking

__all__ = ["pytest_terminal_summary"]

# How long one example takes says something about the machine, which is shared.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

OpenOffice = Callable[..., Awaitable[Office]]


@pytest.fixture
async def open_office(tmp_path: Path) -> AsyncIterator[OpenOffice]:
    """Opens an office; opening a second one on the same `folder` shares its file and bank.

    `step` holds fields of the step, `workflow` replaces the whole workflow.
    """
    async with AsyncExitStack() as stack:

        async def open_one(
            rule: Rule = pay_once,
            *,
            policy: str | None = POLICY,
            recovery: Recovery = "idempotency_key",
            workflow: Workflow | None = None,
            folder: str = "data",
            step: dict[str, Any] | None = None,
            **options: Any,
        ) -> Office:
            declared = workflow or pay_workflow(make_pay(recovery), rule, **(step or {}))
            app = make_app(declared, policy)
            lay_out(tmp_path / folder)
            return await stack.enter_async_context(opened(app, tmp_path / folder, **options))

        yield open_one


@pytest.fixture
async def office(open_office: OpenOffice) -> Office:
    """An office under the ordinary policy: up to 100 unattended, up to 1000 one lead."""
    return await open_office()


@pytest.fixture
async def asking(open_office: OpenOffice) -> Office:
    """An office whose account a1 holds 500: a lead is asked."""
    office = await open_office()
    office.bank.put("a1", amount="500.00")
    return office


@pytest.fixture(scope="session")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """A server whose ledger asks a model: one for all that fork its runs."""
    from tests.api.asking import asking_server  # its own conftest stands on this one

    with asking_server(tmp_path_factory.mktemp("prompted")) as served:
        yield served
