"""The line-up: which models an installation has, and what holds for asking each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random

from agent_runtime.attachment import admit
from agent_runtime.errors import SettingsError
from agent_runtime.evidence import Document
from agent_runtime.models.letter import BatchEndpoint
from agent_runtime.models.limit import Limit
from agent_runtime.models.model import Model, offline_model
from agent_runtime.models.route import DEFAULT
from agent_runtime.settings import ModelSettings, Settings
from agent_runtime.step import Step

Connect = Callable[[str], Model]


@dataclass(frozen=True)
class Lineup:
    """Models by name, made when first asked for; without any, offline rules answer.

    `timeout`: seconds that one attempt may take. `rng`: where the jitter of waits comes from;
    `sleep`: how they pass, which takes no time in a replay.
    """

    default: Model | None = None
    asking: ModelSettings = field(default_factory=ModelSettings)
    timeout: float = 60.0
    rng: Random = field(default_factory=Random)
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    _connect: Connect | None = None
    _made: dict[str, Model] = field(default_factory=dict)
    _limits: dict[str, Limit] = field(default_factory=dict)
    _door: asyncio.Lock = field(default_factory=asyncio.Lock)
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def close(self) -> None:
        """Close the connections that were opened to ask."""
        await self._closing.aclose()

    def admit(self, documents: Sequence[Document]) -> None:
        """Raises InvalidInput that names an attachment which may not come in."""
        types, largest = self.asking.attachment_types, self.asking.attachment_max
        for number, document in enumerate(documents):
            if document.attachment is not None:
                where = f"documents.{number}.attachment"
                admit(document.attachment, where, types, largest)

    @property
    def has_model(self) -> bool:
        """Whether a model can be asked, and not only offline rules."""
        return self.default is not None or self._connect is not None

    async def model(self, name: str, step: Step) -> Model:
        """The model of that name; raises SettingsError when nobody can answer."""
        found = await self._found(name)
        if found is not None:
            return found
        if step.reasoning.offline is None:
            raise SettingsError(
                f"Step {step.name!r} has no offline rule, and no model is configured.",
                remedy="Set OPENAI_API_KEY (and OPENAI_BASE_URL for another provider).",
            )
        return offline_model(step.reasoning.offline)

    async def batch_endpoint(self, name: str) -> BatchEndpoint | None:
        """Where batches of the model of that name go, if there is anywhere."""
        model = await self._found(name)
        return None if model is None or model.batching is None else model.batching().endpoint

    async def _found(self, name: str) -> Model | None:
        if name == DEFAULT and self.default is not None:
            return self.default
        if name not in self._made and self._connect is not None:
            async with self._door:
                if name not in self._made:
                    # Seconds for the first one, which must not hold the loop: it has other runs.
                    self._made[name] = await asyncio.to_thread(self._connect, name)
        return self._made.get(name)

    def limit(self, model: Model) -> Limit:
        """The one limit of its provider."""
        if model.provider not in self._limits:
            asking = self.asking
            self._limits[model.provider] = Limit(asking.model_concurrency, asking.model_rate)
        return self._limits[model.provider]


def line_up(settings: Settings, asking: ModelSettings, default: Model | None = None) -> Lineup:
    """What the settings declare; `default` answers in place of the configured one. Close it.

    Raises SettingsError for a tier or fallback that names no model.
    """
    _check_names(asking)
    closing = AsyncExitStack()

    def connect(name: str) -> Model:
        # The client takes seconds to import: not before somebody is asked.
        from agent_runtime.models.client import connect as make
        from agent_runtime.models.client import connect_model
        from agent_runtime.models.wire import wire_client

        # A client of our own: langchain's default one is shared by the whole process, and fails
        # in its second event loop.
        client = wire_client(settings.model_timeout)
        closing.push_async_callback(client.aclose)
        spec = asking.models.get(name)
        if spec is None:
            return connect_model(settings, asking, http_async_client=client)
        return make(spec, settings, asking, http_async_client=client)

    configured = bool(asking.models or settings.has_model)
    return Lineup(
        default,
        asking,
        settings.model_timeout,
        _connect=connect if configured else None,
        _closing=closing,
    )


def _check_names(asking: ModelSettings) -> None:
    known = {DEFAULT, *asking.models}
    named = {f"AGENT_RUNTIME_TIERS ({tier})": name for tier, name in asking.tiers.items()}
    named |= {
        f"AGENT_RUNTIME_MODELS ({name}, fallback)": spec.fallback
        for name, spec in asking.models.items()
        if spec.fallback is not None
    }
    if asking.model_fallback is not None:
        named["AGENT_RUNTIME_MODEL_FALLBACK"] = asking.model_fallback
    for variable, name in named.items():
        if name not in known:
            raise SettingsError(
                f"{variable} names {name!r}, and there is no such model.",
                remedy=f"Declare it in AGENT_RUNTIME_MODELS, or name one of {sorted(known)}.",
            )
