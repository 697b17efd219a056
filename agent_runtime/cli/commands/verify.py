"""Verifying a project: the red team, and the rules tried on a scratch copy of its data."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from agent_runtime.cli.interrupts import run_through
from agent_runtime.cli.opening import Place
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import StoreError
from agent_runtime.runtime import DATABASE, Runtime
from agent_runtime.settings import load_settings
from agent_runtime.store.scratch import copy_to
from agent_runtime.telemetry import configure_logging
from agent_runtime.verify.finding import Finding, count
from agent_runtime.verify.redteam import attack
from agent_runtime.verify.rules import Subject, check_rules

STYLES = {"held": "green", "broken": "bold red", "not applicable": "dim"}


def redteam(place: Place, screen: Screen, workflow: str | None, tenant: str) -> int:
    """Attack one workflow or all; 1 when anything got through."""
    return _verify(place, screen, workflow, tenant, rules=False)


def verify(place: Place, screen: Screen, tenant: str) -> int:
    """The rules and the red team; 1 when anything is broken."""
    return _verify(place, screen, None, tenant, rules=True)


def _verify(place: Place, screen: Screen, workflow: str | None, tenant: str, *, rules: bool) -> int:
    """On a copy: whatever is tried there leaves the data as it is."""
    if not (place.data / DATABASE).is_file():
        raise StoreError(
            f"There is no data in {place.data}.", remedy="Make some with: agent-runtime demo"
        )
    with tempfile.TemporaryDirectory(prefix="agent-runtime-verify-") as folder:
        _copy(place.data, Path(folder))

        async def work(runtime: Runtime) -> list[Finding]:
            session, found = runtime.store.read(tenant), []
            for name in [workflow] if workflow else sorted(runtime.app.workflows):
                found += await attack(session, runtime.app, name)
            if rules:
                subject = Subject(runtime.app, runtime.store.of(tenant), tenant)
                found += await check_rules(subject)
            return found

        findings = _open(place, Path(folder), work)
    return _tell(screen, findings)


def _open(
    place: Place, folder: Path, work: Callable[[Runtime], Awaitable[list[Finding]]]
) -> list[Finding]:
    # A copy's history is nobody's evidence: it is anchored beside it, wherever the real one is.
    settings = load_settings().model_copy(update={"anchor": None})
    configure_logging("ERROR")
    app = place.app()

    async def opened() -> list[Finding]:
        async with Runtime.open(app, folder, settings=settings, create=False) as runtime:
            return await work(runtime)

    return run_through(opened())


def _copy(data: Path, folder: Path) -> None:
    """The data file as it is at one moment; what belongs to it is left where it is."""
    copy_to(data / DATABASE, folder / DATABASE)


def _tell(screen: Screen, findings: Sequence[Finding]) -> int:
    for finding in findings:
        screen.document(finding.model_dump())
        words = f"{finding.state:<15} {finding.name}: {finding.about}"
        screen.line(words, style=STYLES[finding.state])
        control = f"; control: {finding.control}" if finding.control else ""
        screen.line(f"{'':<15} {finding.seen}{control}", style="dim")
    totals = count(findings)
    screen.document(totals)
    screen.line(", ".join(f"{number} {state}" for state, number in totals.items()))
    return 1 if totals["broken"] else 0
