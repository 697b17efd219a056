"""Many questions at once, and questions full of text that lies: copies of a real one, stored."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

from agent_runtime.action import digest
from agent_runtime.approval import Approval
from agent_runtime.clock import SystemClock
from agent_runtime.run import new_id
from agent_runtime.store import Session, Store
from tests.api.served import Served


def crowd(server: Served, number: int, like: dict[str, Any], **changes: Any) -> list[str]:
    """So many copies of a question, a second of deadline and a cent apart; their ids in order.
    `changes`: of their action (`arguments`, `target_id`) and facts."""

    def copies(session: Session) -> list[str]:
        original = session.approvals.get(like["id"])
        return [_copy(session, original, n, changes) for n in range(number)]

    made: list[str] = write(server, copies)
    return made


def write(server: Served, work: Any) -> Any:
    """Past the server, in a thread of its own: a test may have a loop."""
    store = Store(server.data / "runtime.db", SystemClock())
    try:
        return ThreadPoolExecutor(1).submit(asyncio.run, _write(store, work)).result()
    finally:
        store.close()


async def _write(store: Store, work: Any) -> Any:
    return await store.write("default", work)


def _copy(session: Session, like: Approval, number: int, changes: dict[str, Any]) -> str:
    action = like.action.model_copy(update=changes.get("action", {}))
    again = like.model_copy(
        update={
            "id": new_id("apr"),
            "visit": like.visit + 1 + number,
            "digest": digest([like.id, number, str(changes)]),
            "action": action,
            "facts": {**like.facts, **changes.get("facts", {})},
            "amount": Decimal("100.00") + Decimal(number) / 100,
            "deadline": like.deadline + timedelta(seconds=number),
            "decisions": (),
            **changes.get("asked", {}),
        }
    )
    return session.approvals.request(again).id
