"""The executor: the only place that asks a model. What follows a failure is decided by the table
in `failure.py`; here it is done, and every attempt is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Protocol, TypeVar, assert_never

from langchain_core.messages import AIMessage, BaseMessage

from agent_runtime.budget import Tier
from agent_runtime.clock import Clock
from agent_runtime.envelope import is_no_json
from agent_runtime.errors import InvalidInput, ModelUnavailable, NeedsAttention
from agent_runtime.models.account import Account, cost_of
from agent_runtime.models.chat_span import attributes_of, describe, show
from agent_runtime.models.compact import compact
from agent_runtime.models.exchange import (
    Json,
    Usage,
    answered,
    asked,
    estimate_of,
    message_of,
    request_name,
    usage_of,
)
from agent_runtime.models.form import unfence
from agent_runtime.models.inquiry import Inquiry, Reply
from agent_runtime.models.lineup import Lineup
from agent_runtime.models.model import Model
from agent_runtime.models.progress import Progress
from agent_runtime.models.prompt import hint
from agent_runtime.models.retry import Failure, as_failure, decide, merged
from agent_runtime.models.route import begin, escalate, fall_back
from agent_runtime.run import Run
from agent_runtime.step import Step
from agent_runtime.store import Session
from agent_runtime.store.calls import CallOutcome, ModelCall
from agent_runtime.telemetry import Telemetry

T = TypeVar("T")


class Claim(Protocol):
    """What the executor needs of a segment: whose run it is, and where to write."""

    @property
    def run(self) -> Run:
        """The claimed run."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def telemetry(self) -> Telemetry:
        """Where spans go."""

    @property
    def grace(self) -> int:
        """How often a person resumed the run."""

    def post(self, work: Callable[[Session], object]) -> None:
        """Commit without waiting."""

    async def write(self, work: Callable[[Session], T]) -> T:
        """Commit and wait."""

    def read(self) -> Session:
        """What is committed."""


class _Unread(Exception):
    def __init__(self, failure: Failure, message: AIMessage | None) -> None:
        super().__init__(failure.problem)
        self.failure = failure
        self.message = message


class Executor:
    """Asks models for one step of one claimed run."""

    def __init__(self, lineup: Lineup, claim: Claim, step: Step) -> None:
        self._lineup = lineup
        self._claim = claim
        self._step = step
        self._table = merged(step.reasoning.table)
        self._account = Account(lineup.asking.budgets, step, claim.run, claim.grace)

    def inquire(
        self, visit: int, messages: list[BaseMessage], schema: Json, tier: Tier | None = None
    ) -> Inquiry:
        """A conversation on the step's own tier, unless its prompt names one."""
        reasoning = self._step.reasoning
        choice = begin(tier or reasoning.tier, self._lineup.asking.tiers)
        return Inquiry(visit, messages, reasoning.tools, schema, choice)

    async def ask(self, inquiry: Inquiry, read: Callable[[str], T]) -> Reply[T]:
        """The next answer. `read` turns its text into what the step can use, or raises
        InvalidInput that says what is wrong with it.

        Raises NeedsAttention where a person has to look, ModelUnavailable where the model failed
        for good, BudgetExceeded before asking for more than there is.
        """
        while True:
            model = self._lineup.chosen(inquiry.choice, self._step)
            try:
                return await self._attempt(inquiry, model, read)
            except _Unread as unread:
                await self._follow(inquiry, model, unread.failure, unread.message, unread)
            except ModelUnavailable as error:
                if error.kind == "form" and model.form.degrade():
                    continue
                failure = as_failure(error)
                if failure is None:
                    raise
                await self._follow(inquiry, model, failure, None, error)

    def escalate(self, inquiry: Inquiry, why: str) -> bool:
        """Turn to a dearer model, if there is one."""
        choice = escalate(inquiry.choice, why, self._lineup.asking.tiers)
        if choice is not None:
            inquiry.choice = choice
        return choice is not None

    async def _follow(
        self,
        inquiry: Inquiry,
        model: Model,
        failure: Failure,
        message: AIMessage | None,
        error: Exception,
    ) -> None:
        """Do what the table says about a failure; raises where it says that this is the end."""
        rng = self._lineup.rng
        following = decide(failure, inquiry.failures, self._table, rng.random())
        inquiry.failures[failure.kind] += 1
        inquiry.total[failure.kind] += 1
        self._tell(inquiry, failure, following.how)
        match following.how:
            case "wait":
                await self._lineup.sleep(following.seconds)
            case "again":
                if failure.kind == "invalid_json":
                    self.escalate(inquiry, "its answer was no JSON")
            case "hint":
                inquiry.messages += [*([message] if message else []), hint(failure.problem)]
                self.escalate(inquiry, "its answer could not be used")
            case "compact":
                inquiry.messages = compact(inquiry.messages)
            case "person":
                raise NeedsAttention(
                    f"Step {self._step.name}: {failure.problem}", remedy=_remedy(error)
                ) from error
            case "fall_back":
                self._fall_back(inquiry, model, failure, error)
            case _:
                assert_never(following.how)

    def _fall_back(
        self, inquiry: Inquiry, model: Model, failure: Failure, error: Exception
    ) -> None:
        """Go on with the declared fallback, with all its attempts; raises where there is none."""
        if model.fallback is None or model.fallback == inquiry.choice.name:
            if isinstance(error, ModelUnavailable):
                raise error
            tries = inquiry.failures[failure.kind]
            raise NeedsAttention(
                f"Step {self._step.name}: no valid envelope in {tries} attempts; {failure.problem}"
            ) from error
        inquiry.choice = fall_back(inquiry.choice, model.fallback, failure.kind)
        inquiry.failures.clear()

    async def _attempt(self, inquiry: Inquiry, model: Model, read: Callable[[str], T]) -> Reply[T]:
        inquiry.attempts += 1
        if not model.is_offline:
            await self._lineup.limit(model).turn()
        made = self._cached(inquiry, model) or await self._ask(inquiry, model)
        if made.message.tool_calls:
            self._record(inquiry, model, made, "answered")
            return Reply(made.message, None, model)
        try:
            value = read(unfence(str(made.message.text)))
        except InvalidInput as error:
            failure = _misread(error, made.message)
            self._record(inquiry, model, made, failure.kind)
            raise _Unread(failure, made.message) from error
        self._record(inquiry, model, made, "cached" if made.cached else "answered")
        if self._step.reasoning.deterministic and not made.cached:
            self._keep(inquiry, made)
        return Reply(made.message, value, model)

    def _cached(self, inquiry: Inquiry, model: Model) -> _Made | None:
        """What was answered to exactly this request before, for a step that is deterministic."""
        if not self._step.reasoning.deterministic:
            return None
        request = self._request(inquiry, model)
        kept = self._claim.read().calls.kept(request_name(request))
        return None if kept is None else _Made(request, message_of(kept), Usage(0, 0), cached=True)

    def _keep(self, inquiry: Inquiry, made: _Made) -> None:
        response = answered(made.message, made.usage, inquiry.attempts)
        lasts = timedelta(seconds=self._lineup.asking.model_cache)
        self._claim.post(
            lambda session: session.calls.keep(request_name(made.request), response, lasts)
        )

    async def _ask(self, inquiry: Inquiry, model: Model) -> _Made:
        """One exchange over the wire, within the budgets; a failed one is recorded here."""
        request = self._request(inquiry, model)
        estimate = estimate_of(
            inquiry.messages, inquiry.tools, self._lineup.asking.model_max_output
        )
        draft = self._account.draft(model, estimate, self._claim.clock.now())
        await draft.draw(self._claim.write)
        limit = nullcontext() if model.is_offline else self._lineup.limit(model).slot()
        async with limit:
            began = perf_counter()
            try:
                message = await self._exchange(inquiry, model)
            except ModelUnavailable as error:
                lost = _Made(request, AIMessage(""), Usage(0, 0), _millis(began))
                draft.settle(self._claim.post, lost.usage, lost.millis)
                failure = as_failure(error)
                self._record(inquiry, model, lost, failure.kind if failure else "unusable")
                raise
        made = _Made(request, message, usage_of(message, estimate), _millis(began))
        draft.settle(self._claim.post, made.usage, made.millis)
        self._remember(inquiry, model, made)
        return made

    async def _exchange(self, inquiry: Inquiry, model: Model) -> AIMessage:
        attributes = attributes_of(model, self._step.name, inquiry.attempts)
        name, client = f"chat {model.producer}", not model.is_offline
        with self._claim.telemetry.span(name, attributes, client=client) as span:
            try:
                async with asyncio.timeout(self._lineup.timeout):
                    answer = await model.exchange(
                        inquiry.messages,
                        inquiry.tools,
                        schema=inquiry.schema,
                        temperature=self._temperature,
                        heard=self._progress(inquiry, model),
                    )
            except TimeoutError as error:
                span.set_attribute("error.type", "timed_out")
                raise ModelUnavailable(
                    f"The model gave no answer in {self._lineup.timeout:g} s.",
                    remedy="Raise AGENT_RUNTIME_MODEL_TIMEOUT, then: agent-runtime runs resume",
                    kind="timed_out",
                ) from error
            except ModelUnavailable as error:
                span.set_attribute("error.type", error.kind or "unknown")
                raise
            describe(span, answer)
            show(self._claim.telemetry, span, inquiry.messages, answer)
        return answer

    def _progress(self, inquiry: Inquiry, model: Model) -> Progress | None:
        """Who hears of an answer while it comes; nobody, unless the settings ask for it."""
        if not self._lineup.asking.model_stream or model.is_offline:
            return None
        run, step, visit = self._claim.run, self._step.name, inquiry.visit

        def tell(characters: int) -> None:
            body = {"step": step, "visit": visit, "characters": characters}
            self._claim.post(lambda session: session.events.append("model.heard", run.id, **body))

        return Progress(tell)

    @property
    def _temperature(self) -> float | None:
        return 0.0 if self._step.reasoning.deterministic else None

    def _request(self, inquiry: Inquiry, model: Model) -> Json:
        params = model.params(self._temperature)
        return asked(model.producer, inquiry.messages, inquiry.tools, params)

    def _remember(self, inquiry: Inquiry, model: Model, made: _Made) -> None:
        """Post the recording of an exchange: what a replay feeds on."""
        run = self._claim.run
        response = answered(made.message, made.usage, inquiry.attempts)
        self._claim.post(
            lambda session: session.recordings.add(
                run.id, run.epoch, "model", model.producer, made.request, response
            )
        )

    def _record(self, inquiry: Inquiry, model: Model, made: _Made, outcome: CallOutcome) -> None:
        """Post one attempt's row."""
        usage = made.usage
        call = ModelCall(
            run_id=self._claim.run.id,
            step=self._step.name,
            visit=inquiry.visit,
            attempt=inquiry.attempts,
            model=model.producer,
            tier=inquiry.choice.tier,
            request=request_name(made.request),
            outcome=outcome,
            millis=made.millis,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            tokens_cached=usage.tokens_cached,
            estimated=usage.estimated,
            cost=cost_of(model, usage),
            at=self._claim.clock.now(),
        )
        self._claim.post(lambda session: session.calls.add(call))

    def _tell(self, inquiry: Inquiry, failure: Failure, then: str) -> None:
        """Post a failed attempt as an event: its kind and field, none of its words."""
        run, step, visit = self._claim.run, self._step.name, inquiry.visit
        attempt = inquiry.attempts  # as it is now: the event is written later
        self._claim.post(
            lambda session: session.events.append(
                "model.failed",
                run.id,
                step=step,
                visit=visit,
                field=failure.field[:200],
                kind=failure.kind,
                attempt=attempt,
                then=then,
            )
        )


@dataclass(frozen=True)
class _Made:
    """One exchange; of one that failed, the message is empty."""

    request: Json
    message: AIMessage
    usage: Usage
    millis: int = 0
    cached: bool = False


def _millis(began: float) -> int:
    return round((perf_counter() - began) * 1000)


def _misread(error: InvalidInput, message: AIMessage) -> Failure:
    """What is wrong with an answer: no JSON at all, or JSON of the wrong content."""
    if not is_no_json(error):
        return Failure("wrong_content", error.message, field=error.field)
    if message.response_metadata.get("finish_reason") == "length":
        return Failure("invalid_json", "The answer was cut off at its longest.", field="envelope")
    return Failure("invalid_json", error.message, field=error.field)


def _remedy(error: Exception) -> str:
    return error.remedy if isinstance(error, ModelUnavailable) else ""
