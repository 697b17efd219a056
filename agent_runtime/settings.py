"""Settings, from the environment. Nothing here is a secret's default."""

from __future__ import annotations

import ipaddress
import os
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

import pydantic_settings
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent_runtime.attachment import LARGEST, TYPES
from agent_runtime.budget import Budget, Price, Scope, Tier
from agent_runtime.errors import SettingsError

PREFIX = "AGENT_RUNTIME_"

S = TypeVar("S", bound=BaseSettings)
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(lambda given: given.upper() if isinstance(given, str) else given),
]
Days = Annotated[int, Field(gt=0, le=36_500)]


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


class Kept(BaseModel):
    """For how many days after its end a run's content is kept; None: for as long as the file.

    runs: checkpoints and handed-in texts; recordings: exchanges with models and tools; events:
    the bodies of its events. A number alone stands for all three.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: Days | None = None
    recordings: Days | None = None
    events: Days | None = None

    @model_validator(mode="before")
    @classmethod
    def _all_alike(cls, given: Any) -> Any:
        if isinstance(given, int) and not isinstance(given, bool):
            return dict.fromkeys(cls.model_fields, given)
        return given


class Settings(BaseSettings):
    """`AGENT_RUNTIME_…` variables, and the two that OpenAI's own clients read.

     With neither `openai_api_key` nor `openai_base_url`, the offline model answers.
     Times are in seconds; `busy_timeout` is how long another program's lock on the database is
     waited for, `stop_grace` how long a worker that is told to stop goes on with what it holds.
    The limits bound what workers take up.
     `retention`: by workflow, `*` for all others; what an entry does not name follows `*`.
     `content_key`: seals stored content; several, by blanks: the first seals, all open.
     `regions`: those whose tenants may have files here, in a folder of that name; `residency`: by
     tenant, the region that its data must not leave.
     `secrets`: what other systems' messages are signed with, by `tenant/name`; `secrets_file`:
     where more of them stand, `secrets.toml` in the data folder unless it says otherwise.
     `trace_content`: traces carry prompts, answers and arguments, redacted.
     `anchor`: a file, or an https URL, that history's heads are exported to.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, allow_inf_nan=False)

    model: str = "gpt-4o-mini"
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    model_timeout: float = Field(default=60.0, gt=0, le=86_400)
    lease: float = Field(default=30.0, gt=0, le=86_400)
    busy_timeout: float = Field(default=30.0, ge=0, le=86_400)
    stop_grace: float = Field(default=10.0, ge=0, le=86_400)
    workflow_limits: dict[str, Annotated[int, Field(gt=0)]] = {}
    tenant_limit: int | None = Field(default=None, gt=0)
    starts_per_second: float | None = Field(default=None, gt=0, le=1_000_000)
    retention: dict[str, Kept] = {}
    content_key: SecretStr | None = None
    regions: tuple[str, ...] = ()
    residency: dict[str, str] = {}
    secrets: dict[str, SecretStr] = {}
    secrets_file: str | None = None
    anchor: str | None = None
    log_level: LogLevel = "WARNING"
    trace_content: bool = False

    @property
    def has_model(self) -> bool:
        """Whether a real model is configured."""
        return bool(self.openai_api_key or self.openai_base_url)


class ServeSettings(BaseSettings):
    """What `serve` reads beside: `AGENT_RUNTIME_…` variables of the API.

    `trusted_hosts`: names that requests may address, beside the one it is bound to. `oidc_issuer`
    and `oidc_audience` together switch OIDC on; the claims say who it is. Without a tenant claim
    everybody is of `oidc_tenant`. With `oidc_client_id` people sign in to the console there too.
    `public_url`: how browsers reach this server where something stands in between, such as
    https://approvals.example.com. `sign_in_idle`, `sign_in_lasting`: when a sign-in to the console
    ends unused, and at the latest. Sizes are in bytes, times in seconds; rates are per minute, one
    for each token and one for each tenant.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, allow_inf_nan=False)

    trusted_hosts: tuple[str, ...] = ()
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    oidc_operator_claim: str = "sub"
    oidc_roles_claim: str = "roles"
    oidc_tenant_claim: str | None = None
    oidc_tenant: str = "default"
    oidc_leeway: float = Field(default=60.0, ge=0, le=300)
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_scope: str = "openid profile"
    public_url: Annotated[str | None, Field(pattern=r"^https?://[^/\s]+$")] = None
    sign_in_idle: float = Field(default=1_800.0, gt=0, le=86_400)
    sign_in_lasting: float = Field(default=43_200.0, gt=0, le=604_800)
    max_body: int = Field(default=1_000_000, gt=0)
    max_depth: int = Field(default=32, gt=0, le=100)
    token_rate: int = Field(default=6_000, gt=0)
    tenant_rate: int = Field(default=30_000, gt=0)
    max_requests: int = Field(default=256, gt=0)
    max_streams: int = Field(default=1_000, gt=0)
    request_timeout: float = Field(default=60.0, gt=0)


class NoticeSettings(BaseSettings):
    """What telling others needs: `AGENT_RUNTIME_…` variables of webhooks and mail.

    `notice_networks`: networks that webhooks may reach beside the public ones; this machine's own,
    where it is among them, also without TLS. `notice_ca`: a file of certificates that are trusted
    beside the system's. `notice_content`: whether what is proposed may be told, to who asks for it.
    `approval_link`: where people look at an approval, with `{approval}` for its id.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, allow_inf_nan=False)

    notice_networks: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    notice_ca: str | None = None
    notice_content: bool = False
    approval_link: str | None = None
    smtp_host: str | None = None
    smtp_port: int = Field(default=587, gt=0, lt=65_536)
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    mail_from: str | None = Field(default=None, pattern=r"^[^@\s<>]+@[^@\s<>]+$")

    @field_validator("smtp_password")
    @classmethod
    def _is_never_sent_in_clear(
        cls, password: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        if password is not None and info.data.get("smtp_tls") == "none":
            raise ValueError("it would be sent in clear: choose starttls or tls")
        return password


class ModelSpec(BaseModel):
    """One model that steps may be answered by. `provider`: `openai`, for any compatible URL, or
    the import string of another chat model (`package.module:Class`), made with `options`.

    `api_key_variable` names the environment's variable that holds the key; `output`: how an answer
    is held to its schema, json_schema, tool, or plain words; auto tries the first and remembers
    what the provider can do. `fallback` is asked when this one fails for good.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    provider: str = "openai"
    base_url: str | None = None
    api_key_variable: str = "OPENAI_API_KEY"
    api: Literal["chat", "responses"] = "chat"
    output: Literal["auto", "json_schema", "tool", "plain"] = "auto"
    fallback: str | None = None
    options: dict[str, Any] = {}


class ModelSettings(BaseSettings):
    """How models are asked: `AGENT_RUNTIME_…` variables, beside `Settings.model` and its key.

    `models`: by name; `default` is the one of `AGENT_RUNTIME_MODEL`, and `tiers` says which of
    them is light, standard or heavy. `prices`: by the provider's name of a model. `budgets`: by
    scope. `model_concurrency` and `model_rate` (a minute) hold for each provider;
    `model_max_output` is in tokens, `model_cache` in seconds. `model_batch_wait`: seconds
    that requests are collected for a batch. `model_stream`: whether the run's
    live events tell how an answer grows. `attachment_types` are media types, `attachment_max` is
    in bytes.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, allow_inf_nan=False)

    models: dict[str, ModelSpec] = {}
    tiers: dict[Tier, str] = {}
    prices: dict[str, Price] = {}
    budgets: dict[Scope, Budget] = {}
    model_output: Literal["auto", "json_schema", "tool", "plain"] = "auto"
    model_api: Literal["chat", "responses"] = "chat"
    model_fallback: str | None = None
    model_concurrency: int = Field(default=64, gt=0)
    model_rate: int | None = Field(default=None, gt=0)
    model_max_output: int = Field(default=4_000, gt=0)
    model_cache: float = Field(default=86_400, gt=0)
    model_batch_wait: float = Field(default=60.0, ge=0, le=86_400)
    model_stream: bool = False
    attachment_types: tuple[str, ...] = TYPES
    attachment_max: int = Field(default=LARGEST, gt=0, le=30_000_000)
    embedding_model: str = "text-embedding-3-small"
    embedding_batch: int = Field(default=128, gt=0, le=2_048)


class ClientSettings(BaseSettings):
    """Where the command line works when not here: `AGENT_RUNTIME_URL`, as `--url` says it too, and
    `AGENT_RUNTIME_TOKEN`, for which there is no option: other users see a command's words."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    url: str | None = None
    token: SecretStr | None = None


def load_client_settings() -> ClientSettings:
    """Read the environment; raises SettingsError that names the variable."""
    return _load(ClientSettings)


def load_model_settings() -> ModelSettings:
    """Read the environment; raises SettingsError that names the variable."""
    return _load(ModelSettings)


def load_notice_settings() -> NoticeSettings:
    """Read the environment; raises SettingsError that names the variable."""
    return _load(NoticeSettings)


def load_serve_settings() -> ServeSettings:
    """Read the environment; raises SettingsError that names the variable."""
    return _load(ServeSettings)


def load_settings() -> Settings:
    """Read the environment; raises SettingsError that names the variable."""
    return _load(Settings)


def _load(kind: type[S]) -> S:
    _check_spelling()
    try:
        return kind()
    except ValidationError as error:
        raise _refused(kind, error) from error
    except pydantic_settings.SettingsError as error:
        # Its text has the field's name in it and nothing of the value, which is no JSON.
        field = next((name for name in kind.model_fields if f'"{name}"' in str(error)), "")
        raise SettingsError(
            f"{_variable(kind, field)} cannot be used: it is not JSON.",
            remedy='Write it like {"name": 5}, or unset it.',
        ) from error


def _check_spelling() -> None:
    """Raises SettingsError for a variable of ours that nothing reads: it was meant to do something,
    and a limit or a key that is not in force is worse than no start."""
    variables = {_variable(kind, field) for kind in KINDS for field in kind.model_fields}
    ours = {name.removeprefix(PREFIX) for name in variables if name.startswith(PREFIX)}
    ours |= {"APP", "DATA"}  # the command line's own
    for name in sorted(os.environ):
        word = name.upper().removeprefix(PREFIX)
        if name.upper().startswith(PREFIX) and word not in ours:
            near = get_close_matches(word, ours, 1)
            there = f"There are {PREFIX}…: {', '.join(sorted(ours))}."
            meant = f"Did you mean {PREFIX}{near[0]}?" if near else there
            raise SettingsError(f"There is no setting {name}.", remedy=f"{meant} Or unset it.")


def _refused(kind: type[BaseSettings], error: ValidationError) -> SettingsError:
    """The first fault, by variable, value and what is right."""
    first = error.errors(include_url=False)[0]
    field, *inner = (str(part) for part in first["loc"])
    field = next((f for f in kind.model_fields if field in (f, _variable(kind, f))), field)
    where = f" ({'.'.join(inner)})" if inner else ""
    problem = first["msg"][:1].lower() + first["msg"][1:]
    value = "" if field in SECRET else f" (got {_short(first['input'])})"
    return SettingsError(
        f"{_variable(kind, field)}{where} cannot be used: {problem}{value}.",
        remedy="Correct or unset it.",
    )


def _variable(kind: type[BaseSettings], field: str) -> str:
    """The environment's name for a field."""
    alias = kind.model_fields[field].validation_alias if field in kind.model_fields else None
    return alias if isinstance(alias, str) else f"{PREFIX}{field.upper()}"


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}…"


KINDS: tuple[type[BaseSettings], ...] = (
    Settings,
    ServeSettings,
    NoticeSettings,
    ModelSettings,
    ClientSettings,
)
SECRET = frozenset(
    {"openai_api_key", "oidc_client_secret", "content_key", "secrets", "smtp_password", "token"}
)
"""Fields whose values are never told."""
