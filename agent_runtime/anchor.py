"""Anchors: chain heads exported outside the database, and what verification asks of them.

Each process exports what it has committed itself, soon after the commit, as one JSON line in a
file; a webhook gets the same lines. A failing anchor never fails or delays a run.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from agent_runtime.clock import Clock, to_text
from agent_runtime.errors import SettingsError
from agent_runtime.event import GENESIS, Event, Head, Verification
from agent_runtime.store.events import Events
from agent_runtime.tenant import Tenant

FILE = "anchors.jsonl"
INTERVAL = 0.25
"""Seconds that a head waits for a newer one: under load one line stands for many commits."""
GRACE = timedelta(minutes=1)
"""An event that is older and lies beyond the last anchor should have been anchored."""
WEBHOOK_TIMEOUT = 3.0
TAIL = 65_536
"""Bytes at a file's end that hold its last line for sure."""
PRIVATE = 0o600

logger = logging.getLogger("agent_runtime")


class Span(BaseModel):
    """Events `first` to `number` of one tenant, as one process committed them; `hash` is the last
    one's. `restored_by`: a backup was restored, and the history ends here by that person's will.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    first: int
    number: int
    hash: str
    restored_by: str = ""


class AnchorLine(Span):
    """One line of an anchor. `previous` is the digest of the line before it, whoever's it is."""

    at: str
    previous: str


class Audit(Verification):
    """A chain held against its anchor, named by `anchor`.

    `problem`: the chain contradicts it. `gap`: events that should be anchored and aren't: an
    event was forged, an anchor line removed, or its process died. `notes`: what is past. Of the
    newest events, `unanchored` are not anchored (yet).
    """

    anchor: str
    unanchored: int = 0
    gap: str = ""
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing needs a look."""
        return not (self.problem or self.gap)


@dataclass(frozen=True)
class AnchorFile:
    """A file of anchor lines, shared by all processes of an installation."""

    path: Path

    def append(self, spans: Sequence[Span], at: datetime) -> list[str]:
        """Add a line for each and return the lines; they are on the disk then. Raises OSError."""
        with self._locked() as file:
            end, previous = _last_line(file)
            lines = []
            for span in spans:
                line = AnchorLine(**span.model_dump(), at=to_text(at), previous=previous)
                text = line.model_dump_json(exclude_defaults=True)
                previous = _digest(text)
                lines.append(text)
            content = "".join(f"{text}\n" for text in lines).encode()
            try:
                if os.pwrite(file, content, end) != len(content):
                    raise OSError(28, "No space left on device")
                os.fsync(file)
            except OSError:
                os.ftruncate(file, end)
                raise
            return lines

    def read(self) -> tuple[list[AnchorLine], str]:
        """All lines, and what is wrong with them: a line was changed, removed or put in."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return [], ""
        except OSError as error:
            return [], f"it cannot be read: {error.strerror}"
        found: list[AnchorLine] = []
        previous = GENESIS
        # What follows the last line break was torn by a crash and never counted.
        for number, line in enumerate(text.split("\n")[:-1], start=1):
            try:
                read = AnchorLine.model_validate_json(line)
            except ValidationError:
                return found, f"line {number} was changed"
            if read.previous != previous:
                return found, f"line {number} does not follow the one before it"
            previous = _digest(line)
            found.append(read)
        return found, ""

    def covers(self, tenant: str, number: int) -> bool:
        """Whether some process has exported this event as its own."""
        lines, fault = self.read()
        own = [line for line in lines if line.tenant == tenant]
        return not fault and any(line.first <= number <= line.number for line in own)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


@dataclass
class Anchor:
    """Exports what this process commits, on a thread of its own; a listener of the store."""

    file: AnchorFile
    clock: Clock
    webhook: str | None = None
    _due: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """By tenant: first and last event, and the last one's hash."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _exporting: threading.Lock = field(default_factory=threading.Lock)
    _woken: threading.Event = field(default_factory=threading.Event)
    _closed: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _warned: set[str] = field(default_factory=set)

    def hear(self, event: Event) -> None:
        """Remember a committed event; it is anchored within moments."""
        self._note(event.tenant, event.number, event.number, event.hash)
        if self._woken.is_set():
            return
        self._woken.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="anchor", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Export what waits, now."""
        with self._exporting:
            with self._lock:
                due, self._due = self._due, {}
            if due:
                self._export(
                    [
                        Span(tenant=tenant, first=first, number=number, hash=head)
                        for tenant, (first, number, head) in due.items()
                    ]
                )

    def close(self) -> None:
        """Export what waits, and stop."""
        self._closed.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    @property
    def unsent(self) -> Path:
        """Lines that the webhook has not taken yet; they go before the next one."""
        return self.file.path.with_name(f"{self.file.path.name}.unsent")

    def _note(self, tenant: str, first: int, number: int, head: str) -> None:
        """Add a span to what is due; of two, the later end counts."""
        with self._lock:
            known = self._due.get(tenant, (first, number, head))
            if known[1] > number:
                number, head = known[1], known[2]
            self._due[tenant] = (min(known[0], first), number, head)

    def _serve(self) -> None:
        while not self._closed.is_set():
            self._woken.wait()
            self._closed.wait(INTERVAL)
            self._woken.clear()
            self.flush()

    def _export(self, spans: list[Span]) -> None:
        try:
            lines = self.file.append(spans, self.clock.now())
        except OSError as error:
            for span in spans:
                # The next line covers them too.
                self._note(span.tenant, span.first, span.number, span.hash)
            self._warn("file", error)
            return
        if self.webhook is None:
            return
        try:
            lines = [*_read_lines(self.unsent), *lines]
            _post(self.webhook, lines)
            self.unsent.unlink(missing_ok=True)
        except (OSError, httpx.HTTPError, ValueError) as error:
            self._warn("webhook", error)
            self._keep_unsent(lines)

    def _keep_unsent(self, lines: Sequence[str]) -> None:
        try:
            self.unsent.touch(mode=PRIVATE)
            self.unsent.write_text("".join(f"{line}\n" for line in lines))
        except OSError as error:
            self._warn("file", error)

    def _warn(self, which: str, error: Exception) -> None:
        """One line for each kind of anchor and process; runs go on."""
        if which not in self._warned:
            self._warned.add(which)
            fields = {"anchor": which, "error": type(error).__name__}
            logger.warning("history is not anchored; see: doctor", extra={"fields": fields})


def open_anchor(data: Path, setting: str | None, clock: Clock) -> Anchor:
    """The anchor of a data folder. `setting`: another file, or an https URL that gets a copy of
    each line; plain http reaches this machine only. Raises SettingsError."""
    if setting is None or "://" not in setting:
        return Anchor(AnchorFile(Path(setting) if setting else data / FILE), clock)
    address = urlsplit(setting)
    local = address.hostname in ("localhost", "127.0.0.1", "::1")
    if address.scheme != "https" and not (address.scheme == "http" and local):
        raise SettingsError(
            "The setting AGENT_RUNTIME_ANCHOR is neither a file nor an https URL.",
            remedy="Name a file, or a URL that begins with https://.",
        )
    return Anchor(AnchorFile(data / FILE), clock, webhook=setting)


def audit(events: Events, tenant: str, file: AnchorFile, now: datetime) -> Audit:
    """Recompute a tenant's chain and hold it against the anchor's latest head."""
    lines, fault = file.read()
    own, notes = _since_restore([line for line in lines if line.tenant == tenant])
    latest = max(own, key=lambda line: line.number, default=None)
    head = None if latest is None else Head(tenant=tenant, number=latest.number, hash=latest.hash)
    found = events.verify(head)
    if fault:
        found = found.model_copy(update={"problem": f"in the anchor {file.path}, {fault}"})
    reached = 0 if head is None else head.number
    return Audit(
        **found.model_dump(),
        anchor=str(file.path),
        unanchored=max(0, found.events - reached),
        gap="" if found.problem else _overdue(events, reached, found.events, now),
        notes=(*notes, *_holes(own)),
    )


def verify_erased(tenant: Tenant, head: Head | None) -> Verification:
    """What is left to say of a chain that was erased: whether it ended where it is said to."""
    number, last = tenant.head_number or 0, tenant.head_hash or GENESIS
    problem = ""
    if head is not None and head.number > number:
        problem = f"it was erased at event {number}, and event {head.number} was exported"
    elif head is not None and head.number == number and head.hash != last:
        problem = f"event {number} was exported with another hash than what was erased"
    return Verification(
        tenant=tenant.name,
        events=number,
        head=last,
        anchored=head is not None and head.number == number,
        problem=problem,
        erased=f"on {tenant.erased_at:%Y-%m-%d %H:%M} UTC by {tenant.erased_by}",
    )


def audit_erased(tenant: Tenant, file: AnchorFile) -> Audit:
    """The same against the anchor's latest head."""
    lines, fault = file.read()
    own, notes = _since_restore([line for line in lines if line.tenant == tenant.name])
    latest = max(own, key=lambda line: line.number, default=None)
    head = None
    if latest is not None:
        head = Head(tenant=tenant.name, number=latest.number, hash=latest.hash)
    found = verify_erased(tenant, head)
    if fault:
        found = found.model_copy(update={"problem": f"in the anchor {file.path}, {fault}"})
    return Audit(**found.model_dump(), anchor=str(file.path), notes=tuple(notes))


def _since_restore(lines: list[AnchorLine]) -> tuple[list[AnchorLine], list[str]]:
    """What still counts: a restore gives up, for all to see, what was anchored beyond it."""
    notes = []
    start = 0
    for position, line in enumerate(lines):
        if line.restored_by:
            start = position
            lost = max((before.number for before in lines[:position]), default=0)
            given = f", events up to {lost} were given up" if lost >= line.number else ""
            notes.append(f"{line.restored_by} restored a backup at {line.at}{given}")
    return lines[start:], notes


def _overdue(events: Events, reached: int, last: int, now: datetime) -> str:
    """What should have been anchored and isn't."""
    if last <= reached:
        return ""
    # Also those of the future: a forged event may claim any time.
    if all(now - GRACE <= event.at <= now + GRACE for event in events.find(after=reached)):
        return ""
    return f"events {reached + 1} to {last} are not anchored"


def hole(first: int, last: int) -> str:
    """What is said of events that no process has exported as its own."""
    return f"events {first} to {last} were not anchored when they came"


def _holes(lines: list[AnchorLine]) -> list[str]:
    """Stretches of the past that no process has exported as its own."""
    found, reached = [], None
    for line in sorted(lines, key=lambda line: line.first):
        first = 1 if line.restored_by else line.first
        if reached is not None and first > reached + 1:
            found.append(hole(reached + 1, first - 1))
        reached = line.number if reached is None else max(reached, line.number)
    return found


def _digest(line: str) -> str:
    return "sha256:" + hashlib.sha256(line.encode()).hexdigest()


def _last_line(file: int) -> tuple[int, str]:
    """Where the next line goes, and the digest of the one before; a torn end is cut off."""
    size = os.lseek(file, 0, os.SEEK_END)
    start = max(0, size - TAIL)
    tail = os.pread(file, TAIL, start)
    end = tail.rfind(b"\n") + 1
    if end != len(tail):
        os.ftruncate(file, start + end)
    last = tail[:end].rstrip(b"\n").rpartition(b"\n")[2]
    return start + end, _digest(last.decode("utf-8", "replace")) if last else GENESIS


def _read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _post(url: str, lines: Sequence[str]) -> None:
    # Where it goes is what the settings say: not where an answer or a proxy would send it.
    answer = httpx.post(
        url,
        content="".join(f"{line}\n" for line in lines),
        headers={"Content-Type": "application/x-ndjson"},
        timeout=WEBHOOK_TIMEOUT,
        follow_redirects=False,
        trust_env=False,
    )
    if not answer.is_success:
        raise httpx.HTTPError(f"status {answer.status_code}")
