"""Embeddings: texts as vectors, in batches, under the same table of failures as every model."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from agent_runtime.errors import ModelUnavailable
from agent_runtime.failure import TABLE, FailureKind
from agent_runtime.models.limit import Limit
from agent_runtime.models.retry import as_failure, decide
from agent_runtime.settings import ModelSettings, Settings

Vector = list[float]
Create = Callable[[Sequence[str]], Awaitable[list[Vector]]]
"""One request; raises ModelUnavailable."""


@dataclass(frozen=True)
class Embedder:
    """One embedding model. `batch`: texts in one request at most."""

    model: str
    create: Create
    batch: int
    limit: Limit
    rng: Random = field(default_factory=Random)

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """A vector for each text, in order; raises ModelUnavailable once the table gives up."""
        batches = [texts[at : at + self.batch] for at in range(0, len(texts), self.batch)]
        found = await asyncio.gather(*(self._ask(batch) for batch in batches))
        return [vector for vectors in found for vector in vectors]

    async def _ask(self, texts: Sequence[str]) -> list[Vector]:
        failures: Counter[FailureKind] = Counter()
        while True:
            try:
                async with self.limit.slot():
                    return _matching(texts, await self.create(texts))
            except ModelUnavailable as error:
                failure = as_failure(error)
                if failure is None:
                    raise
                following = decide(failure, failures, TABLE, self.rng.random())
                # There is nobody to hint at, nothing to compact, and no other model: its vectors
                # would not stand in the same space.
                if following.how not in ("wait", "again"):
                    raise
                failures[failure.kind] += 1
                await asyncio.sleep(following.seconds)


def connect_embedder(
    settings: Settings, asking: ModelSettings | None = None, **clients: Any
) -> Embedder | None:
    """The configured embedding model; None where no provider is configured."""
    if not settings.has_model:
        return None
    from agent_runtime.models.client import connect_embeddings

    asking = asking or ModelSettings()
    return Embedder(
        asking.embedding_model,
        connect_embeddings(settings, asking.embedding_model, **clients),
        asking.embedding_batch,
        Limit(asking.model_concurrency, asking.model_rate),
    )


def _matching(texts: Sequence[str], vectors: list[Vector]) -> list[Vector]:
    """Raises ModelUnavailable where there is not one vector of one length for each text."""
    if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
        raise ModelUnavailable(
            "The provider's embeddings do not fit what was asked.",
            remedy="Check AGENT_RUNTIME_EMBEDDING_MODEL and OPENAI_BASE_URL.",
            kind="unusable",
        )
    return vectors
