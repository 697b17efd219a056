"""Looking back at runs: explain, replay, fork, compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_runtime.cli.archive import Archive, Wanted
from agent_runtime.cli.screen import Screen
from agent_runtime.cli.visible import visible
from agent_runtime.errors import InvalidInput
from agent_runtime.replay.edits import Edits, read_edits
from agent_runtime.replay.replay import Replayed
from agent_runtime.report import Report, render_page, render_text

STYLES = {"identical": "green", "diverged": "red", "damaged": "red"}


def fork(archive: Archive, screen: Screen, wanted: Wanted, *, rehearsal: bool) -> None:
    """Make a fork, driven to its first pause or its end; or only rehearse it."""
    report = archive.rehearse(wanted) if rehearsal else archive.fork(wanted)
    screen.document(report.model_dump(mode="json"))
    screen.lines(render_text(report))


def edits_of(changed: Sequence[str]) -> Edits:
    """What NAME=VALUE pairs change, prompts and policies by a file that holds them; raises
    InvalidInput."""
    pairs = [one.partition("=") for one in changed]
    for name, mark, _ in pairs:
        if not mark:
            raise InvalidInput("--set", name, "is no NAME=VALUE")
    return read_edits({name: _value(name, value) for name, _, value in pairs})


def _value(name: str, value: str) -> str:
    if not name.startswith(("prompt.", "policy.")):
        return value
    try:
        return Path(value).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"--set {name}", value, "is no text file that can be read") from error


def compare(archive: Archive, screen: Screen, one: str, other: str, tenant: str | None) -> None:
    """Put two runs beside each other."""
    found = archive.compare(one, other, tenant)
    screen.document(found.model_dump(mode="json"))
    screen.line(f"{found.one} of {found.versions[0]} | {found.other} of {found.versions[1]}")
    columns = ("step", "node", "passed by", found.one, found.other)
    rows = [(row.step, row.node, row.side, row.one, row.other) for row in found.graph]
    screen.table(columns, rows)
    for name, (mine, its) in found.figures.items():
        screen.line(f"{name}: {mine} | {its}")
    screen.line(f"They first part at {found.parts}" if found.parts else "They do not differ.")
    screen.lines(f"  {difference}" for difference in found.differences[1:])


@dataclass(frozen=True)
class Paper:
    """How a report is written: as a page or as text, into a file or onto the screen, with or
    without content."""

    as_page: bool
    out: Path | None
    content: bool


def explain(
    archive: Archive, screen: Screen, run_id: str, tenant: str | None, paper: Paper
) -> None:
    """Print or write one run's report; raises InvalidInput for a file that cannot be written."""
    report = archive.report(run_id, tenant, content=paper.content)
    if paper.out is None and not paper.as_page:
        screen.document(report.model_dump(mode="json"))
        screen.lines(render_text(report))
        return
    text = _rendered(report, paper, as_json=screen.as_json)
    if paper.out is None:
        screen.raw(text)
        return
    write_report("--out", paper.out, text)
    screen.document({"run": report.run, "file": str(paper.out)})
    screen.line(f"The report of {report.run} is in {paper.out}.")


def _rendered(report: Report, paper: Paper, *, as_json: bool) -> str:
    if paper.as_page:
        return render_page(report)
    if as_json:
        return report.model_dump_json(indent=2) + "\n"
    return "\n".join([*map(visible, render_text(report)), ""])


def write_report(option: str, file: Path, text: str) -> None:
    """Write a report for its owner only, whole or not at all; raises InvalidInput that names the
    option."""
    draft = file.with_name(f".{file.name}.draft")
    try:
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        remedy = "Name a file in a folder that is there and can be written."
        raise InvalidInput(option, str(file), error.strerror or "fails", remedy=remedy) from error


def replay(
    archive: Archive,
    screen: Screen,
    run_id: str | None,
    tenant: str | None,
    *,
    every: bool,
    pinned: bool,
) -> int:
    """Replay one run, or every one, and compare; 1 when one diverges or cannot be replayed.

    Raises InvalidInput unless exactly one of both is said.
    """
    if every == (run_id is not None):
        raise InvalidInput("RUN", run_id, "name one run, or --all")
    ids = [run_id] if run_id is not None else archive.every(tenant)
    found = Counter[str]()
    with screen.progress("replaying", len(ids)) as advance:

        def tell(one: Replayed) -> None:
            found[one.result] += 1
            _tell(screen, one)
            advance()

        effects = archive.replay(ids, tenant, tell, pinned=pinned)
    _summarize(screen, found, effects)
    return 0 if found["identical"] == len(ids) else 1


def _tell(screen: Screen, one: Replayed) -> None:
    screen.document(one.model_dump(mode="json"))
    told = f"{one.envelopes} envelopes, {one.verdicts} verdicts"
    why = str(one.divergence) if one.divergence is not None else one.problem
    screen.line(f"{one.run}  {one.result}  {why or told}", style=STYLES.get(one.result, "yellow"))
    if one.divergence is not None and one.version != one.present:
        screen.line(f"  It was started under version {one.version}; this code is {one.present}.")


def _summarize(screen: Screen, found: Counter[str], effects: int) -> None:
    total = {"replayed": found.total(), "identical": found["identical"], "effects": effects}
    others = {name: n for name, n in sorted(found.items()) if name != "identical"}
    screen.document({**total, **others})
    words = ", ".join(f"{number} {name}" for name, number in {**total, **others}.items())
    screen.line(words)
