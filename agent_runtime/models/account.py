"""Accounts: what a call is drawn on before it is made, and what it really took afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from agent_runtime.budget import Budget, Scope, Spent
from agent_runtime.errors import SettingsError
from agent_runtime.models.exchange import Usage
from agent_runtime.models.model import Model
from agent_runtime.run import Run
from agent_runtime.step import Step
from agent_runtime.store import Session
from agent_runtime.store.batches import Drawn

T = TypeVar("T")
Write = Callable[[Callable[[Session], None]], Awaitable[None]]
Post = Callable[[Callable[[Session], object]], object]


def cost_of(model: Model, usage: Usage, *, batched: bool = False) -> int | None:
    """What an exchange costs in billionths; None where no price is known."""
    if model.is_offline:
        return 0
    if model.price is None:
        return None
    tokens = (usage.tokens_in, usage.tokens_out, usage.tokens_cached)
    return model.price.of(*tokens, batched=batched)


@dataclass(frozen=True)
class Draft:
    """One call's estimate. It is drawn on all scopes at once, and settled with the truth; of a
    call whose end nobody saw, the estimate stands: the money may be spent."""

    scopes: Mapping[Scope, tuple[str, Budget, int]]
    estimate: Spent

    async def draw(self, write: Write) -> None:
        """Raises BudgetExceeded where it is too much, with nothing drawn."""
        if self.scopes:
            await write(self.take)

    def take(self, session: Session) -> None:
        """The same, in a transaction of the caller's."""
        session.calls.reserve(self.scopes, self.estimate)

    @property
    def drawn(self) -> Drawn:
        """What is to be settled."""
        names = {scope: name for scope, (name, _, _) in self.scopes.items()}
        return Drawn(scopes=names, estimate=self.estimate)


def settle(drawn: Drawn, post: Post, usage: Usage, cost: int | None, millis: int) -> None:
    """Put the provider's figures in the estimate's place."""
    if not drawn.scopes:
        return
    tokens = usage.tokens_in + usage.tokens_out
    actual = Spent(tokens=tokens, money=cost or 0, calls=1, millis=millis)
    post(lambda session: session.calls.settle(drawn.scopes, drawn.estimate, actual))


class Account:
    """The budgets that one step of one run is under. `grace`: how often a person resumed it."""

    def __init__(self, budgets: Mapping[Scope, Budget], step: Step, run: Run, grace: int) -> None:
        own = step.reasoning.budget
        self._budgets = dict(budgets) | ({} if own is None else {"step": own})
        self._step = step
        self._run = run
        self._granted = grace + 1

    def draft(self, model: Model, usage: Usage, now: datetime, *, batched: bool = False) -> Draft:
        """The estimate of one call; raises SettingsError where money is limited and no price is
        known."""
        priced = [scope for scope, budget in self._budgets.items() if budget.money is not None]
        cost = cost_of(model, usage, batched=batched)
        if priced and cost is None:
            raise SettingsError(
                f"The budget of the {priced[0]} limits money, and {model.producer!r} has no price.",
                remedy="Give it one in AGENT_RUNTIME_PRICES, per million tokens.",
            )
        tokens = usage.tokens_in + usage.tokens_out
        estimate = Spent(tokens=tokens, money=cost or 0, calls=1)
        return Draft(self._scopes(now), estimate)

    def _scopes(self, now: datetime) -> dict[Scope, tuple[str, Budget, int]]:
        day = now.date().isoformat()
        names: dict[Scope, tuple[str, int]] = {
            "step": (f"{self._run.id}/{self._step.name}", self._granted),
            "run": (self._run.id, self._granted),
            "workflow": (f"{self._run.workflow}/{day}", 1),
            "tenant_day": (day, 1),
        }
        return {
            scope: (names[scope][0], budget, names[scope][1])
            for scope, budget in self._budgets.items()
        }
