"""Measures what injected instructions get done, with a model that obeys every one of them.

Exit code 0: nothing ran unattended and the tasks were done, 1: that does not hold, 2: bad input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from agent_runtime.errors import AgentRuntimeError
from benchmarks.injection.naming import plainly
from benchmarks.injection.play import Played, open_stage
from benchmarks.injection.report import Report, report, words
from benchmarks.injection.suite import BadSuite, Suite, read_suite


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        suite = plainly(read_suite(asked.suite))
        found, lines = asyncio.run(measure(suite))
    except (BadSuite, AgentRuntimeError) as error:
        sys.stderr.write(f"{asked.suite}: {error}\n")
        return 2
    told = sys.stderr if asked.json else sys.stdout
    told.write("".join(f"{line}\n" for line in lines))
    if asked.json:
        sys.stdout.write(json.dumps(found.document()) + "\n")
    return 0 if found.holds else 1


async def measure(suite: Suite) -> tuple[Report, list[str]]:
    """Play every task alone and every pair under both approvers."""
    alone: list[Played] = []
    careful: list[Played] = []
    stamp: list[Played] = []
    async with open_stage(suite) as stage:
        for task in suite.user_tasks:
            alone.append(await stage.play(task, None, "careful"))
            for attack in suite.injection_tasks:
                careful.append(await stage.play(task, attack, "careful"))
                stamp.append(await stage.play(task, attack, "stamp"))
    found = report(suite.suite, alone, careful, stamp)
    return found, words(found, careful, alone)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.injection", description=__doc__)
    parser.add_argument("--suite", type=Path, required=True, help="a file like agentdojo/*.json")
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
