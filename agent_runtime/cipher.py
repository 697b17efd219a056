"""The cipher: seals stored content, each value for the one place that it belongs to.

AES-256-GCM with a random nonce; tenant, table and row are authenticated with it, so that a sealed
value that is moved elsewhere does not open. The key is derived by HKDF from what the settings say.
A sealed text is `\\x01sealed:1:<key id>:<base64>`, a sealed value of a checkpoint has the type
`<type>+sealed:<key id>`.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable
from typing import Protocol

from pydantic import SecretStr

from agent_runtime.errors import SettingsError, StoreError

VARIABLE = "AGENT_RUNTIME_CONTENT_KEY"

_MARK = "\x01"
"""What a sealed text begins with. JSON never does; another text that does gets a second one."""
_SEALED = f"{_MARK}sealed:1:"
_TYPED = "+sealed:"
_NONCE = 12

Typed = tuple[str, bytes]
"""A serialized value: how it was serialized, and its bytes."""


class Cipher(Protocol):
    """How stored content is written and read; `where` names tenant, table and row."""

    def seal(self, text: str, *where: object) -> str:
        """The text as it is stored in that place."""
        ...

    def open(self, text: str, *where: object) -> str:
        """The text that is stored in that place; raises StoreError when it cannot be opened."""
        ...

    def seal_typed(self, value: Typed, *where: object) -> Typed:
        """The same for a serialized value."""
        ...

    def open_typed(self, value: Typed, *where: object) -> Typed:
        """The same for a serialized value."""
        ...

    def mark_keys(self) -> tuple[bytes, ...]:
        """Keys for marks that are compared and never opened, the present one first."""
        ...


class Clear:
    """No key: content is stored as it is."""

    def seal(self, text: str, *_where: object) -> str:
        """See `Cipher.seal`."""
        return text if text[:1] != _MARK else _MARK + text

    def open(self, text: str, *_where: object) -> str:
        """See `Cipher.open`."""
        return text if text[:1] != _MARK else _unmarked(text)

    def seal_typed(self, value: Typed, *_where: object) -> Typed:
        """See `Cipher.seal_typed`."""
        return value

    def open_typed(self, value: Typed, *_where: object) -> Typed:
        """See `Cipher.open_typed`."""
        if _TYPED in value[0]:
            raise _sealed(value[0].partition(_TYPED)[2])
        return value

    def mark_keys(self) -> tuple[bytes, ...]:
        """See `Cipher.mark_keys`."""
        return (b"",)


CLEAR = Clear()


class Sealing:
    """Seals with the first key; opens with whichever of them a value names. What was stored
    before there was a key stays readable."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        """`keys`: 32 random bytes each."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        given = tuple(keys)
        self._ciphers = {
            _derive(key, b"id", 4).hex(): AESGCM(_derive(key, b"content", 32)) for key in given
        }
        self._marks = tuple(_derive(key, b"marks", 32) for key in given)
        self.key_id = next(iter(self._ciphers))

    def seal(self, text: str, *where: object) -> str:
        """See `Cipher.seal`."""
        raw = self._encrypt(text.encode(), where)
        return f"{_SEALED}{self.key_id}:{base64.b64encode(raw).decode()}"

    def open(self, text: str, *where: object) -> str:
        """See `Cipher.open`."""
        if text[:1] != _MARK:
            return text
        if not text.startswith(_SEALED):
            return _unmarked(text)
        key_id, _, body = text.removeprefix(_SEALED).partition(":")
        try:
            raw = base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise _unopened(where) from error
        return self._decrypt(key_id, raw, where).decode()

    def seal_typed(self, value: Typed, *where: object) -> Typed:
        """See `Cipher.seal_typed`."""
        type_, body = value
        return f"{type_}{_TYPED}{self.key_id}", self._encrypt(body, (*where, type_))

    def open_typed(self, value: Typed, *where: object) -> Typed:
        """See `Cipher.open_typed`."""
        type_, mark, key_id = value[0].partition(_TYPED)
        return (type_, self._decrypt(key_id, value[1], (*where, type_))) if mark else value

    def mark_keys(self) -> tuple[bytes, ...]:
        """See `Cipher.mark_keys`."""
        return self._marks

    def proof(self) -> str:
        """A value that only this key opens: by it a file knows its keys."""
        return self.seal("", "seals", self.key_id)

    def check(self, key_id: str, proof: str) -> None:
        """Raises StoreError unless the key of that id is among these."""
        self.open(proof, "seals", key_id)

    def _encrypt(self, body: bytes, where: tuple[object, ...]) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._ciphers[self.key_id].encrypt(nonce, body, _place(where))

    def _decrypt(self, key_id: str, raw: bytes, where: tuple[object, ...]) -> bytes:
        from cryptography.exceptions import InvalidTag

        if key_id not in self._ciphers:
            raise _sealed(key_id)
        try:
            return self._ciphers[key_id].decrypt(raw[:_NONCE], raw[_NONCE:], _place(where))
        except InvalidTag as error:
            raise _unopened(where) from error


def make_cipher(keys: SecretStr | None) -> Cipher:
    """The cipher for the settings' keys, apart by blanks; raises SettingsError for what is none."""
    words = [] if keys is None else keys.get_secret_value().split()
    return Sealing([_key(word) for word in words]) if words else CLEAR


def _key(word: str) -> bytes:
    """32 random bytes in base64. A password is refused: HKDF makes none of it safe to guess."""
    try:
        key = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise SettingsError(
            f"{VARIABLE} cannot be used: a key is 32 random bytes in base64.",
            remedy="Make one with: openssl rand -base64 32",
        )
    return key


def _derive(key: bytes, purpose: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = b"agent-runtime content 1 " + purpose
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)


def _place(where: tuple[object, ...]) -> bytes:
    """A place as bytes; lengths keep `a, bc` and `ab, c` apart."""
    parts = [str(part).encode() for part in where]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _unmarked(text: str) -> str:
    if text.startswith(_SEALED):
        raise _sealed(text.removeprefix(_SEALED).partition(":")[0])
    return text[1:]


def _sealed(key_id: str) -> StoreError:
    return StoreError(
        f"Stored content is sealed with the key {key_id}, which is not set.",
        remedy=f"Add that key to {VARIABLE}, after the present one. Nothing was changed.",
    )


def _unopened(where: tuple[object, ...]) -> StoreError:
    return StoreError(
        f"A sealed value of {where[1]} does not open: it was changed, or moved from its place.",
        remedy="Find out with: agent-runtime doctor. Restore a backup.",
    )
