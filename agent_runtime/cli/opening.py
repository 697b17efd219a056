"""Opening an installation for one command: the project, its data, its people."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agent_runtime.access import Act, Caller, Thing, require
from agent_runtime.app import App, load_app
from agent_runtime.cipher import make_cipher
from agent_runtime.cli.interrupts import run_through
from agent_runtime.clock import SystemClock
from agent_runtime.errors import SettingsError
from agent_runtime.lasting import heap_at_rest, lasting_loop
from agent_runtime.operators import FILE, channel, choose_operator, provide_operators
from agent_runtime.settings import load_settings
from agent_runtime.store import Session
from agent_runtime.store.files import DATABASE, Files
from agent_runtime.telemetry import configure_logging
from agent_runtime.tenant import Residency
from agent_runtime.verdict import Operator

if TYPE_CHECKING:  # it drives runs, and what that takes is heavy
    from agent_runtime.runtime import Runtime

T = TypeVar("T")


async def admit(runtime: Runtime, operator: Operator, act: Act, thing: Thing) -> None:
    """Raise NotPermitted, recorded, unless the person chosen with --as may."""
    caller = Caller(operator, channel=channel(operator.name))
    await require(runtime.store, runtime.app.access, caller, act, thing)


@dataclass(frozen=True)
class Place:
    """Where a command works: the project folder, and the data folder (default: its `data`)."""

    folder: Path
    chosen: Path | None = None

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.chosen or self.folder / "data"

    def app(self, *, lenient: bool = False) -> App:
        """The project's workflows, tools and policies."""
        return load_app(self.folder, lenient=lenient)

    def operator(self, name: str) -> Operator:
        """The person chosen with --as; a project's own list is taken over when data has none."""
        if not name:
            raise SettingsError("This run waits for a person.", remedy="Say who you are with --as.")
        provide_operators(self.data, self.folder / FILE)
        return choose_operator(self.data, name)

    def read(self, read: Callable[[Session], T], tenant: str = "default") -> T:
        """Read what is stored of a tenant; where there is no data yet, `work` says so."""
        settings = load_settings()
        configure_logging(settings.log_level)
        self.app()  # nothing is read in the name of a project that does not load
        if not (self.data / DATABASE).is_file():
            return self.work(lambda runtime: _read(runtime, read, tenant))
        store = Files(
            self.data / DATABASE,
            SystemClock(),
            busy_timeout=settings.busy_timeout,
            cipher=make_cipher(settings.content_key),
            residency=Residency(settings.regions, settings.residency),
        )
        try:
            return read(store.read(tenant))
        finally:
            store.close()

    def work(
        self,
        work: Callable[[Runtime], Coroutine[Any, Any, T]],
        *,
        create: bool = False,
        lasting: bool = False,
    ) -> T:
        """Open the runtime for one piece of work: the one synchronous edge. `lasting`: the work
        is to go on for good, and the process is set up for that.

        On Ctrl-C the work is cancelled, so that a worker hands its run back before this raises.
        """
        from agent_runtime.runtime import Runtime

        settings = load_settings()
        configure_logging(settings.log_level)
        app = self.app()

        async def opened() -> T:
            async with Runtime.open(app, self.data, settings=settings, create=create) as runtime:
                with heap_at_rest() if lasting else nullcontext():
                    return await work(runtime)

        return run_through(opened(), lasting_loop if lasting else None)


async def _read(runtime: Runtime, read: Callable[[Session], T], tenant: str) -> T:
    return read(runtime.store.read(tenant))
