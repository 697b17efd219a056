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
from agent_runtime.errors import ToolError
from agent_runtime.evidence import Passage, Shown
from agent_runtime.segment import Segment
from agent_runtime.step import Step
from agent_runtime.store import Session, Stored
from agent_runtime.tool import Tool, to_json


@dataclass(frozen=True)
class LookUpResult:
    """What a look-up found. Whoever asked for it stores it with `record`."""

    shown: list[Shown]
    record: Callable[[Session], None]


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
    with segment.telemetry.span(f"execute_tool {tool.name}", attributes) as span:
        try:
            args = tool.parse(arguments)
            result = await tool(args, segment.call(f"{segment.run.id}:{name}"))
            shown = _as_shown(segment, tool, name, result)
            failure = None
        except ToolError as error:
            span.set_attribute("error.type", type(error).__name__)
            result, failure = None, error
            shown = [_as_failure(segment, tool, name, error)]
    record = partial(
        _record,
        segment=segment,
        tool=tool,
        arguments=arguments,
        shown=shown,
        hashes=segment.keep(shown),
        failure=failure,
    )
    return LookUpResult(shown, record)


def _as_shown(segment: Segment, tool: Tool, name: str, result: Any) -> list[Shown]:
    found = result if isinstance(result, list) else [result]
    if found and all(isinstance(item, Passage) for item in found):
        passages = found
    elif isinstance(result, list) and not result:
        passages = [Passage(source=name, text="Nothing was found.")]
    else:
        passages = [Passage(source=name, text=as_text(result))]
    now = segment.clock.now()
    stale_at = None if tool.fresh_for is None else now + tool.fresh_for
    return [
        Shown(
            **passage.model_dump(),
            origin="tool",
            tool=tool.name,
            retrieved_at=now,
            stale_at=stale_at,
        )
        for passage in passages
    ]


def as_text(result: Any) -> str:
    """A result as the exact text that is shown: a string as it is, anything else as JSON."""
    plain = to_json(result.model_dump(mode="json") if isinstance(result, BaseModel) else result)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _as_failure(segment: Segment, tool: Tool, name: str, error: ToolError) -> Shown:
    source = name if name.startswith("action:") else f"failure:{tool.name}"
    return Shown(
        source=source,
        text=f"Error: {error.message}",
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
    )


def name_source(call_id: str, shown: Sequence[Shown]) -> str:
    """The source id of a result that names none: `action:` and the caller's own id for it.

    The prefix keeps a model from passing its call off as another source; an id that is taken
    gets a number, so that one source id never names two results.
    """
    wanted = "action:" + re.sub(r"[^A-Za-z0-9_.\-]", "_", call_id)[:80]
    taken = {passage.source for passage in shown}
    names = (wanted, *(f"{wanted}~{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
