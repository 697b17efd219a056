"""Identity: from a credential alone, and nothing of the secret is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.clock import ManualClock
from agent_runtime.errors import NotAuthenticated, NotFound
from agent_runtime.identity import Identity, create_token, revoke_token
from agent_runtime.oidc import Claims, Oidc
from agent_runtime.store import Store
from agent_runtime.token import Token
from agent_runtime.verdict import Operator

NOON = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
LENA = Operator(name="lena", roles=("lead",), tenant="acme")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = Store(tmp_path / "runtime.db", clock)
    yield store
    store.close()


async def make(store: Store, **changes: Any) -> tuple[Token, str]:
    options: dict[str, Any] = {"by": "ada", "lifetime": timedelta(days=1), **changes}
    return await create_token(store, LENA, **options)


async def test_a_token_is_its_operator(store: Store) -> None:
    """Name, roles, tenant and limits come from the stored row."""
    token, secret = await make(store, scopes=("read",))
    caller = await Identity(store).identify(f"Bearer {secret}")
    assert caller.operator == LENA
    assert (caller.scopes, caller.channel) == (frozenset({"read"}), f"api:{token.id}")


async def test_a_token_ends(store: Store, clock: ManualClock) -> None:
    """At its time, or when it is revoked."""
    identity = Identity(store)
    (_, first), (second, revoked) = await make(store), await make(store)
    await revoke_token(store, "acme", second.id, by="ada")
    with pytest.raises(NotAuthenticated):
        await identity.identify(f"Bearer {revoked}")
    clock.move(timedelta(days=1))
    with pytest.raises(NotAuthenticated):
        await identity.identify(f"Bearer {first}")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "art_x", "Bearer art_x", "Bearer a.b.c"]
)
async def test_what_is_no_credential_is_nobody(store: Store, header: str) -> None:
    """Also on a server for developers: only no header at all is the developer."""
    dev = Operator(name="developer")
    with pytest.raises(NotAuthenticated):
        await Identity(store, dev=dev).identify(header)
    assert (await Identity(store, dev=dev).identify(None)).operator == dev


async def test_the_secret_is_stored_nowhere(store: Store, tmp_path: Path) -> None:
    """Neither in the row nor in the history; the row tells its start only."""
    token, secret = await make(store)
    assert secret.encode() not in everything(tmp_path)
    assert secret.startswith(token.prefix)
    assert len(token.prefix) < len(secret) / 4
    (event,) = store.read("acme").events.find()
    assert (event.type, event.body) == (
        "token.created",
        {"token": token.id, "operator": "lena", "roles": ["lead"], "by": "ada"},
    )


def everything(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_its_last_use_is_remembered(store: Store, clock: ManualClock) -> None:
    """To the minute: a flood of requests is no flood of writes."""
    token, secret = await make(store)
    identity = Identity(store)
    for seconds in (0, 10, 70):
        clock.move(timedelta(seconds=seconds))
        await identity.identify(f"Bearer {secret}")
        await asyncio.gather(*identity._touching)
    used = store.read("acme").tokens.get(token.id).last_used_at
    assert used == NOON + timedelta(seconds=80)


async def test_another_tenant_cannot_see_or_end_it(store: Store) -> None:
    """It is not found, and goes on counting."""
    token, secret = await make(store)
    assert store.read("other").tokens.find() == []
    with pytest.raises(NotFound):
        await revoke_token(store, "other", token.id, by="eve")
    assert (await Identity(store).identify(f"Bearer {secret}")).operator == LENA


class Verified(Oidc):
    """An issuer that said yes."""

    def __init__(self, claims: Claims) -> None:
        self.claims = claims

    async def verify(self, _: str) -> Claims:
        return self.claims


async def test_claims_become_an_operator(store: Store) -> None:
    """With the roles of the claim, in the tenant of the claim."""
    issuer = Verified(Claims("lena", ["lead", "finance"], "acme"))
    caller = await Identity(store, issuer).identify("Bearer a.b.c")
    assert caller.operator == Operator(name="lena", roles=("lead", "finance"), tenant="acme")
    assert caller.channel == "api:oidc"


@pytest.mark.parametrize(
    "claims",
    [
        Claims(None, [], "acme"),
        Claims("lena", "lead", "acme"),
        Claims("lena", ["lead"], None),
        Claims('le"na', ["lead"], "acme"),
        Claims("lena", [7], "acme"),
        Claims("lena", ["lead"], "*"),
        Claims({"name": "lena"}, [], "acme"),
    ],
)
async def test_claims_that_name_nobody_are_refused(store: Store, claims: Claims) -> None:
    """A claim that is missing or of another shape is not guessed at."""
    with pytest.raises(NotAuthenticated):
        await Identity(store, Verified(claims)).identify("Bearer a.b.c")
