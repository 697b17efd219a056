"""Records: what is written down of every attempt at asking a model, and of what failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from langchain_core.messages import AIMessage

from agent_runtime.models.account import cost_of, settle
from agent_runtime.models.claim import Claim
from agent_runtime.models.exchange import Json, Usage, answered, request_name
from agent_runtime.models.inquiry import Inquiry
from agent_runtime.models.model import Model
from agent_runtime.models.progress import Progress
from agent_runtime.models.retry import Failure
from agent_runtime.store import Session
from agent_runtime.store.batches import Line
from agent_runtime.store.calls import CallOutcome, ModelCall


@dataclass(frozen=True)
class Made:
    """One exchange; of one that failed, the message is empty. `cached`: nobody was asked; `line`:
    it went by batch."""

    request: Json
    message: AIMessage
    usage: Usage
    millis: int = 0
    cached: bool = False
    line: Line | None = None

    @property
    def is_known(self) -> bool:
        """Whether it was written down before the worker died that had read it."""
        return self.line is not None and self.line.is_read


class Records:
    """Written under one claim, for one step of its run."""

    def __init__(self, claim: Claim, step: str) -> None:
        self._claim = claim
        self._step = step

    def remember(self, inquiry: Inquiry, model: Model, made: Made) -> None:
        """Post the recording of an exchange: what a replay feeds on."""
        if made.is_known:
            return
        run = self._claim.run
        response = answered(made.message, made.usage, inquiry.attempts)
        self._claim.post(
            lambda session: session.recordings.add(
                run.id, run.epoch, "model", model.producer, made.request, response
            )
        )

    def attempt(self, inquiry: Inquiry, model: Model, made: Made, outcome: CallOutcome) -> None:
        """Post one attempt's row; a line's budgets are settled with it, at once or not at all."""
        if made.is_known:
            return
        usage, line = made.usage, made.line
        call = ModelCall(
            run_id=self._claim.run.id,
            step=self._step,
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
            cost=cost_of(model, usage, batched=line is not None),
            at=self._claim.clock.now(),
            batched=line is not None,
            epoch=self._claim.run.epoch,
        )

        def record(session: Session) -> None:
            session.calls.add(call)
            if line is not None:
                session.calls.batches.read(line)
                # A batch is waited for as declared: it uses up no budget of time.
                settle(line.drawn, lambda work: work(session), usage, call.cost, 0)

        self._claim.post(record)

    def keep(self, inquiry: Inquiry, made: Made, seconds: float) -> None:
        """Post an answer to be used again."""
        response = answered(made.message, made.usage, inquiry.attempts)
        lasts = timedelta(seconds=seconds)
        self._claim.post(
            lambda session: session.calls.keep(request_name(made.request), response, lasts)
        )

    def failed(self, inquiry: Inquiry, failure: Failure, then: str) -> None:
        """Post a failed attempt as an event: its kind and field, none of its words."""
        run, step, visit = self._claim.run, self._step, inquiry.visit
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

    def progress(self, inquiry: Inquiry) -> Progress:
        """Who hears of an answer while it comes."""
        run, step, visit = self._claim.run, self._step, inquiry.visit

        def tell(characters: int) -> None:
            body = {"step": step, "visit": visit, "characters": characters}
            self._claim.post(lambda session: session.events.append("model.heard", run.id, **body))

        return Progress(tell)
