"""The worker: takes up runs as they get ready, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal

from agent_runtime.activation import Activation
from agent_runtime.cli.explain import event_line
from agent_runtime.cli.faults import INTERRUPTED
from agent_runtime.cli.opening import Place
from agent_runtime.cli.screen import Screen
from agent_runtime.event import Event
from agent_runtime.presence import owner_of, present
from agent_runtime.queue import Limits
from agent_runtime.runtime import Runtime
from agent_runtime.service import Service
from agent_runtime.settings import Settings, load_settings

TOLD = frozenset({"run.claimed", "run.paused", "run.waits", "run.ended"})
"""What a worker prints: what it takes up, and where that leads."""


def serve(place: Place, screen: Screen, concurrency: int, name: str, *, once: bool) -> None:
    """Drive what is ready; `once`: and end when nothing more is.

    Raises Conflict while another worker of that name lives.
    """
    settings = load_settings()
    limits = limits_of(settings)

    def tell(event: Event) -> None:
        if event.type in TOLD:
            screen.document(event.model_dump(mode="json"))
            screen.line(event_line(event, with_run=True))

    async def work(runtime: Runtime) -> None:
        activation = Activation(runtime)
        activation.restore()
        process, grace = runtime.worker.name, settings.stop_grace
        owner = owner_of(name, process)
        service = Service(
            runtime,
            concurrency=concurrency,
            limits=limits,
            grace=grace,
            owner=owner,
            follow=activation.follow,
        )
        runtime.store.listeners.append(tell)
        with present(place.data, name or process):
            stop = stopped_by_signals(screen)
            if not once:
                screen.line("waiting for runs")
            await service.run(stop, once=once)

    place.work(work, create=True, lasting=not once)
    screen.line("The worker has ended.")


def limits_of(settings: Settings) -> Limits:
    """What the settings say that workers may take up."""
    return Limits(
        workflows=settings.workflow_limits,
        per_tenant=settings.tenant_limit,
        starts_per_second=settings.starts_per_second,
    )


ECHO = 0.5
"""Seconds in which a second signal is the first one's echo: whoever signals a process and its
group, as `timeout` does, sends two at once."""


def stopped_by_signals(screen: Screen) -> asyncio.Event:
    """Set by the first signal; a later one ends the process at once: leases and epochs keep the
    runs safe."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    first = 0.0

    def hear() -> None:
        nonlocal first
        if not stop.is_set():
            first = loop.time()
            stop.set()
            screen.line("Stopping: what is held is finished or handed back.")
        elif loop.time() - first > ECHO:
            os._exit(INTERRUPTED)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, hear)
    return stop
