"""OpenID Connect: bearer tokens of an issuer, verified with its published keys."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt

from agent_runtime.errors import NotAuthenticated, SettingsError
from agent_runtime.settings import ServeSettings

ALLOWED = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"}) | {
    "ES512",
    "EdDSA",
}
"""Signatures with a key pair. With a shared secret, whoever verifies could also sign."""

REFETCH = 30.0
"""Seconds between two looks at the issuer's keys at least: unknown key ids are for free to send."""

STALE = 3_600.0
"""Seconds after which keys are fetched again even though they are known."""

MAX_ANSWER = 1_000_000
"""Bytes of an issuer's document at most."""

Fetch = Callable[[str], dict[str, Any]]


class _Stay(urllib.request.HTTPRedirectHandler):
    """Keys come from where the issuer says, and from nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stay)


@dataclass(frozen=True)
class Claims:
    """Who a verified token speaks for, before names are checked."""

    operator: Any
    roles: Any
    tenant: Any


def fetch_json(url: str) -> dict[str, Any]:
    """A JSON object over HTTPS (plain HTTP on this machine alone); raises OSError, ValueError."""
    parts = urlsplit(url)
    here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not here:
        raise ValueError("the issuer has to be reached by https")
    with _OPENER.open(url, timeout=5) as answer:
        found = json.loads(answer.read(MAX_ANSWER))
    if not isinstance(found, dict):
        raise ValueError("the issuer's document is no JSON object")
    return found


class Oidc:
    """One issuer. Its keys are fetched when they are first needed, and again as it rotates them.

    Raises SettingsError when what is configured cannot be safe.
    """

    def __init__(
        self,
        settings: ServeSettings,
        fetch: Fetch = fetch_json,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not settings.oidc_issuer or not settings.oidc_audience:
            raise SettingsError("OIDC needs an issuer and an audience.")
        unsafe = sorted(set(settings.oidc_algorithms) - ALLOWED)
        if unsafe or not settings.oidc_algorithms:
            raise SettingsError(
                f"OIDC algorithms that cannot be used: {', '.join(unsafe) or 'none is named'}.",
                remedy=f"There are: {', '.join(sorted(ALLOWED))}.",
            )
        self._settings = settings
        self._issuer = settings.oidc_issuer
        self._fetch = fetch
        self._monotonic = monotonic
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._lock = asyncio.Lock()

    async def verify(self, text: str) -> Claims:
        """Who the token speaks for; raises NotAuthenticated, whatever is wrong with it."""
        try:
            header = jwt.get_unverified_header(text)
            key = await self._key(str(header.get("kid", "")))
            if header.get("alg") not in self._settings.oidc_algorithms:
                raise NotAuthenticated("The token is not signed as this installation demands.")
            claims = jwt.decode(
                text,
                key,
                algorithms=list(self._settings.oidc_algorithms),
                audience=self._settings.oidc_audience,
                issuer=self._issuer,
                leeway=self._settings.oidc_leeway,
                options={"require": ["exp", "iat", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise NotAuthenticated("The token is not valid.") from error
        named = self._settings
        return Claims(
            operator=claims.get(named.oidc_operator_claim),
            roles=claims.get(named.oidc_roles_claim, []),
            tenant=claims.get(named.oidc_tenant_claim)
            if named.oidc_tenant_claim
            else named.oidc_tenant,
        )

    async def _key(self, kid: str) -> jwt.PyJWK:
        age = self._monotonic() - self._fetched
        if (kid not in self._keys and age > REFETCH) or age > STALE:
            async with self._lock:
                if self._monotonic() - self._fetched > REFETCH:
                    await self._refetch()
        if kid not in self._keys:
            raise NotAuthenticated("The token is signed with a key that its issuer does not name.")
        return self._keys[kid]

    async def _refetch(self) -> None:
        self._fetched = self._monotonic()
        try:
            keys = await asyncio.to_thread(self._ask)
        except (OSError, ValueError, KeyError, jwt.PyJWTError) as error:
            if self._keys:  # known keys go on counting while the issuer is away
                return
            raise NotAuthenticated("The token's issuer cannot be asked for its keys.") from error
        self._keys = keys

    def _ask(self) -> dict[str, jwt.PyJWK]:
        place = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        described = self._fetch(place)
        if described.get("issuer") != self._issuer:
            raise ValueError("the discovery document is another issuer's")
        found = jwt.PyJWKSet.from_dict(self._fetch(str(described["jwks_uri"])))
        return {key.key_id: key for key in found.keys if key.key_id and key.public_key_use != "enc"}
