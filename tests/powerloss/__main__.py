"""The long form: every call of a recorded life as the last one before the power fails.

python -m tests.powerloss [--runs 24] [--seed 7] [--resume 0.05] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agent_runtime.errors import StoreError
from tests.powerloss.failure import Failure, every, failures, memory, record_work, records_of
from tests.powerloss.survival import go_on, lost
from tests.powerloss.work import FULL, OFF


def main() -> int:
    """Returns 1 when something was lost, or when the careless life lost nothing."""
    options = _options()
    rng = random.Random(options.seed)  # noqa: S311 — a seed that repeats is what is wanted
    count = {"failures": 0, "resumed": 0, "lost": 0, "broken": 0, "lost_without_syncs": 0}
    with tempfile.TemporaryDirectory() as name, memory() as after:
        folder = Path(name).resolve()
        record_work(folder, options.runs)
        for failure, data in _laid_out(folder, FULL, after, rng):
            resumed = rng.random() < options.resume
            count["failures"] += 1
            count["resumed"] += resumed
            count["lost"] += _tell(failure, lost(failure, data))
            count["broken"] += resumed and _tell(failure, asyncio.run(go_on(failure, data)))
        for failure, data in _laid_out(folder, OFF, after, rng):
            count["lost_without_syncs"] += _loses(failure, data)
            if count["lost_without_syncs"] == 10:
                break
    print(json.dumps(count) if options.json else _line(count))
    return 1 if count["lost"] or count["broken"] or not count["lost_without_syncs"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.powerloss")
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--resume", type=float, default=0.05, help="share that is driven on")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _laid_out(
    folder: Path, name: str, after: Path, rng: random.Random
) -> Iterator[tuple[Failure, Path]]:
    records = records_of(folder / "trace", name)
    accounts = (folder / name / "accounts.json").read_bytes()
    for failure in failures(records, name, rng, every(records)):
        yield failure, failure.lay_out(after, accounts)


def _tell(failure: Failure, problems: list[str]) -> bool:
    for problem in problems:
        print(f"{failure}: {problem}", file=sys.stderr)
    return bool(problems)


def _loses(failure: Failure, data: Path) -> bool:
    try:
        return any(problem.startswith("decided: ") for problem in lost(failure, data))
    except StoreError:
        return False


def _line(count: dict[str, int]) -> str:
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in count.items())


if __name__ == "__main__":
    sys.exit(main())
