"""The wire to a server: one request and its answer, asked again only where that is safe."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from agent_runtime.errors import (
    AgentRuntimeError,
    CallerError,
    Change,
    KeyAtWork,
    RateLimited,
    ServerUnavailable,
    SettingsError,
)
from agent_runtime.run import new_id

TRIES = 4
"""How often one request is sent at most."""

PAUSE = 0.2
"""Seconds before the second try; twice as many before each further one."""

MOST = 10.0
"""Seconds that a server may ask us to wait and we do; told to wait longer, the caller decides."""

QUIET = 60.0
"""Seconds that a stream may be silent: its heartbeats come more often."""


class Wire:
    """Requests to one server in one person's name. Every POST has an idempotency key, so that one
    whose answer was lost can be sent again."""

    def __init__(self, url: str, token: str | None, *, timeout: float) -> None:
        """Raises SettingsError for an address that is none, or that a token would reach in clear.

        Proxies and passwords that the environment names are not used.
        """
        self.url = _checked(url, token)
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=timeout, trust_env=False
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Read; text where it is no JSON."""
        return _content(self._ask("GET", path, query=query))

    def post(
        self,
        path: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Any:
        """Do, under this idempotency key or a new one."""
        headers = {"idempotency-key": key or new_id("key")}
        return _content(self._ask("POST", path, query=query, body=body, headers=headers))

    def delete(self, path: str) -> Any:
        """Remove. Sent once: a second try could not tell its own work from nobody's."""
        return _content(self._ask("DELETE", path, tries=1))

    @contextmanager
    def stream(self, path: str, query: Mapping[str, Any]) -> Iterator[Iterator[str]]:
        """The lines of an answer that stays open."""
        try:
            with self._http.stream("GET", path, params=_told(query), timeout=QUIET) as answer:
                if answer.is_error:
                    answer.read()
                    raise _error(answer)
                yield answer.iter_lines()
        except httpx.TransportError as error:
            raise self._silent(error) from error

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        tries: int = TRIES,
    ) -> httpx.Response:
        for attempt in range(1, tries + 1):
            pause = PAUSE * 2 ** (attempt - 1)
            try:
                answer = self._http.request(
                    method, path, params=_told(query or {}), json=body, headers=headers
                )
            except httpx.TransportError as error:
                if attempt == tries:
                    raise self._silent(error) from error
            else:
                if not answer.is_error:
                    return answer
                refusal = _error(answer)
                wait = _to_wait(answer, refusal, pause, attempt)
                if wait is None or attempt == tries:
                    raise refusal
                pause = wait
            time.sleep(pause)
        raise AssertionError("the last try ends it")

    def _silent(self, error: httpx.TransportError) -> ServerUnavailable:
        return ServerUnavailable(
            f"The server at {self.url} does not answer: {str(error) or type(error).__name__}.",
            remedy="Is it running, and is this its address?",
        )


def _to_wait(
    answer: httpx.Response, refusal: AgentRuntimeError, pause: float, attempt: int
) -> float | None:
    """Seconds until the request may be sent again; None: that would be no use, or not safe."""
    if isinstance(refusal, RateLimited):
        return refusal.retry_after if refusal.retry_after <= MOST else None
    if answer.status_code == 503:
        return pause
    if isinstance(refusal, KeyAtWork) and attempt > 1:
        return pause  # it is our own first try that is at work
    return None


def _content(answer: httpx.Response) -> Any:
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return answer.text
    try:
        return answer.json()
    except ValueError as error:
        raise ServerUnavailable("What the server answered is not JSON.") from error


def _error(answer: httpx.Response) -> AgentRuntimeError:
    """What the server refused with, as the error that it raised."""
    try:
        told = answer.json()
    except ValueError:
        told = None
    if not isinstance(told, dict) or not {"code", "detail"} <= told.keys():
        return ServerUnavailable(
            f"{answer.request.url.host} answered {answer.status_code}, and not as our server would."
        )
    return from_problem(told)


def from_problem(told: Mapping[str, Any]) -> AgentRuntimeError:
    """The error that a problem stands for; see `agent_runtime.api.problem`."""
    fallback = ServerUnavailable if int(told.get("status", 500)) >= 500 else CallerError
    kind = _kinds().get(str(told["code"]), fallback)
    fields = told.get("errors") or [{}]
    return kind.retold(
        str(told["detail"]),
        str(told.get("remedy") or ""),
        field=fields[0].get("field", ""),
        value=None,
        kind=told.get("kind", ""),
        name=told.get("name", ""),
        rules=tuple(told.get("rules", ())),
        status=told.get("decided", ""),
        by=told.get("by", ""),
        retry_after=float(told.get("retry_after", 1.0)),
        changes=tuple(Change(**change) for change in told.get("changed", ())),
        problems=(),
        request=told.get("request", ""),
    )


def _kinds() -> dict[str, type[AgentRuntimeError]]:
    """Our errors by their codes."""
    found: dict[str, type[AgentRuntimeError]] = {}
    todo = [AgentRuntimeError]
    while todo:
        kind = todo.pop()
        found.setdefault(kind.code, kind)
        todo += kind.__subclasses__()
    return found


def _told(query: Mapping[str, Any]) -> dict[str, Any]:
    """A query as it is written: nothing for None, true and false as JSON has them."""
    plain: dict[str, Any] = {}
    for name, value in query.items():
        if isinstance(value, list | tuple | frozenset):
            plain[name] = [str(one) for one in value]
        elif value is not None:
            plain[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return plain


def _checked(url: str, token: str | None) -> str:
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SettingsError(
            f"{url!r} is no URL: {error}.", remedy="Write it like https://desk.example."
        ) from error
    if found.scheme not in ("http", "https") or not found.host or found.userinfo:
        raise SettingsError(
            "That is no address of a server.", remedy="Write it like https://desk.example."
        )
    if token is not None and found.scheme == "http" and not _is_here(found.host):
        raise SettingsError(
            f"The token would be sent to {found.host} in clear.", remedy="Use https."
        )
    return str(found).rstrip("/")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
