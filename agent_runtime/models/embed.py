"""Embeddings: texts as vectors, in batches, under the same table of failures, the same records and
the same budget of the tenant's day as every model."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from time import perf_counter
from typing import Any

from agent_runtime.budget import Budget, Price, Spent
from agent_runtime.errors import BudgetExceeded, ModelUnavailable
from agent_runtime.evidence import count_tokens
from agent_runtime.failure import TABLE, FailureKind
from agent_runtime.models.account import settle
from agent_runtime.models.exchange import Create, Usage, Vector, request_name
from agent_runtime.models.limit import Limit
from agent_runtime.models.retry import as_failure, decide
from agent_runtime.settings import ModelSettings, Settings
from agent_runtime.store import Session, Store
from agent_runtime.store.batches import Drawn
from agent_runtime.store.calls import CallOutcome, ModelCall

STEP = "embeddings"
"""What stands for a step in their records: they belong to no run's."""


@dataclass(frozen=True)
class Embedder:
    """One embedding model. `batch`: texts in one request at most. With a `store`, every attempt is
    written down there, and drawn on `budget`, which is each tenant's for a day."""

    model: str
    create: Create
    batch: int
    limit: Limit
    store: Store | None = None
    price: Price | None = None
    budget: Budget | None = None
    rng: Random = field(default_factory=Random)

    async def embed(self, texts: Sequence[str], tenant: str) -> list[Vector]:
        """A vector for each text, in order; raises ModelUnavailable once the table gives up, or
        where the tenant's budget of the day does not reach for it."""
        batches = [texts[at : at + self.batch] for at in range(0, len(texts), self.batch)]
        found = await asyncio.gather(*(self._ask(batch, tenant) for batch in batches))
        return [vector for vectors in found for vector in vectors]

    async def _ask(self, texts: Sequence[str], tenant: str) -> list[Vector]:
        failures: Counter[FailureKind] = Counter()
        while True:
            try:
                async with self.limit.slot():
                    return await self._attempt(texts, tenant, failures.total() + 1)
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

    async def _attempt(self, texts: Sequence[str], tenant: str, attempt: int) -> list[Vector]:
        estimate = Usage(sum(count_tokens(text) for text in texts), 0, estimated=True)
        drawn = await self._draw(tenant, estimate)
        began = perf_counter()
        try:
            made = await self.create(texts)
            vectors = _matching(texts, made.vectors)
        except ModelUnavailable as error:
            failure = as_failure(error)
            outcome: CallOutcome = failure.kind if failure else "unusable"
            await self._record(tenant, texts, drawn, attempt, began, Usage(0, 0), outcome)
            raise
        usage = estimate if made.tokens is None else Usage(made.tokens, 0)
        await self._record(tenant, texts, drawn, attempt, began, usage, "answered")
        return vectors

    async def _draw(self, tenant: str, estimate: Usage) -> Drawn:
        """The estimate, drawn on the tenant's day."""
        budget, store, cost = self.budget, self.store, self._cost(estimate)
        if budget is None or store is None:
            return Drawn()
        if budget.money is not None and cost is None:
            raise ModelUnavailable(
                f"The budget of the tenant of the day limits money, and {self.model!r} has no"
                " price.",
                remedy="Give it one in AGENT_RUNTIME_PRICES, per million tokens.",
            )
        wanted = Spent(tokens=estimate.tokens_in, money=cost or 0, calls=1)

        def reserve(session: Session) -> Drawn:
            day = session.now.date().isoformat()
            session.calls.reserve({"tenant_day": (day, budget, 1)}, wanted)
            return Drawn(scopes={"tenant_day": day}, estimate=wanted)

        try:
            return await store.write(tenant, reserve)
        except BudgetExceeded as error:
            raise ModelUnavailable(error.message, remedy=error.remedy) from error

    async def _record(
        self,
        tenant: str,
        texts: Sequence[str],
        drawn: Drawn,
        attempt: int,
        began: float,
        usage: Usage,
        outcome: CallOutcome,
    ) -> None:
        """Write one attempt down, and settle what was drawn for it."""
        if self.store is None:
            return
        cost, millis = self._cost(usage), round((perf_counter() - began) * 1000)

        def record(session: Session) -> None:
            call = ModelCall(
                run_id="",
                step=STEP,
                visit=0,
                attempt=attempt,
                model=self.model,
                tier="light",
                request=request_name({"model": self.model, "input": list(texts)}),
                outcome=outcome,
                millis=millis,
                tokens_in=usage.tokens_in,
                estimated=usage.estimated,
                cost=cost,
                at=session.now,
            )
            session.calls.add(call)
            settle(drawn, lambda work: work(session), usage, cost, millis)

        await self.store.write(tenant, record)

    def _cost(self, usage: Usage) -> int | None:
        return None if self.price is None else self.price.of(usage.tokens_in, 0)


def connect_embedder(
    settings: Settings,
    asking: ModelSettings | None = None,
    store: Store | None = None,
    **clients: Any,
) -> Embedder | None:
    """The configured embedding model; None where no provider is configured. Its calls are written
    down in `store`."""
    if not settings.has_model:
        return None
    from agent_runtime.models.client import connect_embeddings

    asking = asking or ModelSettings()
    return Embedder(
        asking.embedding_model,
        connect_embeddings(settings, asking.embedding_model, **clients),
        asking.embedding_batch,
        Limit(asking.model_concurrency, asking.model_rate),
        store,
        asking.prices.get(asking.embedding_model),
        asking.budgets.get("tenant_day"),
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
