"""A rule as a grader: an author's function, asked on a thread of its own, so that one that hangs
holds up nobody."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from copy import deepcopy
from threading import Thread

from agent_runtime.evaluation.judge import Said
from agent_runtime.quality import Grader, Seen

PATIENCE = 10.0
"""Seconds that a rule may take. It cannot be ended from outside: it is left to itself, and not
asked of other runs until it has come back."""


class Rules:
    """Asks graders' rules. `patience`: seconds for each."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._late: dict[tuple[str, str], Thread] = {}
        """By workflow and grader, those that had not come back in time."""

    async def ask(self, grader: Grader, seen: Seen) -> Said:
        """What one says of a run, or why it could not tell."""
        name = (seen.workflow, grader.name)
        if name in self._late and self._late[name].is_alive():
            return Said(None, error="it has not come back from another run")
        loop = asyncio.get_running_loop()
        said: asyncio.Future[Said] = loop.create_future()

        def tell(found: Said) -> None:
            if not said.done():  # too late
                said.set_result(found)

        def work() -> None:
            found = by_rule(grader, deepcopy(seen))  # what it changes, no other grader sees
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(tell, found)

        thread = Thread(target=work, name=f"grader {grader.name}", daemon=True)
        thread.start()
        try:
            return await asyncio.wait_for(said, self._patience)
        except TimeoutError:
            self._late[name] = thread
            return Said(None, error=f"it took longer than {self._patience:g} s")


def by_rule(grader: Grader, seen: Seen) -> Said:
    """What an author's rule says; whatever it raises is told by its type, as its text may hold
    content."""
    if grader.rule is None:
        return Said(None, error="it has no rule")
    try:
        score = float(grader.rule(seen))
    except (Exception, SystemExit) as error:  # noqa: BLE001 — an author's code: any fault of it is its grade
        return Said(None, error=type(error).__name__)
    if not 0 <= score <= 1:
        return Said(None, error="its score is not from 0 to 1")
    return Said(score)
