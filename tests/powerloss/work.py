"""The process whose disk is recorded: runs are started, paused, decided and finished in it.

python -m tests.powerloss.work FOLDER TRACE RUNS: the same work twice below FOLDER, once as the
product does it (`full`) and once without syncs (`off`). All that its callers were told is noted.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from functools import partial
from pathlib import Path
from typing import Any

from agent_runtime.store import database, file
from tests.ledger import make_app, make_pay, pay_workflow
from tests.office import Office, opened
from tests.powerloss.trace import write_note

FULL, OFF = "full", "off"


async def work(folder: Path, trace: Path, runs: int) -> None:
    """Two processes' lives, one after the other: in the first some runs end and others pause, in
    the second those are decided while new ones start."""
    app = make_app(pay_workflow(make_pay()))
    note = partial(write_note, trace, folder.name)
    keys = [f"mail-{number}" for number in range(runs)]
    early, waiting, late = keys[0::3], keys[1::3], keys[2::3]
    async with opened(app, folder) as office:
        office.bank.put("a1", amount="500.00")
        paused = await asyncio.gather(*(park(office, note, key) for key in [*early, *waiting]))
        await asyncio.gather(*(finish(office, note, key) for key in paused[: len(early)]))
        fold(folder / "runtime.db")
    async with opened(app, folder) as office:
        await asyncio.gather(
            *(finish(office, note, run) for run in paused[len(early) :]),
            *(whole(office, note, key) for key in late),
        )


async def park(office: Office, note: Any, key: str) -> str:
    """Start a run and drive it to its question."""
    run = await office.start(key=key)
    note(told="started", run=run.id)
    paused = await office.drive(run)
    assert paused.state == "paused", paused
    note(told="paused", run=run.id)
    return run.id


async def finish(office: Office, note: Any, run_id: str) -> None:
    """Decide and drive a paused run to its end."""
    await office.answer(office.question(run_id), "lena")
    note(told="decided", run=run_id)
    ended = await office.drive(office.read(run_id))
    assert ended.state == "completed", ended
    note(told="ended", run=run_id)


async def whole(office: Office, note: Any, key: str) -> None:
    await finish(office, note, await park(office, note, key))


def fold(path: Path) -> None:
    """Let the next writer begin the log anew, as happens by itself after a thousand pages."""
    connection = database.connect(path)
    connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    connection.close()


def forgo_syncs() -> None:
    """Open every further connection at synchronous=OFF."""
    careful = database.connect

    def careless(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = careful(*args, **options)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    for module in (database, file):
        setattr(module, "connect", careless)  # noqa: B010 — mypy refuses the plain assignment


if __name__ == "__main__":
    root, trace_file, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    asyncio.run(work(root / FULL, trace_file, count))
    forgo_syncs()
    asyncio.run(work(root / OFF, trace_file, count))
