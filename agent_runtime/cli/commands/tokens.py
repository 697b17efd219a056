"""Tokens: make one for an operator, list them, revoke one."""

from __future__ import annotations

import re
from datetime import timedelta

from agent_runtime.access import ACTS
from agent_runtime.cli.administration import Administration
from agent_runtime.cli.reading import checked
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import InvalidInput
from agent_runtime.token import Token, Whom

_AGE = re.compile(r"^([1-9][0-9]{0,3})([hdw])$")
_HOURS = {"h": 1, "d": 24, "w": 168}
MOST = timedelta(days=366)


def create(
    office: Administration,
    screen: Screen,
    name: str,
    roles: list[str],
    tenant: str | None,
    expires: str,
    scopes: list[str],
) -> None:
    """Make a token and print its secret, once.

    Without roles, those that the list of operators gives to that name.
    """
    lifetime = _lifetime(expires)
    unknown = sorted(set(scopes) - set(ACTS))
    if unknown:
        raise InvalidInput("--scope", unknown[0], f"is none of {', '.join(ACTS)}")
    held = tuple(roles) or _listed(office, name, tenant)
    given = {"operator": name, "roles": held, "tenant": tenant or "default"}
    whom = checked(Whom, given)
    limited = scopes or None
    token, secret = office.make_token(whom.operator, whom.roles, tenant, lifetime, limited)
    screen.document({"token": token.model_dump(mode="json"), "secret": secret})
    shown = ", ".join(token.roles) or "no role"
    screen.line(f"{token.id} speaks for {token.operator} ({shown}) of tenant {token.tenant}")
    screen.line(f"until {token.expires_at:%Y-%m-%d %H:%M} UTC. It is shown this once:")
    screen.line(secret)


def show_list(office: Administration, screen: Screen, tenant: str | None) -> None:
    """List tokens."""
    found = office.tokens(tenant)
    screen.document([token.model_dump(mode="json") for token in found])
    columns = ("token", "operator", "roles", "until (UTC)", "last used (UTC)", "revoked")
    screen.table(columns, [_row(token) for token in found], empty="There are no tokens yet.")


def revoke(office: Administration, screen: Screen, token_id: str, tenant: str | None) -> None:
    """End a token at once."""
    token = office.revoke_token(token_id, tenant)
    screen.document(token.model_dump(mode="json"))
    screen.line(f"{token.id} is revoked")


def _listed(office: Administration, name: str, tenant: str | None) -> tuple[str, ...]:
    roles = office.roles_of(name, tenant)
    if not roles:
        raise InvalidInput(
            "--operator",
            name,
            f"is none of tenant {tenant or 'default'}'s operators, so that roles are missing",
            remedy="Name them with --role.",
        )
    return roles


def _lifetime(text: str) -> timedelta:
    match = _AGE.match(text)
    lifetime = timedelta(hours=int(match[1]) * _HOURS[match[2]]) if match else timedelta()
    if not timedelta() < lifetime <= MOST:
        raise InvalidInput("--expires", text, "is no time such as 12h, 30d or 8w, up to 366d")
    return lifetime


def _row(token: Token) -> tuple[str, ...]:
    used = "-" if token.last_used_at is None else f"{token.last_used_at:%Y-%m-%d %H:%M}"
    revoked = "-" if token.revoked_at is None else f"{token.revoked_at:%Y-%m-%d %H:%M}"
    until = f"{token.expires_at:%Y-%m-%d %H:%M}"
    return (token.id, token.operator, ", ".join(token.roles), until, used, revoked)
