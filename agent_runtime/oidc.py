"""OpenID Connect: an issuer's tokens, verified with its published keys, and its sign-in page."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

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
Send = Callable[[str, Mapping[str, str]], dict[str, Any]]


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
    return _object(url, None)


def send_form(url: str, form: Mapping[str, str]) -> dict[str, Any]:
    """The same for what is posted."""
    return _object(url, urlencode(form).encode())


def require_https(url: str) -> None:
    """Raise ValueError for an address that neither https nor this machine protects."""
    parts = urlsplit(url)
    here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not here:
        raise ValueError("the issuer has to be reached by https")


def _object(url: str, body: bytes | None) -> dict[str, Any]:
    require_https(url)
    with _OPENER.open(url, body, timeout=5) as answer:
        found = json.loads(answer.read(MAX_ANSWER))
    if not isinstance(found, dict):
        raise ValueError("the issuer's document is no JSON object")
    return found


@dataclass(frozen=True)
class Asking:
    """One browser's way to the issuer and back, all of it from one secret that only this browser
    keeps: nothing has to be stored, and nobody else's answer fits.

    `redirect`: where the issuer sends it back to.
    """

    secret: str
    redirect: str

    @property
    def state(self) -> str:
        """What comes back with the answer: it was this browser that asked."""
        return self._of("state")

    @property
    def nonce(self) -> str:
        """What stands in the token: it was made for this sign-in."""
        return self._of("nonce")

    @property
    def verifier(self) -> str:
        """What redeems the code (RFC 7636): whoever reads it on the way cannot."""
        return self._of("verifier")

    @property
    def challenge(self) -> str:
        """What the issuer is shown of it beforehand."""
        return _encoded(hashlib.sha256(self.verifier.encode()).digest())

    def _of(self, purpose: str) -> str:
        return _encoded(hmac.digest(self.secret.encode(), purpose.encode(), "sha256"))


def _encoded(found: bytes) -> str:
    return base64.urlsafe_b64encode(found).decode().rstrip("=")


class Oidc:
    """One issuer. Its keys are fetched when they are first needed, and again as it rotates them.

    Raises SettingsError when what is configured cannot be safe.
    """

    def __init__(
        self,
        settings: ServeSettings,
        fetch: Fetch = fetch_json,
        *,
        send: Send = send_form,
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
        self._send = send
        self._monotonic = monotonic
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._lock = asyncio.Lock()

    async def verify(self, text: str) -> Claims:
        """Who the token speaks for; raises NotAuthenticated, whatever is wrong with it."""
        claims = await self._decode(text, self._settings.oidc_audience or "")
        return self._claims(claims)

    async def address(self, asking: Asking) -> str:
        """Where a browser goes to sign in; raises NotAuthenticated while the issuer is away."""
        place = str((await self._described())["authorization_endpoint"])
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id or "",
            "redirect_uri": asking.redirect,
            "scope": self._settings.oidc_scope,
            "state": asking.state,
            "nonce": asking.nonce,
            "code_challenge": asking.challenge,
            "code_challenge_method": "S256",
        }
        return f"{place}{'&' if '?' in place else '?'}{urlencode(query)}"

    async def redeem(self, code: str, asking: Asking) -> Claims:
        """Who has signed in, for the code that their browser brought back; raises
        NotAuthenticated, whatever is wrong with it."""
        place = str((await self._described())["token_endpoint"])
        settings, secret = self._settings, self._settings.oidc_client_secret
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asking.redirect,
            "client_id": settings.oidc_client_id or "",
            "code_verifier": asking.verifier,
        }
        if secret is not None:
            form["client_secret"] = secret.get_secret_value()
        try:
            found = await asyncio.to_thread(self._send, place, form)
            text = str(found["id_token"])
        except (OSError, ValueError, KeyError) as error:
            raise NotAuthenticated("The issuer did not confirm the sign-in.") from error
        claims = await self._decode(text, settings.oidc_client_id or "")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), asking.nonce.encode()):
            raise NotAuthenticated("The issuer confirmed another sign-in than this one.")
        return self._claims(claims)

    async def _described(self) -> dict[str, Any]:
        """The discovery document, which names where to go; it is the issuer's own."""
        try:
            found = await asyncio.to_thread(self._describe)
            for name in ("authorization_endpoint", "token_endpoint"):
                require_https(str(found[name]))
        except (OSError, ValueError, KeyError) as error:
            raise NotAuthenticated("The issuer cannot be asked where to sign in.") from error
        return found

    async def _decode(self, text: str, audience: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(text)
            key = await self._key(str(header.get("kid", "")))
            if header.get("alg") not in self._settings.oidc_algorithms:
                raise NotAuthenticated("The token is not signed as this installation demands.")
            decoded: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=list(self._settings.oidc_algorithms),
                audience=audience,
                issuer=self._issuer,
                leeway=self._settings.oidc_leeway,
                options={"require": ["exp", "iat", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise NotAuthenticated("The token is not valid.") from error
        return decoded

    def _claims(self, claims: dict[str, Any]) -> Claims:
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

    def _describe(self) -> dict[str, Any]:
        place = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        described = self._fetch(place)
        if described.get("issuer") != self._issuer:
            raise ValueError("the discovery document is another issuer's")
        return described

    def _ask(self) -> dict[str, jwt.PyJWK]:
        described = self._describe()
        found = jwt.PyJWKSet.from_dict(self._fetch(str(described["jwks_uri"])))
        return {key.key_id: key for key in found.keys if key.key_id and key.public_key_use != "enc"}
