"""Draws on a budget of 100 tokens until it is refused; prints how many it got."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agent_runtime.budget import Budget, Scope, Spent
from agent_runtime.clock import SystemClock
from agent_runtime.errors import BudgetExceeded
from agent_runtime.store import Session, Store


def draw(session: Session) -> None:
    scopes: dict[Scope, tuple[str, Budget, int]] = {"run": ("r", Budget(tokens=100), 1)}
    session.calls.reserve(scopes, Spent(tokens=1, calls=1))


async def main(database: Path) -> int:
    store, granted = Store(database, SystemClock()), 0
    try:
        while True:
            await store.write("default", draw)
            granted += 1
    except BudgetExceeded:
        return granted
    finally:
        store.close()


if __name__ == "__main__":
    print(asyncio.run(main(Path(sys.argv[1]))))
