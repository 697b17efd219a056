"""The provider's client: the one place where its errors become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent_runtime.errors import ModelUnavailable
from agent_runtime.models.model import Model
from agent_runtime.settings import Settings


def connect_model(settings: Settings, **clients: Any) -> Model:
    """A chat model on any OpenAI-compatible URL. `clients`: shared httpx clients, if any."""
    chat = ChatOpenAI(
        model=settings.model,
        base_url=settings.openai_base_url,
        # A local server needs no key, but the client insists on one.
        api_key=settings.openai_api_key or SecretStr("none"),
        timeout=settings.model_timeout,
        max_retries=2,
        **clients,
    )
    return Model(settings.model, chat, provider_errors)


@contextmanager
def provider_errors() -> Iterator[None]:
    """Turn the provider's errors into ModelUnavailable with what to do about them."""
    try:
        yield
    except openai.AuthenticationError as error:
        raise ModelUnavailable(
            "The model's provider refused the key (401).",
            remedy="Correct OPENAI_API_KEY, then: agent-runtime runs resume",
        ) from error
    except openai.OpenAIError as error:
        raise ModelUnavailable(
            f"The model's provider did not answer ({type(error).__name__}).",
            remedy="Check OPENAI_BASE_URL and the provider, then: agent-runtime runs resume",
        ) from error
