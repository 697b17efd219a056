"""Candidacy: who may answer a question, who is at work on it, who hands their part to whom.

A claim is soft. It tells others that somebody is at work and asks them to stay away: for two
minutes unless it is renewed, it refuses their answers with the holder's name, and whoever says
that they override it may answer all the same, which is recorded. Nobody needs a claim to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from agent_runtime.approval import (
    Approval,
    Claim,
    Delegation,
    check_claim,
    check_open,
    missing_slots,
)
from agent_runtime.errors import AlreadyDecided, Conflict, InvalidInput, NotPermitted
from agent_runtime.inbox import Filter, Key, Order, Page
from agent_runtime.store import Session
from agent_runtime.verdict import Operator

CLAIM = timedelta(minutes=2)
"""How long a claim lasts unless it is renewed."""
MAX_CHAIN = 3
"""Hands that one person's part may go through: beyond it, nobody knows any more who answers."""


def is_candidate(asked: Approval, operator: Operator) -> bool:
    """Whether this person is asked at all, by a role or by delegation, and still is."""
    if asked.handed_on(operator.name):
        return False
    roles = {*operator.roles, *asked.lent(operator.name)}
    return any(slot.role in roles for slot in asked.slots)


def require_candidate(asked: Approval, operator: Operator) -> None:
    """Raise NotPermitted unless this person is asked."""
    if asked.handed_on(operator.name):
        to = next(one.to for one in asked.delegations if one.by == operator.name)
        raise NotPermitted(f"{operator.name} has handed approval {asked.id} to {to}.")
    if not is_candidate(asked, operator):
        raise NotPermitted(f"{operator.name} holds none of the roles that are asked.")


def claim(session: Session, approval_id: str, operator: Operator, *, override: bool) -> Approval:
    """Say that one is at work on a question, or that one still is.

    Raises Conflict with the holder while another's claim lasts, unless it is overridden.
    """
    asked = session.approvals.get(approval_id)
    check_open(asked, session.now)
    require_candidate(asked, operator)
    if any(one.operator == operator.name for one in asked.decisions):
        raise AlreadyDecided(asked.id, "answered", operator.name)
    check_claim(asked, operator.name, session.now, override=override)
    before = asked.claimant(session.now)
    mine = Claim(by=operator.name, until=session.now + CLAIM)
    after = session.approvals.update(approval_id, claim=mine)
    if before != operator.name:
        body = {"approval": asked.id, "operator": operator.name, "overrode": before or ""}
        session.events.append("approval.claimed", asked.run_id, **body)
    return after


def release(session: Session, approval_id: str, operator: Operator) -> Approval:
    """Give one's claim back; one that is over, or was never made, is given back already."""
    asked = session.approvals.get(approval_id)
    if asked.claim is None or asked.claim.by != operator.name:
        return asked
    session.events.append(
        "approval.released", asked.run_id, approval=asked.id, operator=operator.name
    )
    return session.approvals.update(approval_id, claim=None)


def delegate(
    session: Session, approval_id: str, operator: Operator, to: str, reason: str
) -> Approval:
    """Hand one's part in a question to another person, who may fill the places that this one
    could. Whether their yes counts is policy's to say, when they give it.

    Raises NotPermitted for whoever is not asked, InvalidInput for a person who may not get it.
    """
    asked = session.approvals.get(approval_id)
    check_open(asked, session.now)
    require_candidate(asked, operator)
    if asked.is_spent(operator.name):
        raise NotPermitted(f"{operator.name} has no part in approval {asked.id} to hand on.")
    _check_receiver(asked, operator, to)
    given = {*operator.roles, *asked.lent(operator.name)} & {slot.role for slot in asked.slots}
    roles = tuple(sorted(given))
    handed = Delegation(by=operator.name, to=to, roles=roles, reason=reason, at=session.now)
    body = {"approval": asked.id, "operator": operator.name, "to": to, "roles": list(roles)}
    session.events.append("approval.delegated", asked.run_id, **body, reason=reason)
    held = asked.claim if asked.claim is not None and asked.claim.by != operator.name else None
    return session.approvals.update(
        approval_id, delegations=(*asked.delegations, handed), claim=held
    )


def _check_receiver(asked: Approval, operator: Operator, to: str) -> None:
    if to == asked.started_by:
        raise InvalidInput("to", to, "started the run, and may not approve in it")
    if to == operator.name or asked.is_spent(to):
        raise InvalidInput("to", to, "has no say in this question any more")
    if len(_chain(asked, operator.name)) >= MAX_CHAIN:
        raise Conflict(
            f"This part of approval {asked.id} has gone through {MAX_CHAIN} hands.",
            remedy="Answer it, or let somebody else who is asked do so.",
        )


def _chain(asked: Approval, name: str) -> list[str]:
    """Through whose hands this person's part came, the nearest first."""
    hands: list[str] = []
    while givers := [one.by for one in asked.delegations if one.to == name]:
        name = givers[-1]
        hands.append(name)
    return hands


def inbox(
    session: Session, wanted: Filter, order: Order, who: Operator | None, text: str = ""
) -> Page:
    """One page of the tenant's questions, or of those that the text finds; `who` is the person
    behind `mine` and `claimed`."""
    if not text.split():
        return page_of(session, session.inbox.page(wanted, order, who), order)
    parts = searched(lambda: session, text, wanted, order, who)
    return page_of(session, [key for part in parts for key in part], order)


def searched(
    read: Callable[[], Session], text: str, wanted: Filter, order: Order, who: Operator | None
) -> Iterator[list[Key]]:
    """What the text finds (see `inbox.finds`), some of the questions at a time, until a page is
    full and one more shows that there are others. `read` opens a session for each part."""
    many, rest = 0, order.after
    while many <= order.limit:
        onward = order.model_copy(update={"after": rest})
        found, rest = read().inbox.search(text, wanted, onward, who)
        yield found
        many += len(found)
        if rest is None:
            return


def page_of(session: Session, keys: list[Key], order: Order) -> Page:
    """The questions of these keys, of which one too many says that there is another page."""
    shown = keys[: order.limit]
    found = session.approvals.read([key.id for key in shown])
    return Page(items=tuple(found), after=shown[-1] if len(keys) > len(shown) else None)


def waiting_roles(approval: Approval) -> list[str]:
    """The roles that still have to say yes."""
    return missing_slots(approval.slots, approval.yes())
