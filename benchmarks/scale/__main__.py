"""Measures what ten thousand paused runs cost, and any number of finished ones.

The last line of standard output is the result as JSON with --json; without, text. Exit code 0:
measured, whether or not the targets are met, 1: something went wrong meanwhile, 2: bad input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.engine.case import WrongRun
from benchmarks.engine.measure import machine
from benchmarks.scale.measure import Size, measure
from benchmarks.scale.report import summarize, text

FULL = Size(paused=10_000, finished=2_000, looks=60, starts=5, idle=20.0, decisions=30)
QUICK = Size(paused=300, finished=100, looks=10, starts=1, idle=2.0, decisions=3)
RESULTS = Path(__file__).resolve().parents[1] / "results" / "latest.json"
KEY = "scale"
"""Where the figures stand among those of `benchmarks.engine`, in the file of the latest results."""


def main(arguments: Sequence[str] | None = None, *, size: Size | None = None) -> int:
    """Run the benchmark; returns the exit code. `size` replaces what --quick chooses."""
    asked = _parser().parse_args(arguments)
    if asked.dir is not None and not asked.dir.is_dir():
        _say(f"There is no folder {asked.dir}.")
        return 2
    chosen = size or (QUICK if asked.quick else FULL)
    if asked.finished is not None:
        chosen = replace(chosen, finished=asked.finished)
    before = machine()
    try:
        found = measure(chosen, asked.dir, _say)
        document = summarize(chosen, found, [before, machine()])
        _keep(document, asked.out)
    except (WrongRun, OSError) as error:
        _say(f"Aborted: {error}")
        return 1
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130
    print(json.dumps(document) if asked.json else text(document), flush=True)
    return 0


def _keep(document: dict[str, Any], out: Path) -> None:
    """Add the figures to the latest results, beside what stands there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    latest = json.loads(out.read_text()) if out.exists() else {}
    out.write_text(json.dumps({**latest, KEY: document}, indent=1) + "\n")
    _say(f"Written: {out}, under {KEY!r}")


def _positive(number: str) -> int:
    if int(number) < 1:
        raise ValueError
    return int(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a small run, to see that it works; quote none of it")
    add("--finished", type=_positive, metavar="N", help="finished runs; default 2000, --quick 100")
    add("--json", action="store_true", help="print the result as one line of JSON")
    add("--out", type=Path, default=RESULTS, metavar="FILE", help="where the figures are added")
    add("--dir", type=Path, metavar="FOLDER", help="a folder on the disk to be measured")
    return parser


def _say(words: str) -> None:
    print(f"benchmarks.scale: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
