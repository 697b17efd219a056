"""Settings, from the environment. Nothing here is a secret's default."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent_runtime.errors import SettingsError


class Settings(BaseSettings):
    """`AGENT_RUNTIME_…` variables, and the two that OpenAI's own clients read.

     With neither `openai_api_key` nor `openai_base_url`, the offline model answers.
     Times are in seconds; `busy_timeout` is how long another program's lock on the database is
     waited for, `stop_grace` how long a worker that is told to stop goes on with what it holds.
    The limits bound what workers take up.
     `anchor`: a file, or an https URL, that history's heads are exported to.
    """

    model_config = SettingsConfigDict(env_prefix="AGENT_RUNTIME_", frozen=True)

    model: str = "gpt-4o-mini"
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    model_timeout: float = Field(default=60.0, gt=0)
    lease: float = Field(default=30.0, gt=0)
    busy_timeout: float = Field(default=30.0, ge=0)
    stop_grace: float = Field(default=10.0, ge=0)
    workflow_limits: dict[str, Annotated[int, Field(gt=0)]] = {}
    tenant_limit: int | None = Field(default=None, gt=0)
    starts_per_second: float | None = Field(default=None, gt=0)
    anchor: str | None = None
    log_level: str = "WARNING"

    @property
    def has_model(self) -> bool:
        """Whether a real model is configured."""
        return bool(self.openai_api_key or self.openai_base_url)


def load_settings() -> Settings:
    """Read the environment; raises SettingsError that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(
            f"The setting {name} cannot be used: {first['msg']}.", remedy="Correct or unset it."
        ) from error
