"""Speed: how fast passages come in and are found again, among very many."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent_runtime.clock import SystemClock
from agent_runtime.knowledge.index import Incoming, Library
from agent_runtime.knowledge.retrieve import Asked, Embedder, Retriever, within
from agent_runtime.store import Session, Store

DIMENSIONS = 384
SECTIONS = 100
"""Passages of one made document."""
VOCABULARY = 20_000
WORDS = 60
"""Words of a passage."""
ASKED = 8
"""Words of a query: as common and as rare ones as texts have."""


class Made:
    """Texts like people's: few words are common, most are rare."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 — the same texts every time are the point
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._words = [
            "".join(self._rng.choice(letters) for _ in range(self._rng.randint(3, 9)))
            for _ in range(VOCABULARY)
        ]
        self._weights = list(itertools.accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))

    def text(self, words: int) -> str:
        """So many words."""
        return " ".join(self._rng.choices(self._words, cum_weights=self._weights, k=words))

    def documents(self, passages: int) -> Iterator[Incoming]:
        """Markdown documents with so many passages in all."""
        for number in range(-(-passages // SECTIONS)):
            count = min(SECTIONS, passages - number * SECTIONS)
            parts = [f"# Part {part}\n\n{self.text(WORDS)}" for part in range(count)]
            given = {"labels": ["even" if number % 2 == 0 else "odd", "all"]}
            raw = "\n\n".join(parts).encode()
            yield Incoming(f"made-{number:05}.md", "text/markdown", raw, given)


class Random:
    """Stands for an embeddings endpoint that answers at once: what is measured is the search."""

    model = "random"

    async def embed(self, texts: Any, tenant: str) -> list[list[float]]:  # noqa: ARG002
        """A vector for each text, by its hash."""
        made = [random.Random(text) for text in texts]  # noqa: S311
        return [[one.uniform(-1, 1) for _ in range(DIMENSIONS)] for one in made]


def measure(
    data: Path, passages: int, queries: int, seed: int, embedder: Embedder
) -> dict[str, Any]:
    """Take so many passages in and ask so many questions, by words and fused."""
    return asyncio.run(_measured(data, passages, queries, seed, embedder))


async def _measured(
    data: Path, passages: int, queries: int, seed: int, embedder: Embedder
) -> dict[str, Any]:
    store = Store(data / "speed.db", SystemClock())
    made, library = Made(seed), Library(store, SystemClock())
    try:
        spent = 0.0
        for incoming in made.documents(passages):
            began = time.perf_counter()
            await library.add("default", "bench", incoming)
            spent += time.perf_counter() - began
        asked = [made.text(ASKED) for _ in range(queries)]
        words = await _timed(Retriever(store), asked)
        await store.write("default", _give_vectors)
        fused = Retriever(store, embedder)
        await _timed(fused, asked[:1])  # the vectors are read once, and then held
        both = await _timed(fused, asked)
    finally:
        library.close()
        store.close()
    return {
        "passages": passages,
        "ingest_per_second": round(passages / spent),
        "bm25_ms": _percentiles(words),
        "fused_ms": _percentiles(both),
    }


def _give_vectors(session: Session) -> None:
    """A random vector for every passage: what it is near to does not matter here."""
    import numpy as np

    generator = np.random.default_rng(7)
    for _, name, _ in list(session.knowledge.texts()):
        vector = generator.standard_normal(DIMENSIONS).astype("<f4").tobytes()
        session.knowledge.put_vector(Random.model, name, vector)


async def _timed(retriever: Retriever, queries: list[str]) -> list[tuple[float, float]]:
    """Seconds of each query among half of the passages: as they passed, and of this process."""
    scope, found = within(SystemClock().now().date(), ["even"]), []
    for query in queries:
        began, worked = time.perf_counter(), time.process_time()
        await retriever.search("default", Asked(query, scope, 5))
        found.append((time.perf_counter() - began, time.process_time() - worked))
    return found


def _percentiles(found: list[tuple[float, float]]) -> dict[str, float]:
    """Milliseconds. `cpu_p95` says what a machine with nothing else to do would take at most."""
    passed, worked = (sorted(column) for column in zip(*found, strict=True))
    return {
        name: round(1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
        for name, ordered, share in (
            ("p50", passed, 0.5),
            ("p95", passed, 0.95),
            ("max", passed, 1.0),
            ("cpu_p95", worked, 0.95),
        )
    }
