"""Quality: whether the right passages are among the first, by words, by vectors and by both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

from agent_runtime.clock import SystemClock
from agent_runtime.knowledge.folder import files
from agent_runtime.knowledge.index import Incoming, Library
from agent_runtime.knowledge.retrieve import Asked, Embedder, Found, Retriever, within
from agent_runtime.store import Store
from benchmarks.retrieval.labelled import Question

SHOWN, DEEP = 5, 20
SAMPLES = Path("graphs/refund/samples")
DAY = date(2026, 3, 30)
"""A day on which the samples' present policies are in force."""


@dataclass(frozen=True)
class Way:
    """How the best are chosen from what was found by a search that fuses both rankings."""

    name: str
    rank: str


WAYS = (Way("bm25", "words_rank"), Way("vectors", "vector_rank"), Way("fused", "rank"))


Questionnaires = dict[str, dict[str, Any]]


async def measure(
    data: Path, project: Path, retail: Path | None, embedder: Embedder
) -> Questionnaires:
    """Ask all questions, those about the retail policy where its folder is there."""
    from benchmarks.retrieval import labelled

    found: Questionnaires = {}
    store = Store(data / "quality.db", SystemClock())
    library, retriever = Library(store, SystemClock()), Retriever(store, embedder)
    try:
        async for _ in library.add_files("samples", "bench", files(project / SAMPLES, {})):
            pass
        for incoming in _policies(project / SAMPLES / "shop.json"):
            await library.add("samples", "bench", incoming)
        sets: list[tuple[str, Sequence[Question]]] = [("samples", labelled.SAMPLES)]
        if retail is not None and (retail / "policy.md").is_file():
            text = (retail / "policy.md").read_bytes()
            await library.add("retail", "bench", Incoming("policy.md", "text/markdown", text))
            sets.append(("retail", labelled.RETAIL))
        for tenant, questions in sets:
            await retriever.embed_missing(tenant)
            found[tenant] = await _asked(store, retriever, tenant, questions)
    finally:
        library.close()
        store.close()
    return found


def _policies(shop: Path) -> list[Incoming]:
    """The shop's policies as documents, each in force for as long as it was."""
    known = json.loads(shop.read_text())["policies"]
    return [
        Incoming(
            f"{policy['id']}.txt",
            "text/plain",
            f"{policy['title']}\n{policy['text']}".encode(),
            {"valid_from": policy["valid_from"], "valid_to": policy["valid_to"] or date.max},
        )
        for policy in known
    ]


async def _asked(
    store: Store, retriever: Retriever, tenant: str, questions: Sequence[Question]
) -> dict[str, Any]:
    knowledge = store.read(tenant).knowledge
    everything = [p.text for source in knowledge.sources() for p in knowledge.passages(source.id)]
    scores: dict[str, list[tuple[float, float, float]]] = {way.name: [] for way in WAYS}
    for question in questions:
        right = sum(1 for text in everything if _is_right(question, text))
        if not right:
            raise ValueError(f"No passage answers {question.query!r}: the label is wrong.")
        answer = await retriever.search(tenant, Asked(question.query, within(DAY, ()), 100))
        for way in WAYS:
            scores[way.name].append(_scores(question, way, answer.found, right))
    found: dict[str, Any] = {"questions": len(questions), "passages": len(everything)}
    for name, rows in scores.items():
        precision, recall, first = (round(mean(column), 3) for column in zip(*rows, strict=True))
        found[name] = {"precision_at_5": precision, "recall_at_20": recall, "first_right": first}
    return found


def _scores(
    question: Question, way: Way, found: Sequence[Found], right: int
) -> tuple[float, float, float]:
    """Precision at 5, of as many as can be right there; recall at 20; the first right one's
    reciprocal rank."""
    ranked = [f for f in found if getattr(f, way.rank) is not None]
    ranked.sort(key=lambda f: int(getattr(f, way.rank)))
    hits = [_is_right(question, f.passage.text) for f in ranked]
    precision = sum(hits[:SHOWN]) / min(SHOWN, right)
    first = 1 / (hits.index(True) + 1) if True in hits else 0.0
    return precision, sum(hits[:DEEP]) / right, first


def _is_right(question: Question, text: str) -> bool:
    return any(phrase in text for phrase in question.phrases)
