"""Approvals: list, show, claim, decide, undo, comment, delegate, bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from agent_runtime.approval import Approval, ApprovalStatus
from agent_runtime.candidacy import waiting_roles
from agent_runtime.cli.explain import approval_lines, approval_row, decide_lines
from agent_runtime.cli.reading import checked
from agent_runtime.cli.screen import Screen
from agent_runtime.cli.station import Station
from agent_runtime.errors import Conflict, InvalidInput, Unconfirmed
from agent_runtime.inbox import WAITING, Filter, Order

if TYPE_CHECKING:
    from agent_runtime.bulk import Item

_COLUMNS = ("approval", "action", "target", "amount", "status", "waits for", "until (UTC)")
_TALLIES = frozenset({"statuses", "workflows", "tools", "rules", "risks"})


def show_list(
    station: Station,
    screen: Screen,
    wanted: dict[str, Any],
    order: dict[str, Any],
    after: str | None,
    *,
    search: str,
    everything: bool,
) -> None:
    """List one page of approvals; `after` is the last id of the page before."""
    chosen = _filter(wanted, everything=everything)
    found, more = station.inbox(chosen, checked(Order, order), after, search)
    screen.document([approval.model_dump(mode="json") for approval in found])
    empty = "There are no approvals yet." if everything else "No approval is open. All: --all"
    if any(wanted.values()) or search or after is not None:
        empty = "No approval is like that."
    rows = [approval_row(approval) for approval in found]
    screen.table((*_COLUMNS, "asked by"), rows, empty=empty)
    if more:
        screen.note(f"There are more: --after {found[-1].id}")


def show_counts(
    station: Station, screen: Screen, wanted: dict[str, Any], *, search: str, everything: bool
) -> None:
    """How many approvals a list would hold, and of which kinds."""
    if search:
        remedy = "Leave one of --counts and --search out."
        raise InvalidInput("search", search, "is no filter, and cannot be counted", remedy=remedy)
    counts = station.counts(_filter(wanted, everything=everything))
    screen.document(counts.model_dump(mode="json"))
    for name, value in counts.model_dump().items():
        told = ", ".join(f"{kind} {n}" for kind, n in value.items()) if name in _TALLIES else value
        screen.line(f"{name:<10} {told}")


def show(station: Station, screen: Screen, approval_id: str) -> None:
    """Show one approval, and note that this person has seen it."""
    asked = station.question(approval_id)
    approval = asked.approval
    said = [comment.model_dump(mode="json") for comment in asked.comments]
    screen.document({**approval.model_dump(mode="json"), "comments": said})
    screen.lines([*approval_lines(approval, asked.run, asked.events), *_standing(approval)])
    screen.lines(
        f"  “{one.text}” — {one.author}, {one.at:%Y-%m-%d %H:%M}" for one in asked.comments
    )
    if approval.status == "open":
        screen.line(decide_lines(approval.id)[-1])


def comment(station: Station, screen: Screen, approval_id: str, text: str) -> None:
    """Add a remark."""
    said = station.comment(approval_id, text)
    screen.document(said.model_dump(mode="json"))
    screen.line(f"comment {said.id} is stored")


def decide(
    station: Station, screen: Screen, approval_id: str, answer: dict[str, Any], *, drive: bool
) -> None:
    """Answer an approval and say where its run stands."""
    try:
        approval, run = station.decide(approval_id, answer, drive=drive)
    except Unconfirmed as error:
        if not screen.interactive or answer["confirm"]:
            raise
        confirmed = {**answer, "confirm": _typed(screen, error)}
        approval, run = station.decide(approval_id, confirmed, drive=drive)
    both = {"approval": approval, "run": run}
    screen.document({name: value.model_dump(mode="json") for name, value in both.items()})
    screen.line(_state(approval))
    screen.line(f"run {run.id} is {run.state}{f': {run.reason}' if run.reason else ''}")


def _typed(screen: Screen, missing: Unconfirmed) -> str:
    """What the person at the terminal types; raises the error where they leave it."""
    screen.line(str(missing))
    screen.ask("Confirm:")
    try:
        return input()
    except EOFError:
        raise missing from None


def preview(station: Station, screen: Screen, answer: dict[str, Any]) -> None:
    """What an answer to several approvals would do; it answers none."""
    seen = station.preview(answer["ids"])
    screen.document(seen.model_dump(mode="json"))
    rows = [(line.approval_id, line.target_id, line.amount or "-") for line in seen.lines]
    screen.table(("approval", "target", "amount"), rows)
    money = "" if seen.total is None else f", {seen.total} in all, {seen.largest} the largest"
    screen.line(f"{seen.count} calls of {seen.tool} under {', '.join(seen.rules)}{money}")
    screen.line(f"To {answer['kind']} exactly these, repeat with: --preview {seen.digest}")


def bulk(station: Station, screen: Screen, answer: dict[str, Any]) -> int:
    """Answer several approvals; 1 where any was refused."""
    items = station.decide_all(answer)
    screen.document([_item(item) for item in items])
    for item in items:
        screen.line(_state(item.approval) if item.approval else f"{item.approval_id}: {item.error}")
    return int(any(item.error is not None for item in items))


def tell(screen: Screen, approval: Approval) -> None:
    """Where an approval stands after one person's act."""
    screen.document(approval.model_dump(mode="json"))
    screen.line(_state(approval))
    screen.lines(_standing(approval))


def _item(item: Item) -> dict[str, Any]:
    if item.approval is not None:
        return {"approval": item.approval.model_dump(mode="json")}
    error = item.error or Conflict("was not answered")
    return {"approval_id": item.approval_id, "error": error.code, "message": str(error)}


def _filter(wanted: dict[str, Any], *, everything: bool) -> Filter:
    statuses = get_args(ApprovalStatus) if everything else WAITING
    return checked(Filter, {**wanted, "statuses": statuses})


def _state(approval: Approval) -> str:
    missing = waiting_roles(approval) if approval.status == "open" else []
    waits = f", and waits for {', '.join(missing)}" if missing else ""
    if approval.status == "held" and approval.effective_at is not None:
        waits = f" by {approval.held_by}, and takes effect at {approval.effective_at:%H:%M:%S} UTC"
    return f"approval {approval.id} is {approval.status}{waits}"


def _standing(approval: Approval) -> list[str]:
    """Who has it in hand, and what people should know before they answer."""
    typed = f": type {approval.confirmation} to approve" if approval.confirmation else ""
    lines = [f"  version   {approval.version}, risk {approval.risk}{typed}"]
    if approval.facts_read_at is not None:
        lines.append(f"  facts as of {approval.facts_read_at:%Y-%m-%d %H:%M:%S} UTC")
    if approval.claim is not None:
        lines.append(
            f"  claimed   by {approval.claim.by} until {approval.claim.until:%H:%M:%S} UTC"
        )
    handed = approval.delegations
    lines += [f"  handed    from {one.by} to {one.to} for {', '.join(one.roles)}" for one in handed]
    return lines
