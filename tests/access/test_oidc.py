"""OpenID Connect: only what the issuer signed, for us, now, with a key that it publishes."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent_runtime.errors import NotAuthenticated, SettingsError
from agent_runtime.oidc import REFETCH, STALE, Oidc, fetch_json
from agent_runtime.settings import ServeSettings
from tests.access.issuer import AUDIENCE, Issuer, issuing


class Watch:
    """A monotonic clock that is moved by hand."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: Issuer) -> Issuer:
    """The issuer as it was at first."""
    running.named, running.is_away = running.url, False
    running.rotate("k1")
    running.asked.clear()
    return running


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def oidc(issuer: Issuer, watch: Watch) -> Oidc:
    return Oidc(settings(issuer), monotonic=watch)


def settings(issuer: Issuer, **changes: object) -> ServeSettings:
    own = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "oidc_tenant_claim": "org"}
    return ServeSettings.model_validate({**own, **changes})


async def test_claims_say_who_it_is(oidc: Oidc, issuer: Issuer) -> None:
    """Operator, roles and tenant from the claims that the settings name."""
    claims = await oidc.verify(issuer.token(org="acme"))
    assert (claims.operator, claims.roles, claims.tenant) == ("lena", ["lead"], "acme")


WRONG: dict[str, dict[str, Any]] = {
    "over": {"exp": int(time.time()) - 100},
    "not yet": {"nbf": int(time.time()) + 1_000},
    "for somebody else": {"aud": "another"},
    "of another issuer": {"iss": "https://evil.example"},
    "without an end": {"exp": None},
    "without an audience": {"aud": None},
    "without a person": {"sub": None},
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_token_that_is_not_for_us_now_is_refused(
    oidc: Oidc, issuer: Issuer, name: str
) -> None:
    """Whoever it was signed by."""
    with pytest.raises(NotAuthenticated):
        await oidc.verify(issuer.token(**WRONG[name]))


async def test_clocks_may_differ_a_little(oidc: Oidc, issuer: Issuer) -> None:
    """A minute, unless the settings say otherwise."""
    claims = await oidc.verify(issuer.token(exp=int(time.time()) - 30))
    assert claims.operator == "lena"


async def test_a_changed_token_is_refused(oidc: Oidc, issuer: Issuer) -> None:
    """Its claims are signed; so is its header."""
    head, _, signature = issuer.token().split(".")
    other = issuer.token(sub="ada").split(".")[1]
    with pytest.raises(NotAuthenticated):
        await oidc.verify(f"{head}.{other}.{signature}")


async def test_no_signature_and_shared_secrets_are_refused(oidc: Oidc, issuer: Issuer) -> None:
    """`none`, and a signature made with the public key as if it were a secret."""
    key = next(iter(issuer.keys.values())).public_key()
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    unsigned = jwt.encode(issuer.claims(), "", "none", headers={"kid": "k1"})
    confused = by_secret(issuer.claims(), public)
    for token in (unsigned, confused, "x", "a.b.c", ""):
        with pytest.raises(NotAuthenticated):
            await oidc.verify(token)


def by_secret(claims: dict[str, Any], secret: bytes) -> str:
    """Signed by hand: the library refuses to take a public key for a secret."""
    parts = ({"alg": "HS256", "kid": "k1"}, claims)
    text = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = hmac.digest(secret, text, "sha256")
    return (text + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def test_keys_are_fetched_once(oidc: Oidc, issuer: Issuer) -> None:
    """And again after an hour."""
    for _ in range(3):
        await oidc.verify(issuer.token())
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_a_new_key_is_looked_up(oidc: Oidc, issuer: Issuer, watch: Watch) -> None:
    """The old one counts no longer; unknown ids cannot make us ask all the time."""
    before = issuer.token()
    await oidc.verify(before)
    issuer.rotate("k2")
    for _ in range(5):
        with pytest.raises(NotAuthenticated, match="does not name"):
            await oidc.verify(issuer.token())
    assert len(issuer.asked) == 2
    watch.now += REFETCH + 1
    assert (await oidc.verify(issuer.token())).operator == "lena"
    with pytest.raises(NotAuthenticated):
        await oidc.verify(before)


async def test_known_keys_count_while_the_issuer_is_away(
    oidc: Oidc, issuer: Issuer, watch: Watch
) -> None:
    """Without any, nobody gets in."""
    await oidc.verify(issuer.token())
    issuer.is_away = True
    watch.now += STALE + 1
    assert (await oidc.verify(issuer.token())).operator == "lena"
    with pytest.raises(NotAuthenticated, match="cannot be asked"):
        await Oidc(settings(issuer), monotonic=watch).verify(issuer.token())


async def test_another_issuers_document_is_refused(oidc: Oidc, issuer: Issuer) -> None:
    """What is found under our issuer's address has to name our issuer."""
    token = issuer.token()
    issuer.named = "https://evil.example"
    with pytest.raises(NotAuthenticated):
        await oidc.verify(token)


@pytest.mark.parametrize("algorithms", [("HS256",), ("RS256", "none"), ()])
def test_unsafe_algorithms_cannot_be_configured(
    issuer: Issuer, algorithms: tuple[str, ...]
) -> None:
    """Whoever verifies with a shared secret could also sign with it."""
    with pytest.raises(SettingsError):
        Oidc(settings(issuer, oidc_algorithms=algorithms))


def test_keys_come_by_https() -> None:
    """Plain HTTP is for this machine; a name that only begins like it is another's."""
    for url in ("http://example.com/x", "http://127.0.0.1.example.com/x", "file:///etc/passwd"):
        with pytest.raises(ValueError, match="https"):
            fetch_json(url)
