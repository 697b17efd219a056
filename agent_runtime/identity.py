"""Identity: who is asking, from a credential and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from pydantic import ValidationError

from agent_runtime.access import Caller
from agent_runtime.errors import NotAuthenticated, NotFound, StoreError
from agent_runtime.oidc import Asking, Claims, Oidc
from agent_runtime.run import new_id
from agent_runtime.signin import PREFIX as COOKIE
from agent_runtime.signin import SignIn
from agent_runtime.store import Session, Store
from agent_runtime.telemetry import log
from agent_runtime.token import PREFIX, Token, Whom, hash_of, mark_in, new_secret, shown_of
from agent_runtime.verdict import Operator

IDLE = timedelta(minutes=30)
LASTING = timedelta(hours=12)
"""How long a sign-in lasts without being used, and at most, unless settings say otherwise."""

TOUCHED = timedelta(minutes=1)
"""How exactly `last_used_at` is kept: writing it at each request would cost a commit each."""

MAX_CREDENTIAL = 16_384
"""Characters of a credential at most."""


class Identity:
    """Turns an Authorization header, or a browser's cookie, into a caller.

    `oidc`: the issuer whose tokens count beside our own. `dev`: who asks where no credential is
    shown; only ever set for a server bound to this machine. `idle`, `lasting`: of sign-ins.
    """

    def __init__(
        self,
        store: Store,
        oidc: Oidc | None = None,
        dev: Operator | None = None,
        *,
        idle: timedelta = IDLE,
        lasting: timedelta = LASTING,
    ) -> None:
        self._store = store
        self._oidc = oidc
        self.dev = dev
        self._idle = idle
        self._lasting = lasting
        self._touching: set[asyncio.Task[None]] = set()

    async def identify(self, authorization: str | None, cookie: str | None = None) -> Caller:
        """The caller; raises NotAuthenticated, with the reason in the log only.

        `cookie`: of a sign-in; it counts where there is no header.
        """
        if authorization is None:
            if cookie is not None:
                return self._by_cookie(cookie)
            if self.dev is not None:
                return Caller(self.dev, channel="api:dev")
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
        across = self._file_of(secret).read_across()
        token = across.token(hash_of(secret))
        if token is None or not token.is_valid(across.now):
            why = "unknown" if token is None else "revoked" if token.revoked_at else "expired"
            log("token refused", why=why, token="" if token is None else token.id)
            raise NotAuthenticated("The token is not valid.")
        if token.last_used_at is None or across.now - token.last_used_at > TOUCHED:
            self._beside(token.tenant, lambda session: session.tokens.touch(token.id))
        operator = Operator(name=token.operator, roles=token.roles, tenant=token.tenant)
        scopes = None if token.scopes is None else frozenset(token.scopes)
        return Caller(operator, scopes, f"api:{token.id}")

    async def ask_issuer(self, asking: Asking) -> str:
        """Where a browser goes to sign in; raises NotFound where there is no issuer."""
        return await self._issuer().address(asking)

    async def redeem(self, code: str, asking: Asking) -> Caller:
        """Who has signed in at the issuer; raises NotAuthenticated."""
        return _by_claims(await self._issuer().redeem(code, asking))

    def _issuer(self) -> Oidc:
        if self._oidc is None:
            raise NotFound("issuer", "oidc", remedy="Sign in with a token.")
        return self._oidc

    async def sign_in(self, caller: Caller, how: str) -> tuple[SignIn, str]:
        """Let somebody who has shown a credential go on by cookie; returns its secret, which is
        not kept. What opened it says what it may do: a limited token's sign-in is as limited."""
        secret = new_secret(self._store.of(caller.tenant).mark, COOKIE)
        channel, _, token = caller.channel.partition(":")

        def add(session: Session) -> SignIn:
            signed = SignIn(
                id=new_id("sgn"),
                tenant=caller.tenant,
                operator=caller.name,
                roles=caller.operator.roles,
                scopes=None if caller.scopes is None else tuple(sorted(caller.scopes)),
                how=how,
                token=token if channel == "api" and token.startswith("tok") else None,
                began_at=session.now,
                ends_at=session.now + self._lasting,
                seen_at=session.now,
            )
            session.sign_ins.add(signed, hash_of(secret))
            return signed

        signed = await self._store.write(caller.tenant, add)
        log("signed in", operator=caller.name, sign_in=signed.id, how=how)
        return signed, secret

    async def sign_out(self, cookie: str) -> None:
        """End a sign-in; one that is over, or never was, is left as it is."""
        signed = self._file_of(cookie).read_across().sign_in(hash_of(cookie))
        if signed is not None and signed.left_at is None:
            await self._store.write(signed.tenant, lambda s: s.sign_ins.leave(signed.id))
            log("signed out", operator=signed.operator, sign_in=signed.id)

    def _by_cookie(self, secret: str) -> Caller:
        across = self._file_of(secret).read_across()
        signed = across.sign_in(hash_of(secret)) if len(secret) <= MAX_CREDENTIAL else None
        if signed is None or not signed.is_valid(across.now, self._idle):
            log("sign-in refused", sign_in="" if signed is None else signed.id)
            raise NotAuthenticated("Your sign-in is over.", remedy="Sign in again.")
        if across.now - signed.seen_at > min(TOUCHED, self._idle / 2):
            self._beside(signed.tenant, lambda session: session.sign_ins.touch(signed.id))
        operator = Operator(name=signed.operator, roles=signed.roles, tenant=signed.tenant)
        scopes = None if signed.scopes is None else frozenset(signed.scopes)
        return Caller(operator, scopes, f"console:{signed.id}")

    def _file_of(self, secret: str) -> Store:
        """Where to look a credential up: its mark leads there, and proves nothing."""
        return self._store.marked(mark_in(secret)) or self._store

    def _beside(self, tenant: str, touch: Callable[[Session], None]) -> None:
        """Mark a credential as used, beside the request: nobody waits for it."""

        async def mark() -> None:
            try:
                await self._store.write(tenant, touch)
            except StoreError as error:
                log("a credential could not be marked as used", error=error.code)

        task = asyncio.create_task(mark())
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
    secret = new_secret(store.of(operator.tenant).mark)

    def add(session: Session) -> Token:
        token = Token(
            id=new_id("tok"),
            tenant=operator.tenant,
            operator=operator.name,
            roles=operator.roles,
            scopes=scopes,
            prefix=shown_of(secret),
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
