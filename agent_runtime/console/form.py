"""Forms: what a browser's own form sends, read once, before anybody asks who sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from agent_runtime.api.site import credentials
from agent_runtime.errors import InvalidInput, NotAuthenticated

M = TypeVar("M", bound=BaseModel)

MOST = 500
"""Fields of a form."""
NULL = "\0"


@dataclass(frozen=True)
class Form:
    """Fields by name, in the order they were sent."""

    fields: dict[str, list[str]] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        """The field's one value."""
        return self.fields.get(name, [default])[-1]

    def all(self, name: str) -> tuple[str, ...]:
        """All of its values."""
        return tuple(self.fields.get(name, ()))

    def under(self, prefix: str) -> dict[str, str]:
        """The fields whose names begin so, without that."""
        found = {name: values[-1] for name, values in self.fields.items()}
        return {n.removeprefix(prefix): v for n, v in found.items() if n.startswith(prefix)}


async def form_of(request: Request) -> Form:
    """The request's form; its token is put where `api.site` looks for it. Raises InvalidInput."""
    known: Form | None = getattr(request.state, "form", None)
    if known is not None:
        return known
    try:
        text = (await request.body()).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST, errors="strict")
    except ValueError as error:
        raise InvalidInput("form", len(await request.body()), "is no form of ours") from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if NULL in value:
            raise InvalidInput(name, "a null character", "cannot be stored")
        # Browsers send line breaks as two characters; the API's own clients send one.
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    request.state.form = Form(fields)
    request.state.form_token = request.state.form.get("form_token")
    return request.state.form  # type: ignore[no-any-return]  # starlette's state is untyped


async def signed_in(request: Request) -> None:
    """For every route of a screen, before any other dependency: a cookie is needed, also where
    the API would let anybody in; and a form's token is known by the time the caller is asked for.
    """
    if request.method == "POST":
        await form_of(request)
    if credentials(request)[1] is None:
        raise NotAuthenticated("Nobody is signed in.", remedy="Sign in.")


SignedIn = Depends(signed_in)
Posted = Annotated[Form, Depends(form_of)]


def model(kind: type[M], /, **given: Any) -> M:
    """The body that the API's own function takes; raises InvalidInput as the API would."""
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "form"
        raise InvalidInput(field, first["input"], first["msg"]) from error


def local_path(text: str) -> str:
    """A path on this server to go on to; whatever else is asked for is the start page."""
    if text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable():
        return text
    return "/"
