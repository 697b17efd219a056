"""Display: how one browser wants its pages: colours, density, letters as commands, time to undo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from agent_runtime.api.site import is_secure
from agent_runtime.console.form import Form, form_of, local_path

router = APIRouter(include_in_schema=False)

COOKIE = "agent_runtime_display"
YEAR = 31_536_000

Theme = Literal["auto", "light", "dark"]
Density = Literal["dense", "comfortable"]
Keys = Literal["on", "off"]
Undo = Literal["5", "20", "60"]


@dataclass(frozen=True)
class Display:
    """What the cookie says; anything that it cannot say is the default."""

    theme: str = "auto"
    density: str = "dense"
    keys: str = "on"
    undo: str = "5"

    @property
    def hold(self) -> int:
        """Seconds in which an answer that is given here can be undone."""
        return int(self.undo)

    @property
    def choices(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """By name: its words, and what may be chosen."""
        return [(name, LABELS[name], allowed) for name, allowed in CHOICES.items()]


CHOICES = {
    "theme": get_args(Theme),
    "density": get_args(Density),
    "keys": get_args(Keys),
    "undo": get_args(Undo),
}
LABELS = {
    "theme": "Colours",
    "density": "Density",
    "keys": "One-letter keys",
    "undo": "Seconds to undo an answer",
}


def display_of(request: Request) -> Display:
    """The browser's choice."""
    found = dict(zip(CHOICES, request.cookies.get(COOKIE, "").split("."), strict=False))
    return Display(**{name: value for name, value in found.items() if value in CHOICES[name]})


@router.post("/display")
async def choose(request: Request, form: Annotated[Form, Depends(form_of)]) -> Response:
    """Remember a choice, and go back to where it was made. It is this browser's, and nobody's
    secret, so that it needs no sign-in."""
    before = display_of(request)
    said = [form.get(name) or getattr(before, name) for name in CHOICES]
    answer = RedirectResponse(local_path(form.get("back")), 303)
    answer.set_cookie(
        COOKIE,
        ".".join(
            value if value in allowed else allowed[0]
            for value, allowed in zip(said, CHOICES.values(), strict=True)
        ),
        max_age=YEAR,
        httponly=True,
        samesite="strict",
        secure=is_secure(request),
    )
    return answer
