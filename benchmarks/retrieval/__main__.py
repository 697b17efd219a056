"""Measures how well and how fast the knowledge base is searched.

The last line of standard output is the result as JSON with --json; without, text. Exit code 0:
measured, whether or not the targets are met, 1: something went wrong meanwhile, 2: bad input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from agent_runtime.models.embed import connect_embedder
from agent_runtime.settings import Settings, load_model_settings
from agent_runtime.testing import ChatReply, ChatServer
from agent_runtime.testing.embedding import embedding
from benchmarks.engine.measure import machine
from benchmarks.retrieval import quality, speed

PROJECT = Path(__file__).resolve().parents[2]
RETAIL = PROJECT.parent / "shared" / "data" / "tau2-retail"
RESULTS = PROJECT / "benchmarks" / "results" / "latest.json"
KEY = "retrieval"
FULL, QUICK = 100_000, 2_000
TARGETS = {"ingest_per_second": 500, "bm25_p95_ms": 50, "fused_p95_ms": 150}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.data is not None and not asked.data.is_dir():
        _say(f"There is no folder {asked.data}.")
        return 2
    count = asked.passages or (QUICK if asked.quick else FULL)
    before = machine()
    try:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder)
            _say("questions with known answers …")
            retail = asked.data or (RETAIL if RETAIL.is_dir() else None)
            found = asyncio.run(_quality(data, retail))
            _say(f"{count} passages …")
            fast = speed.measure(data, count, asked.queries, asked.seed, speed.Random())
    except (OSError, ValueError) as error:
        _say(f"Aborted: {error}")
        return 1
    load = [before, machine()]
    document = {"quality": found, "speed": fast, "targets": TARGETS, "machine": load}
    _keep(document, asked.out)
    print(json.dumps(document) if asked.json else _text(document), flush=True)
    return 0


async def _quality(data: Path, retail: Path | None) -> dict[str, Any]:
    """Embeddings come from a local server over HTTP, as they would from a provider."""
    with ChatServer(lambda _: ChatReply("{}"), embed=embedding) as server:
        values = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "bench"}
        settings = Settings.model_validate(values)
        async with httpx.AsyncClient() as http:
            asking = load_model_settings()
            embedder = connect_embedder(settings, asking, http_client=http)
            if embedder is None:
                raise ValueError("no embedding model can be had")
            return await quality.measure(data, PROJECT, retail, embedder)


def _keep(document: dict[str, Any], out: Path) -> None:
    """Add the figures to the latest results, beside what stands there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    latest = json.loads(out.read_text()) if out.exists() else {}
    out.write_text(json.dumps({**latest, KEY: document}, indent=1) + "\n")
    _say(f"Written: {out.name}, under {KEY!r}")


def _text(document: dict[str, Any]) -> str:
    lines = []
    for name, found in document["quality"].items():
        lines.append(f"{name}: {found['questions']} questions, {found['passages']} passages")
        for way in quality.WAYS:
            scores = ", ".join(f"{k} {v:.3f}" for k, v in found[way.name].items())
            lines.append(f"  {way.name:8} {scores}")
    fast = document["speed"]
    lines.append(f"{fast['passages']} passages: {fast['ingest_per_second']} taken in per second")
    lines += [f"  {name} {fast[name]}" for name in ("bm25_ms", "fused_ms")]
    return "\n".join(lines)


def _positive(number: str) -> int:
    if int(number) < 1:
        raise ValueError
    return int(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="few passages, to see that it works; quote no speed")
    add("--passages", type=_positive, metavar="N", help=f"default {FULL}, --quick {QUICK}")
    add("--queries", type=_positive, default=200, metavar="N", help="timed questions")
    add("--seed", type=int, default=7, help="of the made texts")
    add("--data", type=Path, metavar="FOLDER", help="the retail benchmark's, with its policy.md")
    add("--json", action="store_true", help="print the result as one line of JSON")
    add("--out", type=Path, default=RESULTS, metavar="FILE", help="where the figures are added")
    return parser


def _say(words: str) -> None:
    print(f"benchmarks.retrieval: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
