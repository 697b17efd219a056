"""The demo: the sample requests start to end on a fresh data folder."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from agent_runtime.app import App, load_app
from agent_runtime.approval import Answer, Approval
from agent_runtime.cli.explain import approval_lines
from agent_runtime.cli.screen import Screen
from agent_runtime.clock import ManualClock, SystemClock
from agent_runtime.decision import waiting_roles
from agent_runtime.errors import CallerError, SettingsError
from agent_runtime.event import Event
from agent_runtime.operators import channel, choose_operator, load_operators, provide_operators
from agent_runtime.run import Run
from agent_runtime.runtime import Runtime
from agent_runtime.settings import load_settings
from agent_runtime.telemetry import configure_logging
from agent_runtime.trigger import Trigger

MARK = ".demo"
"""A file that tells a demo's data folder, which may be replaced, from anybody's real data."""
TRIGGER = "shop-inbox"


def run_demo(folder: Path, data: Path, *, as_json: bool) -> int:
    """Run the demo; returns the exit code."""
    screen = Screen(as_json=as_json)
    began = time.monotonic()
    app = load_app(folder)
    samples = _samples(app)
    _fresh(data)
    provide_operators(data, samples / "operators.toml")
    summary = asyncio.run(_demo(app, data, samples, screen))
    summary["seconds"] = round(time.monotonic() - began, 1)
    _conclude(screen, summary, data)
    return 0 if summary["chain_verified"] else 1


async def _demo(app: App, data: Path, samples: Path, screen: Screen) -> dict[str, Any]:
    settings = load_settings()
    configure_logging(settings.log_level)
    clock = ManualClock(SystemClock().now(), ticking=True)
    await _load_systems(app, data, samples)
    async with Runtime.open(app, data, clock=clock, settings=settings) as runtime:
        scene = Scene(runtime, clock, data, samples, screen)
        who = settings.model if settings.has_model else "the offline model (rules, no key needed)"
        screen.line(f"Reasoning is done by {who}.")
        await scene.submit()
        await scene.decide()
        return scene.summarize()


class Scene:
    """The demo's cast: one runtime, the scripted people, and what has been shown so far."""

    def __init__(
        self, runtime: Runtime, clock: ManualClock, data: Path, samples: Path, screen: Screen
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._data = data
        self._screen = screen
        self._requests: list[dict[str, Any]] = _load(samples / "requests.json")
        self._answers: dict[str, Any] = _load(samples / "answers.json")
        self._workflow = samples.parent.name
        self._keys: dict[str, str] = {}
        runtime.store.listeners.append(self._narrate)

    async def submit(self) -> None:
        """Start and drive every request; the same key twice gives the same run."""
        for request in self._requests:
            trigger = Trigger(kind="event", owner=TRIGGER, key=request["key"])
            run = await self._runtime.start(self._workflow, request["input"], trigger=trigger)
            if run.id in self._keys:
                self._screen.line(
                    f"\n{request['key']} came again: it is run {run.id}, {run.state}."
                )
                continue
            self._keys[run.id] = request["key"]
            self._screen.line(
                f"\n{request['key']}  “{_short(request['input']['message'])}”", style="bold"
            )
            self._tell_state(await self._runtime.drive(run.id))

    async def decide(self) -> None:
        """Answer what is open: one by the person at the terminal, the rest by the script."""
        if self._screen.interactive:
            await self._ask_person()
        self._screen.line("\nThe sample's people answer the open questions:", style="bold")
        for run_id, key in self._keys.items():
            for answer in self._answers.get(key, {}).get("decisions", []):
                await self._play(run_id, key, answer)
        if any(self._answers.get(key, {}).get("let_expire") for key in self._keys.values()):
            await self._let_expire()

    def summarize(self) -> dict[str, Any]:
        """What the stored history says, counted."""
        session = self._runtime.store.read("default")
        events = session.events.find(limit=1_000_000)
        decided = Counter(e.body["kind"] for e in events if e.type == "approval.decided" and e.body)
        decided["expire"] = sum(a.status == "expired" for a in session.approvals.find())
        denied = [e for e in events if e.type == "gate.judged" and _verdict(e) == "deny"]
        refused = denied + [e for e in events if e.type in ("tool.refused", "action.voided")]
        by_policy = [e for e in events if e.type == "action.authorized" and _by(e) == "policy"]
        executed = [entry for entry in session.journal.find() if entry.state == "executed"]
        for entry in executed:
            self._screen.line(f"executed  {self._keys[entry.run_id]}  {entry.tool}  {entry.result}")
        for event in refused:
            self._screen.line(f"refused   {self._keys[event.run_id or '']}  {_why(event)}")
        return {
            "runs": session.runs.count(),
            "approvals": {kind: n for kind, n in decided.items() if n},
            "executed": len(executed),
            "refused": len(refused),
            "unattended": len(by_policy),
            "chain_verified": not self._runtime.verify().problem,
        }

    async def _play(self, run_id: str, key: str, answer: dict[str, Any]) -> None:
        """One scripted person answers the question of a run that is open now."""
        approval = self._open_question(run_id)
        if approval is None:
            return
        operator = choose_operator(self._data, answer["as"])
        given = Answer(
            kind=answer["decision"],
            digest=approval.digest,
            reason=answer.get("reason", ""),
            arguments=answer.get("arguments"),
            channel=channel(operator.name),
        )
        self._screen.line(f"\n{key}: {approval.action.tool}, {approval.amount:.2f}", style="bold")
        await self._runtime.decide(approval.id, operator, given)
        await self._meddle(key)
        await self._drive(run_id)

    async def _let_expire(self) -> None:
        """Move the demo's clock past each deadline; silence never approves."""
        while found := self._runtime.store.read("default").approvals.find(["open"]):
            asked = min(found, key=lambda approval: approval.deadline)
            key, roles = self._keys[asked.run_id], ", ".join(waiting_roles(asked))
            self._screen.line(
                f"\n{key}: nobody of {roles} answers; the clock moves on …", style="bold"
            )
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

    async def _ask_person(self) -> None:
        """Let the person at the terminal decide one open approval, as whom they like."""
        found = self._runtime.store.read("default").approvals.find(["open"])
        if not found:
            return
        approval = found[0]
        session = self._runtime.store.read("default")
        self._screen.line("\nYour turn. One question is yours:", style="bold")
        for line in approval_lines(session, approval):
            self._screen.line(f"  {line}")
        people = load_operators(self._data)
        names = ", ".join(f"{p.name} ({'/'.join(p.roles)})" for p in people.values())
        try:
            await self._take_answer(approval, names)
        except CallerError as error:
            self._screen.line(f"  {error}", style="red")
            self._screen.line("  The sample's people take it over.")

    async def _take_answer(self, approval: Approval, names: str) -> None:
        kind = self._screen.ask("  approve, reject or skip? [skip]", "skip")
        if kind not in ("approve", "reject"):
            return
        operator = choose_operator(self._data, self._screen.ask(f"  As whom? {names}"))
        reason = self._screen.ask("  Reason?") if kind == "reject" else ""
        given = {"kind": kind, "digest": approval.digest, "reason": reason}
        answer = Answer.model_validate({**given, "channel": channel(operator.name)})
        await self._runtime.decide(approval.id, operator, answer)
        await self._drive(approval.run_id)

    def _open_question(self, run_id: str) -> Approval | None:
        found = self._runtime.store.read("default").approvals.find(["open"], run_id=run_id)
        return found[0] if found else None

    def _narrate(self, event: Event) -> None:
        body = event.body or {}
        if event.type == "envelope.emitted":
            marks = {"reasoning": f"[{body.get('producer')} {body['confidence']:.2f}] "}
            text = f"  {body['node']:<9} {body['status']:<14} {marks.get(body['node'], '')}"
            self._screen.line(text + _short(body["reason"], 110))
        elif event.type == "approval.decided":
            words = f": {_short(body['reason'])}" if body["reason"] else ""
            missing = f", still asks {', '.join(body['missing'])}" if body["missing"] else ""
            self._screen.line(f"  {body['operator']} decides {body['kind']}{words}{missing}")

    def _tell_state(self, run: Run) -> None:
        styles = {"completed": "green", "paused": "yellow", "rejected": "red", "expired": "red"}
        self._screen.line(f"  → {run.state}", style=styles.get(run.state, ""))


async def _load_systems(app: App, data: Path, samples: Path) -> None:
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
    raise SettingsError("This app has no graphs/NAME/samples/requests.json to demonstrate.")


def _fresh(data: Path) -> None:
    """Make the folder anew; somebody's real data is never touched."""
    if data.exists() and any(data.iterdir()):
        if not (data / MARK).exists():
            raise SettingsError(
                f"{data} holds data that no demo made.", remedy="Name another folder with --data."
            )
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True)
    (data / MARK).write_text("Made by agent-runtime demo; the next demo replaces this folder.\n")


def _conclude(screen: Screen, summary: dict[str, Any], data: Path) -> None:
    chain = "holds" if summary["chain_verified"] else "IS BROKEN"
    screen.line("\nSummary", style="bold")
    for name in ("runs", "approvals"):
        counts = ", ".join(f"{n} {state}" for state, n in summary[name].items())
        screen.line(f"  {name}: {counts}")
    screen.line(
        f"  {summary['executed']} actions executed, {summary['unattended']} of them unattended;"
        f" {summary['refused']} proposals refused; the event chain {chain};"
        f" {summary['seconds']} s"
    )
    screen.line("\nLook deeper:")
    option = "" if data == Path("data") else f" --data {data}"
    for command in ("runs list", "approvals list --all", "events tail", "workflows draw refund"):
        suffix = "" if command.startswith("workflows") else option
        screen.line(f"  .venv/bin/agent-runtime {command}{suffix}")
    screen.document(summary)


def _load(path: Path) -> Any:
    return json.loads(path.read_text())


def _short(text: str, limit: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _verdict(event: Event) -> str:
    return str((event.body or {}).get("verdict", {}).get("kind", ""))


def _by(event: Event) -> str:
    return str((event.body or {}).get("by", ""))


def _why(event: Event) -> str:
    body = event.body or {}
    if event.type == "gate.judged":
        return f"policy: {', '.join(body['verdict']['rules'])}"
    return str(body.get("text") or f"{body.get('tool')}: {body.get('why')}")
