"""Approvals: list, show, claim, decide, undo, comment, delegate, bulk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args

from agent_runtime.access import Act, an_approval
from agent_runtime.approval import Answer, Approval, ApprovalStatus
from agent_runtime.bulk import BulkAnswer, Item, Preview
from agent_runtime.cli.commands.runs import checked, drive_on, narrate
from agent_runtime.cli.explain import approval_lines, approval_row, decide_lines
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.screen import Screen
from agent_runtime.comment import Comment
from agent_runtime.decision import Desk, waiting_roles
from agent_runtime.errors import Conflict, NotFound, SettingsError
from agent_runtime.inbox import WAITING, Counts, Filter, Order, Page
from agent_runtime.operators import channel
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.store import Session
from agent_runtime.verdict import Operator

_COLUMNS = ("approval", "action", "target", "amount", "status", "waits for", "until (UTC)")


def show_list(
    place: Place,
    screen: Screen,
    wanted: dict[str, Any],
    order: dict[str, Any],
    after: str | None,
    who: str,
    *,
    everything: bool,
) -> None:
    """List one page of approvals; `after` is the last id of the page before."""
    found = _filter(wanted, everything=everything)
    person = _viewer(place, who, found)

    async def work(runtime: Runtime) -> Page:
        session = runtime.store.read("default" if person is None else person.tenant)
        chosen = _order(session, order, after)
        return runtime.desk.inbox(found, chosen, who=person)

    page = place.work(work)
    screen.document([approval.model_dump(mode="json") for approval in page.items])
    empty = "There are no approvals yet." if everything else "No approval is open. All: --all"
    if any(wanted.values()) or after is not None:
        empty = "No approval is like that."
    rows = [approval_row(approval) for approval in page.items]
    screen.table((*_COLUMNS, "asked by"), rows, empty=empty)
    if page.after is not None:
        screen.note(f"There are more: --after {page.after.id}")


def _order(session: Session, order: dict[str, Any], after: str | None) -> Order:
    """The order of a list, from after that id on."""
    chosen = checked(Order, order)
    if after is None:
        return chosen
    key = session.inbox.key(after, chosen.sort)
    if key is None:
        raise NotFound("approval", after, remedy="--after takes the last id you saw.")
    return chosen.model_copy(update={"after": key})


def show_counts(
    place: Place, screen: Screen, wanted: dict[str, Any], who: str, *, everything: bool
) -> None:
    """How many approvals a list would hold, and of which kinds."""
    found = _filter(wanted, everything=everything)
    person = _viewer(place, who, found)

    async def work(runtime: Runtime) -> Counts:
        return runtime.desk.counts(found, who=person)

    counts = place.work(work)
    screen.document(counts.model_dump(mode="json"))
    for name, value in counts.model_dump().items():
        told = ", ".join(f"{kind} {n}" for kind, n in value.items()) if name in _TALLIES else value
        screen.line(f"{name:<10} {told}")


_TALLIES = frozenset({"statuses", "workflows", "tools", "rules", "risks"})


def show(place: Place, screen: Screen, approval_id: str, who: str) -> None:
    """Show one approval, and note that this person has seen it."""
    person = place.operator(who) if who else None

    async def work(runtime: Runtime) -> tuple[Approval, list[str], list[Comment]]:
        session = runtime.store.read("default" if person is None else person.tenant)
        approval = session.approvals.get(approval_id)
        if person is not None:
            approval = await runtime.desk.look(approval_id, person)
        comments = session.comments.find(approval_id)
        return approval, approval_lines(session, approval), comments

    approval, lines, comments = place.work(work)
    said = [comment.model_dump(mode="json") for comment in comments]
    screen.document({**approval.model_dump(mode="json"), "comments": said})
    screen.lines([*lines, *_standing(approval)])
    screen.lines(f"  “{one.text}” — {one.author}, {one.at:%Y-%m-%d %H:%M}" for one in comments)
    if approval.status == "open":
        screen.line(decide_lines(approval.id)[-1])


async def _admitted(
    runtime: Runtime, place: Place, who: str, act: Act, approval_ids: Sequence[str]
) -> Operator:
    """The person chosen with --as, who may do this to those approvals as they are by now."""
    operator = place.operator(who)
    await runtime.expire(operator.tenant)
    session = runtime.store.read(operator.tenant)
    for approval_id in approval_ids:
        asked = session.approvals.get(approval_id)
        await admit(runtime, operator, act, an_approval(asked, session.runs.get(asked.run_id)))
    return operator


def claim(place: Place, screen: Screen, approval_id: str, who: str, *, override: bool) -> None:
    """Say that one is at work on an approval."""

    async def act(desk: Desk, person: Operator) -> Approval:
        return await desk.claim(approval_id, person, override=override)

    _act(place, screen, approval_id, who, "claim", act)


def release(place: Place, screen: Screen, approval_id: str, who: str) -> None:
    """Give a claim back."""

    async def act(desk: Desk, person: Operator) -> Approval:
        return await desk.release(approval_id, person)

    _act(place, screen, approval_id, who, "claim", act)


def undo(place: Place, screen: Screen, approval_id: str, who: str) -> None:
    """Take a held answer back."""

    async def act(desk: Desk, person: Operator) -> Approval:
        return await desk.undo(approval_id, person)

    _act(place, screen, approval_id, who, "decide", act)


def delegate(
    place: Place, screen: Screen, approval_id: str, to: str, who: str, reason: str
) -> None:
    """Hand one's part to another person of this installation."""
    receiver = place.operator(to).name

    async def act(desk: Desk, person: Operator) -> Approval:
        return await desk.delegate(approval_id, person, receiver, reason)

    _act(place, screen, approval_id, who, "decide", act)


def comment(place: Place, screen: Screen, approval_id: str, text: str, who: str) -> None:
    """Add a remark."""

    async def work(runtime: Runtime) -> Comment:
        operator = await _admitted(runtime, place, who, "comment", [approval_id])
        return await runtime.desk.comment(approval_id, operator, text)

    said = place.work(work)
    screen.document(said.model_dump(mode="json"))
    screen.line(f"comment {said.id} is stored")


def decide(
    place: Place, screen: Screen, approval_id: str, who: str, answer: dict[str, Any], *, drive: bool
) -> None:
    """Answer an approval and drive its run on."""

    async def work(runtime: Runtime) -> tuple[Approval, Run]:
        operator = await _admitted(runtime, place, who, "decide", [approval_id])
        session = runtime.store.read(operator.tenant)
        seen = answer["digest"] or session.approvals.get(approval_id).digest
        given = checked(Answer, {**answer, "digest": seen, "channel": channel(who)})
        approval = await runtime.decide(approval_id, operator, given)
        narrate(runtime, screen)
        current = session.runs.get(approval.run_id)
        if drive and current.state == "queued":
            current = await drive_on(runtime, current)
        return approval, current

    approval, run = place.work(work)
    both = {"approval": approval, "run": run}
    screen.document({name: value.model_dump(mode="json") for name, value in both.items()})
    screen.line(_state(approval))
    screen.line(f"run {run.id} is {run.state}{f': {run.reason}' if run.reason else ''}")


def preview(place: Place, screen: Screen, answer: dict[str, Any], who: str) -> None:
    """What an answer to several approvals would do; it answers none."""

    async def work(runtime: Runtime) -> Preview:
        operator = await _admitted(runtime, place, who, "decide", answer["ids"])
        return await runtime.bulk.preview(answer["ids"], operator)

    seen = place.work(work)
    screen.document(seen.model_dump(mode="json"))
    rows = [(line.approval_id, line.target_id, line.amount or "-") for line in seen.lines]
    screen.table(("approval", "target", "amount"), rows)
    money = "" if seen.total is None else f", {seen.total} in all, {seen.largest} the largest"
    screen.line(f"{seen.count} calls of {seen.tool} under {', '.join(seen.rules)}{money}")
    screen.line(f"To {answer['kind']} exactly these, repeat with: --preview {seen.digest}")


def bulk(place: Place, screen: Screen, answer: dict[str, Any], who: str) -> int:
    """Answer several approvals and drive their runs on; 1 where any was refused."""

    async def work(runtime: Runtime) -> list[Item]:
        operator = await _admitted(runtime, place, who, "decide", answer["ids"])
        given = checked(BulkAnswer, {**answer, "channel": channel(who)})
        items = await runtime.bulk.decide(given, operator)
        session = runtime.store.read(operator.tenant)
        for run_id in [item.approval.run_id for item in items if item.approval is not None]:
            if session.runs.get(run_id).state == "queued":
                await drive_on(runtime, session.runs.get(run_id))
        return items

    items = place.work(work)
    screen.document([_item(item) for item in items])
    for item in items:
        screen.line(_state(item.approval) if item.approval else f"{item.approval_id}: {item.error}")
    return int(any(item.error is not None for item in items))


def _item(item: Item) -> dict[str, Any]:
    if item.approval is not None:
        return {"approval": item.approval.model_dump(mode="json")}
    error = item.error or Conflict("was not answered")
    return {"approval_id": item.approval_id, "error": error.code, "message": str(error)}


def _filter(wanted: dict[str, Any], *, everything: bool) -> Filter:
    statuses = get_args(ApprovalStatus) if everything else WAITING
    return checked(Filter, {**wanted, "statuses": statuses})


def _viewer(place: Place, who: str, wanted: Filter) -> Operator | None:
    if wanted.mine and not who:
        raise SettingsError("--mine needs a person.", remedy="Say who you are with --as.")
    return place.operator(who) if who else None


def _act(
    place: Place,
    screen: Screen,
    approval_id: str,
    who: str,
    needed: Act,
    act: Callable[[Desk, Operator], Awaitable[Approval]],
) -> None:
    """One person's act on one approval, and where it stands afterwards."""

    async def work(runtime: Runtime) -> Approval:
        operator = await _admitted(runtime, place, who, needed, [approval_id])
        return await act(runtime.desk, operator)

    approval = place.work(work)
    screen.document(approval.model_dump(mode="json"))
    screen.line(_state(approval))
    screen.lines(_standing(approval))


def _state(approval: Approval) -> str:
    missing = waiting_roles(approval) if approval.status == "open" else []
    waits = f", and waits for {', '.join(missing)}" if missing else ""
    if approval.status == "held" and approval.effective_at is not None:
        waits = f" by {approval.held_by}, and takes effect at {approval.effective_at:%H:%M:%S} UTC"
    return f"approval {approval.id} is {approval.status}{waits}"


def _standing(approval: Approval) -> list[str]:
    """Who has it in hand, and what people should know before they answer."""
    lines = [f"  version   {approval.version}, risk {approval.risk}"]
    if approval.facts_read_at is not None:
        lines.append(f"  facts as of {approval.facts_read_at:%Y-%m-%d %H:%M:%S} UTC")
    if approval.claim is not None:
        lines.append(
            f"  claimed   by {approval.claim.by} until {approval.claim.until:%H:%M:%S} UTC"
        )
    handed = approval.delegations
    lines += [f"  handed    from {one.by} to {one.to} for {', '.join(one.roles)}" for one in handed]
    return lines
