"""Commands for approvals: find, look, take up, answer, undo, talk, hand on."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.cli.opens import opens, station
from agent_runtime.cli.reading import read_arguments

if TYPE_CHECKING:
    from agent_runtime.cli.screen import Screen
    from agent_runtime.cli.station import Station

app = typer.Typer(no_args_is_help=True, help="See and answer what people are asked.")


class Kind(StrEnum):
    """What a person may answer."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    RESPOND = "respond"


class BulkKind(StrEnum):
    """What a person may answer to several questions at once."""

    APPROVE = "approve"
    REJECT = "reject"


class By(StrEnum):
    """What a list is sorted by."""

    AGE = "age"
    DEADLINE = "deadline"
    AMOUNT = "amount"


class RiskLevel(StrEnum):
    """How much harm a wrong yes does."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


ApprovalId = Annotated[str, typer.Argument(help="Id of the approval.", metavar="APPROVAL")]
Code = Annotated[str | None, typer.Option(help="What kind of no: wrong_amount, duplicate, …")]
Hold = Annotated[float, typer.Option("--hold", help="Seconds in which you may undo it.")]
Override = Annotated[bool, typer.Option("--override", help="Although somebody has claimed it.")]


@app.command("list")
@opens(station, who="may")
def approvals_list(
    station: Station,
    screen: Screen,
    everything: Annotated[bool, typer.Option("--all", help="Also those answered.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only what waits for you.")] = False,
    late: Annotated[bool, typer.Option("--late", help="Only what will soon expire.")] = False,
    unclaimed: Annotated[
        bool, typer.Option("--unclaimed", help="Nobody is at work on it.")
    ] = False,
    workflow: Annotated[str | None, typer.Option(help="Only this workflow's.")] = None,
    tool: Annotated[str | None, typer.Option(help="Only calls of this tool.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only what this rule asks.")] = None,
    risk: Annotated[RiskLevel | None, typer.Option(help="Only of this risk.")] = None,
    least: Annotated[str | None, typer.Option("--min", help="Smallest amount.")] = None,
    most: Annotated[str | None, typer.Option("--max", help="Largest amount.")] = None,
    search: Annotated[
        str, typer.Option(help="Only those in which each of these words stands.")
    ] = "",
    sort: Annotated[By, typer.Option(help="By what.")] = By.AGE,
    descending: Annotated[bool, typer.Option("--descending", help="The other way round.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 50,
    after: Annotated[str | None, typer.Option(help="Last id of the page before.")] = None,
    counts: Annotated[bool, typer.Option("--counts", help="How many of which kind.")] = False,
) -> None:
    """List open approvals, page by page."""
    from agent_runtime.cli.commands import approvals as commands

    wanted = {
        "mine": mine,
        "late": late,
        "claimed": "by_nobody" if unclaimed else None,
        "workflow": workflow,
        "tool": tool,
        "rule": rule,
        "risk": None if risk is None else risk.value,
        "amount_from": least,
        "amount_to": most,
    }
    if counts:
        commands.show_counts(station, screen, wanted, search=search, everything=everything)
        return
    order = {"sort": sort.value, "descending": descending, "limit": limit}
    commands.show_list(station, screen, wanted, order, after, search=search, everything=everything)


@app.command("show")
@opens(station, who="may")
def approvals_show(station: Station, screen: Screen, approval_id: ApprovalId) -> None:
    """Show what would happen, why a person is asked, on what."""
    from agent_runtime.cli.commands import approvals as commands

    commands.show(station, screen, approval_id)


@app.command("claim")
@opens(station, who="must")
def approvals_claim(
    station: Station, screen: Screen, approval_id: ApprovalId, override: Override = False
) -> None:
    """Tell others that you are at work on it, for two minutes."""
    from agent_runtime.cli.commands import approvals as commands

    commands.tell(screen, station.claim(approval_id, override=override))


@app.command("release")
@opens(station, who="must")
def approvals_release(station: Station, screen: Screen, approval_id: ApprovalId) -> None:
    """Give your claim back."""
    from agent_runtime.cli.commands import approvals as commands

    commands.tell(screen, station.release(approval_id))


@app.command("decide")
@opens(station, who="must")
def approvals_decide(
    station: Station,
    screen: Screen,
    approval_id: ApprovalId,
    decision: Annotated[Kind, typer.Argument(help="Your answer.")],
    reason: Annotated[str, typer.Option(help="Required by reject and respond.")] = "",
    code: Code = None,
    arguments: Annotated[
        str | None, typer.Option(help="JSON object of changed arguments, for edit.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option(help="Digest you saw; default: the present one.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Version you saw; default: the present one.")
    ] = None,
    confirm: Annotated[
        str, typer.Option(help="The amount or target, to approve at high risk.")
    ] = "",
    hold: Hold = 0.0,
    override: Override = False,
    record_only: Annotated[
        bool, typer.Option("--record-only", help="Leave the execution to another process.")
    ] = False,
) -> None:
    """Answer as one of the operators; the run goes on."""
    changes = None if arguments is None else read_arguments(arguments)
    from agent_runtime.cli.commands import approvals as commands

    answer = {
        "kind": decision.value,
        "reason": reason,
        "code": code,
        "arguments": changes,
        "digest": digest,
        "version": version,
        "confirm": confirm,
        "hold_seconds": hold,
        "override": override,
    }
    commands.decide(station, screen, approval_id, answer, drive=not record_only)


@app.command("undo")
@opens(station, who="must")
def approvals_undo(station: Station, screen: Screen, approval_id: ApprovalId) -> None:
    """Take a held answer of yours back."""
    from agent_runtime.cli.commands import approvals as commands

    commands.tell(screen, station.undo(approval_id))


@app.command("comment")
@opens(station, who="must")
def approvals_comment(
    station: Station,
    screen: Screen,
    approval_id: ApprovalId,
    text: Annotated[str, typer.Argument(help="What you have to say.", metavar="TEXT")],
) -> None:
    """Add a remark for the others who are asked."""
    from agent_runtime.cli.commands import approvals as commands

    commands.comment(station, screen, approval_id, text)


@app.command("delegate")
@opens(station, who="must")
def approvals_delegate(
    station: Station,
    screen: Screen,
    approval_id: ApprovalId,
    to: Annotated[str, typer.Argument(help="Who gets your part.", metavar="PERSON")],
    reason: Annotated[str, typer.Option(help="Why; recorded.")] = "",
) -> None:
    """Hand your part in a question to somebody else."""
    from agent_runtime.cli.commands import approvals as commands

    commands.tell(screen, station.delegate(approval_id, to, reason))


@app.command("bulk")
@opens(station, who="must")
def approvals_bulk(
    station: Station,
    screen: Screen,
    decision: Annotated[BulkKind, typer.Argument(help="Your answer to all of them.")],
    ids: Annotated[list[str], typer.Argument(help="Their ids.", metavar="APPROVAL...")],
    preview: Annotated[
        str | None, typer.Option(help="Digest of the preview; without it, you get one.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Required by reject.")] = "",
    code: Code = None,
    hold: Hold = 0.0,
) -> int:
    """Answer several low-risk questions at once, after a preview."""
    from agent_runtime.cli.commands import approvals as commands

    answer = {"kind": decision.value, "ids": ids, "reason": reason, "code": code}
    if preview is None:
        commands.preview(station, screen, answer)
        return 0
    return commands.bulk(station, screen, {**answer, "preview": preview, "hold_seconds": hold})
