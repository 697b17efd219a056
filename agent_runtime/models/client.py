"""The provider's client: the one place where its errors become ours."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from importlib import import_module
from typing import Any, Literal

import httpx
import openai
from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent_runtime.errors import ModelUnavailable, SettingsError
from agent_runtime.models.exchange import Create, Embedded
from agent_runtime.models.form import Form
from agent_runtime.models.letter import Batching, Ended, exchange, read, written
from agent_runtime.models.model import Guard, Model, foreign_errors
from agent_runtime.settings import ModelSettings, ModelSpec, Settings

RESUME = "then: agent-runtime runs resume"
LATER = frozenset({408, 409, 425})
"""Refusals that mean "later", not "never"."""


class _Chat(ChatOpenAI):
    """OpenAI's client, which loses a refusal where the answer is streamed."""

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *others: Any
    ) -> ChatGenerationChunk | None:
        made = super()._convert_chunk_to_generation_chunk(chunk, *others)
        choices = chunk.get("choices") or [{}]
        refusal = (choices[0].get("delta") or {}).get("refusal")
        if made is not None and refusal:
            made.message.additional_kwargs["refusal"] = refusal
        return made


def connect_model(settings: Settings, asking: ModelSettings | None = None, **clients: Any) -> Model:
    """The model of `AGENT_RUNTIME_MODEL` on any OpenAI-compatible URL. `clients`: shared httpx
    clients, if any."""
    asking = asking or ModelSettings()
    spec = ModelSpec(
        model=settings.model,
        base_url=settings.openai_base_url,
        api=asking.model_api,
        output=asking.model_output,
        fallback=asking.model_fallback,
    )
    return connect(spec, settings, asking, key=settings.openai_api_key, **clients)


def connect(
    spec: ModelSpec,
    settings: Settings,
    asking: ModelSettings,
    *,
    key: SecretStr | None = None,
    **clients: Any,
) -> Model:
    """A declared model; raises SettingsError where it cannot be made."""
    price = asking.prices.get(spec.model)
    if spec.provider != "openai":
        found = _import(spec)
        return Model(spec.model, found, foreign_errors, price, spec.fallback, spec.provider)
    # A local server needs no key, but the client insists on one.
    held = key or SecretStr(os.environ.get(spec.api_key_variable) or "none")
    url = spec.base_url or settings.openai_base_url
    guard = provider_errors(spec.model, url, spec.api_key_variable)

    def chat(**wire: Any) -> ChatOpenAI:
        address = {"base_url": url, "api_key": held, "timeout": settings.model_timeout}
        return _chat(spec, {**address, "max_completion_tokens": asking.model_max_output}, wire)

    @cache
    def batching() -> Batching:
        client = openai.AsyncOpenAI(
            base_url=url,
            api_key=held.get_secret_value(),
            timeout=settings.model_timeout,
            max_retries=0,
            http_client=clients.get("http_async_client"),
        )
        letters = chat(http_async_client=httpx.AsyncClient(transport=Letterbox()))
        return Batching(letters, OpenAIBatches(client, guard, PATHS[spec.api]))

    form = Form(spec.output, responses=spec.api == "responses")
    provider = url or "openai"
    return Model(
        spec.model,
        chat(**clients),
        guard,
        price,
        spec.fallback,
        provider,
        form,
        batching,
        tells_ending=True,
    )


def _chat(spec: ModelSpec, common: Mapping[str, Any], wire: Mapping[str, Any]) -> ChatOpenAI:
    """The client with the options that are declared for it."""
    newer = spec.api == "responses"
    common = {"model": spec.model, "use_responses_api": newer, "stream_usage": True, **common}
    # Attempts are made, counted and recorded in one place, and this is not it.
    counted = {"max_retries": 0}
    try:
        return _Chat(**{**common, **spec.options, **wire, **counted})
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"The model {spec.model!r} cannot be made with its options: {', '.join(spec.options)}.",
            remedy="Correct them in AGENT_RUNTIME_MODELS.",
        ) from error


def connect_embeddings(settings: Settings, model: str, **clients: Any) -> Create:
    """Embeddings on any OpenAI-compatible URL."""
    url = settings.openai_base_url
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
    client = openai.AsyncOpenAI(
        base_url=url, api_key=key, timeout=settings.model_timeout, max_retries=0, **clients
    )
    guard = provider_errors(model, url, "OPENAI_API_KEY")

    async def create(texts: Sequence[str]) -> Embedded:
        with guard():
            told = await client.embeddings.create(
                model=model, input=list(texts), encoding_format="float"
            )
        found = [item.embedding for item in sorted(told.data, key=lambda item: item.index)]
        usage: Any = told.usage  # some providers leave it out
        return Embedded(found, usage.prompt_tokens if usage else None)

    return create


Path = Literal["/v1/chat/completions", "/v1/responses"]
PATHS: dict[Literal["chat", "responses"], Path] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
}
"""What a batch's requests are for."""

WORKING = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
NEWEST = 1_000
"""Batches that one is looked for among."""

NAME = "agent_runtime_batch"
"""What a batch's name is called in its metadata: it is found again by it."""


class Letterbox(httpx.AsyncBaseTransport):
    """Stands in for the wire: a request is put on the letter at hand, or answered from it."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        letter = exchange(json.loads(await request.aread()))
        return httpx.Response(letter.status, json=letter.answer or {}, request=request)


class OpenAIBatches:
    """The batch endpoint of any provider that has OpenAI's."""

    def __init__(self, client: openai.AsyncOpenAI, guard: Guard, path: Path) -> None:
        self._client = client
        self._guard = guard
        self._path = path

    async def find(self, name: str) -> str | None:
        """Among the newest ones, of whoever shares the key: it was sent a while ago, or never."""
        seen = 0
        with self._guard():
            async for one in self._client.batches.list(limit=100):
                if (one.metadata or {}).get(NAME) == name:
                    return one.id
                seen += 1
                if seen == NEWEST:
                    break
        return None

    async def send(self, name: str, lines: Mapping[str, dict[str, Any]]) -> str:
        """Upload the requests, and have them worked on."""
        with self._guard():
            file = await self._client.files.create(
                file=(f"{name}.jsonl", written(lines, self._path)), purpose="batch"
            )
            batch = await self._client.batches.create(
                input_file_id=file.id,
                endpoint=self._path,
                completion_window="24h",
                metadata={NAME: name},
            )
        return batch.id

    async def look(self, batch: str) -> Ended | None:
        """What became of it; what was done before it expired or was cancelled counts."""
        with self._guard():
            found = await self._client.batches.retrieve(batch)
        if found.status in WORKING:
            return None
        answers = [name for name in (found.output_file_id, found.error_file_id) if name]
        how = "was done" if found.status == "completed" else found.status
        return Ended(how, tuple(answers), (found.input_file_id, *answers))

    async def fetch(self, ended: Ended) -> dict[str, tuple[int, dict[str, Any]]]:
        """All that came back, failures too."""
        brought: dict[str, tuple[int, dict[str, Any]]] = {}
        for name in ended.answers:
            with self._guard():
                brought |= read((await self._client.files.content(name)).text)
        return brought

    async def cancel(self, batch: str) -> None:
        """What is done by then is done."""
        with self._guard():
            await self._client.batches.cancel(batch)

    async def forget(self, ended: Ended) -> None:
        """The requests and what came back."""
        for name in ended.files:
            with self._guard():
                await self._client.files.delete(name)


def provider_errors(model: str, url: str | None, key_variable: str) -> Guard:
    """Turns the provider's errors into ModelUnavailable: of a kind, and with what to do about it.
    None of the provider's own words: they may repeat the request."""

    @contextmanager
    def guard() -> Iterator[None]:
        try:
            yield
        except openai.APIStatusError as error:
            raise _of_status(error, model, key_variable) from error
        except openai.APITimeoutError as error:
            raise ModelUnavailable(
                "The model's provider gave no answer in time.",
                remedy=f"Raise AGENT_RUNTIME_MODEL_TIMEOUT, {RESUME}",
                kind="timed_out",
            ) from error
        except openai.OpenAIError as error:
            raise ModelUnavailable(
                f"The model's provider{_at(url)} could not be reached, or hung up.",
                remedy=f"Check OPENAI_BASE_URL and the provider, {RESUME}",
                kind="unreachable",
            ) from error

    def both() -> AbstractContextManager[Any]:
        return _nested(guard)

    return both


@contextmanager
def _nested(guard: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    with foreign_errors(), guard():
        yield


def _of_status(error: openai.APIStatusError, model: str, key_variable: str) -> ModelUnavailable:
    kind, what, remedy = _named(error, model, key_variable)
    return ModelUnavailable(
        f"The model's provider {what} ({error.status_code}).",
        remedy=f"{remedy}, {RESUME}",
        kind=kind,
        retry_after=_retry_after(error),
    )


def _named(error: openai.APIStatusError, model: str, key_variable: str) -> tuple[str, str, str]:
    """Kind, what the provider did, and what to do about it."""
    code = str(error.code or "")
    match error.status_code:
        case 401 | 403:
            named = "unauthorized", "refused the key", f"Correct {key_variable}"
        case 404:
            remedy = "Correct AGENT_RUNTIME_MODEL, or the path in OPENAI_BASE_URL"
            named = "unknown_model", f"has no model {model!r}", remedy
        case 429 if code == "insufficient_quota":
            remedy = f"See to the plan of {key_variable}"
            named = "unauthorized", "says that the quota is used up", remedy
        case 429:
            remedy = "Lower AGENT_RUNTIME_MODEL_RATE"
            named = "rate_limited", "wants to be asked less often", remedy
        case status if status >= 500 or status in LATER:
            named = "server_error", "failed", "Wait for the provider"
        case _:
            named = _of_request(f"{code} {error}".lower())
    return named


def _of_request(told: str) -> tuple[str, str, str]:
    """The same for a request that the provider will not have, by the words that providers use."""
    if any(words in told for words in ("context_length", "context length", "too long")):
        return "too_long", "cannot hold so much", "Lower the step's token_budget"
    if "content_filter" in told or "content management policy" in told:
        return "filtered", "withheld the answer", "Look into the request"
    if any(words in told for words in ("response_format", "json_schema", "tool_choice")):
        return "form", "knows no such form of answer", "Set AGENT_RUNTIME_MODEL_OUTPUT=plain"
    return "unusable", "will not have the request", "Check AGENT_RUNTIME_MODELS"


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds that the provider asks for: a number, or a date."""
    told = error.response.headers.get("retry-after")
    if told is None:
        return None
    try:
        return max(0.0, float(told))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(UTC)).total_seconds()) if at.tzinfo else None


def _at(url: str | None) -> str:
    """Host and port, without what else may stand in a URL."""
    if url is None:
        return ""
    host = url.partition("//")[2].partition("/")[0].rpartition("@")[2]
    return f" at {host}"


def _import(spec: ModelSpec) -> BaseChatModel:
    """A chat model by its import string; raises SettingsError that names it."""
    module, _, name = spec.provider.partition(":")
    try:
        kind = getattr(import_module(module), name)
        made = kind(**({"model": spec.model} | spec.options))
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise SettingsError(
            f"The provider {spec.provider!r} cannot be used: {type(error).__name__}.",
            remedy="Write package.module:Class in AGENT_RUNTIME_MODELS, and install its package.",
        ) from error
    if not isinstance(made, BaseChatModel):
        raise SettingsError(
            f"The provider {spec.provider!r} is no chat model.",
            remedy="Name a subclass of langchain_core's BaseChatModel.",
        )
    return made
