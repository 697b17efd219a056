"""Once per key: the same POST with the same Idempotency-Key gets the same answer."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response

from agent_runtime.access import Caller
from agent_runtime.api.problem import describe, request_id
from agent_runtime.api.route import Route
from agent_runtime.api.site import Site
from agent_runtime.errors import AgentRuntimeError
from agent_runtime.queue.owner import is_gone
from agent_runtime.store.answers import StoredAnswer, Taken

KEPT = ("location", "etag")
"""Headers that belong to an answer, beside its content type."""

Endpoint = Callable[..., Coroutine[Any, Any, Any]]

_request: ContextVar[Request] = ContextVar("request")


async def key_of(
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=r"^[A-Za-z0-9._:/-]{1,128}$",
            description="The same key with the same request gives the same answer, for a day.",
        ),
    ] = None,
) -> str | None:
    """The key that the client chose, if it did."""
    return idempotency_key


def chosen_key(request: Request) -> str | None:
    """The same, in an endpoint: `OncePerKey` has checked it."""
    return request.headers.get("idempotency-key")


class OncePerKey(Route):
    """A route whose POSTs keep their answers by key.

    The key is looked up after the route's dependencies have let the caller in: a kept answer is
    for whoever may ask for it now.
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        self._keyed = "POST" in (options.get("methods") or ())
        if self._keyed:
            endpoint = _once(endpoint)
            options["dependencies"] = [*(options.get("dependencies") or ()), Depends(key_of)]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its answer kept where the endpoint was entered under a key."""
        plain = super().get_route_handler()
        if not self._keyed:
            return plain

        async def handle(request: Request) -> Response:
            token = _request.set(request)
            try:
                response = await plain(request)
            except AgentRuntimeError as error:
                if not _is_held(request):
                    raise
                response = describe(error, request_id(request))
            except BaseException:
                if _is_held(request):
                    await asyncio.shield(_drop(request))
                raise
            finally:
                _request.reset(token)
            if _is_held(request):
                await (_keep(request, response) if response.status_code < 500 else _drop(request))
            return response

        return handle


def _once(endpoint: Endpoint) -> Endpoint:
    """The endpoint, unless its key has an answer already."""

    @functools.wraps(endpoint)
    async def once(*args: Any, **values: Any) -> Any:
        request = _request.get()
        key = chosen_key(request)
        if key is None:
            return await endpoint(*args, **values)
        kept = await _begin(request, key)
        if isinstance(kept, StoredAnswer):
            return Response(kept.body, kept.status, kept.headers)
        request.state.key, request.state.again = key, kept == "again"
        return await endpoint(*args, **values)

    return once


async def _begin(request: Request, key: str) -> StoredAnswer | Taken:
    site, caller = _parties(request)
    asked = [request.method, request.url.path, request.url.query, (await request.body()).decode()]
    named = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    owner = site.runtime.worker.name
    return await site.store.write(
        caller.tenant, lambda s: s.answers.begin(caller.name, key, named, owner, is_gone)
    )


async def _keep(request: Request, response: Response) -> None:
    """What is shown once only is not kept: then the kept answer has null in its place."""
    site, caller = _parties(request)
    body = bytes(response.body).decode()
    for field in getattr(request.state, "shown_once", ()):
        body = json.dumps({**json.loads(body), field: None})
    headers = {name: response.headers[name] for name in KEPT if name in response.headers}
    headers["content-type"] = response.headers.get("content-type", "application/json")
    answer = StoredAnswer(response.status_code, headers, body)
    key = request.state.key
    await site.store.write(caller.tenant, lambda s: s.answers.finish(caller.name, key, answer))


async def _drop(request: Request) -> None:
    site, caller = _parties(request)
    key = request.state.key
    await site.store.write(caller.tenant, lambda s: s.answers.drop(caller.name, key))


def is_again(request: Request) -> bool:
    """Whether the request was begun before under its key, by a process that is gone."""
    return bool(getattr(request.state, "again", False))


def _is_held(request: Request) -> bool:
    return getattr(request.state, "key", None) is not None


def _parties(request: Request) -> tuple[Site, Caller]:
    return request.app.state.site, request.state.caller
