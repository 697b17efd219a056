"""Retrieval: the passages that answer a question, by words and, where set up, by meaning."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from agent_runtime.errors import ModelUnavailable, SettingsError
from agent_runtime.source import KnownPassage, Source
from agent_runtime.store import Session, Store
from agent_runtime.store.knowledge import Hit, Knowledge, Within

if TYPE_CHECKING:
    import numpy as np

DEEP = 50
"""How many of each ranking are fused."""
FLAT = 60
"""Reciprocal rank fusion's constant: how little the first place counts more than the next."""
SENT = 64
"""Texts that are embedded and stored at a time."""
NEXT = 10
"""Outranked passages that are told: what came next, not all that there is."""
READ = 500
"""Vectors that are read before others have their turn: a few milliseconds."""
READS = 3
"""How often they are read again where they change meanwhile: what is newer is found next time."""
ALIKE = 6
"""Decimals of two scores that are the same; behind them float32 only tells of the arithmetic."""
MATRICES = 4
"""Tenants whose embeddings are held in memory."""


class Embedder(Protocol):
    """Turns texts into vectors; raises ModelUnavailable."""

    @property
    def model(self) -> str:
        """Its name: vectors of two models cannot be compared."""
        ...

    async def embed(self, texts: Sequence[str], tenant: str) -> list[list[float]]:
        """A vector for each text, in order, on the tenant's account."""
        ...


@dataclass(frozen=True)
class Asked:
    """What is looked for, and whose and which passages count."""

    query: str
    within: Within
    limit: int


@dataclass(frozen=True)
class Found:
    """A passage with its ranks, from 1: `words_rank` by BM25, `vector_rank` by meaning; None: not
    among the first that way. `score` is the one it was placed by."""

    passage: KnownPassage
    source: Source
    rank: int
    score: float
    words_rank: int | None = None
    vector_rank: int | None = None

    @property
    def name(self) -> str:
        """How evidence cites it."""
        return cited(self.source.name, self.passage.id)


@dataclass(frozen=True)
class Answer:
    """What was found, best first: the `limit` that were asked for, and what came next.
    `warnings`: why it may be less than it could be."""

    found: tuple[Found, ...]
    outranked: tuple[Found, ...] = ()
    warnings: tuple[str, ...] = ()


class Retriever:
    """Searches one store; holds the vectors of few tenants in memory."""

    def __init__(self, store: Store, embedder: Embedder | None = None) -> None:
        """Raises SettingsError where vectors are wanted and numpy is not installed."""
        if embedder is not None and find_spec("numpy") is None:
            raise SettingsError(
                "An embedding model is named, and numpy is not installed.",
                remedy="Install agent-runtime[vectors], or unset AGENT_RUNTIME_EMBEDDING_MODEL.",
            )
        self._store = store
        self._embedder = embedder
        self._matrices: OrderedDict[tuple[str, str], _Matrix] = OrderedDict()

    async def search(self, tenant: str, asked: Asked) -> Answer:
        """The best passages for a question. An endpoint that is down costs their meaning only."""
        knowledge = self._store.read(tenant).knowledge
        if not knowledge.state()[1]:
            return Answer(())
        vector, warnings = await self._vector(tenant, asked.query)
        matrix = None
        if vector is not None and self._embedder is not None:
            matrix = await self._matrix(tenant, self._embedder.model)
        by_words = knowledge.by_words(asked.query, asked.within, DEEP)
        by_vector: list[Hit] = []
        if vector is not None and matrix is not None:
            by_vector = matrix.nearest(knowledge, vector, asked.within, DEEP)
            if matrix.missing:
                warnings += (f"Passages without a vector yet: {matrix.missing}.",)
        placed = _fuse(by_words, by_vector) if by_vector else by_words
        found = _described(knowledge, placed[: asked.limit + NEXT], by_words, by_vector)
        return Answer(tuple(found[: asked.limit]), tuple(found[asked.limit :]), warnings)

    async def embed_missing(self, tenant: str) -> int:
        """Embed what has no vector yet, each text once; how many. Raises ModelUnavailable, with
        what was embedded until then kept."""
        embedder, count = self._embedder, 0
        while embedder is not None:
            texts = self._store.read(tenant).knowledge.missing_vectors(embedder.model, SENT)
            if not texts:
                break
            vectors = await embedder.embed([text for _, text in texts], tenant)
            named = [(name, _packed(v)) for (name, _), v in zip(texts, vectors, strict=True)]
            await self._store.write(tenant, partial(_keep, model=embedder.model, vectors=named))
            count += len(texts)
        return count

    async def _vector(self, tenant: str, query: str) -> tuple[list[float] | None, tuple[str, ...]]:
        if self._embedder is None or not query.strip():
            return None, ()
        try:
            return (await self._embedder.embed([query], tenant))[0], ()
        except ModelUnavailable as error:
            return None, (f"No embedding was had: {error.message} It was searched by words alone.",)

    async def _matrix(self, tenant: str, model: str) -> _Matrix:
        """The vectors as they are now. Others have their turns while many are read."""
        knowledge = self._store.read(tenant).knowledge
        known = self._matrices.pop((tenant, model), None)
        if known is None:
            known = await _Matrix.read(knowledge, model, None)
        for _ in range(READS):
            if known.generation == knowledge.state()[0]:
                break
            known = await _Matrix.read(knowledge, model, known)
        self._matrices[tenant, model] = known
        if len(self._matrices) > MATRICES:
            self._matrices.popitem(last=False)
        return known


@dataclass
class _Matrix:
    """A tenant's vectors, unit length, one line for each row of `rows` (ascending)."""

    generation: int
    rows: np.ndarray
    hashes: list[str]
    sources: list[str]
    lines: np.ndarray
    missing: int
    allowed: OrderedDict[Within, np.ndarray]

    @classmethod
    async def read(cls, knowledge: Knowledge, model: str, before: _Matrix | None) -> _Matrix:
        """The vectors as they are now; what is known from before is not read again."""
        import numpy as np

        generation, _ = knowledge.state()
        texts = list(knowledge.texts())
        lines = {} if before is None else dict(zip(before.hashes, before.lines, strict=True))
        new = sorted({name for _, name, _ in texts} - lines.keys())
        for at in range(0, len(new), READ):
            found = list(knowledge.vectors(model, new[at : at + READ]))
            if found:
                read = np.frombuffer(b"".join(vector for _, vector in found), dtype="<f4")
                units = _unit(read.reshape(len(found), -1))
                lines.update(zip((name for name, _ in found), units, strict=True))
            await asyncio.sleep(0)
        held = [text for text in texts if text[1] in lines]
        return cls(
            generation=generation,
            rows=np.array([row for row, _, _ in held], dtype=np.int64),
            hashes=[name for _, name, _ in held],
            sources=[source for _, _, source in held],
            lines=np.array([lines[name] for _, name, _ in held], dtype=np.float32).reshape(
                len(held), -1 if held else 1
            ),
            missing=len(texts) - len(held),
            allowed=OrderedDict(),
        )

    def nearest(
        self, knowledge: Knowledge, vector: Sequence[float], within: Within, limit: int
    ) -> list[Hit]:
        """The rows nearest to a vector among those that count, in a tie those whose texts do."""
        import numpy as np

        asked = np.asarray(vector, dtype=np.float32)
        if not len(self.rows) or asked.shape[0] != self.lines.shape[1]:
            return []
        chosen = np.flatnonzero(self._allowed(knowledge, within))
        scores = np.round(self.lines @ _unit(asked[None, :])[0], ALIKE)[chosen]
        if len(chosen) > limit:  # all that stand level with the last one, which are seldom many
            near = scores >= np.partition(scores, -limit)[-limit]
            chosen, scores = chosen[near], scores[near]
        found = [
            Hit(int(self.rows[at]), float(score), self.hashes[at], self.sources[at])
            for at, score in zip(chosen, scores, strict=True)
        ]
        return sorted(found, key=lambda hit: hit.place)[:limit]

    def _allowed(self, knowledge: Knowledge, within: Within) -> np.ndarray:
        """Which lines count, as the query of the words has it; asked once for a generation."""
        import numpy as np

        known = self.allowed.pop(within, None)
        if known is None:
            known = np.isin(self.rows, np.array(knowledge.rows(within), dtype=np.int64))
        self.allowed[within] = known
        if len(self.allowed) > MATRICES:
            self.allowed.popitem(last=False)
        return known


def _keep(session: Session, model: str, vectors: Sequence[tuple[str, bytes]]) -> None:
    for name, vector in vectors:
        session.knowledge.put_vector(model, name, vector)


def within(day: date, labels: Sequence[str]) -> Within:
    """Passages in force on that day with one of these labels."""
    return Within(day, frozenset(labels))


def cited(source: str, passage: str) -> str:
    """The id under which evidence cites a passage."""
    return f"{source}#{passage}"


def _fuse(*rankings: Sequence[Hit]) -> list[Hit]:
    """Hits by the sum of their reciprocal ranks."""
    fused: dict[int, Hit] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, start=1):
            known = fused[hit.row].score if hit.row in fused else 0.0
            fused[hit.row] = replace(hit, score=known + 1 / (FLAT + rank))
    return sorted(fused.values(), key=lambda hit: hit.place)


def _described(
    knowledge: Knowledge,
    placed: Sequence[Hit],
    by_words: Sequence[Hit],
    by_vector: Sequence[Hit],
) -> list[Found]:
    """The hits with their passages and sources, in their order; without those that were removed
    while they were looked for: another thread or process may commit at any moment."""
    words = {hit.row: rank for rank, hit in enumerate(by_words, start=1)}
    vectors = {hit.row: rank for rank, hit in enumerate(by_vector, start=1)}
    seen = [(hit, knowledge.at(hit.row)) for hit in placed]
    names = {passage.source for _, passage in seen if passage is not None}
    there = {name: found for name in names if (found := knowledge.find_source(name)) is not None}
    known = [(hit, one) for hit, one in seen if one is not None and one.source in there]
    return [
        Found(
            passage=passage,
            source=there[passage.source],
            rank=rank,
            score=round(hit.score, 6),
            words_rank=words.get(hit.row),
            vector_rank=vectors.get(hit.row),
        )
        for rank, (hit, passage) in enumerate(known, start=1)
    ]


def _unit(lines: np.ndarray) -> np.ndarray:
    import numpy as np

    lengths = np.linalg.norm(lines, axis=1, keepdims=True)
    return (lines / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def _packed(vector: Sequence[float]) -> bytes:
    import struct

    return struct.pack(f"<{len(vector)}f", *vector)
