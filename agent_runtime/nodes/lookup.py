"""One look-up: a read tool called in its scope, its result shown as evidence and recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel

from agent_runtime.clock import to_text
from agent_runtime.errors import ToolError, ToolRefused, ToolUnavailable
from agent_runtime.evidence import Claim, Findings, LeftOut, Passage, Shown, claimed
from agent_runtime.redact import Redactor
from agent_runtime.segment import Segment
from agent_runtime.step import Step
from agent_runtime.store import Session, Stored
from agent_runtime.tool import Tool, to_json


@dataclass(frozen=True)
class LookUpResult:
    """What a look-up found. Whoever asked for it stores it with `record`."""

    shown: list[Shown]
    record: Callable[[Session], None]
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()


async def look_up(
    segment: Segment, step: Step, tool: Tool, arguments: dict[str, Any], name: str
) -> LookUpResult:
    """Call a read or simulate tool; a failure becomes evidence of a failure, never a crash.

    `name` is the source id of a result that doesn't name its own. Nothing is stored here, so
    that what belongs together is stored in one commit.
    """
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool.name,
        "agent_runtime.step": step.name,
    }
    redactor = segment.redactor(step)
    with segment.telemetry.span(f"execute_tool {tool.name}", attributes) as span:
        failure: ToolRefused | ToolUnavailable | None = None
        try:
            call = segment.call(f"{segment.run.id}:{name}")
            found = _as_findings(tool.name, name, await tool(tool.parse(arguments), call), redactor)
            findings = _checked(found, step.context.claims)
            shown = _as_shown(segment, tool, findings)
        except (ToolRefused, ToolUnavailable) as error:
            span.set_attribute("error.type", type(error).__name__)
            findings, failure = Findings(), error
            shown = [_as_failure(segment, tool, name, redactor.text(error.message))]
        segment.telemetry.show(
            span,
            arguments=lambda: _told(arguments, redactor),
            result=lambda: [one.text for one in shown],
        )
    record = partial(
        _record,
        segment=segment,
        tool=tool,
        arguments=arguments,
        shown=shown,
        hashes=segment.keep(shown),
        findings=findings,
        failure=failure,
    )
    return LookUpResult(shown, record, findings.left_out, findings.warnings)


def _told(arguments: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Arguments as the step may see them: bound to inputs, they may hold what it may not."""
    if redactor.declared.input is not None:
        return dict.fromkeys(arguments, "[not shown]")
    return {name: redactor.value(value) for name, value in arguments.items()}


def _as_findings(tool: str, name: str, result: Any, redactor: Redactor) -> Findings:
    """A search that found nothing shows nothing; a list that is empty says so."""
    if isinstance(result, Findings):
        passages = tuple(_redacted(passage, redactor) for passage in result.passages)
        return result.model_copy(update={"passages": passages})
    found = result if isinstance(result, list) else [result]
    if found and all(isinstance(item, Passage) for item in found):
        return Findings(passages=tuple(_redacted(passage, redactor) for passage in found))
    nothing = isinstance(result, list) and not result
    plain = redactor.result(tool, as_plain(result))
    text = "Nothing was found." if nothing else as_text(plain)
    return Findings(passages=(Passage(source=name, text=text),))


def _checked(findings: Findings, claims: Sequence[Claim]) -> Findings:
    if not claims:
        return findings
    passages = tuple(claimed(passage, claims) for passage in findings.passages)
    return findings.model_copy(update={"passages": passages})


def _redacted(passage: Passage, redactor: Redactor) -> Passage:
    source, text = redactor.text(passage.source), redactor.text(passage.text)
    claims = redactor.value(passage.claims)
    return passage.model_copy(update={"source": source, "text": text, "claims": claims})


def _as_shown(segment: Segment, tool: Tool, findings: Findings) -> list[Shown]:
    now = segment.clock.now()
    until = None if tool.fresh_for is None else now + tool.fresh_for
    return [
        Shown(
            **{name: value for name, value in passage if name != "stale_at"},
            origin="tool",
            tool=tool.name,
            retrieved_at=now,
            stale_at=min(filter(None, (passage.stale_at, until)), default=None),
        )
        for passage in findings.passages
    ]


def as_plain(result: Any) -> Any:
    """A result as plain JSON, models included."""
    return to_json(result.model_dump(mode="json") if isinstance(result, BaseModel) else result)


def as_text(result: Any) -> str:
    """A result as the exact text that is shown: a string as it is, anything else as JSON."""
    plain = as_plain(result)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _as_failure(segment: Segment, tool: Tool, name: str, problem: str) -> Shown:
    source = name if name.startswith("action:") else f"failure:{tool.name}"
    return Shown(
        source=source,
        text=f"Error: {problem}",
        origin="failure",
        tool=tool.name,
        retrieved_at=segment.clock.now(),
    )


def _record(
    session: Session,
    segment: Segment,
    tool: Tool,
    arguments: dict[str, Any],
    shown: Sequence[Shown],
    hashes: Sequence[str],
    findings: Findings,
    failure: ToolError | None,
) -> None:
    run = segment.run
    session.recordings.add(run.id, run.epoch, "tool", tool.name, arguments, Stored(tuple(hashes)))
    kind = type(failure).__name__ if failure is not None else ""
    session.events.append(
        "tool.failed" if failure else "tool.called",
        run.id,
        tool=tool.name,
        sources=[passage.source for passage in shown],
        error=kind,
        at=to_text(session.now),
        **_not_shown(findings),
    )


def _not_shown(findings: Findings) -> dict[str, Any]:
    """What else a search said: a replay says it again."""
    left_out = [passage.model_dump(mode="json") for passage in findings.left_out]
    said = {"left_out": left_out, "warnings": list(findings.warnings)}
    return {name: found for name, found in said.items() if found}


def name_source(call_id: str, shown: Sequence[Shown]) -> str:
    """The source id of a result that names none: `action:` and the caller's own id for it.

    The prefix keeps a model from passing its call off as another source; an id that is taken
    gets a number, so that one source id never names two results.
    """
    wanted = "action:" + re.sub(r"[^A-Za-z0-9_.\-]", "_", call_id)[:80]
    taken = {passage.source for passage in shown}
    names = (wanted, *(f"{wanted}~{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
