"""The crew: puts stored questions to policies beside the event loop, many of them in processes."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from agent_runtime.app import App, load_app, write_tools
from agent_runtime.policy import PolicySet
from agent_runtime.policy.engine import BASE_FILE
from agent_runtime.verdict import Question, Verdict

ALONE = 2_000
"""Questions up to which a thread is faster than processes that have to load the project first."""

PART = 100
"""Questions that a thread or a process is given at once."""

MOST = 8
"""Processes; beyond that, handing out takes longer than judging."""

UNSENDABLE = (pickle.PicklingError, AttributeError, TypeError)
"""What pickling raises for a class that no module has under its name."""

Advance = Callable[[], None]
Answers = tuple[Verdict | None, Verdict | None]


@dataclass(frozen=True)
class Case:
    """One question and the sets that it is put to; None: no answer is wanted."""

    question: Question
    old: PolicySet | None
    new: PolicySet | None


@dataclass(frozen=True)
class Kit:
    """What a process needs to make the same policy sets: the project's folder, the versions of its
    workflows, and each set's name, texts and tools. `prompts`: those of a changed app, for runs
    that are played."""

    folder: Path
    workflows: Mapping[str, str]
    sets: Sequence[tuple[str, Mapping[str, str], Sequence[str]]]
    prompts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


Place = tuple[Question, int | None, int | None]
"""A case with the numbers of its sets."""


async def judge(
    app: App, cases: Sequence[Case], advance: Advance, alone: int = ALONE
) -> list[Answers]:
    """The answers to each case, in order; the event loop stays free meanwhile.

    More cases than `alone` go to processes. A thread gives the same answers where those cannot
    make the app: it came from no folder, its code was changed since, or is nowhere to be imported.
    """
    sets, placed = _placed(cases)
    parts = [placed[start : start + PART] for start in range(0, len(placed), PART)]
    kit = kit_of(app, sets) if len(cases) > alone else None
    sent = None if kit is None else _packed(parts)
    if kit is not None and sent is not None:
        try:
            return await _in_processes(kit, sent, advance)
        except BrokenProcessPool:
            pass  # the answers of a thread are the same, and it breaks over nothing
    own, answers = [policy.apart() for policy in sets], list[Answers]()
    for part in parts:
        found = await asyncio.to_thread(_judge, own, part)
        _tell(advance, found)
        answers += found
    return answers


def _placed(cases: Sequence[Case]) -> tuple[list[PolicySet], list[Place]]:
    """The sets, each once, and the cases by their numbers. A set is told by its identity: the same
    texts over other tools are another one."""
    named = [policy for one in cases for policy in (one.old, one.new) if policy is not None]
    sets = list({id(policy): policy for policy in named}.values())
    number: dict[int, int] = {id(policy): n for n, policy in enumerate(sets)}
    return sets, [(one.question, number.get(id(one.old)), number.get(id(one.new))) for one in cases]


def kit_of(app: App, sets: Sequence[PolicySet]) -> Kit | None:
    """None where the app has no folder that it could be loaded from once more."""
    if not (app.folder / "graphs").is_dir():
        return None
    made = [(policy.name, dict(policy.texts), policy.tools) for policy in sets]
    return Kit(app.folder.resolve(), _versions(app), made)


def _packed(parts: Sequence[Sequence[Place]]) -> list[bytes] | None:
    """The parts as bytes; None where an author's models cannot be found by their names."""
    try:
        return [pickle.dumps(part) for part in parts]
    except UNSENDABLE:
        return None


async def _in_processes(kit: Kit, parts: Sequence[bytes], advance: Advance) -> list[Answers]:
    loop, workers = asyncio.get_running_loop(), min(MOST, os.cpu_count() or 1)
    # Forked, a process would inherit the locks of the writer's thread as they were.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=unpack, initargs=(kit,))
    answers: list[Answers] = []
    try:
        for done in [loop.run_in_executor(pool, _judge_packed, part) for part in parts]:
            found = await done
            _tell(advance, found)
            answers += found
    finally:
        await asyncio.to_thread(pool.shutdown, cancel_futures=True)
    return answers


def _versions(app: App) -> dict[str, str]:
    return {name: workflow.version for name, workflow in app.workflows.items()}


_sets: list[PolicySet] = []
"""A process's own, made once when it begins."""


def unpack(kit: Kit) -> None:
    """Make the policy sets in a new process; what it raises breaks the pool."""
    _sets.extend(unpacked(kit)[1])


def unpacked(kit: Kit) -> tuple[App, list[PolicySet]]:
    """The project without its policies, and the sets; raises RuntimeError for other code."""
    app = load_app(kit.folder, lenient=True)
    if _versions(app) != dict(kit.workflows):
        raise RuntimeError("The project's folder holds other code by now.")
    tools = {tool.name: tool for tool in write_tools(app.workflows.values())}
    sets = []
    for name, texts, held in kit.sets:
        own = {file: text for file, text in texts.items() if file != BASE_FILE}
        sets.append(PolicySet.load(name, own, [tools[one] for one in held]))
    return app, sets


def _judge_packed(part: bytes) -> list[Answers]:
    # Packed by the process that started this one.
    return _judge(_sets, pickle.loads(part))  # noqa: S301


def _judge(sets: Sequence[PolicySet], cases: Sequence[Place]) -> list[Answers]:
    def answer(question: Question, number: int | None) -> Verdict | None:
        return None if number is None else sets[number].judge(question)

    return [(answer(question, old), answer(question, new)) for question, old, new in cases]


def _tell(advance: Advance, answers: Sequence[Answers]) -> None:
    for _ in answers:
        advance()
