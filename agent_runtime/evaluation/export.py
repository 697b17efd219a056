"""Export: decided proposals as JSONL that chat models are tuned and tested with.

Texts are redacted, a customer's examples are all on one side of the held-out split, and a manifest
names what is in the files and how they are checked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TextIO, assert_never, get_args

from agent_runtime.errors import InvalidInput, StoreError
from agent_runtime.evaluation.example import Example, Json, Redact, examples, redacted
from agent_runtime.redact import Kind, Minimise, Redactor
from agent_runtime.run import Run
from agent_runtime.store import Session
from agent_runtime.store.runs import RunFilter
from agent_runtime.workflow import Workflow

Format = Literal["supervised", "preference", "evaluation"]
FORMATS: tuple[Format, ...] = get_args(Format)

TRAIN, HELD_OUT, RECORDS, MANIFEST = (
    "train.jsonl",
    "held_out.jsonl",
    "records.jsonl",
    "manifest.json",
)
VERSION = 1

HELD_OUT_TENTHS = 2
"""Of ten customers, how many are held out."""

EVERYTHING = Minimise(text=dict.fromkeys(get_args(Kind), "mask"))
"""What leaves here is read by people and models elsewhere: whatever is recognised is masked."""

PRIVATE = 0o600
PAGE = 100
UNDECLARED = "not_declared"


@dataclass(frozen=True)
class Wanted:
    """What is to be exported. `since` and `until` are when runs were started; `consented`: only
    runs whose input says that they may be learned from."""

    format: Format
    workflow: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    consented: bool = False


@dataclass(frozen=True)
class Exported:
    """What was written: records by file, and the hash of the manifest."""

    folder: Path
    counts: Mapping[str, int]
    manifest: str


def collect(
    session: Session, workflows: Mapping[str, Workflow], wanted: Wanted
) -> Iterator[Example]:
    """The decided proposals that are wanted, in the order in which their runs were started."""
    chosen = RunFilter(workflow=wanted.workflow, since=wanted.since, until=wanted.until)
    after: str | None = None
    while True:
        runs = session.runs.page(chosen, newest_first=False, after=after, limit=PAGE)
        for run in runs:
            consent = _consent(run, workflows)
            if not wanted.consented or consent == "given":
                yield from examples(session, run, _subject(run, workflows), consent)
        if len(runs) < PAGE:
            return
        after = runs[-1].id


def write(
    folder: Path,
    found: Iterable[Example],
    wanted: Wanted,
    head: Mapping[str, Any],
    now: datetime,
) -> Exported:
    """Write the folder, whole or not at all. Raises InvalidInput where it is there already, where
    no run can have been started between the times, or where there is nothing to be written, and
    StoreError where it cannot be written. `head`: where history stood."""
    if folder.exists():
        raise InvalidInput("--out", str(folder), "is there already", remedy="Name a new folder.")
    _check_times(wanted, now)
    lines = _lines(found, wanted.format, Redactor(EVERYTHING).text)
    first = next(lines, None)
    if first is None:
        raise InvalidInput(
            "--out",
            str(folder),
            "nothing was exported: no decided proposal fits",
            remedy="Widen --since, --until and --workflow; runs must have been decided on.",
        )
    beside: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        counts = _write_records(beside, chain([first], lines))
        manifest = _manifest(beside, wanted, counts, head, now)
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        with _private(beside / MANIFEST) as file:
            file.write(text)
        beside.rename(folder)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror}.",
            remedy="Nothing was exported. Name a new folder where there is room, and that you may"
            " write to.",
        ) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)
    files = {name: file["records"] for name, file in manifest["files"].items()}
    return Exported(folder, files, hashlib.sha256(text.encode()).hexdigest())


def _check_times(wanted: Wanted, now: datetime) -> None:
    since, until = wanted.since, wanted.until
    if since is not None and since > now:
        raise InvalidInput("--since", since.isoformat(), "lies in the future")
    if since is not None and until is not None and since >= until:
        raise InvalidInput("--since", since.isoformat(), f"is not before {until.isoformat()}")


def _private(path: Path) -> TextIO:
    """A new file that nobody else on the machine reads."""
    return open(path, "w", encoding="utf-8", opener=partial(os.open, mode=PRIVATE))


def verify(folder: Path) -> list[str]:
    """What in an exported folder is not as its manifest says; nothing: all of it is."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        problems = [
            f"{name}: {what} differs"
            for name, file in manifest["files"].items()
            for what, value in _measured(folder / name).items()
            if file[what] != value
        ]
        lines = (folder / RECORDS).read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{folder} is no export: {type(error).__name__}"]
    if Counter(record["consent"] for record in records) != Counter(manifest["consent"]):
        problems.append("consent: differs from the records")
    return problems + _verify_lines(folder, records)


def _verify_lines(folder: Path, records: list[Json]) -> list[str]:
    lines = {
        name: (folder / name).read_text(encoding="utf-8").splitlines() for name in (TRAIN, HELD_OUT)
    }
    return [
        f"{record['file']}, line {record['line']}: its hash differs"
        for record in records
        if _hash_of(lines[record["file"]][record["line"] - 1]) != record["sha256"]
    ]


def _lines(found: Iterable[Example], form: Format, redact: Redact) -> Iterator[tuple[Example, str]]:
    """Each example that the format has a line for, with it."""
    key = secrets.token_bytes(32)
    for example in found:
        shaped = shape(example, form)
        if shaped is not None:
            unnamed = redacted(shaped, hide(example.subject, key, redact))
            yield example, json.dumps(unnamed, ensure_ascii=False)


def _write_records(folder: Path, lines: Iterable[tuple[Example, str]]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {"verdicts": Counter(), "consent": Counter()}
    written: Counter[str] = Counter()
    with (
        _private(folder / TRAIN) as train,
        _private(folder / HELD_OUT) as held_out,
        _private(folder / RECORDS) as records,
    ):
        for example, line in lines:
            name = HELD_OUT if is_held_out(example.subject) else TRAIN
            (held_out if name == HELD_OUT else train).write(line + "\n")
            written[name] += 1
            counts["verdicts"][example.verdict] += 1
            counts["consent"][example.consent] += 1
            told = {"file": name, "line": written[name], "sha256": _hash_of(line)}
            about = {"run": example.run_id, "step": example.step, "visit": example.visit}
            rest = {"verdict": example.verdict, "consent": example.consent}
            records.write(json.dumps({**told, **about, **rest}) + "\n")
    return counts


def shape(example: Example, form: Format) -> Json | None:
    """An example as one line of a format; None where it is none of it."""
    match form:
        case "supervised":
            answer = {"role": "assistant", "content": _text(example.decided)}
            return {"messages": [*example.messages, answer]}
        case "preference":
            if example.verdict == "approved":
                return None  # there is nothing that it was preferred to
            return {
                "input": {"messages": list(example.messages)},
                "preferred_output": [{"role": "assistant", "content": _text(example.decided)}],
                "non_preferred_output": [{"role": "assistant", "content": _text(example.proposed)}],
            }
        case "evaluation":
            expected = {"verdict": example.verdict, "envelope": example.decided}
            reason = {"reason": example.reason}
            return {"messages": list(example.messages), "expected": {**expected, **reason}}
        case _:
            assert_never(form)


def hide(subject: str, key: bytes, redact: Redact) -> Redact:
    """A redaction that leaves out who the customer is too, however the name is written. `key` is
    thrown away after the export, so that nobody can find a customer by trying names."""
    name = hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()[:8]
    words = [re.escape(word) for word in re.split(r"[\W_]+", subject) if word]
    if not words:
        return redact
    written = r"[\W_]*".join(words)
    pattern = re.compile(rf"(?<![^\W_]){written}(?![^\W_])", re.IGNORECASE)
    return lambda text: pattern.sub(f"customer-{name}", redact(text))


def is_held_out(subject: str) -> bool:
    """Whether a customer's examples are kept from training, by nothing but who it is."""
    return hashlib.sha256(subject.encode()).digest()[0] % 10 < HELD_OUT_TENTHS


def _manifest(
    folder: Path,
    wanted: Wanted,
    counts: Mapping[str, Counter[str]],
    head: Mapping[str, Any],
    now: datetime,
) -> Json:
    times = {name: getattr(wanted, name) for name in ("since", "until")}
    filters = {name: at.isoformat() if at is not None else None for name, at in times.items()}
    return {
        "version": VERSION,
        "format": wanted.format,
        "made_at": now.isoformat(),
        "filters": {**filters, "workflow": wanted.workflow, "consented": wanted.consented},
        "history": dict(head),
        "files": {name: _measured(folder / name) for name in (TRAIN, HELD_OUT, RECORDS)},
        "verdicts": dict(counts["verdicts"]),
        "consent": dict(counts["consent"]),
        "held_out": f"by customer: {HELD_OUT_TENTHS} of 10",
        "redacted": True,
    }


def _measured(path: Path) -> Json:
    raw = path.read_bytes()
    return {
        "sha256": hashlib.sha256(raw).hexdigest(),
        "records": raw.count(b"\n"),
        "bytes": len(raw),
    }


def _text(envelope: Json) -> str:
    return json.dumps(envelope, ensure_ascii=False)


def _hash_of(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _subject(run: Run, workflows: Mapping[str, Workflow]) -> str:
    """Who a run is about; where that is not declared, it stands for itself."""
    declared = workflows.get(run.workflow)
    name = None if declared is None else declared.subject
    return run.id if name is None else str(run.input.get(name, run.id))


def _consent(run: Run, workflows: Mapping[str, Workflow]) -> str:
    """Whether the run's input says that it may be learned from, where its workflow declares which
    field says so."""
    declared = workflows.get(run.workflow)
    name = None if declared is None else declared.quality.consent
    if name is None:
        return UNDECLARED
    return "given" if run.input.get(name) is True else "refused"
