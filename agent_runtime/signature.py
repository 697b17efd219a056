"""Signatures of messages between systems: Standard Webhooks, HMAC-SHA256 over id, time and body.

Signed is `<id>.<seconds>.<body>`. A secret is `whsec_` and 24 to 64 random bytes in base64; of
several, the first signs and every one verifies, so that a new secret can be put before the old one
until both sides have it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from agent_runtime.errors import SettingsError, SignatureRefused

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

WINDOW = timedelta(minutes=5)
"""How far the sender's clock may be from ours, in either direction; what is older was kept back."""

PREFIX = "whsec_"
MOST = 10
"""Signatures that are looked at in one message: each costs a comparison per secret."""

_MESSAGE_ID = re.compile(r"^[\x21-\x7e]{1,200}$")
_SECONDS = re.compile(r"^[0-9]{1,11}$")


def read_secret(text: str, name: str) -> bytes:
    """The bytes of a secret; raises SettingsError that tells its name and never its value."""
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not (text.startswith(PREFIX) and 24 <= len(secret) <= 64):
        raise SettingsError(
            f"The secret {name!r} cannot be used: it is not {PREFIX} and 24 to 64 bytes in base64.",
            remedy=f'Make one with: echo "{PREFIX}$(openssl rand -base64 32)"',
        )
    return secret


def sign(secrets: Sequence[bytes], message: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a message, signed with the first of the secrets."""
    seconds = str(int(at.timestamp()))
    return {
        ID: message,
        TIMESTAMP: seconds,
        SIGNATURE: f"v1,{base64.b64encode(_mac(secrets[0], message, seconds, body)).decode()}",
    }


def verify(secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The id of a message whose headers (names in lower case) prove that a holder of one of the
    secrets has sent it within the window; raises SignatureRefused."""
    message, seconds = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not (message and seconds and SIGNATURE in headers):
        raise SignatureRefused("unsigned")
    if _MESSAGE_ID.match(message) is None or _SECONDS.match(seconds) is None:
        raise SignatureRefused("malformed")
    given = list(_given(headers[SIGNATURE]))
    expected = [_mac(secret, message, seconds, body) for secret in secrets]
    if not any(hmac.compare_digest(mac, one) for mac in expected for one in given):
        raise SignatureRefused("forged")
    if abs(now - datetime.fromtimestamp(int(seconds), UTC)) > WINDOW:
        raise SignatureRefused("stale")
    return message


def _given(header: str) -> Iterator[bytes]:
    """The signatures of our version that a header holds; others are of no use to us."""
    for word in header.split(" ")[:MOST]:
        version, _, text = word.partition(",")
        if version == "v1" and text.isascii():
            try:
                yield base64.b64decode(text, validate=True)
            except binascii.Error:
                continue


def _mac(secret: bytes, message: str, seconds: str, body: bytes) -> bytes:
    return hmac.new(secret, f"{message}.{seconds}.".encode() + body, hashlib.sha256).digest()
