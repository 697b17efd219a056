"""Budgets: how much asking models may cost, and what happens at the limit."""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Scope = Literal["step", "run", "workflow", "tenant_day"]
"""step: one step of one run; run; workflow: all its runs of one day; tenant_day: everything of a
tenant on one day. Days are UTC."""

SCOPES: tuple[Scope, ...] = ("step", "run", "workflow", "tenant_day")

Tier = Literal["light", "standard", "heavy"]
"""How much a model may cost and can do."""

TIERS: tuple[Tier, ...] = ("light", "standard", "heavy")

NANO = Decimal("1e-9")
"""Money is counted in billionths of the price table's currency: integers add up exactly."""

Amount = Annotated[int, Field(gt=0)]


class Budget(BaseModel):
    """Limits of one scope; what is not named is not limited. `seconds`: spent asking, waits and
    all. Money is in the price table's currency.

    `exceeded`: pause waits for a person, who grants a step or run the same again by resuming it;
    fail ends the run as failed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Amount | None = None
    money: Annotated[Decimal, Field(gt=0)] | None = None
    calls: Amount | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    exceeded: Literal["pause", "fail"] = "pause"

    @model_validator(mode="after")
    def _limits_something(self) -> Budget:
        limits = (self.tokens, self.money, self.calls, self.seconds)
        if all(limit is None for limit in limits):
            raise ValueError("it limits nothing: name tokens, money, calls or seconds")
        return self


class Spent(BaseModel):
    """What asking models took: `money` in billionths, None where a price is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: int = 0
    money: int = 0
    calls: int = 0
    millis: int = 0

    def over(self, budget: Budget, times: int = 1) -> str | None:
        """The first limit that this exceeds, in words, where the budget was granted `times`."""
        limits = (
            ("tokens", self.tokens, budget.tokens),
            ("money", self.money * NANO, budget.money),
            ("calls", self.calls, budget.calls),
            ("seconds", self.millis / 1000, budget.seconds),
        )
        for name, spent, limit in limits:
            if limit is not None and spent > limit * times:
                return f"{name}: {spent:.6g} of {limit * times:.6g}"
        return None


class Price(BaseModel):
    """What a model costs per million tokens; `cached`: input that the provider had cached. `batch`:
    the share of all this that a batched call costs, as 0.5 for half."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Annotated[Decimal, Field(ge=0)]
    output: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    cached: Annotated[Decimal, Field(ge=0)] | None = None
    batch: Annotated[Decimal, Field(gt=0, le=1)] = Decimal(1)

    def of(
        self, tokens_in: int, tokens_out: int, tokens_cached: int = 0, *, batched: bool = False
    ) -> int:
        """The cost in billionths, rounded up: a sum of costs is never below the truth."""
        cached = self.input if self.cached is None else self.cached
        fresh = max(0, tokens_in - tokens_cached)
        millionths = fresh * self.input + tokens_cached * cached + tokens_out * self.output
        return ceil(millionths * (self.batch if batched else 1) * 1000)
