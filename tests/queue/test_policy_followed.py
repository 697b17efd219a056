"""A worker beside a server takes over what is put in force there, without being started anew."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from agent_runtime.activation import Activation
from agent_runtime.app import load_app
from agent_runtime.runtime import Runtime
from agent_runtime.service import Service
from agent_runtime.settings import Settings
from agent_runtime.trigger import Trigger
from tests.api.project import LOW_RISK, write_project
from tests.ledger import Bank
from tests.office import OFFLINE

STRICT = LOW_RISK.replace('decimal("1000.00")', 'decimal("400.00")')


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project of its own, whose packages make place again for those of other tests."""
    path, before = list(sys.path), _packages()
    for name in before:
        del sys.modules[name]
    Bank(tmp_path / "data").put("a1", amount="500.00")
    yield write_project(tmp_path)
    for name in _packages():
        del sys.modules[name]
    sys.modules.update(before)
    sys.path[:] = path


def _packages() -> dict[str, ModuleType]:
    """Modules of whatever project was loaded last."""
    return {
        name: module
        for name, module in sys.modules.items()
        if name.split(".")[0] in ("graphs", "tools")
    }


async def test_a_worker_follows_what_another_process_activates(project: Path) -> None:
    """What was asked under the older policy is asked anew; what comes is judged by the new one."""
    settings = Settings.model_validate(OFFLINE)
    opening = [Runtime.open(load_app(project), project / "data", settings=settings) for _ in "ab"]
    async with opening[0] as server, opening[1] as beside:
        office, theirs = Activation(server), Activation(beside)
        await office.adopt()
        theirs.restore()
        worker = Service(beside, follow=theirs.follow)
        await worker.run(asyncio.Event(), once=True)
        mail = Trigger(kind="event", owner="mailroom")
        asked = await server.start("ledger", {"account": "a1"}, trigger=mail)
        await worker.run(asyncio.Event(), once=True)
        assert server.store.read("default").runs.get(asked.id).state == "paused"
        change = await office.propose("ledger", "petra", "less", text=STRICT)
        assert change.rehearsal is not None
        await office.activate(change.id, "paul", change.rehearsal.digest)
        late = await server.start("ledger", {"account": "a1"}, trigger=mail)
        await worker.run(asyncio.Event(), once=True)
        assert beside.app.policies["ledger"].digest == change.digest
        session = server.store.read("default")
        questions = {one.run_id: one.rules for one in session.approvals.find(["open"])}
        assert questions == {asked.id: ("ask-finance",), late.id: ("ask-finance",)}
