"""The demo: the sample requests start to end on a fresh data folder."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from agent_runtime.app import App
from agent_runtime.approval import Answer, Approval
from agent_runtime.cli.closing import conclude, summarize
from agent_runtime.cli.cost import cost_lines
from agent_runtime.cli.interrupts import run_through
from agent_runtime.cli.opening import Place
from agent_runtime.cli.person import Person
from agent_runtime.cli.screen import Screen
from agent_runtime.cli.visible import short
from agent_runtime.clock import ManualClock, SystemClock
from agent_runtime.decision import waiting_roles
from agent_runtime.errors import CallerError, SettingsError
from agent_runtime.event import Event
from agent_runtime.knowledge.folder import LIST, files
from agent_runtime.models.offline import LABEL
from agent_runtime.models.route import begin
from agent_runtime.operators import FILE, channel, choose_operator, provide_operators
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.settings import load_settings
from agent_runtime.telemetry import configure_logging
from agent_runtime.trigger import Trigger

MARK = ".demo"
"""A file that tells a demo's data folder, which may be replaced, from anybody's real data."""
MARK_TEXT = "Made by agent-runtime demo; the next demo replaces this folder.\n"
STORY = timedelta(days=7)
"""How long ago the story begins: deadlines lapse in it, and it should end before today does."""
TRIGGER = "shop-inbox"
STYLES = {"completed": "green", "paused": "yellow", "rejected": "red", "expired": "red"}


def run_demo(place: Place, screen: Screen, *, leave_open: bool = False) -> int:
    """Run the demo; returns the exit code. `leave_open`: the samples' waiting requests are handed
    in as well, and their questions left to whoever opens the console; nobody is asked here."""
    began = time.monotonic()
    app = place.app()
    samples = _samples(app)
    _fresh(place.data)
    provide_operators(place.data, samples / FILE)
    summary = run_through(_play(app, place.data, samples, screen, leave_open=leave_open))
    summary["seconds"] = round(time.monotonic() - began, 1)
    conclude(screen, summary, place)
    return 0 if summary["chain_verified"] else 1


async def _play(
    app: App, data: Path, samples: Path, screen: Screen, *, leave_open: bool
) -> dict[str, Any]:
    # A demo's history is nobody's evidence: it is anchored in its own folder, wherever others are.
    settings = load_settings().model_copy(update={"anchor": None})
    configure_logging(settings.log_level)
    clock = ManualClock(SystemClock().now() - STORY, ticking=True)
    await load_systems(app, data, samples)
    async with Runtime.open(app, data, clock=clock, settings=settings) as runtime:
        await _read_up(runtime, samples)
        scene = Scene(runtime, clock, data, samples, screen)
        who = settings.model if settings.has_model else "the offline model (rules, no key needed)"
        screen.line(f"Reasoning is done by {who}.")
        await scene.submit(_load(samples / "requests.json"))
        await scene.decide(by_hand=screen.interactive and not leave_open)
        if leave_open:
            clock.move(max(SystemClock().now() - clock.now(), timedelta()))
            await scene.submit(_load(samples / "waiting.json"))
            scene.tell_open()
        return summarize(runtime, screen, scene.keys)


class Scene:
    """The demo's cast: one runtime, the scripted people, and the requests' keys by run."""

    def __init__(
        self, runtime: Runtime, clock: ManualClock, data: Path, samples: Path, screen: Screen
    ) -> None:
        self.keys: dict[str, str] = {}
        self._runtime = runtime
        self._clock = clock
        self._data = data
        self._screen = screen
        self._answers: dict[str, Any] = _load(samples / "answers.json")
        self._workflow = samples.parent.name
        runtime.store.listeners.append(self._narrate)

    async def submit(self, requests: Sequence[dict[str, Any]]) -> None:
        """Start and drive every request; the same key twice gives the same run."""
        with self._screen.progress("requests", len(requests)) as advance:
            for request in requests:
                await self._submit(request)
                advance()

    async def decide(self, *, by_hand: bool) -> None:
        """Answer what is open: by the person at the terminal, the rest by the script."""
        if by_hand:
            await Person(self._runtime, self._screen, self._data, self._drive).answer()
        self._head("The sample's people answer the open questions.")
        for run_id, key in self.keys.items():
            for answer in self._answers.get(key, {}).get("decisions", []):
                await self._answer(run_id, key, answer)
        if any(self._answers.get(key, {}).get("let_expire") for key in self.keys.values()):
            await self._let_expire()

    def tell_open(self) -> None:
        """What waits for people now."""
        self._head("Left open for you")
        for asked in self._runtime.store.read("default").approvals.find(["open"]):
            who = ", ".join(f"{n} of {role}" for role, n in Counter(waiting_roles(asked)).items())
            self._screen.line(f"  {self.keys[asked.run_id]}  {_title(asked)}: asks {who}")

    async def _submit(self, request: dict[str, Any]) -> None:
        key = request["key"]
        trigger = Trigger(kind="event", owner=TRIGGER, key=key)
        run = await self._runtime.start(self._workflow, request["input"], trigger=trigger)
        if run.id in self.keys:
            self._head(f"{key} came again: it is run {run.id} and {run.state} already.")
            return
        self.keys[run.id] = key
        self._head(f"{key}  “{short(str(request['input'].get('message', '')))}”")
        self._tell_state(await self._runtime.drive(run.id))
        self._tell_cost(run.id)

    def _tell_cost(self, run_id: str) -> None:
        """What a real model took, by step; rules take nothing."""
        calls = self._runtime.store.read("default").calls.find(run_id)
        if any(call.model != LABEL for call in calls):
            self._screen.lines(cost_lines(calls))

    async def _answer(self, run_id: str, key: str, answer: dict[str, Any]) -> None:
        """One scripted person answers the question of a run that is open now."""
        found = self._runtime.store.read("default").approvals.find(["open"], run_id=run_id)
        if not found:
            return
        self._head(f"{key}: {_title(found[0])}")
        operator = choose_operator(self._data, answer["as"])
        given = Answer(
            kind=answer["decision"],
            digest=found[0].digest,
            reason=answer.get("reason", ""),
            arguments=answer.get("arguments"),
            confirm=answer.get("confirm", ""),
            channel=channel(operator.name),
        )
        try:
            await self._runtime.decide(found[0].id, operator, given)
        except CallerError as error:  # a person at the terminal, or a real model, left the script
            self._screen.line(f"  {operator.name}'s scripted answer does not fit: {error}")
            return
        await self._meddle(key)
        await self._drive(run_id)

    async def _let_expire(self) -> None:
        """Move the demo's clock past each deadline; silence never approves."""
        while found := self._runtime.store.read("default").approvals.find(["open"]):
            asked = min(found, key=lambda approval: approval.deadline)
            key, roles = self.keys[asked.run_id], ", ".join(waiting_roles(asked))
            self._head(f"{key}: nobody of {roles} answers; the demo's clock moves on …")
            self._clock.move(asked.deadline - self._clock.now() + timedelta(seconds=1))
            for closed in await self._runtime.expire():
                asked_now = ", ".join(waiting_roles(closed))
                became = f"escalated to {asked_now}" if closed.status == "open" else closed.status
                self._screen.line(f"  the question is {became}")
            for run in await self._runtime.drive_ready():
                self._tell_state(run)

    async def _drive(self, run_id: str) -> None:
        if self._runtime.store.read("default").runs.get(run_id).state == "queued":
            self._tell_state(await self._runtime.drive(run_id))

    async def _meddle(self, key: str) -> None:
        """Where the script says so, somebody else changes the record between yes and action."""
        change = self._answers[key].pop("before_execution", None)
        if change is None:
            return
        self._screen.line("  meanwhile somebody changes the order in the shop …")
        for resource in self._runtime.resources():
            if hasattr(resource, "amend"):
                await resource.amend(change["order_id"], change["set"])

    def _narrate(self, event: Event) -> None:
        body = event.body or {}
        if event.type == "envelope.emitted":
            self._tell_choice(body.get("route"))
            marks = {"reasoning": f"[{body.get('producer')} {body['confidence']:.2f}] "}
            text = f"  {body['node']:<9} {body['status']:<14} {marks.get(body['node'], '')}"
            self._screen.line(text + short(body["reason"], 110))
        elif event.type == "approval.decided":
            words = f": {short(body['reason'])}" if body["reason"] else ""
            missing = f"; still asks {', '.join(body['missing'])}" if body["missing"] else ""
            changed = f" to {body['arguments']}" if body["arguments"] else ""
            self._screen.line(f"  {body['operator']} says {body['kind']}{changed}{words}{missing}")

    def _tell_choice(self, route: dict[str, Any] | None) -> None:
        """Why another model was asked than the step's own."""
        if route is not None and route["reason"] != begin(route["tier"], {}).reason:
            self._screen.line(f"  {'model':<9} {route['tier']:<14} {route['reason']}")

    def _tell_state(self, run: Run) -> None:
        # Of a run that ended or asks people, the lines above have said why.
        told = f": {run.reason}" if run.state in ("queued", "needs_attention") else ""
        self._screen.line(f"  → {run.state}{told}", style=STYLES.get(run.state, ""))

    def _head(self, text: str) -> None:
        self._screen.line()
        self._screen.line(text, style="bold")


async def _read_up(runtime: Runtime, samples: Path) -> None:
    """Take in what the samples declare as knowledge."""
    if (samples / LIST).is_file():
        async for entry in runtime.library.add_files("default", TRIGGER, files(samples, {})):
            if entry.problem:
                raise SettingsError(f"A sample cannot be read: {entry.problem}")


async def load_systems(app: App, data: Path, samples: Path) -> None:
    """Fill the outside systems with the samples: `samples/<resource>.json` goes to its `load`."""
    for resource in app.resources:
        file = samples / f"{resource.kind.__name__.lower()}.json"
        if file.is_file():
            opened = await resource.open(data)
            await opened.load(_load(file))
            await opened.aclose()


def _samples(app: App) -> Path:
    for name in app.workflows:
        folder = app.folder / "graphs" / name / "samples"
        if (folder / "requests.json").is_file():
            return folder
    raise SettingsError("This project has no graphs/NAME/samples/requests.json to demonstrate.")


def _fresh(data: Path) -> None:
    """Make the folder anew; somebody's real data is never touched."""
    try:
        if data.exists() and any(data.iterdir()):
            if not (data / MARK).exists():
                raise SettingsError(
                    f"{data} holds data that no demo made.",
                    remedy="Name another folder with --data.",
                )
            shutil.rmtree(data)
        data.mkdir(parents=True, exist_ok=True)
        (data / MARK).write_text(MARK_TEXT)
    except OSError as error:
        raise SettingsError(
            f"The data folder {data} cannot be made anew: {error.strerror}.",
            remedy="Name another folder with --data.",
        ) from error


def _load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _title(approval: Approval) -> str:
    amount = "" if approval.amount is None else f", {approval.amount:.2f}"
    return f"{approval.action.tool} on {approval.action.target_id}{amount}"
