"""Serve: the HTTP API, with a worker in the same process."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from agent_runtime.api.app import make_app, make_site
from agent_runtime.api.server import is_loopback, require_loopback, serve
from agent_runtime.cli.commands.worker import limits_of, stopped_by_signals
from agent_runtime.cli.opening import Place
from agent_runtime.cli.screen import Screen
from agent_runtime.console.mount import mount
from agent_runtime.operators import FILE, load_operators, provide_operators
from agent_runtime.presence import present
from agent_runtime.runtime import Runtime
from agent_runtime.service import Service
from agent_runtime.settings import load_serve_settings, load_settings
from agent_runtime.verdict import Operator

LOCAL = ("localhost", "127.0.0.1", "::1")

DEVELOPER = "developer"
"""Who asks on a --dev server without a token: with every role that a question here may need."""


@dataclass(frozen=True)
class Bind:
    """Where to listen, and for whom. `dev`: without tokens."""

    host: str
    port: int
    dev: bool

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that requests may address it by."""
        return (self.host.lower(), *(LOCAL if is_loopback(self.host) else ()))


def run(place: Place, screen: Screen, bind: Bind, concurrency: int, *, worker: bool) -> None:
    """Serve until a signal; the first stops it gently."""
    settings, own = load_settings(), load_serve_settings()
    if bind.dev:
        require_loopback(bind.host)

    async def work(runtime: Runtime) -> None:
        provide_operators(place.data, place.folder / FILE)
        site = make_site(runtime, own, _developer(runtime) if bind.dev else None)
        if not bind.dev:
            await site.activation.adopt()
        follow = None if bind.dev else site.activation.follow
        service = Service(
            runtime,
            concurrency=concurrency,
            limits=limits_of(settings),
            grace=settings.stop_grace,
            follow=follow,
        )
        app = make_app(site, (*bind.hosts, *own.trusted_hosts), local=bind.dev)
        mount(app, _people(place) if bind.dev else None)
        with present(place.data, runtime.worker.name) if worker else nullcontext():
            await serve(
                app,
                site.live,
                service if worker else None,
                stopped_by_signals(screen),
                host=bind.host,
                port=bind.port,
                bound=lambda port: _announce(screen, bind, port),
                follow=follow,
            )

    place.work(work, create=True, lasting=True)
    screen.line("The server has ended.")


def _announce(screen: Screen, bind: Bind, port: int) -> None:
    shown = f"[{bind.host}]" if ":" in bind.host else bind.host
    screen.document({"url": f"http://{shown}:{port}"})
    screen.line(f"serving on http://{shown}:{port}: the API under /v1, the console at /")
    if bind.dev:
        screen.line(f"--dev: whoever sends no token is {DEVELOPER!r}, with every role")


def _people(place: Place) -> dict[str, Operator]:
    """Whom a --dev console lets one be; none where the project lists nobody."""
    return load_operators(place.data) if (place.data / FILE).is_file() else {}


def _developer(runtime: Runtime) -> Operator:
    rules = [rule for policy in runtime.app.policies.values() for rule in policy.rules.values()]
    asked = {
        slot.role
        for rule in rules
        for slots in (rule.slots, rule.escalate, *rule.later)
        for slot in slots
    }
    own = {"starter", "on_call", "administrator", "policy_owner"}
    return Operator(name=DEVELOPER, roles=tuple(sorted(asked | own)))
