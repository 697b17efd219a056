"""Replays tasks or makes bad proposals. Exit code 0: all is as it must be, 1: not, 2: bad input."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.retail.adversarial import attack
from benchmarks.retail.dataset import BadInput, Files, load_files
from benchmarks.retail.replay import Approver, open_stage, replay
from benchmarks.retail.report import (
    Screen,
    attack_findings,
    summarize_attacks,
    summarize_tasks,
    task_findings,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    asked = _parser().parse_args(arguments)
    screen = Screen(as_json=asked.json)
    try:
        files = load_files(asked.data, asked.tasks, asked.adversarial)
        if not files.dataset.policy:
            _warn(f"{asked.data} has no policy.md: whatever quotes it will be refused.")
        if asked.adversarial is None:
            work = run_tasks(files, asked.approver, screen, again=asked.replay)
            return asyncio.run(work)
        return asyncio.run(run_attacks(files, screen))
    except BadInput as error:
        _warn(str(error))
        return 2
    except KeyboardInterrupt:
        _warn("Interrupted.")
        return 130


async def run_tasks(
    files: Files, approver: Approver, screen: Screen, *, again: bool = False
) -> int:
    """Replay every task; `again`: and each run from its own recordings."""
    began, results = time.monotonic(), []
    async with open_stage(files.dataset, again=again) as stage:
        with screen.progress("task", len(files.tasks)) as tick:
            for task in files.tasks:
                results.append(await replay(stage, task, approver))
                tick(task.id, task_findings(results[-1], approver))
    summary, good = summarize_tasks(results, approver, time.monotonic() - began)
    screen.conclude(summary, good=good)
    return 0 if good else 1


async def run_attacks(files: Files, screen: Screen) -> int:
    """Make every bad proposal."""
    began, results = time.monotonic(), []
    async with open_stage(files.dataset) as stage:
        with screen.progress("proposal", len(files.adversaries)) as tick:
            for adversary in files.adversaries:
                reason = files.reasons.get(adversary.base_task or "", "")
                results.append(await attack(stage, adversary, reason))
                tick(adversary.id, attack_findings(results[-1]))
    summary, good = summarize_attacks(results, time.monotonic() - began)
    screen.conclude(summary, good=good)
    return 0 if good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retail", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="folder of db.json and policy.md")
    add("--tasks", type=Path, required=True, metavar="FILE", help="tasks with recorded results")
    add("--approver", choices=("approve", "deny"), default="approve", help="what people answer")
    add("--adversarial", type=Path, metavar="FILE", help="make these bad proposals instead")
    add("--replay", action="store_true", help="replay each run from its recordings and compare")
    add("--json", action="store_true", help="print the numbers as one line of JSON")
    return parser


def _warn(text: str) -> None:
    print(f"benchmarks.retail: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
