"""A report as text: one run told from start to end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from agent_runtime.report.report import (
    ActTold,
    BundleTold,
    ExchangeTold,
    QuestionTold,
    Report,
    VerdictTold,
    VisitTold,
)

SHORT = 200
"""Characters of a text at most; JSON and the page have all of it."""


def render_text(report: Report) -> list[str]:
    """The lines of a report; whatever was written by others is on a line of its own."""
    return [*_head(report), *(line for visit in report.visits for line in _visit(visit))]


def _head(report: Report) -> Iterator[str]:
    ended = "" if report.ended_at is None else f", ended {_at(report.ended_at)}"
    yield f"run {report.run} is {report.state}{f': {report.reason}' if report.reason else ''}"
    if report.origin is not None:
        yield f"  forked    {_origin(report.origin)}"
    named = "" if report.label == report.version else f" ({report.version})"
    yield f"  workflow  {report.workflow}, version {report.label}{named}"
    yield f"  trigger   {report.trigger['kind']} of {report.trigger['owner']}"
    yield f"  started   {_at(report.started_at)}{ended}"
    yield f"  time      {span(report.working)} at work, {span(report.waiting)} waiting"
    if report.cost is not None:
        money = "" if report.cost.money is None else f", {report.cost.money / 1e9:.4f} spent"
        yield f"  models    {report.cost.calls} calls, {report.cost.tokens} tokens{money}"
    yield f"  input     {_pairs(report.input)}"
    for turn in report.turns:
        by = f" by {turn.by}" if turn.by else ""
        yield f"  {_at(turn.at)} {turn.type}{by}{f': {turn.words}' if turn.words else ''}"


def _origin(origin: Mapping[str, Any]) -> str:
    other = f", with other {', '.join(origin['edits'])}" if origin["edits"] else ""
    stubbed = "; a rehearsal: its effects are stubbed" if origin["rehearsal"] else ""
    return f"from {origin['run']}/{origin['step']} by {origin['by']}{other}{stubbed}"


def _visit(visit: VisitTold) -> Iterator[str]:
    yield ""
    yield f"step {visit.step}, visit {visit.visit}"
    for bundle in visit.bundles:
        yield from _bundle(bundle)
    for exchange in visit.exchanges:
        yield from _exchange(exchange)
    for envelope in visit.envelopes:
        said = f"{envelope.status}, confidence {envelope.confidence:.2f}, by {envelope.producer}"
        yield f"  {envelope.node:<10} {said}: {_short(envelope.reason)}"
        for cited in envelope.evidence:
            if cited["quote"]:
                yield f"             “{_short(cited['quote'])}” — {cited['source']}"
    if visit.verdict is not None:
        yield from _verdict(visit.verdict)
    for question in visit.questions:
        yield from _question(question)
    for act in visit.acts:
        yield _act(act)


def _bundle(bundle: BundleTold) -> Iterator[str]:
    yield f"  shown      {len(bundle.shown)} passages, {bundle.tokens} of {bundle.budget} tokens"
    for passage in bundle.shown:
        text = "(pruned)" if passage.text is None else _short(passage.text)
        yield f"             {passage.source or passage.hash}: {text}"
    for left in bundle.left_out:
        yield f"             left out: {left['source']}, {left.get('why', 'over the budget')}"
    for warning in bundle.warnings:
        yield f"             {warning}"
    for dispute in bundle.disputed:
        said = "; ".join(f"{source} says {_short(value)}" for source, value in dispute.said)
        yield f"             contradiction about {dispute.field}: {said}"
    for source in bundle.stale:
        yield f"             stale: {source}"


def _exchange(exchange: ExchangeTold) -> Iterator[str]:
    took = "" if exchange.millis is None else f", {exchange.millis} ms"
    took += " by batch" if exchange.batched else ""
    yield f"  model      {exchange.producer}: {exchange.outcome or 'answered'}{took}"
    for said in exchange.prompt[-1:]:
        yield f"             prompt: {_short(said['content'])}"
    if exchange.answer is not None:
        yield f"             answer: {_short(str(exchange.answer.get('content', '')))}"


def _verdict(verdict: VerdictTold) -> Iterator[str]:
    named = ", ".join([*verdict.rules, *verdict.reasons])
    action = verdict.action
    yield f"  verdict    {verdict.kind}: {named}"
    yield f"             {action['tool']} on {action['target_id']}: {_pairs(action['arguments'])}"
    yield f"             facts: {_pairs(verdict.facts)}"
    yield f"             signals: {_pairs(verdict.signals)}"
    yield f"             digest: {verdict.action_digest}"


def _question(question: QuestionTold) -> Iterator[str]:
    closed = f" by {question.closed_by}" if question.closed_by else ""
    yield f"  asked      {', '.join(question.asked)}; {question.status}{closed} ({question.id})"
    for answer in question.answers:
        why = f": {_short(answer.reason)}" if answer.reason else ""
        yield f"             {_at(answer.at)} {answer.by} {answer.kind}{why} ({answer.channel})"


def _act(act: ActTold) -> str:
    if act.state == "voided":
        return f"  taken back {_at(act.at)}: {act.why}"
    return f"  journal    {act.tool} {act.state} at {_at(act.settled_at or act.at)}: {act.result}"


def span(seconds: float) -> str:
    """A span in words."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2f} s"


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _pairs(values: dict[str, Any]) -> str:
    return _short(", ".join(f"{name}={v}" for name, v in values.items() if v is not None)) or "-"


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= SHORT else f"{one[:SHORT]}…"
