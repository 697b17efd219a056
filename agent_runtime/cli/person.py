"""The person at the terminal: sees an open question and answers it, in the demo."""

from __future__ import annotations

import select
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from agent_runtime.approval import Answer, Approval
from agent_runtime.cli.explain import approval_lines
from agent_runtime.cli.interrupts import interruptible
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import CallerError
from agent_runtime.operators import channel, choose_operator, load_operators
from agent_runtime.runtime import Runtime

ANSWERS = ("approve", "reject", "respond")


class Person:
    """Asks for answers until the person has enough; end of input (Ctrl-D) is enough too."""

    def __init__(
        self,
        runtime: Runtime,
        screen: Screen,
        data: Path,
        drive: Callable[[str], Awaitable[None]],
    ) -> None:
        self._runtime = runtime
        self._screen = screen
        self._data = data
        self._drive = drive

    async def answer(self) -> None:
        """Offer the open questions one by one."""
        done: set[str] = set()
        try:
            while True:
                found = self._runtime.store.read("default").approvals.find(["open"])
                left = [approval for approval in found if approval.id not in done]
                if not left or (done and not self._wants_more(len(left))):
                    return
                done.add(left[0].id)
                await self._ask(left[0])
        except EOFError:
            self._screen.line()

    def _wants_more(self, left: int) -> bool:
        self._screen.line()
        question = f"{left} open. Decide the next one yourself too? yes or no [no]:"
        return self._read(question).lower() in ("y", "yes")

    async def _ask(self, approval: Approval) -> None:
        self._screen.line()
        self._screen.line("Your turn. This question is yours:", style="bold")
        session = self._runtime.store.read("default")
        events = session.events.find(approval.run_id)
        lines = approval_lines(approval, session.runs.get(approval.run_id), events)
        self._screen.lines(f"  {line}" for line in lines)
        while True:
            kind = self._read(f"Your answer: {', '.join(ANSWERS)} or skip [skip]:").lower()
            if kind in ("", "skip"):
                return
            if kind not in ANSWERS:
                self._screen.line(f"“{kind}” is none of these.", style="red")
                continue
            try:
                await self._decide(approval, kind)
            except CallerError as error:
                self._screen.line(str(error), style="red")
            else:
                return

    async def _decide(self, approval: Approval, kind: str) -> None:
        people = load_operators(self._data).values()
        names = ", ".join(f"{person.name} ({'/'.join(person.roles)})" for person in people)
        operator = choose_operator(self._data, self._read(f"As whom? {names}:"))
        reason = "" if kind == "approve" else self._read("In your words, why?")
        wanted = approval.confirmation if kind == "approve" else ""
        typed = self._read(f"The risk is high. Type {wanted} to approve:") if wanted else ""
        given = {"kind": kind, "digest": approval.digest, "reason": reason[:4_000]}
        answer = Answer.model_validate(
            {**given, "confirm": typed[:4_000], "channel": channel(operator.name)}
        )
        await self._runtime.decide(approval.id, operator, answer)
        await self._drive(approval.run_id)

    def _read(self, question: str) -> str:
        with interruptible() as interrupted:
            self._screen.ask(question)
            select.select([sys.stdin, interrupted], [], [])
            return input().strip()
