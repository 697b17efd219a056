"""Upkeep of the data file: backup, restore, doctor, prune, vacuum."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from agent_runtime.access import a_tenant
from agent_runtime.anchor import Anchor, open_anchor
from agent_runtime.backup import (
    NOT_PART,
    RestoredRun,
    make_backup,
    others,
    restore_backup,
)
from agent_runtime.cipher import Cipher, make_cipher
from agent_runtime.cli.opening import Place, admit
from agent_runtime.cli.screen import Screen
from agent_runtime.clock import SystemClock
from agent_runtime.doctor import Finding, acknowledge, examine
from agent_runtime.errors import InvalidInput, SettingsError, StoreError
from agent_runtime.operators import user
from agent_runtime.retention import Pruned, Term, parse_age, plan, prune
from agent_runtime.runtime import DATABASE, Runtime
from agent_runtime.settings import load_settings
from agent_runtime.store import upkeep
from agent_runtime.store.retention import PARTS
from agent_runtime.store.upkeep import Progress
from agent_runtime.telemetry import configure_logging

STYLES = {"error": "bold red", "warning": "yellow"}


def back_up(place: Place, screen: Screen, file: Path, tenant: str | None, *, force: bool) -> None:
    """Copy the data file, or a tenant's own, and say what the copy holds."""
    anchor, cipher = _anchor(place), _cipher()
    with _copying(screen, "copying", place.data / DATABASE) as progress:
        made = make_backup(
            place.data,
            file,
            anchor.file,
            force=force,
            progress=progress,
            cipher=cipher,
            tenant=tenant,
        )
    screen.document(made.model_dump())
    events = sum(chain.events for chain in made.chains)
    screen.line(f"{made.file}: {made.bytes} bytes, {events} events, opened and verified.")
    screen.line(made.sha256)
    screen.line(NOT_PART)
    for name in others(place.data, cipher) if tenant is None else []:
        screen.line(f"Nor is {name}'s own file: agent-runtime backup --tenant {name} FILE")


def restore(place: Place, screen: Screen, file: Path, tenant: str | None, *, force: bool) -> None:
    """Put a backup in place of the data file, and say what nobody can know."""
    app, anchor = place.app(), _anchor(place)
    with _copying(screen, "restoring", file) as progress:
        done = restore_backup(
            place.data,
            file,
            app,
            anchor.file,
            by=user(),
            now=_now(),
            force=force,
            progress=progress,
            cipher=_cipher(),
            tenant=tenant,
        )
    screen.document(done.model_dump())
    events = sum(chain.events for chain in done.chains)
    screen.line(f"{done.file} holds the backup's {events} events, verified.")
    if done.aside:
        screen.line(f"The file that was there is kept as {done.aside}.")
    if not done.anchored:
        screen.line("The anchor could not be written; see: agent-runtime doctor", style="yellow")
    screen.line("What was done after the backup is in no journal.")
    _tell_runs(screen, "may have acted; a repeated call is harmless", done.runs, unknown=False)
    _tell_runs(screen, "may have acted; look in the outside system first", done.runs, unknown=True)


def doctor(place: Place, screen: Screen) -> int:
    """List what is wrong; 1 when one of it is an error."""
    with screen.progress("examining", None):
        found = examine(place.data, _anchor(place), _now(), _cipher())
    found.sort(key=lambda finding: finding.severity)
    screen.document([finding.model_dump() for finding in found])
    for finding in found:
        _tell(screen, finding)
    errors = sum(finding.severity == "error" for finding in found)
    if not found:
        screen.line("Nothing is wrong.", style="green")
    else:
        screen.line(f"{errors} errors, {len(found) - errors} warnings")
    return 1 if errors else 0


def acknowledge_gaps(place: Place, screen: Screen, who: str, reason: str) -> None:
    """Record under a person's name that what the anchor lacks has been looked at."""
    if not reason.strip():
        raise InvalidInput("--reason", reason, "is missing: what did you find?")

    async def work(runtime: Runtime) -> tuple[str, ...]:
        operator = place.operator(who)
        await admit(runtime, operator, "administer", a_tenant(operator.tenant))
        return await acknowledge(runtime, operator, reason)

    for note in place.work(work):
        screen.line(f"{who} has acknowledged: {note}")


def prune_runs(
    place: Place, screen: Screen, age: str | None, workflow: str | None, who: str, *, dry: bool
) -> None:
    """Erase old runs down to what their history needs, by an age or by the settings."""
    span = None if age is None else parse_age(age)

    async def work(runtime: Runtime) -> Pruned:
        operator = place.operator(who)
        if workflow is not None:
            runtime.app.workflow(workflow)
        given = _terms(runtime, span, workflow)
        planned = await plan(runtime.store, operator.tenant, given)
        if dry:
            return planned
        with screen.progress("pruning", len(planned.runs)) as advance:
            return await prune(runtime.store, operator, given, advance)

    done = place.work(work)
    screen.document({**done.model_dump(), "dry_run": dry})
    verb = "would be" if dry else "were"
    screen.line(
        f"{len(done.runs)} runs {verb} pruned: {done.recordings} recordings,"
        f" {done.checkpoints} checkpoints, {done.bodies} event bodies"
    )
    if not dry:
        screen.line(f"{done.contents} contents are gone; the file is {done.bytes} bytes smaller.")


def _terms(runtime: Runtime, span: timedelta | None, workflow: str | None) -> list[Term]:
    if span is not None:
        return [Term(PARTS, runtime.clock.now() - span, workflow)]
    found = runtime.terms()
    if not found:
        raise SettingsError(
            "How long content is kept is not set.",
            remedy="Say --older-than 90d, or set AGENT_RUNTIME_RETENTION.",
        )
    return [term for term in found if workflow in (None, term.workflow)]


def vacuum(place: Place, screen: Screen) -> None:
    """Rewrite the file, so that what is pruned can be given back."""
    path = place.data / DATABASE
    if not path.is_file():
        raise StoreError(f"There is no data in {place.data}.", remedy="Name it with --data.")
    before = path.stat().st_size
    with screen.progress("rewriting the file", None):
        upkeep.rewrite(path)
    after = path.stat().st_size
    screen.document({"file": str(path), "before": before, "after": after})
    screen.line(f"{path} has {after} bytes; it had {before}.")


def _tell_runs(screen: Screen, title: str, runs: tuple[RestoredRun, ...], *, unknown: bool) -> None:
    chosen = [run for run in runs if run.unknown is unknown]
    if not chosen:
        return
    screen.line(f"Runs that {title}:", style="yellow" if unknown else "")
    for run in chosen:
        tools = ", ".join(f"{tool} ({recovery})" for tool, recovery in run.tools.items())
        screen.line(f"  {run.id} {run.workflow} is {run.state}: {tools or 'unknown tools'}")


def _tell(screen: Screen, finding: Finding) -> None:
    text = f"{finding.severity}: {finding.where}: {finding.what}"
    screen.line(text, style=STYLES[finding.severity])
    screen.line(f"  → {finding.remedy}")


@contextmanager
def _copying(screen: Screen, what: str, source: Path) -> Iterator[Progress]:
    total = upkeep.pages(source) if source.is_file() else None
    with screen.progress(what, total) as advance:
        yield lambda _done, _total: advance()


def _anchor(place: Place) -> Anchor:
    settings = load_settings()
    configure_logging(settings.log_level)
    return open_anchor(place.data, settings.anchor, SystemClock())


def _cipher() -> Cipher:
    return make_cipher(load_settings().content_key)


def _now() -> datetime:
    return SystemClock().now()
