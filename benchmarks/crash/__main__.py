"""Kills, races and stopped workers on real processes; what was lost or done twice is counted.

The last line of standard output is about the kill loop; its `lost` and `doubled` are those of all
scenarios. Exit code 0: nothing is wrong, 1: something is, 2: bad input.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.crash.child import CONTEXT, PRELOAD
from benchmarks.crash.crew import Stuck
from benchmarks.crash.scenario import SCENARIOS, Outcome, Size

SHORT = Size(kills=100, questions=10, deadlines=20, stops=6, crowd=60)
LONG = Size(kills=500, questions=60, deadlines=200, stops=200, crowd=400)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scenarios; returns the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.dir is not None and not asked.dir.is_dir():
        _say(f"There is no folder {asked.dir}.")
        return 2
    size = LONG if asked.long else SHORT
    if asked.kills is not None:
        size = size.with_kills(asked.kills)
    CONTEXT.set_forkserver_preload([PRELOAD])
    try:
        outcomes = [
            _run(name, size, asked.seed, asked.dir, as_json=asked.json)
            for name in SCENARIOS
            if name in asked.only
        ]
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130
    finally:
        for child in multiprocessing.active_children():
            child.kill()
    _conclude(outcomes, as_json=asked.json)
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def _run(name: str, size: Size, seed: int, where: Path | None, *, as_json: bool) -> Outcome:
    """One scenario in a folder of its own, told in one line."""
    _say(f"{name} …")
    with tempfile.TemporaryDirectory(dir=where, ignore_cleanup_errors=True) as folder:
        try:
            outcome = SCENARIOS[name](Path(folder), size, seed, _say)
        except Stuck as error:
            outcome = Outcome(name, problems=(str(error),))
    for problem in outcome.problems:
        _say(f"{name}: {problem}")
    print(json.dumps(outcome.told()) if as_json else outcome.line(), flush=True)
    return outcome


def _conclude(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    last = outcomes[-1]
    total = {
        "kills": last.kills,
        "runs": last.runs,
        "effects": last.effects,
        "lost": sum(outcome.lost for outcome in outcomes),
        "doubled": sum(outcome.doubled for outcome in outcomes),
    }
    if as_json:
        print(json.dumps(total), flush=True)
    else:
        print(", ".join(f"{name} {number}" for name, number in total.items()), flush=True)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__)
    add: Callable[..., object] = parser.add_argument
    add("--kills", type=_positive, metavar="N", help="of the kill loop; default 100, --long 500")
    add("--seed", type=int, default=7, help="of every random choice; default 7")
    add("--long", action="store_true", help="every scenario at length")
    add("--only", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS), metavar="SCENARIO")
    add("--json", action="store_true", help="print each scenario as one line of JSON")
    add("--dir", type=Path, metavar="FOLDER", help="a folder on the disk to be used")
    return parser


def _say(text: str) -> None:
    print(f"benchmarks.crash: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
