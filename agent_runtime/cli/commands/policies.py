"""Policies: check, changes, propose, activate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent_runtime.cli.administration import Administration
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import InvalidInput
from agent_runtime.policy.change import PolicyChange


def check(office: Administration, screen: Screen) -> int:
    """Check the policies; 0 when nothing is wrong."""
    report = office.check_policies()
    screen.document(report.model_dump(mode="json"))
    for note in report.notes:
        screen.line(f"note: {note}", style="dim")
    for problem in report.problems:
        first, *further = problem.split("\n")
        screen.line(f"problem: {first}", style="red")
        screen.lines(further)
    checked = ", ".join(
        _count(n, word)
        for n, word in (
            (len(report.files), "file"),
            (report.rules, "rule"),
            (report.cases, "decision-table case"),
        )
    )
    verdict = _count(len(report.problems), "problem") if report.problems else "nothing is wrong"
    screen.line(f"{checked} checked: {verdict}")
    return 5 if report.problems else 0


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def show_changes(office: Administration, screen: Screen) -> None:
    """List what was proposed, with what is known of each."""
    found = office.policy_changes()
    screen.document([change.model_dump(mode="json") for change in found])
    for change in found:
        screen.lines(_told(change))
    if not found:
        screen.line("None was proposed yet.")


def propose(
    office: Administration, screen: Screen, name: str, file: Path | None, reason: str
) -> None:
    """Store a change, and say what it would do."""
    made = office.propose_policy(name, None if file is None else _read(file), reason)
    screen.document(made.model_dump(mode="json"))
    screen.lines(_told(made))
    screen.line(f"Another policy owner puts it in force: {_activation(made)}")


def activate(office: Administration, screen: Screen, change_id: str, rehearsal: str | None) -> None:
    """Put one in force."""
    active = office.activate_policy(change_id, rehearsal)
    screen.document(active.model_dump(mode="json"))
    screen.line(f"change {active.id} of {active.name} is in force")
    if active.rehearsal is None:
        screen.line(f"  put in force knowing that it was not rehearsed: {active.untried}")


def _told(change: PolicyChange) -> Iterator[str]:
    yield f"change {change.id} of {change.name}: {change.state}; by {change.proposed_by}"
    yield f"  {change.reason}"
    rules = change.difference
    yield (
        f"  rules: {len(rules.added)} added, {len(rules.removed)} removed,"
        f" {len(rules.changed)} changed, {rules.same} the same"
    )
    yield from (f"  fails its decision table: {line}" for line in change.failures)
    tried = change.rehearsal
    if tried is None:
        yield f"  not rehearsed: {change.untried or 'nobody knows what it would do'}"
    else:
        yield (
            f"  rehearsed on {tried.decisions} decisions: {tried.changed} change,"
            f" {tried.unknown} unknown, {tried.alarms} rejected by a person now unattended"
        )
    if change.widening is not None:
        yield f"  lets more run unattended: {change.widening.words}"
    yield f"  report {change.report}"


def _activation(change: PolicyChange) -> str:
    return f"agent-runtime policies activate {change.id} --rehearsal {change.report} --as NAME"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("--file", str(file), "cannot be read") from error
