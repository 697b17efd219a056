"""The rules that only a run at work can show: a real one is played again on its recordings, with
something done to it in the middle. Its tools are stubs: nothing happens outside."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agent_runtime.app import App
from agent_runtime.checkpoint import Saver
from agent_runtime.event import Event
from agent_runtime.replay.player import Player
from agent_runtime.replay.stage import LEASE, Stage, staged
from agent_runtime.replay.tape import Tape
from agent_runtime.run import Run
from agent_runtime.settings import ModelSettings
from agent_runtime.store import JournalEntry, Session
from agent_runtime.telemetry import Capture, JsonLines, Telemetry
from agent_runtime.tool import Probe, Tool, ToolCall
from agent_runtime.verify.finding import Finding, held, missing
from agent_runtime.verify.target import Target, find_target

ABOUT = {
    "rule 3: approvals": "a fact that changes, is missing or cannot be read before the act",
    "rule 6: nothing twice": "a worker that is lost between the call and its outcome",
    "rule 10: content": "what spans and log lines of a run carry",
    "rule 11: state is JSON": "what its checkpoints hold, and what loading one may construct",
}

SENTENCE = 20
"""Characters from which on a line with spaces is content, and no id."""

REFUSALS = ("changed", "missing", "unavailable")


class Lost(BaseException):
    """A worker dies here; nothing of the runtime may catch it."""


class Dying(Player):
    """Lets the worker die once the first call was made, before anybody knows what came of it."""

    def __init__(self, tape: Tape, *args: Any, **options: Any) -> None:
        super().__init__(tape, *args, **options)
        self.keys: list[str] = []

    def call(self, tool: Tool, call: ToolCall) -> Any:
        """The outcome of a write; raises Lost at the first."""
        self.keys.append(call.key)
        if len(self.keys) == 1:
            raise Lost
        return super().call(tool, call)

    def probe(self, call: ToolCall) -> Probe:
        """The outside system knows of the call that was made."""
        return Probe("yes", self.tape.journal[call.key].result)


@dataclass
class Played:
    """A target's run, played once on a stage of its own."""

    run: Run
    events: list[Event]
    journal: list[JournalEntry]
    values: dict[str, Any] = field(default_factory=dict)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of the events of one kind."""
        return [event.body or {} for event in self.events if event.type == kind]

    def executed(self, step: str) -> bool:
        """Whether the step's first visit has acted."""
        return any(f".{step}.1." in e.key and e.state == "executed" for e in self.journal)


async def check_played(session: Session, app: App, workflow: str) -> list[Finding]:
    """The rules, on the newest run of a workflow that has acted."""
    target = find_target(session, app, workflow)
    if target is None or not any(f".{target.step}.1." in key for key in target.tape.executed):
        why = "no stored run of it has executed anything that could be played again"
        return [missing(name, f"{workflow}: {what}", why) for name, what in ABOUT.items()]
    honest = await _play(app, target.tape)
    return [
        await _rechecked(app, target, honest),
        await _recovered(app, target, honest),
        await _silent(app, target),
        await _plain(app, target, honest),
    ]


async def _play(app: App, tape: Tape, telemetry: Telemetry | None = None) -> Played:
    async with staged(app, ModelSettings()) as stage:
        stage.telemetry = telemetry or stage.telemetry
        run, _, events = await stage.try_on(tape)
        return await _seen(stage, run, events)


async def _seen(stage: Stage, run: Run, events: list[Event]) -> Played:
    journal = stage.store.read(run.tenant).journal.find(run.id)
    return Played(run, events, journal, await stage.values(run))


async def _rechecked(app: App, target: Target, honest: Played) -> Finding:
    """Rule 3: whatever the yes rested on is read again before the act; any change voids it."""
    tried = {kind: await _play(app, _with_refusal(target, kind)) for kind in REFUSALS}
    voided = [kind for kind, one in tried.items() if one.told("action.voided")]
    done = [kind for kind, one in tried.items() if one.executed(target.step)]
    name = "rule 3: approvals"
    return held(
        name,
        _about(target, name),
        refused=len(voided) == len(REFUSALS) and not done,
        seen=f"taken back where it was {', '.join(voided) or 'none of them'}",
        controlled=honest.executed(target.step),
        control="with the facts of then it is executed",
    )


def _with_refusal(target: Target, kind: str) -> Tape:
    """The tape with another answer of the facts' reader before the act."""
    tape, visit = target.tape, (target.step, 1)
    judged = tape.judged[visit].body or {}
    fields = [[name, value, _other(value)] for name, value in judged["facts"].items()]
    body = {"step": target.step, "visit": 1, "kind": kind, "text": f"fact {kind}: by the check"}
    changed = [field for field in fields if field[1] != field[2]]
    told = {"type": "action.voided", "body": {**body, "fields": changed}}
    return replace(tape, events=(*tape.events, tape.events[-1].model_copy(update=told)))


def _other(value: Any) -> Any:
    """Another value of the same type where one is easily had: a number; else the same."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value + 1
    try:
        return str(float(value) + 1) if isinstance(value, str) else value
    except ValueError:
        return value


async def _recovered(app: App, target: Target, honest: Played) -> Finding:
    """Rule 6: after a crash the tool's declared recovery decides, under the same key."""
    name, tape = "rule 6: nothing twice", target.tape
    tool = _tool(app, target)
    async with staged(app, ModelSettings()) as stage:
        stage.player = Dying
        try:
            await stage.try_on(tape)
        except Lost:
            stage.clock.set(stage.clock.now() + timedelta(seconds=2 * LEASE))
        run, player = await stage.take_over(tape)
        seen = await _seen(stage, run, [])
    keys = player.keys if isinstance(player, Dying) else []
    mine = [entry for entry in seen.journal if keys and entry.key == keys[0]]
    calls = keys.count(keys[0]) if keys else 0
    expected = {"manual": (1, "intended"), "probe": (1, "executed")}
    told = (calls, mine[0].state if len(mine) == 1 else "")
    return held(
        name,
        f"{_about(target, name)} ({tool.name}, {tool.recovery})",
        refused=told == expected.get(tool.recovery or "", (2, "executed")),
        seen=f"{calls} call{'s' * (calls != 1)} under one key, its entry is {told[1] or 'not one'}",
        controlled=honest.executed(target.step) and calls > 0,
        control="left alone, it is executed",
    )


async def _silent(app: App, target: Target) -> Finding:
    """Rule 10: spans and log lines carry ids; content only where capture is switched on."""
    bare, played = await _traced(app, target, Capture())
    full, _ = await _traced(app, target, Capture(on=True))
    content = _content(target)
    leaked = [line for line in content if line in bare]
    name = "rule 10: content"
    return held(
        name,
        _about(target, name),
        refused=not leaked,
        seen=f"{len(leaked)} of {len(content)} lines of content were found in them",
        controlled=played.run.id in bare and any(line in full for line in content),
        control="the run's id is in them; with capture switched on, content is too",
    )


async def _traced(app: App, target: Target, capture: Capture) -> tuple[str, Played]:
    exporter = InMemorySpanExporter()
    with _logged() as lines:
        telemetry = Telemetry(SimpleSpanProcessor(exporter), capture=capture)
        played = await _play(app, target.tape, telemetry)
    spans = [json.dumps(json.loads(s.to_json()), ensure_ascii=False) for s in _spans(exporter)]
    return "\n".join([*spans, lines.getvalue()]).replace("\\", ""), played


def _spans(exporter: InMemorySpanExporter) -> Any:
    return exporter.get_finished_spans()


@contextmanager
def _logged() -> Iterator[io.StringIO]:
    """What our logger says meanwhile, at its most talkative."""
    logger, lines = logging.getLogger("agent_runtime"), io.StringIO()
    before = (logger.handlers, logger.level)
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonLines())
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logger.handlers, _ = before
        logger.setLevel(before[1])


def _content(target: Target) -> list[str]:
    """The lines of all that the run was asked, shown and answered."""
    texts = [one.response for one in target.tape.recordings]
    texts += [one.request for one in target.tape.recordings if one.kind == "model"]
    found = [line for text in _texts([*texts, target.tape.run.input]) for line in text.split("\n")]
    lines = (line.replace("\\", "").strip() for line in found)
    return [line for line in dict.fromkeys(lines) if len(line) >= SENTENCE and " " in line]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


async def _plain(app: App, target: Target, honest: Played) -> Finding:
    """Rule 11: plain JSON is in it, and nothing is constructed from it."""
    name = "rule 11: state is JSON"
    probe = held("probe", "", refused=True, seen="", controlled=True, control="")
    async with staged(app, ModelSettings()) as stage:
        reader = Saver(stage.store).serde
    stored = reader.dumps_typed(probe)
    with _hushed(type(reader).__module__):
        strict = reader.loads_typed(stored)
        lax = cast("Any", type(reader))(allowed_msgpack_modules=True).loads_typed(stored)
    plain = _is_json(honest.values)
    return held(
        name,
        _about(target, name),
        refused=plain and not isinstance(strict, Finding),
        seen=f"plain JSON: {plain}; an object in it is loaded as {type(strict).__name__}",
        controlled=isinstance(lax, Finding) and bool(honest.values),
        control=f"a lax reader constructs it; the state has {len(honest.values)} fields",
    )


@contextmanager
def _hushed(name: str) -> Iterator[None]:
    """Without a library's own warnings about what is tried here."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _is_json(values: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(values)) == values)
    except (TypeError, ValueError):
        return False


def _tool(app: App, target: Target) -> Tool:
    proposed = (target.tape.judged[target.step, 1].body or {})["action"]["tool"]
    return app.workflow(target.tape.run.workflow).step(target.step).tool("action", proposed)


def _about(target: Target, name: str) -> str:
    return f"{target.tape.run.workflow}/{target.step}: {ABOUT[name]}"
