"""Races for one question: many people from several processes, and a person against the deadline."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from agent_runtime.approval import Answer, DecisionKind
from agent_runtime.errors import AlreadyDecided
from agent_runtime.verdict import Operator
from benchmarks.crash.child import CONTEXT, TENANT, Desk, Orders, begin, start
from benchmarks.crash.crew import PATIENCE, Stuck, expect, spawn
from benchmarks.crash.payout import ASKED

PROCESSES = 5
PEOPLE = 10
"""In each process: 50 answers to one question."""
KINDS: tuple[DecisionKind, ...] = ("approve", "reject", "edit")
PAST = timedelta(hours=2)
"""How far the clock of the process that lets deadlines pass is ahead: their hour is over there,
and not yet where the person answers."""
DEADLINE = "its deadline"
HEAD_START = 0.008
"""Seconds that one of the two may be ahead of the other: about as long as an answer takes."""
ASKING = 3
"""Of that many runs in a row, the second asks people."""


@dataclass(frozen=True)
class Said:
    """What one person was told. `again`: what the same answer, sent once more, was told."""

    question: str
    name: str
    won: bool
    status: str
    by: str
    again: str = ""


@dataclass(frozen=True)
class Contest:
    """What came of many answers to each question. `unclear`: questions that had not exactly one
    winner, whom all the others were named."""

    questions: int
    answers: int
    won: int
    refused: int
    outcomes: dict[str, int]
    unclear: tuple[str, ...]


def race(folder: Path, questions: int, seed: int) -> Contest:
    """That many questions, each answered 50 times at the same moment."""
    asked = _park(folder, questions)
    barrier, results = CONTEXT.Barrier(PROCESSES), CONTEXT.Queue()
    children = [
        spawn(answer_child, Orders(folder, seed), asked, crew, barrier, results)
        for crew in range(PROCESSES)
    ]
    told: list[Said] = [results.get(timeout=PATIENCE) for _ in range(questions * 50)]
    for child in children:
        expect(child, 0, "people who answer")
    return judge(asked, told, 50)


def race_deadline(folder: Path, questions: int, seed: int) -> Contest:
    """That many questions, each answered by a person at the moment that it expires elsewhere."""
    barrier, results = CONTEXT.Barrier(2), CONTEXT.Queue()
    late = Orders(folder, seed, ahead=PAST)
    children = [
        spawn(alone_child, Orders(folder, seed), questions, barrier, results),
        spawn(expire_child, late, questions, barrier, results),
    ]
    told: list[Said] = [results.get(timeout=PATIENCE) for _ in range(questions * 2)]
    for child in children:
        expect(child, 0, "a person and the deadline")
    return judge(sorted({one.question for one in told}), told, 2)


def judge(asked: Sequence[str], told: Sequence[Said], each: int) -> Contest:
    """Whether every question had one winner, and everybody else was told whose answer it was."""
    unclear = []
    for question in asked:
        said = [one for one in told if one.question == question]
        winners = [one for one in said if one.won]
        named = {(one.by, one.status) for one in said}
        if len(said) != each or len(winners) != 1 or len(named) != 1:
            unclear.append(f"{question}: {len(winners)} winners, named {sorted(named)}")
        elif winners[0].again not in ("", winners[0].by):
            unclear.append(f"{question}: {winners[0].by} was told of {winners[0].again}")
    won = [one for one in told if one.won]
    return Contest(
        questions=len(asked),
        answers=len(told),
        won=len(won),
        refused=len(told) - len(won),
        outcomes=dict(Counter(one.status for one in won)),
        unclear=tuple(unclear),
    )


def _park(folder: Path, questions: int) -> list[str]:
    results = CONTEXT.Queue()
    child = spawn(park_child, Orders(folder), questions, results)
    asked: list[str] = results.get(timeout=PATIENCE)
    expect(child, 0, "parking")
    if len(asked) != questions:
        raise Stuck(f"{len(asked)} of {questions} questions are asked.")
    return asked


def park_child(orders: Orders, questions: int, results: Any) -> None:
    """Bring runs to their questions."""

    async def work(desk: Desk) -> None:
        number = 0
        while len(desk.read().approvals.find(["open"])) < questions:
            number += 1
            run = await start(desk, number)
            if run.input["account"].endswith(ASKED):
                await desk.runtime.drive(run.id)
        results.put([approval.id for approval in desk.read().approvals.find(["open"])])

    begin(orders, work)


def answer_child(
    orders: Orders, asked: Sequence[str], crew: int, barrier: Any, results: Any
) -> None:
    """Ten people of one process answer each question at once, at the same moment as others."""
    rng = random.Random(f"{orders.seed} {crew}")  # noqa: S311 — no secret

    async def work(desk: Desk) -> None:
        for question in asked:
            people = [f"person-{crew}-{n}" for n in range(PEOPLE)]
            kinds = [rng.choice(KINDS) for _ in people]
            barrier.wait(PATIENCE)
            pairs = zip(people, kinds, strict=True)
            said = await asyncio.gather(*(_say(desk, question, *pair) for pair in pairs))
            for one in said:
                results.put(one)

    begin(orders, work)


def alone_child(orders: Orders, questions: int, barrier: Any, results: Any) -> None:
    """One person answers each question, which is asked right before."""
    rng = random.Random(orders.seed)  # noqa: S311 — no secret

    async def work(desk: Desk) -> None:
        for number in range(questions):
            run = await start(desk, ASKING * number + 1)
            await desk.runtime.drive(run.id)
            (asked,) = desk.read().approvals.find(["open"])
            barrier.wait(PATIENCE)
            await asyncio.sleep(rng.uniform(0, HEAD_START))
            results.put(await _say(desk, asked.id, "person-0-0", "approve"))
            barrier.wait(PATIENCE)

    begin(orders, work)


def expire_child(orders: Orders, questions: int, barrier: Any, results: Any) -> None:
    """Let the deadline of each question pass, by a clock that is ahead."""
    rng = random.Random(orders.seed + 1)  # noqa: S311 — no secret

    async def work(desk: Desk) -> None:
        for _ in range(questions):
            barrier.wait(PATIENCE)
            question = desk.read().approvals.find()[-1].id
            await asyncio.sleep(rng.uniform(0, HEAD_START))
            won = question in {
                a.id for a in await desk.runtime.expire(TENANT) if a.closed_by == DEADLINE
            }
            after = desk.read().approvals.get(question)
            results.put(Said(question, DEADLINE, won, after.status, after.closed_by or ""))
            barrier.wait(PATIENCE)

    begin(orders, work)


async def _say(desk: Desk, question: str, name: str, kind: DecisionKind) -> Said:
    """One answer; a winner sends the same once more."""
    person = Operator(name=name, roles=("lead",))
    digest = desk.read().approvals.get(question).digest
    changed = {"note": f"as {name} wants it"} if kind == "edit" else None
    answer = Answer(kind=kind, digest=digest, reason="because", arguments=changed)
    try:
        await desk.runtime.decide(question, person, answer)
    except AlreadyDecided as error:
        return Said(question, name, won=False, status=error.status, by=error.by)
    stored = desk.read().approvals.get(question)
    again = "accepted twice"
    try:
        await desk.runtime.decide(question, person, answer)
    except AlreadyDecided as error:
        again = error.by
    return Said(
        question, name, won=True, status=stored.status, by=stored.closed_by or "", again=again
    )
