"""A run that was parked by a released version resumes under this one."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from agent_runtime.approval import Answer
from agent_runtime.clock import ManualClock
from agent_runtime.runtime import Runtime
from agent_runtime.settings import Settings
from agent_runtime.verdict import Operator
from tests.office import NOON, OFFLINE
from tests.replay.golden_app import LENT, golden_app

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.db.gz"))
KEEPER = Operator(name="kim", roles=("keeper",))


@pytest.fixture(params=GOLDEN, ids=lambda path: path.name.removesuffix(".db.gz"))
def released(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data folder as a released version left it."""
    (tmp_path / "runtime.db").write_bytes(gzip.decompress(request.param.read_bytes()))
    LENT.clear()
    return tmp_path


async def test_a_run_of_each_release_resumes_under_this_one(released: Path) -> None:
    """Its file is brought forward, its question is answered, and its action is executed once."""
    settings = Settings.model_validate(OFFLINE)
    clock = ManualClock(NOON)
    async with Runtime.open(golden_app(), released, clock=clock, settings=settings) as runtime:
        (asked,) = runtime.store.read("default").approvals.find(["open"])
        answer = Answer(kind="approve", digest=asked.digest, channel="test")
        await runtime.decide(asked.id, KEEPER, answer)
        run = await runtime.drive(asked.run_id)
    assert (run.state, len(LENT)) == ("completed", 1)
    assert LENT[0].startswith(run.id)


def test_there_is_one_of_each_release() -> None:
    """So that none is forgotten."""
    assert GOLDEN
