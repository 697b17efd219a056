"""A run that was parked by a released version resumes under this one."""

from __future__ import annotations

import gzip
import re
import tomllib
from pathlib import Path

import pytest

from agent_runtime.approval import Answer
from agent_runtime.clock import ManualClock
from agent_runtime.runtime import Runtime
from agent_runtime.settings import Settings
from agent_runtime.verdict import Operator
from tests.office import NOON, OFFLINE
from tests.replay.golden_app import LENT, golden_app

ROOT = Path(__file__).parents[2]
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
    """The released ones, and that which is to be: a database is written before its version is."""
    listed = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    kept = {path.name.removesuffix(".db.gz") for path in GOLDEN}
    assert {*listed, project["version"]} - kept == set(), "python -m tests.replay.golden_app FOLDER"
