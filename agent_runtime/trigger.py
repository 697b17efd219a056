"""Triggers: what started a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints


class Trigger(BaseModel):
    """A request, event or schedule. `owner` counts as who started the run: they may not
    approve in it. The same `key` for one workflow and tenant gives the same run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["request", "event", "schedule"]
    owner: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    key: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
