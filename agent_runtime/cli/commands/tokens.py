"""Tokens: make one for an operator, list them, revoke one."""

from __future__ import annotations

import re
from datetime import timedelta

from agent_runtime.access import ACTS
from agent_runtime.cli.opening import Place
from agent_runtime.cli.reading import checked
from agent_runtime.cli.screen import Screen
from agent_runtime.errors import InvalidInput
from agent_runtime.identity import create_token, revoke_token
from agent_runtime.operators import FILE, load_operators, provide_operators, user
from agent_runtime.runtime import Runtime
from agent_runtime.token import Token, Whom
from agent_runtime.verdict import Operator

_AGE = re.compile(r"^([1-9][0-9]{0,3})([hdw])$")
_HOURS = {"h": 1, "d": 24, "w": 168}
MOST = timedelta(days=366)


def create(
    place: Place,
    screen: Screen,
    name: str,
    roles: list[str],
    tenant: str,
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
    provide_operators(place.data, place.folder / FILE)
    held = tuple(roles) or _listed(place, name, tenant)
    whom = checked(Whom, {"operator": name, "roles": held, "tenant": tenant})
    operator = Operator(name=whom.operator, roles=whom.roles, tenant=whom.tenant)

    async def work(runtime: Runtime) -> tuple[Token, str]:
        limited = tuple(scopes) or None
        by = f"cli:{user()}"
        return await create_token(runtime.store, operator, by=by, lifetime=lifetime, scopes=limited)

    token, secret = place.work(work, create=True)
    screen.document({"token": token.model_dump(mode="json"), "secret": secret})
    shown = ", ".join(token.roles) or "no role"
    screen.line(f"{token.id} speaks for {token.operator} ({shown}) of tenant {token.tenant}")
    screen.line(f"until {token.expires_at:%Y-%m-%d %H:%M} UTC. It is shown this once:")
    screen.line(secret)


def show_list(place: Place, screen: Screen, tenant: str) -> None:
    """List tokens."""

    async def work(runtime: Runtime) -> list[Token]:
        return runtime.store.read(tenant).tokens.find()

    found = place.work(work)
    screen.document([token.model_dump(mode="json") for token in found])
    columns = ("token", "operator", "roles", "until (UTC)", "last used (UTC)", "revoked")
    screen.table(columns, [_row(token) for token in found], empty="There are no tokens yet.")


def revoke(place: Place, screen: Screen, token_id: str, tenant: str) -> None:
    """End a token at once."""

    async def work(runtime: Runtime) -> Token:
        return await revoke_token(runtime.store, tenant, token_id, by=f"cli:{user()}")

    token = place.work(work)
    screen.document(token.model_dump(mode="json"))
    screen.line(f"{token.id} is revoked")


def _listed(place: Place, name: str, tenant: str) -> tuple[str, ...]:
    known = load_operators(place.data).get(name)
    if known is None or known.tenant != tenant:
        raise InvalidInput(
            "--operator",
            name,
            f"is not among the operators of tenant {tenant}, so that roles are missing",
            remedy="Name them with --role.",
        )
    return known.roles


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
