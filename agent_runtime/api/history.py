"""A run's history over HTTP: its timeline, its envelopes, the evidence that it was shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from agent_runtime.api.page import Limit
from agent_runtime.api.route import Route
from agent_runtime.api.site import Here, Number, OnRun
from agent_runtime.event import Event, EventType
from agent_runtime.run import Run
from agent_runtime.store import JournalEntry, Session
from agent_runtime.store.calls import ModelCall

router = APIRouter(prefix="/v1/runs/{run_id}", tags=["runs"], route_class=Route)

Readable = Annotated[Run, Depends(OnRun("read"))]

WORDS = 300
"""Characters of a text in a timeline at most; whole texts stand in envelopes and events."""


class Moment(BaseModel):
    """One event in short. `about`: the plain values of its body."""

    model_config = ConfigDict(extra="forbid")

    number: int
    at: datetime
    type: EventType
    about: dict[str, str | int | float | bool]


class Emitted(BaseModel):
    """One node's envelope, as it was stored."""

    model_config = ConfigDict(extra="forbid")

    number: int
    at: datetime
    envelope: dict[str, Any] | None


class Passages(BaseModel):
    """What one visit of a step was shown, within a budget of estimated tokens.

    `passages` by the hash of their content; null: it was pruned, or erased.
    """

    model_config = ConfigDict(extra="forbid")

    number: int
    at: datetime
    step: str
    visit: int
    tokens: int
    budget: int
    passages: dict[str, Any]
    left_out: list[Any]


class Timeline(BaseModel):
    """A run's events in order. `next`: the `after` of what follows; null: this is the end."""

    model_config = ConfigDict(extra="forbid")

    items: list[Moment]
    next: int | None


class ModelCalls(BaseModel):
    """A run's attempts at asking models, in order."""

    model_config = ConfigDict(extra="forbid")

    items: list[ModelCall]


class Envelopes(BaseModel):
    """A run's envelopes in order."""

    model_config = ConfigDict(extra="forbid")

    items: list[Emitted]


class Calls(BaseModel):
    """A run's calls of write tools in order."""

    model_config = ConfigDict(extra="forbid")

    items: list[JournalEntry]


class Shown(BaseModel):
    """What a run was shown, bundle by bundle."""

    model_config = ConfigDict(extra="forbid")

    items: list[Passages]


@router.get("/timeline")
async def timeline(run: Readable, site: Here, after: Number = 0, limit: Limit = 100) -> Timeline:
    """What happened, in order."""
    found = site.store.read(run.tenant).events.find(run.id, after=after, limit=limit + 1)
    more = found[limit - 1].number if len(found) > limit else None
    return Timeline(items=[_moment(event) for event in found[:limit]], next=more)


@router.get("/envelopes")
async def envelopes(run: Readable, site: Here) -> Envelopes:
    """What each node concluded."""
    found = _of_type(site.store.read(run.tenant), run, "envelope.emitted")
    return Envelopes(items=[Emitted(number=e.number, at=e.at, envelope=e.body) for e in found])


@router.get("/calls")
async def model_calls(run: Readable, site: Here) -> ModelCalls:
    """Every attempt at asking a model: outcome, tokens, and what it cost in billionths."""
    return ModelCalls(items=site.store.read(run.tenant).calls.find(run.id))


@router.get("/journal")
async def journal(run: Readable, site: Here) -> Calls:
    """What it did outside, or was about to do, and what is known of the outcome."""
    return Calls(items=site.store.read(run.tenant).journal.find(run.id))


@router.get("/evidence")
async def evidence(run: Readable, site: Here) -> Shown:
    """What the model was shown, and what was left out for want of room."""
    session = site.store.read(run.tenant)
    found = _of_type(session, run, "bundle.assembled")
    return Shown(items=[_passages(session, event) for event in found if event.body is not None])


def _of_type(session: Session, run: Run, kind: EventType) -> Iterator[Event]:
    return (event for event in session.events.find(run.id) if event.type == kind)


def _moment(event: Event) -> Moment:
    about = {
        name: value[:WORDS] if isinstance(value, str) else value
        for name, value in (event.body or {}).items()
        if isinstance(value, str | int | float | bool)
    }
    return Moment(number=event.number, at=event.at, type=event.type, about=about)


def _passages(session: Session, event: Event) -> Passages:
    body = event.body or {}
    return Passages(
        number=event.number,
        at=event.at,
        step=body["step"],
        visit=body["visit"],
        tokens=body["tokens"],
        budget=body["budget"],
        passages={name: session.recordings.kept(name) for name in body["shown"]},
        left_out=body["left_out"],
    )
