"""The app of the golden databases: it never changes, so that what changes is the runtime.

`python -m tests.replay.golden_app FOLDER` writes one, with a run that is paused for a person.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent_runtime import Context, Envelope, Passage, Reasoning, Step, ToolCall, Workflow, tool
from agent_runtime.action import ProposedAction
from agent_runtime.app import App
from agent_runtime.brief import Brief
from agent_runtime.policy import PolicySet
from agent_runtime.runtime import Runtime
from agent_runtime.trigger import Trigger

POLICY = """
@id("ask-keeper") @approvers("keeper:1") @deadline("365d")
permit (principal, action == Action::"request:lend", resource);

@id("keeper-may-approve")
permit (principal in Role::"keeper", action == Action::"approve:lend", resource);
"""

LENT: list[str] = []
"""The keys of what was lent in this process."""


class Book(BaseModel):
    model_config = ConfigDict(extra="forbid")

    book: str


class BookFacts(BaseModel):
    model_config = ConfigDict(extra="forbid")

    value: Decimal
    shelf: str


@tool(effect="read")
async def find_book(args: Book, call: ToolCall) -> Passage:
    """Where a book stands."""
    return Passage(source=f"book-{args.book}", text="It stands on shelf 4.")


async def book_facts(args: Book, call: ToolCall) -> BookFacts:
    return BookFacts(value=Decimal("12.50"), shelf="4")


@tool(effect="write", recovery="idempotency_key", target="Book.book", facts=book_facts)
async def lend(args: Book, call: ToolCall) -> str:
    """Lend a book."""
    LENT.append(call.key)
    return f"lent {args.book}"


def decide(brief: Brief) -> Envelope:
    """Propose the loan, once."""
    if brief.feedback:
        return Envelope(step=brief.step, status="done", confidence=0.9, reason="It is lent.")
    return Envelope(
        step=brief.step,
        status="proposed",
        confidence=0.9,
        proposed_action=ProposedAction(type="lend", target_id=brief.input["book"]),
        reason="It is there.",
    )


def golden_app() -> App:
    """The app."""
    step = Step(
        "lend_out",
        reasoning=Reasoning(rule=decide, proposes=[lend]),
        context=Context(tools=[find_book]),
        policy="library",
    )
    policies = {"library": PolicySet.load("library", {"p": POLICY}, [lend])}
    return App(Path(), {"library": Workflow("library", Book, [step])}, policies)


async def write(folder: Path) -> None:
    """A data folder with one paused run, folded into one file."""
    async with Runtime.open(golden_app(), folder) as runtime:
        trigger = Trigger(kind="request", owner="reader", key="golden")
        run = await runtime.start("library", {"book": "b-7"}, trigger=trigger)
        paused = await runtime.drive(run.id)
        print(paused.id, paused.state)
    with closing(sqlite3.connect(folder / "runtime.db")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
