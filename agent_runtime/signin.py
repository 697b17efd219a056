"""Sign-ins: a browser that is taken for an operator, until they leave or their time ends."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from agent_runtime.token import Name

PREFIX = "ars_"
"""What every cookie's secret begins with, so that scanners recognise one."""


class SignIn(BaseModel):
    """One sign-in as stored. `how`: token, oidc or dev; `token`: the id of the API token that
    opened it, if one did. `scopes` are that token's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    tenant: Name
    operator: Name
    roles: tuple[Name, ...]
    scopes: tuple[str, ...] | None = None
    how: str
    token: str | None = None
    began_at: datetime
    ends_at: datetime
    seen_at: datetime
    left_at: datetime | None = None

    def is_valid(self, now: datetime, idle: timedelta) -> bool:
        """Whether it proves anything at this moment."""
        return self.left_at is None and now < self.ends_at and now < self.seen_at + idle


def form_token(secret: str) -> str:
    """What a page of this sign-in sends along with each write, since another site cannot know it.

    Computed from the cookie's secret, which it doesn't give away: nothing more has to be stored.
    """
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


def is_form_token(shown: str, secret: str) -> bool:
    """Whether that is the one of this sign-in."""
    return hmac.compare_digest(shown.encode(), form_token(secret).encode())
