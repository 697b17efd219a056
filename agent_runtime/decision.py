"""Deciding: a person's answer to a question, checked and stored in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from agent_runtime import candidacy, closing
from agent_runtime.approval import (
    FRESH,
    OTHER,
    Answer,
    Approval,
    Decision,
    check_answer,
    check_claim,
    check_confirmed,
    check_open,
    missing_slots,
)
from agent_runtime.asking import put_question, step_of
from agent_runtime.candidacy import waiting_roles
from agent_runtime.comment import Comment, CommentText
from agent_runtime.edit import Edited, judge_edit
from agent_runtime.errors import Conflict, InvalidInput, NotPermitted, StaleQuestion
from agent_runtime.freshness import differing_documents, differing_facts, note_facts
from agent_runtime.inbox import FIRST_PAGE, Counts, Filter, Key, Order, Page
from agent_runtime.installation import Installation
from agent_runtime.policy import PolicySet
from agent_runtime.reentry import as_starter
from agent_runtime.run import Run, new_id
from agent_runtime.store import Session
from agent_runtime.telemetry import log
from agent_runtime.verdict import Operator, Question, Ruling
from agent_runtime.worker import Worker

__all__ = ["Desk", "waiting_roles"]

T = TypeVar("T")


class Desk:
    """Where people's answers arrive, from every surface."""

    def __init__(self, installation: Installation, worker: Worker) -> None:
        self._in = installation
        self._worker = worker

    async def decide(self, approval_id: str, operator: Operator, answer: Answer) -> Approval:
        """Record one person's answer; returns the approval as it stands after it.

        Raises AlreadyDecided, StaleQuestion (with what changed), Conflict (claimed by somebody
        else), NotPermitted, InvalidInput (Unconfirmed: the amount is to be typed) or NotFound,
        with nothing stored of the answer.
        """
        store, tenant = self._in.store, operator.tenant
        asked = store.read(tenant).approvals.get(approval_id)
        self._check(store.read(tenant), asked, operator, answer)
        ruling = self._permit(asked, operator, answer)
        if answer.kind == "approve":
            asked = await self._fresh(asked)
        edited = None
        if answer.kind == "edit":
            edited = await judge_edit(self._in, self._worker, asked, operator, answer)

        def record(session: Session) -> Approval:
            before = session.approvals.get(approval_id)
            self._check(session, before, operator, answer)
            check_confirmed(before, answer)
            mine = _decision(session, before, operator, answer, ruling)
            session.approvals.record(mine)
            decided = before.model_copy(update={"decisions": (*before.decisions, mine)})
            _announce(session, decided, mine, edited)
            if edited is not None:
                return _replace(session, decided, operator, answer, edited)
            return closing.follow(session, before, decided, mine, answer)

        after = await store.write(tenant, record)
        self._told(after, answer.kind)
        return after

    async def try_edit(
        self, approval_id: str, operator: Operator, arguments: dict[str, Any]
    ) -> Edited:
        """What an edit would lead to, with nothing stored.

        Raises InvalidInput when it is impossible, NotPermitted when policy forbids it, Conflict
        where the question is not open.
        """
        session = self._in.store.read(operator.tenant)
        asked = session.approvals.get(approval_id)
        check_open(asked, session.now)
        answer = Answer(kind="edit", digest=asked.digest, arguments=arguments)
        return await judge_edit(self._in, self._worker, asked, operator, answer)

    async def undo(self, approval_id: str, operator: Operator) -> Approval:
        """Take one's own held answer back before it takes effect; see `closing.undo`."""
        return await self._write(
            operator, lambda session: closing.undo(session, approval_id, operator)
        )

    async def claim(
        self, approval_id: str, operator: Operator, *, override: bool = False
    ) -> Approval:
        """Say for two minutes that one is at work on it, or renew that; see `candidacy`."""
        return await self._write(
            operator,
            lambda session: candidacy.claim(session, approval_id, operator, override=override),
        )

    async def release(self, approval_id: str, operator: Operator) -> Approval:
        """Give one's own claim back, if one holds it."""
        return await self._write(
            operator, lambda session: candidacy.release(session, approval_id, operator)
        )

    async def delegate(
        self, approval_id: str, operator: Operator, to: str, reason: str = ""
    ) -> Approval:
        """Hand one's part in the question to the person named `to`; see `candidacy.delegate`."""
        return await self._write(
            operator,
            lambda session: candidacy.delegate(session, approval_id, operator, to, reason[:4_000]),
        )

    async def comment(self, approval_id: str, operator: Operator, text: str) -> Comment:
        """Add a remark, on closed questions too; raises InvalidInput, Conflict or NotFound."""
        try:
            words = TypeAdapter[str](CommentText).validate_python(text)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"]
            raise InvalidInput("text", text, problem) from error

        def add(session: Session) -> Comment:
            asked = session.approvals.get(approval_id)
            comment = Comment(
                id=new_id("cmt"),
                approval_id=asked.id,
                author=operator.name,
                text=words,
                at=session.now,
            )
            session.comments.add(comment)
            body = {"approval": asked.id, "comment": comment.id, "operator": operator.name}
            session.events.append("approval.commented", asked.run_id, **body)
            return comment

        return await self._write(operator, add)

    async def look(self, approval_id: str, operator: Operator) -> Approval:
        """The question as shown to this person; their time to decide counts from the first look."""
        approvals = self._in.store.read(operator.tenant)
        asked = approvals.approvals.get(approval_id)
        if approvals.comments.looked_at(approval_id, operator.name) is None:
            await self._write(operator, lambda s: s.comments.look(approval_id, operator.name))
        return asked

    async def refresh(self, approval_id: str, operator: Operator) -> Approval:
        """Read the facts of an open question again: unchanged, its `facts_read_at` is now;
        changed, it is closed as stale and its run, once driven on, asks anew."""
        asked = self._in.store.read(operator.tenant).approvals.get(approval_id)
        return asked if asked.status != "open" else await self._reread(asked)

    def inbox(
        self,
        wanted: Filter,
        order: Order = FIRST_PAGE,
        *,
        who: Operator | None = None,
        tenant: str = "default",
    ) -> Page:
        """One page of the tenant's questions; `who` is the person behind `mine` and `claimed`."""
        session = self._in.store.read(tenant if who is None else who.tenant)
        return candidacy.inbox(session, wanted, order, who)

    async def search(
        self, text: str, wanted: Filter, order: Order = FIRST_PAGE, *, who: Operator
    ) -> Page:
        """One page of those that the text finds (see `inbox.finds`), without a word of all; the
        others at work here get their turn in between."""
        if not text.split():
            return self.inbox(wanted, order, who=who)
        keys, read = list[Key](), partial(self._in.store.read, who.tenant)
        for found in candidacy.searched(read, text, wanted, order, who):
            keys += found
            await asyncio.sleep(0)
        return candidacy.page_of(read(), keys, order)

    def counts(
        self, wanted: Filter, *, who: Operator | None = None, tenant: str = "default"
    ) -> Counts:
        """How many questions a filter finds."""
        session = self._in.store.read(tenant if who is None else who.tenant)
        return session.inbox.counts(wanted, who)

    async def take_effect(self, tenant: str) -> list[Approval]:
        """Let held answers take effect whose time to be undone is over."""
        store, ended = self._in.store, []
        for held in store.read(tenant).approvals.held():
            after = await store.write(tenant, partial(_effect, held.id))
            self._told(after, "hold")
            ended.append(after)
        return ended

    async def remind(self, tenant: str) -> None:
        """Tell whose answers are still missing, where a question's reminder is due."""
        store = self._in.store
        for approval_id in store.read(tenant).timers.due("reminder"):
            await store.write(tenant, partial(_remind, approval_id))

    async def _write(self, operator: Operator, work: Callable[[Session], T]) -> T:
        return await self._in.store.write(operator.tenant, work)

    def _told(self, after: Approval, kind: str) -> None:
        run = self._in.store.read(after.tenant).runs.get(after.run_id)
        self._in.telemetry.answered(run, after.id, kind, after.status)
        if after.closed_at is not None:
            span = (after.created_at, after.closed_at)
            self._in.telemetry.waited(run, after.id, after.status, *span)
        log("decision recorded", run, approval=after.id, kind=kind)

    def _check(self, session: Session, asked: Approval, operator: Operator, answer: Answer) -> None:
        """Raise unless this answer may be stored in this session."""
        check_answer(asked, answer, operator, session.now)
        workflow = self._in.app.workflows.get(asked.workflow)
        if workflow is not None:
            workflow.check_code(answer.code)
        if answer.kind == "respond":
            self._bound_rounds(session, asked)
        check_claim(asked, operator.name, session.now, override=answer.override)
        if answer.version is None or answer.version == asked.version:
            return
        # Who is at work on it was just asked; it does not change what is answered.
        since = session.approvals.changes(asked.id, answer.version)
        found = tuple(one for one in since if one.field != "claim")
        if found or answer.version > asked.version:
            raise StaleQuestion(
                f"Approval {asked.id} is at version {asked.version}, not {answer.version}.",
                remedy="Look at it again and answer what it asks now.",
                changes=found,
            )

    async def _fresh(self, asked: Approval) -> Approval:
        """Raise StaleQuestion where a yes would rest on facts that are old and no longer hold, or
        on what a document no longer says."""
        read, run = asked.facts_read_at or asked.created_at, self._run(asked)
        gone = differing_documents(self._in.segment(run), asked)
        if self._in.clock.now() - read <= FRESH and not gone:
            return asked
        return await self._reread(asked, refuse=True)

    async def _reread(self, asked: Approval, *, refuse: bool = False) -> Approval:
        segment = self._in.segment(self._run(asked))
        found = await differing_facts(segment, step_of(self._in.app, asked), asked)
        found += differing_documents(segment, asked)
        after = await self._in.store.write(
            asked.tenant, lambda session: note_facts(session, asked, found)
        )
        if found and refuse:
            raise StaleQuestion(
                f"What approval {asked.id} rests on has changed since it was asked.",
                remedy="It will be asked anew on the facts of now.",
                changes=found,
            )
        return after

    def _run(self, asked: Approval) -> Run:
        return self._in.store.read(asked.tenant).runs.get(asked.run_id)

    def _permit(self, asked: Approval, operator: Operator, answer: Answer) -> Ruling:
        """Whether this person may answer; raises NotPermitted with the rules that say no."""
        ruling = self.ruling(asked, operator)
        if answer.kind != "approve":
            if not ruling.counts or asked.handed_on(operator.name):
                candidacy.require_candidate(asked, operator)
            return ruling
        if not ruling.counts:
            why = "; ".join([*ruling.rules, *ruling.reasons])
            raise NotPermitted(
                f"The yes of {operator.name} does not count here ({why}).", rules=ruling.rules
            )
        if asked.handed_on(operator.name):
            candidacy.require_candidate(asked, operator)
        session = self._in.store.read(asked.tenant)
        mine = _decision(session, asked, operator, answer, ruling)
        before = waiting_roles(asked)
        if len(missing_slots(asked.slots, [*asked.yes(), mine])) == len(before):
            raise NotPermitted(
                f"{operator.name} holds none of the roles still asked: {', '.join(before)}."
            )
        return ruling

    def ruling(self, asked: Approval, operator: Operator) -> Ruling:
        """What policy says about this person's yes to this question."""
        session = self._in.store.read(asked.tenant)
        policy, put = put_question(self._in, asked, session.runs.get(asked.run_id))
        put = as_starter(session, asked.run_id, put, operator)
        return policy.counts(operator, put, [decision.operator for decision in asked.yes()])

    def question(self, asked: Approval, run: Run) -> tuple[PolicySet, Question]:
        """The stored question as policy is asked it; see `asking.put_question`."""
        return put_question(self._in, asked, run)

    def _bound_rounds(self, session: Session, decided: Approval) -> None:
        step = self._in.app.workflow(decided.workflow).step(decided.step)
        rounds = session.approvals.find(["responded"], run_id=decided.run_id)
        if len([a for a in rounds if a.step == decided.step]) >= step.max_rounds:
            raise Conflict(
                f"Step {decided.step!r} was answered {step.max_rounds} times, its bound.",
                remedy="Approve, edit or reject.",
            )


def _decision(
    session: Session, asked: Approval, operator: Operator, answer: Answer, ruling: Ruling
) -> Decision:
    holder = asked.claimant(session.now)
    return Decision(
        approval_id=asked.id,
        operator=operator.name,
        roles=operator.roles,
        lent=asked.lent(operator.name),
        kind=answer.kind,
        reason=answer.reason,
        code=(answer.code or OTHER) if answer.kind == "reject" else None,
        arguments=answer.arguments,
        rules=ruling.rules,
        channel=answer.channel,
        overrode=None if holder == operator.name else holder,
        shown_at=session.comments.looked_at(asked.id, operator.name),
        at=session.now,
    )


def _replace(
    session: Session, asked: Approval, operator: Operator, answer: Answer, edited: Edited
) -> Approval:
    """Ask about the edited action instead; whatever was collected for the old one is void."""
    again = edited.approval
    session.approvals.close(asked.id, "edited", operator.name, replaced_by=again.id)
    session.approvals.request(again)
    body = {"step": again.step, "visit": again.visit, "approval": again.id}
    session.events.append(
        "approval.requested", again.run_id, **body, digest=again.digest, rules=list(again.rules)
    )
    if not edited.ruling.counts or (again.confirmation and not answer.confirm):
        return again
    changed = {"kind": "approve", "digest": again.digest, "channel": f"{answer.channel} (edit)"}
    yes = answer.model_copy(update={**changed, "arguments": None, "reason": ""})
    check_confirmed(again, yes)
    mine = _decision(session, again, operator, yes, edited.ruling)
    session.approvals.record(mine)
    decided = again.model_copy(update={"decisions": (mine,)})
    return closing.follow(session, again, decided, mine, yes)


def _announce(session: Session, asked: Approval, mine: Decision, edited: Edited | None) -> None:
    effective = asked.action if edited is None else edited.approval.action
    session.events.append(
        "approval.decided",
        asked.run_id,
        approval=asked.id,
        operator=mine.operator,
        roles=list(mine.roles),
        kind=mine.kind,
        reason=mine.reason,
        arguments=mine.arguments,
        proposed=asked.action.model_dump(mode="json"),
        effective=effective.model_dump(mode="json"),
        missing=waiting_roles(asked) if mine.kind == "approve" else [],
        channel=mine.channel,
        **_noted(mine),
    )


def _noted(mine: Decision) -> dict[str, Any]:
    """What is told of an answer only where there is something to tell."""
    noted = {"code": mine.code, "overrode": mine.overrode, "took": mine.took}
    return {name: value for name, value in noted.items() if value is not None}


def _effect(approval_id: str, session: Session) -> Approval:
    return closing.take_effect(session, approval_id)


def _remind(approval_id: str, session: Session) -> None:
    asked = session.approvals.get(approval_id)
    if session.timers.fire("reminder", approval_id) is None or asked.status != "open":
        return
    body = {"approval": asked.id, "deadline": asked.deadline.isoformat()}
    session.events.append("approval.reminded", asked.run_id, **body, waits_for=waiting_roles(asked))
