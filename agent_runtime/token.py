"""Tokens: what a program shows to be taken for an operator; stored as a hash only."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

PREFIX = "art_"
"""What every secret begins with, so that scanners of logs and repositories recognise one."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@:-]{0,99}$")]
"""Of operators, roles and tenants: it is printed, compared and written into policies."""


class Token(BaseModel):
    """One token as stored. `scopes`: the actions it is limited to; None: all of its operator's.

    `prefix` is the start of the secret, enough to tell two tokens apart and no more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    tenant: Name
    operator: Name
    roles: tuple[Name, ...]
    scopes: tuple[str, ...] | None = None
    prefix: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it proves anything at this moment."""
        return self.revoked_at is None and now < self.expires_at


class Whom(BaseModel):
    """Whom a token is to speak for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operator: Name
    roles: tuple[Name, ...]
    tenant: Name


MARKED = "."
"""What ends the mark of a secret that leads to a tenant's own file: no random part has one."""


def new_secret(mark: str = "", prefix: str = PREFIX) -> str:
    """A secret of 256 random bits; shown once, stored nowhere. `mark`: of the file that holds what
    is stored of it, where that is not the main one."""
    return f"{prefix}{mark}{MARKED if mark else ''}{secrets.token_urlsafe(32)}"


def mark_in(secret: str) -> str:
    """The mark in a secret; empty where it has none."""
    head, found, _ = secret.partition(MARKED)
    return head.partition("_")[2] if found else ""


def shown_of(secret: str) -> str:
    """The start of a secret, enough to tell two tokens apart and no more."""
    head = secret.rpartition(MARKED)[2].removeprefix(PREFIX)
    return f"{PREFIX}{head[:4]}"


def hash_of(secret: str) -> str:
    """What is stored of a secret. A plain hash is enough: 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()
