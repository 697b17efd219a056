"""A server process on a project of its own: the engine's workload as users would write it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agent_runtime.clock import SystemClock
from agent_runtime.identity import create_token
from agent_runtime.store import Store
from agent_runtime.verdict import Operator
from benchmarks.engine.case import WrongRun
from benchmarks.engine.governed import POLICY, RITA

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("agent-runtime")
DESK = Operator(name="desk", roles=("starter",))
AT_WORK = 16
"""Runs that the server's worker drives at a time: as many as ask for them."""

WORKFLOW = """
from benchmarks.engine.governed import Press, make_workflow

workflow = make_workflow(Press().tool())
"""

FILES = {
    "graphs/__init__.py": "",
    "graphs/notices/__init__.py": "",
    "graphs/notices/workflow.py": WORKFLOW,
    "policies/publish.cedar": POLICY,
}


@dataclass(frozen=True)
class Server:
    """A running one; the tokens are those of who starts and of who decides."""

    pid: int
    port: int
    desk: str
    rita: str


@contextmanager
def serving(folder: Path, data: Path) -> Iterator[Server]:
    """Start it; it is stopped gently afterwards. Raises WrongRun when it does not come up."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    data.mkdir(parents=True, exist_ok=True)
    desk, rita = asyncio.run(_tokens(data))
    line = [str(PROGRAM), "serve", "--json", "--port", "0"]
    line += ["--concurrency", str(AT_WORK), "--app", str(folder), "--data", str(data)]
    unlimited = {f"AGENT_RUNTIME_{whose}_RATE": "100000000" for whose in ("TOKEN", "TENANT")}
    env = {**os.environ, **unlimited, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=env)
    try:
        said = "" if process.stdout is None else process.stdout.readline()
        if not said:
            raise WrongRun("The server did not start.")
        port = int(json.loads(said)["url"].rsplit(":", 1)[1])
        yield Server(process.pid, port, desk, rita)
    finally:
        process.terminate()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


async def _tokens(data: Path) -> tuple[str, str]:
    store = Store(data / "runtime.db", SystemClock())
    try:
        day = timedelta(days=1)
        made = [await create_token(store, who, by="bench", lifetime=day) for who in (DESK, RITA)]
    finally:
        store.close()
    return made[0][1], made[1][1]
