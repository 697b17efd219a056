"""Rehearses a stricter refund policy on many stored decisions. Exit code 0: done, whether or not
the target is met, 2: bad input. The last line of standard output is JSON with --json."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from agent_runtime.app import App, load_app
from agent_runtime.event import Event
from agent_runtime.replay.change import Change, with_policies
from agent_runtime.replay.crew import ALONE
from agent_runtime.replay.rehearsal import Rehearsal
from agent_runtime.replay.rehearse import Stretch, rehearse
from agent_runtime.run import Run, new_id
from agent_runtime.runtime import Runtime
from agent_runtime.settings import ModelSettings
from agent_runtime.store import Session
from agent_runtime.trigger import Trigger
from tools.shop import Shop

PROJECT = Path(__file__).resolve().parents[2]
SAMPLES = PROJECT / "graphs" / "refund" / "samples"
TARGET = 20.0
"""Seconds for 10,000 decisions."""
BATCH = 500
SEED = 7
ONE = sys.maxsize


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearse", description=__doc__)
    parser.add_argument("--decisions", type=int, default=10_000, help="how many")
    parser.add_argument("--one", action="store_true", help="in one process")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    asked = parser.parse_args(arguments)
    if asked.decisions < 1:
        parser.error("--decisions: at least 1")
    found = asyncio.run(measure(asked.decisions, ONE if asked.one else ALONE))
    if asked.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name}: {value}")
    return 0


async def measure(decisions: int, alone: int = ALONE) -> dict[str, Any]:
    """Store that many decisions and rehearse on them."""
    app = load_app(PROJECT)
    with tempfile.TemporaryDirectory(prefix="rehearse-") as folder:
        async with Runtime.open(app, Path(folder)) as runtime:
            judged = await _real_decision(runtime)
            await _multiply(runtime, judged, decisions - 1)
            began, worked = perf_counter(), _worked()
            found = await _rehearsed(runtime, app, decisions, alone)
            seconds, cpu = perf_counter() - began, _worked() - worked
    return {
        "decisions": found.decisions,
        "changed": len(found.changes),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "target_seconds": round(TARGET * decisions / 10_000, 2),
        "met": seconds <= TARGET * decisions / 10_000,
    }


def _worked() -> float:
    """Seconds of processor time, with those of processes that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


async def _rehearsed(runtime: Runtime, app: App, decisions: int, alone: int) -> Rehearsal:
    """Two people in place of one: no kind flips, so that policy alone is asked."""
    text = (PROJECT / "policies" / "refund.cedar").read_text(encoding="utf-8")
    stricter = text.replace('@approvers("support_lead:1")', '@approvers("support_lead:2")')
    change = Change("two leads", with_policies(app, {"refund": stricter}))
    session = runtime.store.read("default")
    stretch = Stretch(limit=decisions)
    return await rehearse(session, app, change, stretch, ModelSettings(), alone=alone)


async def _real_decision(runtime: Runtime) -> Event:
    """What the gate says of one sample request."""
    shop = runtime.resources()[0]
    assert isinstance(shop, Shop)
    await shop.load(json.loads((SAMPLES / "shop.json").read_text(encoding="utf-8")))
    for request in json.loads((SAMPLES / "requests.json").read_text(encoding="utf-8")):
        trigger = Trigger(kind="event", owner="bench", key=request["key"])
        run = await runtime.start("refund", request["input"], trigger=trigger)
        await runtime.drive(run.id)
        for event in runtime.store.read("default").events.find(run.id):
            if event.type == "gate.judged" and _asks_a_lead(event.body or {}):
                return event
    raise RuntimeError("No sample request came to the gate.")


def _asks_a_lead(body: dict[str, Any]) -> bool:
    """Whether any amount between the two limits would have had the same answer."""
    return bool(body["verdict"]["rules"] == ["refund-ask-lead"] and body["signals"]["clean"])


async def _multiply(runtime: Runtime, judged: Event, times: int) -> None:
    """Store decisions like a real one, each of another run and another amount."""
    drawn = random.Random(SEED)  # noqa: S311 — amounts, not secrets
    policy = runtime.app.policies["refund"]
    template = runtime.store.read("default").runs.get(judged.run_id or "")
    body = dict(judged.body or {})
    assert policy.digest == body["policy"]

    def add(session: Session, amounts: list[str]) -> None:
        for amount in amounts:
            _insert(session, template, {**body, "facts": {**body["facts"], "amount": amount}})

    amounts = [f"{drawn.uniform(101, 999):.2f}" for _ in range(times)]
    for start in range(0, times, BATCH):
        part = amounts[start : start + BATCH]
        await runtime.store.write("default", partial(add, amounts=part))


def _insert(session: Session, template: Run, body: dict[str, Any]) -> None:
    run_id = new_id("run")
    trigger = template.trigger.model_copy(update={"key": None})
    session.runs.insert(
        template.model_copy(
            update={
                "id": run_id,
                "trigger": trigger,
                "created_at": session.now - timedelta(days=1),
            }
        ),
        [],
    )
    session.events.append("gate.judged", run_id, **body)


if __name__ == "__main__":
    sys.exit(main())
