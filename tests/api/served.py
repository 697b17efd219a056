"""A server process of its own, and short forms of what its clients say."""

from __future__ import annotations

import asyncio
import json
import operator
import os
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from agent_runtime.api.runs import MAX_WAIT
from agent_runtime.clock import SystemClock, to_text
from agent_runtime.identity import create_token
from agent_runtime.store import Session, Store
from agent_runtime.store.database import connect
from agent_runtime.store.files import Files
from agent_runtime.tenant import Residency
from agent_runtime.verdict import Operator
from tests.api.project import write_project
from tests.ledger import Bank
from tests.patience import PATIENCE, awaited
from tests.program import ROOT, Program
from tests.triggers.sender import SECRET

PAUSED, DONE = ({"wait": state, "timeout": MAX_WAIT} for state in ("paused", "done"))
"""Queries of requests that wait for a run, as long as a server lets them."""

SECRETS = json.dumps(
    {
        f"{tenant}/{name}": SECRET
        for tenant, names in {
            "default": ("ledger", "crm", "desk", "inbox"),
            "other": ("crm",),
            "fuzz": ("crm",),
            "acme": ("inbox",),
        }.items()
        for name in names
    }
)
"""What other systems sign with, and what is signed for them."""

AT_WORK = "SELECT id FROM runs WHERE state = 'running' OR (state = 'queued' AND ready_at <= :now)"

CA = ssl.create_default_context()
"""Read once: httpx would read all authorities again for each client, and none is asked here."""

REGIONS = ("eu", "us")
"""Where tenants may have files of their own, on servers that are told so."""

ROLES: dict[str, tuple[str, ...]] = {
    "lena": ("lead",),
    "luis": ("lead",),
    "fay": ("finance",),
    "finn": ("finance",),
    "carl": ("clerk",),
    "desk": ("starter",),
    "ona": ("on_call",),
    "ada": ("administrator",),
    "petra": ("policy_owner",),
    "paul": ("policy_owner",),
    "both": ("starter", "lead"),
    "mara": ("lead", "starter", "on_call"),
    "nobody": (),
}
"""Who holds what, in every tenant."""


@dataclass
class Served:
    """One server on a folder; `url` is where it listens now, `place` its data if not in there."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    url: str = ""
    process: Program | None = None
    place: Path | None = None
    _clients: dict[str, httpx.Client] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.place or self.folder / "data"

    @property
    def bank(self) -> Bank:
        return Bank(self.data)

    def start(self, *words: str) -> None:
        """Start it, on the port that it had before if it had one."""
        if self.process is not None:
            self.process.stdout.close()  # a test may have killed it
        port = self.url.rsplit(":", 1)[1] if self.url else "0"
        line = ["serve", "--json", "--port", port, "--app", str(self.folder), *words]
        self.process = Program(*line, env={**os.environ, "PYTHONPATH": str(ROOT), **self.env})
        said = self.process.stdout.readline()
        assert said, "it did not start"
        self.url = json.loads(said)["url"]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait()
        self.process.stdout.close()
        return code

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        if self.process is not None:
            self.stop(signal.SIGKILL)

    def token(self, name: str, *, tenant: str = "default", **options: Any) -> str:
        """A new token for one of the people."""
        options.setdefault("lifetime", timedelta(days=1))
        operator = Operator(
            name=name, roles=options.pop("roles", ROLES.get(name, ())), tenant=tenant
        )
        store = Files(self.data / "runtime.db", SystemClock(), residency=Residency(REGIONS))
        try:
            made = create_token(store, operator, by="test", **options)
            # In a thread of its own: a test may have a loop of its own.
            return ThreadPoolExecutor(1).submit(asyncio.run, made).result()[1]
        finally:
            store.close()

    def as_(self, name: str, tenant: str = "default") -> httpx.Client:
        """A client that speaks for one of the people."""
        known = self._clients.get(f"{tenant}/{name}")
        if known is None:
            known = self.client(self.token(name, tenant=tenant))
            self._clients[f"{tenant}/{name}"] = known
        return known

    def client(self, token: str | None) -> httpx.Client:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return browsing(self.url, headers=headers)

    def read(self, tenant: str = "default") -> Any:
        """What is stored, past the server."""
        store = Store(self.data / "runtime.db", SystemClock())
        try:
            session = store.read(tenant)
            return {"events": session.events.find(), "runs": session.runs.find()}
        finally:
            store.close()

    def account(self, amount: str) -> str:
        """A new account in the bank that holds this amount."""
        name = f"a{time.monotonic_ns()}"
        self.bank.put(name, amount=amount)
        return name

    def begin(self, amount: str = "500.00", by: str = "desk", **query: Any) -> dict[str, Any]:
        """Start a run on a new account, and wait until it has paused or ended."""
        body = {"workflow": "ledger", "input": {"account": self.account(amount)}}
        answer = self.as_(by).post("/v1/runs", json=body, params={**PAUSED, **query})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def question(self, run: dict[str, Any]) -> dict[str, Any]:
        """The run's one open question."""
        answer = self.as_("lena").get("/v1/approvals", params={"run": run["id"]})
        (found,) = answer.json()["items"]
        assert isinstance(found, dict)
        return found

    def decide(self, asked: dict[str, Any], name: str, kind: str = "approve", **more: Any) -> Any:
        """One person's answer to a question, as a response."""
        body = {"kind": kind, "digest": asked["digest"], **more}
        if kind in ("reject", "respond"):
            body.setdefault("reason", "Not before the audit.")
        return self.as_(name).post(f"/v1/approvals/{asked['id']}/decide", json=body)

    def given_up(self, subscription: dict[str, Any]) -> dict[str, Any]:
        """The first notice of a subscription that could not be delivered."""

        def look() -> list[dict[str, Any]]:
            items = self.as_("ada").get("/v1/notices", params={"limit": 200}).json()["items"]
            return [one for one in items if one["subscription"] == subscription["id"]]

        return awaited(look)[0]

    def reached(self, run: dict[str, Any], state: str) -> dict[str, Any]:
        """The run once it is in that state."""

        def look() -> dict[str, Any]:
            found: dict[str, Any] = self.as_("lena").get(f"/v1/runs/{run['id']}").json()
            return found

        return awaited(look, lambda found: found["state"] == state)

    def paid(self) -> list[tuple[str, str]]:
        """What the bank has paid, once no run is at work that an earlier test has left."""
        with closing(connect(self.data / "runtime.db", readonly=True)) as file:
            now = {"now": to_text(datetime.now(UTC))}
            awaited(lambda: file.execute(AT_WORK, now).fetchall(), operator.not_)
        return self.bank.payouts


def browsing(url: str, **options: Any) -> httpx.Client:
    """A client that waits as long as our tests do, and knows of no proxy."""
    return httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False, verify=CA, **options)


@contextmanager
def serving(folder: Path, *words: str, **env: str) -> Iterator[Served]:
    """A server on a new folder, with the tests' own project in it."""
    with serving_project(write_project, folder, *words, **env) as served:
        yield served


@contextmanager
def serving_project(
    project: Callable[[Path], Path], folder: Path, *words: str, **env: str
) -> Iterator[Served]:
    """The same with another one."""
    own = {"AGENT_RUNTIME_SECRETS": SECRETS, "AGENT_RUNTIME_NOTICE_NETWORKS": '["127.0.0.0/8"]'}
    server = Served(project(folder), {**own, **env})
    server.data.mkdir()
    server.bank.put("a1")
    try:
        server.start(*words)
        yield server
    finally:
        server.close()


def hasten(
    server: Served, questions: list[dict[str, Any]], seconds: float, what: str = "deadline"
) -> datetime:
    """Let the questions end so soon, or answers that are held (`effective_at`): the shortest
    deadline that a policy can name is a minute."""
    soon = datetime.now(UTC) + timedelta(seconds=seconds)
    change: dict[str, Any] = {what: soon}
    store = Store(server.data / "runtime.db", SystemClock())

    def update(session: Session) -> None:
        for asked in questions:
            session.approvals.update(asked["id"], **change)

    try:
        asyncio.run(store.write("default", update))
    finally:
        store.close()
    return soon


def is_problem(answer: httpx.Response, status: int, code: str, *words: str) -> dict[str, Any]:
    """It is a problem of that kind, whose text has these words and no trace of our insides."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"]) == (status, code), body
    assert body["request"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    for word in words:
        assert word in answer.text, body
    return body
