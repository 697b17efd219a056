"""The executor: the only place that asks a model. What follows a failure is decided by the table
in `failure.py`; here it is done, and every attempt is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext, suppress
from time import perf_counter
from typing import TypeVar, assert_never

from langchain_core.messages import AIMessage, BaseMessage

from agent_runtime.budget import Tier
from agent_runtime.envelope import is_no_json
from agent_runtime.errors import InvalidInput, ModelUnavailable, NeedsAttention
from agent_runtime.models.account import Account, cost_of, settle
from agent_runtime.models.batches import collect
from agent_runtime.models.chat_span import attributes_of, describe, show
from agent_runtime.models.claim import Claim
from agent_runtime.models.compact import compact
from agent_runtime.models.ending import LONGEST, ending
from agent_runtime.models.exchange import (
    Json,
    Usage,
    asked,
    estimate_of,
    message_of,
    request_name,
    usage_of,
)
from agent_runtime.models.form import unfence
from agent_runtime.models.inquiry import Inquiry, Reply
from agent_runtime.models.letter import Letter, at_hand
from agent_runtime.models.lineup import Lineup
from agent_runtime.models.model import Model
from agent_runtime.models.parking import PATIENCE, brought, may_park
from agent_runtime.models.prompt import hint
from agent_runtime.models.record import Made, Records
from agent_runtime.models.retry import Failure, as_failure, decide, merged
from agent_runtime.models.route import begin, escalate, fall_back
from agent_runtime.step import Step
from agent_runtime.store import Session
from agent_runtime.store.batches import Drawn, Line

T = TypeVar("T")


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
        self._forked = "" if claim.run.origin is None else claim.run.origin.model
        self._records = Records(claim, step.name)
        self._account = Account(lineup.asking.budgets, step, claim.run, claim.grace)

    def inquire(
        self, visit: int, messages: list[BaseMessage], schema: Json, tier: Tier | None = None
    ) -> Inquiry:
        """A conversation on the step's own tier, unless its prompt names one."""
        reasoning = self._step.reasoning
        choice = begin(tier or reasoning.tier, self._lineup.asking.tiers, self._forked)
        return Inquiry(visit, messages, reasoning.tools, schema, choice)

    async def ask(self, inquiry: Inquiry, read: Callable[[str], T]) -> Reply[T]:
        """The next answer. `read` turns its text into what the step can use, or raises
        InvalidInput that says what is wrong with it.

        Raises NeedsAttention where a person has to look, ModelUnavailable where the model failed
        for good, BudgetExceeded before asking for more than there is.
        """
        while True:
            model = await self._lineup.model(inquiry.choice.name, self._step)
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
        """Turn to a dearer model, if there is one; a fork's own is kept."""
        if self._forked:
            return False
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
        self._records.failed(inquiry, failure, following.how)
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
            self._records.attempt(inquiry, model, made, "answered")
            return Reply(made.message, None, model)
        try:
            value = read(unfence(str(made.message.text)))
        except InvalidInput as error:
            failure = _misread(error, made.message)
            self._records.attempt(inquiry, model, made, failure.kind)
            raise _Unread(failure, made.message) from error
        self._records.attempt(inquiry, model, made, "cached" if made.cached else "answered")
        if self._step.reasoning.deterministic and not made.cached:
            self._records.keep(inquiry, made, self._lineup.asking.model_cache)
        return Reply(made.message, value, model)

    def _cached(self, inquiry: Inquiry, model: Model) -> Made | None:
        """What was answered to exactly this request before, for a step that is deterministic."""
        if not self._step.reasoning.deterministic:
            return None
        request = self._request(inquiry, model)
        kept = self._claim.read().calls.kept(request_name(request))
        return None if kept is None else Made(request, message_of(kept), Usage(0, 0), cached=True)

    async def _ask(self, inquiry: Inquiry, model: Model) -> Made:
        """One exchange within the budgets, over the wire or as a batch brought it; a failed one is
        recorded here. Raises Parked while a batch is on its way."""
        request = self._request(inquiry, model)
        estimate = estimate_of(
            inquiry.messages, inquiry.tools, self._lineup.asking.model_max_output
        )
        line = await self._line(inquiry, model, request, estimate)
        if line is not None:
            letter = brought(line, request_name(request), self._claim.clock.now())
            if letter is not None:
                with at_hand(letter):
                    return await self._made(inquiry, model, request, estimate, line)
        draft = self._account.draft(model, estimate, self._claim.clock.now())
        await draft.draw(self._claim.write)
        limit = nullcontext() if model.is_offline else self._lineup.limit(model).slot()
        async with limit:
            return await self._made(inquiry, model, request, estimate, draft.drawn)

    async def _made(
        self, inquiry: Inquiry, model: Model, request: Json, estimate: Usage, way: Drawn | Line
    ) -> Made:
        """The exchange itself. `way`: the letter at hand's line, or what was drawn for the wire."""
        line = way if isinstance(way, Line) else None
        began, failed = perf_counter(), None
        try:
            message = await self._exchange(inquiry, model, by_letter=line is not None)
            usage = usage_of(message, estimate)
        except ModelUnavailable as error:
            message, usage, failed = AIMessage(""), Usage(0, 0), error
        millis = round((perf_counter() - began) * 1000) if line is None else line.millis
        made = Made(request, message, usage, millis, line=line)
        if isinstance(way, Drawn):
            settle(way, self._claim.post, usage, cost_of(model, usage), millis)
        if failed is None:
            self._records.remember(inquiry, model, made)
            return made
        failure = as_failure(failed)
        self._records.attempt(inquiry, model, made, failure.kind if failure else "unusable")
        raise failed

    async def _line(
        self, inquiry: Inquiry, model: Model, request: Json, estimate: Usage
    ) -> Line | None:
        """The line of this visit; one that is new is handed in, drawn on the budgets. None where
        it does not go by batch, or the client cannot write it: asked at once, it says why."""
        if not may_park(self._step, inquiry, model, self._claim.grace):
            return None
        run, step, visit = self._claim.run, self._step.name, inquiry.visit
        known = self._claim.read().calls.batches.line(run.id, step, visit)
        if known is not None:
            return known
        now, wait = self._claim.clock.now(), self._lineup.asking.model_batch_wait
        draft = self._account.draft(model, estimate, now, batched=True)
        body = await self._written(inquiry, model)
        if body is None:
            return None
        line = Line(
            run_id=run.id,
            step=step,
            visit=visit,
            model=inquiry.choice.name,
            request=request_name(request),
            body=body,
            drawn=draft.drawn,
            made_at=now,
            until=now + PATIENCE,
        )

        def hand_in(session: Session) -> None:
            draft.take(session)
            collect(session, line, wait)

        await self._claim.write(hand_in)
        return line

    async def _written(self, inquiry: Inquiry, model: Model) -> Json | None:
        """The request as the model's client writes it."""
        with at_hand(Letter()) as letter, suppress(ModelUnavailable):
            await self._said(inquiry, model, by_letter=True)
        return letter.body

    async def _said(self, inquiry: Inquiry, model: Model, *, by_letter: bool) -> AIMessage:
        streams = self._lineup.asking.model_stream and not (by_letter or model.is_offline)
        return await model.exchange(
            inquiry.messages,
            inquiry.tools,
            schema=inquiry.schema,
            temperature=self._temperature,
            heard=self._records.progress(inquiry) if streams else None,
            by_letter=by_letter,
        )

    async def _exchange(self, inquiry: Inquiry, model: Model, *, by_letter: bool) -> AIMessage:
        attributes = attributes_of(model, self._step.name, inquiry.attempts)
        name, client = f"chat {model.producer}", not model.is_offline
        with self._claim.telemetry.span(name, attributes, client=client) as span:
            try:
                async with asyncio.timeout(self._lineup.timeout):
                    answer = await self._said(inquiry, model, by_letter=by_letter)
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

    @property
    def _temperature(self) -> float | None:
        return 0.0 if self._step.reasoning.deterministic else None

    def _request(self, inquiry: Inquiry, model: Model) -> Json:
        params = model.params(self._temperature)
        return asked(model.producer, inquiry.messages, inquiry.tools, params)


def _misread(error: InvalidInput, message: AIMessage) -> Failure:
    """What is wrong with an answer: no JSON at all, or JSON of the wrong content."""
    if not is_no_json(error):
        return Failure("wrong_content", error.message, field=error.field)
    if ending(message) in LONGEST:
        return Failure("invalid_json", "The answer was cut off at its longest.", field="envelope")
    return Failure("invalid_json", error.message, field=error.field)


def _remedy(error: Exception) -> str:
    return error.remedy if isinstance(error, ModelUnavailable) else ""
