"""Routes that take what they declare and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from agent_runtime.errors import InvalidInput


class Route(APIRoute):
    """Refuses query parameters that it does not know: a filter with a typing error would
    otherwise find everything."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the check."""
        plain = super().get_route_handler()
        known = frozenset(_declared(self.dependant))

        async def handle(request: Request) -> Response:
            for name in request.query_params:
                if name not in known:
                    takes = ", ".join(sorted(known)) or "none"
                    raise InvalidInput(
                        name,
                        request.query_params[name],
                        "is no parameter here",
                        remedy=f"There are: {takes}.",
                    )
            return await plain(request)

        return handle


def _declared(dependant: Dependant) -> Iterator[str]:
    """The names of the query parameters of a route and of all that it depends on."""
    for field in dependant.query_params:
        yield field.alias
    for inner in dependant.dependencies:
        yield from _declared(inner)
