"""The offline model of the refund workflow: declared rules that answer where no model is set up.

It reads nothing but the brief, so it knows what a language model would know. Like one, it may
be taken in: it believes policy words that the customer quotes. Catching that is the gate's work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from agent_runtime.action import ProposedAction
from agent_runtime.brief import Brief, BriefPassage, Feedback, FeedbackKind
from agent_runtime.envelope import Envelope, Status
from agent_runtime.evidence import Evidence

CLEAR = 0.94
"""Every source was read and nothing speaks against the refund."""
AFTER_EXCEPTION = 0.73
"""The rules are met, but somebody made an exception for this account before."""
VAGUE_MESSAGE = 0.62
"""The customer is unsure of what happened."""
MISSING_SOURCE = 0.55
"""A look-up failed or found nothing; what else was found agrees."""
CONTRADICTION = 0.40
"""Two sources disagree on whether credits were used."""
NOT_SATISFIED = 0.90
"""The evidence is there and the policy does not allow the refund."""
NOT_FOUND = 0.30
"""What the decision needs is not in the evidence."""

ENDINGS: dict[FeedbackKind, tuple[Status, str]] = {
    "acted": ("done", "The refund was executed."),
    "rejected": ("done", "A person rejected the refund"),
    "denied": ("done", "Policy denied the refund"),
    "expired": ("done", "Nobody answered in time"),
    "tool_error": ("insufficient", "The refund is impossible as proposed"),
    "failed": ("insufficient", "The refund could not be executed"),
}
"""Feedback after which nothing is proposed again, and how it is summed up."""

USAGE_FAILURE = "failure:get_usage"
ACCOUNT_FAILURE = "failure:get_account"
NOT_THE_BOOKS = ("request", "operator:", "action:", "failure:")
"""Sources that are somebody's words or the runtime's, whatever lines their text imitates."""

ORDER_LABELS = ("Order", "Usage of order")
LINE = re.compile(r"^([A-Z][A-Za-z ]*): (.*)$", re.MULTILINE)
WINDOW = re.compile(r"[^.!?\n]*\bwithin (\d{1,3}) days\b[^.!?\n]*[.!?]?", re.IGNORECASE)
WINDOW_RULES = {
    "credits": re.compile(r"(?=.*\brefund)(?=.*\bunused credits\b)", re.IGNORECASE),
    "goods": re.compile(r"(?=.*\brefund)(?=.*\bgoods\b)", re.IGNORECASE),
}
"""Kind of order → what a policy sentence must speak of for its window to count."""
FINAL_SALE = re.compile(r"\bfinal[ -]sale\b", re.IGNORECASE)
VAGUE = re.compile(
    r"\bI (?:think|guess)\b|\b(?:maybe|perhaps|possibly|probably|unsure|not sure)\b"
    r"|\b(?:can.t|cannot|don.t|do not) (?:quite |really )?(?:remember|recall)\b",
    re.IGNORECASE,
)
POLICY_WORD = re.compile(r"\b(?:policy|policies|terms|rules?|website|conditions)\b", re.IGNORECASE)
QUOTED = re.compile(r"[\"“„«]([^\"“”„«»\n]{12,400})[\"“”»]")
CLAIMED_DAYS = re.compile(r"\b(\d{1,3})[ -]days?\b", re.IGNORECASE)
REFUND_ONLY = re.compile(r"\brefund only\b[^\d.\n]{0,12}(\d[\d,]*(?:\.\d{1,2})?)", re.IGNORECASE)


@dataclass(frozen=True)
class Record:
    """One record of the shop's books: its source and its `Name: value` lines by name."""

    source: str
    fields: dict[str, str]

    def cite(self, name: str) -> Evidence:
        """A field's whole line, word for word."""
        return Evidence(source=self.source, quote=f"{name}: {self.fields[name]}")


@dataclass(frozen=True)
class Case:
    """What the evidence holds on one request; of each record the newest state shown."""

    order: Record
    kind: str
    bought: date
    received: date
    remaining: Decimal
    usage: Record | None
    account: Record | None
    policies: tuple[BriefPassage, ...]


@dataclass(frozen=True)
class Window:
    """A refund window and the words that it rests on."""

    days: int
    citation: Evidence


@dataclass(frozen=True)
class Doubt:
    """Something that caps confidence. With `ask`, the proposer itself wants a person."""

    confidence: float
    reason: str
    ask: bool = False


@dataclass(frozen=True)
class Gap:
    """Why no refund is proposed."""

    reason: str
    confidence: float = NOT_SATISFIED
    citations: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Due:
    """That the policy, as far as it was read, allows the refund, and on which words."""

    reason: str
    citations: tuple[Evidence, ...]


def decide(brief: Brief) -> Envelope:
    """Propose the refund, ask for a person, or say what stands against it."""
    last = brief.feedback[-1] if brief.feedback else None
    if last is not None and last.kind in ENDINGS:
        return _end(brief.step, last)
    case = read_case(brief)
    if isinstance(case, Gap):
        return _decline(brief.step, case)
    due = assess(case, find_window(case, str(brief.input.get("message", ""))))
    if isinstance(due, Gap):
        return _decline(brief.step, due)
    return _propose(brief, case, due)


def read_case(brief: Brief) -> Case | Gap:
    """Sort the evidence by the lines it holds: records of this order and customer, policies."""
    order_id, customer = str(brief.input.get("order_id")), str(brief.input.get("customer"))
    books = [p for p in brief.evidence if not p.source.startswith(NOT_THE_BOOKS)]
    records = [Record(p.source, _fields(p.text)) for p in books]
    of_order = [r for r in records if order_id in map(r.fields.get, ORDER_LABELS)]
    order = _newest(r for r in of_order if "Purchase date" in r.fields)
    if order is None:
        return Gap(f"Nothing in the evidence describes order {order_id}.", NOT_FOUND)
    if order.fields.get("Customer") != customer:
        return Gap(f"Order {order_id} belongs to another customer.")
    bought, received = _day(order.fields["Purchase date"]), _day(brief.input.get("received_on"))
    total = _number(order.fields.get("Total"))
    if bought is None or received is None or total is None:
        return Gap("A date or the total of the order cannot be read.", NOT_FOUND)
    return Case(
        order=order,
        kind=_kind(order),
        bought=bought,
        received=received,
        remaining=total - (_number(order.fields.get("Refunded so far")) or Decimal(0)),
        usage=_newest(r for r in of_order if "Purchase date" not in r.fields),
        account=_newest(r for r in records if _is_account(r, customer)),
        policies=tuple(p for p, r in zip(books, records, strict=True) if _is_policy(r)),
    )


def find_window(case: Case, message: str) -> Window | None:
    """The refund window for this kind of order: as the customer quotes it, else as retrieved."""
    window = next(_windows(case), None)
    claim = _claimed(case, message)
    if claim is None:
        return window
    days = CLAIMED_DAYS.search(claim.quote)
    if days is not None:
        return Window(int(days[1]), claim)
    return None if window is None else Window(window.days, claim)


def assess(case: Case, window: Window | None) -> Due | Gap:
    """Hold the order against the refund window, its age and what was used of it."""
    if window is None:
        return Gap(f"No refund window for {case.kind} was found in the policy.", NOT_FOUND)
    citations = (window.citation, case.order.cite("Purchase date"))
    age = (case.received - case.bought).days
    if not 0 <= age <= window.days:
        reason = f"Bought {_days(age)} before the request; the window is {_days(window.days)}."
        return Gap(reason, citations=citations)
    if case.remaining <= 0:
        return Gap("The order has been refunded in full.")
    if FINAL_SALE.search(case.order.fields.get("Items", "")):
        return Gap("The order holds a final-sale item.", citations=(case.order.cite("Items"),))
    reason = f"Bought {_days(age)} before the request, within the window of {_days(window.days)}."
    if case.kind != "credits":
        return Due(reason, citations)
    return _assess_use(case, Due(f"{reason} No credits were used.", citations))


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def find_doubts(brief: Brief, case: Case) -> list[Doubt]:
    """Everything that calls for caution, the gravest first."""
    doubts = [*_doubts_on_sources(brief, case), *_doubts_on_people(brief, case)]
    if VAGUE.search(str(brief.input.get("message", ""))):
        doubts.append(Doubt(VAGUE_MESSAGE, "The customer's message is unsure of the facts."))
    return sorted(doubts, key=lambda doubt: doubt.confidence)


def _assess_use(case: Case, due: Due) -> Due | Gap:
    stated = [r for r in (case.usage, case.order) if r is not None and _used(r) is not None]
    if not stated:
        return Gap("Nothing shows how many of the credits were used.", NOT_FOUND)
    # The ledger counts the use as it happens: where it answers, it is the one to cite.
    citation = stated[0].cite("Credits used")
    if all(_used(record) for record in stated):
        return Gap("Credits of the order were used.", citations=(citation,))
    return Due(due.reason, (*due.citations, citation))


def _doubts_on_sources(brief: Brief, case: Case) -> list[Doubt]:
    failed = {p.source for p in brief.evidence if p.source.startswith("failure:")}
    if case.account is None:
        failed.add(ACCOUNT_FAILURE)
    if case.kind != "credits":
        # Goods have no usage: a ledger without an answer says nothing about them.
        return _missing(failed - {USAGE_FAILURE})
    if case.usage is None:
        return _missing(failed | {USAGE_FAILURE})
    said, counted = _used(case.order), _used(case.usage)
    if said is None or counted is None or said == counted:
        return _missing(failed)
    reason = f"Credits used: {said} by the order, {counted} by the usage ledger."
    return [*_missing(failed), Doubt(CONTRADICTION, reason)]


def _missing(failed: set[str]) -> list[Doubt]:
    names = ", ".join(sorted(source.removeprefix("failure:") for source in failed))
    return [Doubt(MISSING_SOURCE, f"Not answered: {names}.")] if failed else []


def _doubts_on_people(brief: Brief, case: Case) -> list[Doubt]:
    doubts = []
    exceptions = _exceptions(case.account)
    if exceptions:
        reason = f"Policy appears satisfied but account history includes {exceptions}."
        doubts.append(Doubt(AFTER_EXCEPTION, reason, ask=True))
    # Whoever spoke up or approved did so on another proposal: this one is asked about anew.
    last = brief.feedback[-1] if brief.feedback else None
    if last is not None and last.kind == "changed":
        doubts.append(Doubt(CLEAR, f"Proposed again after a change: {last.text[:300]}", ask=True))
    answer = _answer(brief)
    if answer is not None:
        doubts.append(Doubt(CLEAR, "Takes up what a person answered.", ask=True))
    return doubts


def _propose(brief: Brief, case: Case, due: Due) -> Envelope:
    doubts = find_doubts(brief, case)
    answer = _answer(brief)
    limit = None if answer is None else REFUND_ONLY.search(answer.text)
    amount = case.remaining if limit is None else Decimal(limit[1].replace(",", ""))
    action = ProposedAction(
        type="approve_refund",
        target_id=str(brief.input["order_id"]),
        arguments={} if amount == case.remaining else {"amount": f"{amount:.2f}"},
        stated_amount=amount,
    )
    return Envelope(
        step=brief.step,
        status="needs_approval" if any(doubt.ask for doubt in doubts) else "proposed",
        confidence=min([CLEAR, *(doubt.confidence for doubt in doubts)]),
        evidence=(*due.citations, *_cite_answer(brief, answer, limit[0] if limit else "")),
        proposed_action=action,
        reason=" ".join(doubt.reason for doubt in doubts) or due.reason,
    )


def _decline(step: str, gap: Gap) -> Envelope:
    return Envelope(
        step=step,
        status="insufficient",
        confidence=gap.confidence,
        evidence=gap.citations,
        reason=gap.reason,
    )


def _end(step: str, last: Feedback) -> Envelope:
    status, summary = ENDINGS[last.kind]
    reason = summary if last.kind == "acted" else f"{summary}: {last.text[:1_000]}"
    return Envelope(step=step, status=status, confidence=CLEAR, reason=reason)


def _answer(brief: Brief) -> Feedback | None:
    """The latest answer of a person. Feedback is the runtime's word, evidence could be forged."""
    return next((said for said in reversed(brief.feedback) if said.kind == "operator"), None)


def _cite_answer(brief: Brief, answer: Feedback | None, quote: str) -> tuple[Evidence, ...]:
    if answer is None or answer.source is None:
        return ()
    shown = any(p.source == answer.source and quote in p.text for p in brief.evidence)
    return (Evidence(source=answer.source, quote=quote),) if shown else ()


def _windows(case: Case) -> Iterator[Window]:
    for passage in case.policies:
        for match in WINDOW.finditer(passage.text):
            if WINDOW_RULES[case.kind].search(match[0]):
                quote = match[0].strip()
                yield Window(int(match[1]), Evidence(source=passage.source, quote=quote))


def _claimed(case: Case, message: str) -> Evidence | None:
    """Words that the customer quotes as the shop's policy, taken at face value."""
    quoted = QUOTED.search(message)
    if quoted is None or not case.policies or not POLICY_WORD.search(message):
        return None
    holders = [p.source for p in case.policies if quoted[1] in p.text]
    return Evidence(source=[*holders, case.policies[0].source][0], quote=quoted[1])


def _fields(text: str) -> dict[str, str]:
    # A record's own lines come first: a later one of the same name cannot replace them.
    return dict(reversed([(match[1], match[2]) for match in LINE.finditer(text)]))


def _newest(records: Iterable[Record]) -> Record | None:
    return next(reversed(list(records)), None)


def _is_account(record: Record, customer: str) -> bool:
    return record.fields.get("Customer") == customer and _is_about_no_order(record)


def _is_policy(record: Record) -> bool:
    return "Customer" not in record.fields and _is_about_no_order(record)


def _is_about_no_order(record: Record) -> bool:
    return not any(label in record.fields for label in ORDER_LABELS)


def _kind(order: Record) -> str:
    """Where the record names no kind: credits are never shipped, so their orders stay paid."""
    named = order.fields.get("Kind", "")
    if named in WINDOW_RULES:
        return named
    return "credits" if order.fields.get("Status") == "paid" else "goods"


def _used(record: Record) -> Decimal | None:
    return _number(record.fields.get("Credits used"))


def _exceptions(account: Record | None) -> str:
    """The account's earlier exceptions in words; empty without any."""
    noted = "none" if account is None else account.fields.get("Manual exceptions", "none")
    count = 0 if noted == "none" else len([part for part in noted.split(";") if part.strip()])
    if count == 1:
        return "one prior manual exception"
    return f"{count} prior manual exceptions" if count else ""


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError:
        return None


def _number(text: str | None) -> Decimal | None:
    try:
        value = Decimal(text or "")
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
