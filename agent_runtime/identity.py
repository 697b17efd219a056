"""Identity: who is asking, from a credential and nothing else."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import ValidationError

from agent_runtime.access import Caller
from agent_runtime.errors import NotAuthenticated, StoreError
from agent_runtime.oidc import Claims, Oidc
from agent_runtime.run import new_id
from agent_runtime.store import Session, Store
from agent_runtime.telemetry import log
from agent_runtime.token import PREFIX, Token, Whom, hash_of, new_secret
from agent_runtime.verdict import Operator

TOUCHED = timedelta(minutes=1)
"""How exactly `last_used_at` is kept: writing it at each request would cost a commit each."""

MAX_CREDENTIAL = 16_384
"""Characters of a credential at most."""


class Identity:
    """Turns an Authorization header into a caller.

    `oidc`: the issuer whose tokens count beside our own. `dev`: who asks where no credential is
    shown; only ever set for a server bound to this machine.
    """

    def __init__(self, store: Store, oidc: Oidc | None = None, dev: Operator | None = None) -> None:
        self._store = store
        self._oidc = oidc
        self._dev = dev
        self._touching: set[asyncio.Task[None]] = set()

    async def identify(self, authorization: str | None) -> Caller:
        """The caller; raises NotAuthenticated, with the reason in the log only."""
        if authorization is None:
            if self._dev is not None:
                return Caller(self._dev, channel="api:dev")
            raise NotAuthenticated("This needs a token.", remedy="Send: Authorization: Bearer …")
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret or len(secret) > MAX_CREDENTIAL:
            raise NotAuthenticated("Only bearer tokens are understood.")
        if secret.startswith(PREFIX):
            return self._by_token(secret)
        if self._oidc is not None:
            return _by_claims(await self._oidc.verify(secret))
        raise NotAuthenticated("The token is not valid.")

    def _by_token(self, secret: str) -> Caller:
        across = self._store.read_across()
        token = across.token(hash_of(secret))
        if token is None or not token.is_valid(across.now):
            why = "unknown" if token is None else "revoked" if token.revoked_at else "expired"
            log("token refused", why=why, token="" if token is None else token.id)
            raise NotAuthenticated("The token is not valid.")
        if token.last_used_at is None or across.now - token.last_used_at > TOUCHED:
            self._touch(token)
        operator = Operator(name=token.operator, roles=token.roles, tenant=token.tenant)
        scopes = None if token.scopes is None else frozenset(token.scopes)
        return Caller(operator, scopes, f"api:{token.id}")

    def _touch(self, token: Token) -> None:
        """Beside the request: nobody waits for it."""

        async def touch() -> None:
            try:
                await self._store.write(
                    token.tenant, lambda session: session.tokens.touch(token.id)
                )
            except StoreError as error:
                log("token could not be marked as used", token=token.id, error=error.code)

        task = asyncio.create_task(touch())
        self._touching.add(task)
        task.add_done_callback(self._touching.discard)


async def create_token(
    store: Store,
    operator: Operator,
    *,
    by: str,
    lifetime: timedelta,
    scopes: tuple[str, ...] | None = None,
) -> tuple[Token, str]:
    """Make a token that speaks for an operator; returns it with its secret, which is not kept."""
    secret = new_secret()

    def add(session: Session) -> Token:
        token = Token(
            id=new_id("tok"),
            tenant=operator.tenant,
            operator=operator.name,
            roles=operator.roles,
            scopes=scopes,
            prefix=secret[: len(PREFIX) + 4],
            created_by=by,
            created_at=session.now,
            expires_at=session.now + lifetime,
        )
        session.tokens.add(token, hash_of(secret))
        body = {"token": token.id, "operator": operator.name, "roles": list(operator.roles)}
        session.events.append("token.created", None, **body, by=by)
        return token

    return await store.write(operator.tenant, add), secret


async def revoke_token(store: Store, tenant: str, token_id: str, *, by: str) -> Token:
    """End a token at once; raises NotFound."""

    def revoke(session: Session) -> Token:
        before = session.tokens.get(token_id)
        if before.revoked_at is None:
            session.events.append("token.revoked", None, token=token_id, by=by)
        return session.tokens.revoke(token_id)

    return await store.write(tenant, revoke)


def _by_claims(claims: Claims) -> Caller:
    try:
        person = Whom.model_validate(
            {"operator": claims.operator, "roles": claims.roles, "tenant": claims.tenant}
        )
    except ValidationError as error:
        named = ", ".join(str(found["loc"][0]) for found in error.errors(include_url=False))
        log("token refused", why=f"its claims name no usable {named}")
        raise NotAuthenticated("The token does not say who it speaks for.") from error
    operator = Operator(name=person.operator, roles=person.roles, tenant=person.tenant)
    return Caller(operator, channel="api:oidc")
