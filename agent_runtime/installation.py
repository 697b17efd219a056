"""An installation: an app on a data folder, with all that every segment needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agent_runtime.anchor import Anchor, open_anchor
from agent_runtime.app import App
from agent_runtime.cipher import make_cipher
from agent_runtime.clock import Clock
from agent_runtime.drawn import Candidates, forked_with, names_of, policies_of, prompts_of
from agent_runtime.errors import StoreError
from agent_runtime.knowledge.retrieve import Embedder, Retriever
from agent_runtime.knowledge.standing import Standings
from agent_runtime.models.lineup import Lineup, line_up
from agent_runtime.models.model import Model
from agent_runtime.policy import PolicySet
from agent_runtime.resource import Resources
from agent_runtime.roots import note_received
from agent_runtime.run import Run, new_id
from agent_runtime.secret import FILE, Secrets
from agent_runtime.segment import Segment
from agent_runtime.settings import (
    Kept,
    ModelSettings,
    NoticeSettings,
    Settings,
    load_notice_settings,
)
from agent_runtime.store import Lane, Store
from agent_runtime.store.files import DATABASE, Files
from agent_runtime.telemetry import Capture, Telemetry
from agent_runtime.tenant import Residency


@dataclass(frozen=True)
class Installation:
    """What every segment needs, opened once per process."""

    app: App
    store: Store
    clock: Clock
    resources: Resources
    telemetry: Telemetry
    models: Lineup
    lease: float
    retention: Mapping[str, Kept] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=lambda: Secrets(Path(FILE)))
    notices: NoticeSettings = field(default_factory=load_notice_settings)
    new_id: Callable[[str], str] = new_id
    _candidates: dict[str, PolicySet] = field(default_factory=dict)
    """Policies that are tried, by rollout: each read once."""

    def segment(self, run: Run, lane: Lane | None = None) -> Segment:
        """All that the nodes of one claim may use; without its lane, all there is to read."""
        # A first claim cannot have been resumed by anybody.
        first = run.epoch <= 1
        session, now = self.store.read(run.tenant), self.clock.now()
        rollouts = session.rollouts.find(run.workflow)
        texts = self.app.prompts.get(run.workflow, {})
        return Segment(
            run=run,
            workflow=self.app.workflow(run.workflow),
            store=self.store,
            clock=self.clock,
            resources=self.resources,
            policies=self.policies_of(run),
            prompts={**prompts_of(texts, rollouts, run, now), **forked_with(session, run)},
            drawn=names_of(rollouts, run, now),
            models=self.models,
            telemetry=self.telemetry,
            lane=lane or self.store.lane(run.tenant, run.id, run.epoch),
            grace=0 if first else session.events.count("run.resumed", run.id),
            new_id=self.new_id,
        )

    def policies_of(self, run: Run) -> Mapping[str, PolicySet]:
        """The policies that decide about a run, with the one that it has drawn where one is
        tried."""
        rollouts = self.store.read(run.tenant).rollouts
        known = partial(rollouts.find, run.workflow)
        return policies_of(Candidates(self.app, self._candidates), known, run, self.clock)


@dataclass(frozen=True)
class Choices:
    """What an installation is opened with; `model` answers, `embedder` embeds and `telemetry`
    exports in place of what the settings name."""

    settings: Settings
    clock: Clock
    asking: ModelSettings
    notices: NoticeSettings
    model: Model | None = None
    embedder: Embedder | None = None
    telemetry: Telemetry | None = None


@asynccontextmanager
async def open_installation(
    app: App, data: Path, chosen: Choices
) -> AsyncIterator[tuple[Installation, Files, Anchor]]:
    """Open what is in the folder, with its files and their anchor, and close it in the other order;
    raises StoreError or SettingsError."""
    settings = chosen.settings
    async with AsyncExitStack() as stack:
        store, anchor = _open_file(stack, data, chosen)
        resources = await _open_resources(app, data, store, chosen)
        stack.push_async_callback(resources.close)
        telemetry = chosen.telemetry or Telemetry(capture=Capture(on=settings.trace_content))
        stack.push_async_callback(note_received, store, telemetry)
        stack.callback(telemetry.close)
        models = line_up(settings, chosen.asking, chosen.model)
        stack.push_async_callback(models.close)
        installation = Installation(
            app=app,
            store=store,
            clock=chosen.clock,
            resources=resources,
            telemetry=telemetry,
            models=models,
            lease=settings.lease,
            retention=settings.retention,
            secrets=Secrets(Path(settings.secrets_file or data / FILE), settings.secrets),
            notices=chosen.notices,
        )
        yield installation, store, anchor


async def _open_resources(app: App, data: Path, store: Files, chosen: Choices) -> Resources:
    """What the project's tools share, and what the runtime has for them."""
    retriever = Retriever(store, chosen.embedder or _configured_embedder(store, chosen))
    opened = {resource.kind: await resource.open(data) for resource in app.resources}
    return Resources({**opened, Retriever: retriever, Standings: Standings(store)})


def _open_file(stack: AsyncExitStack, data: Path, chosen: Choices) -> tuple[Files, Anchor]:
    """The database with the anchor that hears of what it commits; `stack` closes both."""
    settings, clock = chosen.settings, chosen.clock
    cipher = make_cipher(settings.content_key)
    residency = Residency(settings.regions, settings.residency)
    store = Files(
        data / DATABASE,
        clock,
        busy_timeout=settings.busy_timeout,
        cipher=cipher,
        residency=residency,
    )
    stack.callback(store.close)
    anchor = open_anchor(data, settings.anchor, clock)
    stack.callback(anchor.close)
    store.listeners.append(anchor.hear)
    return store, anchor


def _configured_embedder(store: Files, chosen: Choices) -> Embedder | None:
    """The embedding model that is named; none by default, since many providers have none."""
    if "embedding_model" not in chosen.asking.model_fields_set:
        return None
    from agent_runtime.models.embed import connect_embedder

    return connect_embedder(chosen.settings, chosen.asking, store)


def prepare_folder(data: Path, *, create: bool) -> None:
    """Make the data folder where it may be made; raises StoreError."""
    if not create and not (data / DATABASE).is_file():
        raise StoreError(
            f"There is no data in {data}.",
            remedy="Name the data folder with --data, or make one with: agent-runtime demo",
        )
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The data folder {data} cannot be made: {error.strerror}.") from error
