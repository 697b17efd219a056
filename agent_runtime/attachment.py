"""Attachments: images, recordings and files that come with a run, named by what is in them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from agent_runtime.errors import InvalidInput

Block = Literal["image", "audio", "file"]

TYPES = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "audio/wav",
    "audio/mpeg",
    "application/pdf",
    "text/plain",
)
"""What may be attached unless the settings say otherwise."""

LARGEST = 5_000_000
"""Bytes that one attachment may have unless the settings say otherwise."""

_BEGINS: dict[str, tuple[bytes, ...]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
    "audio/wav": (b"RIFF",),
    "audio/mpeg": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    "application/pdf": (b"%PDF-",),
}
"""How files of a type begin: a type that is only claimed would pass the list of those allowed."""


class Attachment(BaseModel):
    """One of them: its media type, and its bytes in base64."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+-]+$", max_length=100)]
    data: Annotated[str, StringConstraints(max_length=40_000_000)]

    @cached_property
    def content(self) -> bytes:
        """Its bytes; raises InvalidInput where they are not base64."""
        try:
            return base64.b64decode(self.data, validate=True)
        except binascii.Error as error:
            raise InvalidInput("data", self.data, "is not base64") from error

    @property
    def hash(self) -> str:
        """What names it."""
        return "sha256:" + hashlib.sha256(self.content).hexdigest()

    @property
    def block(self) -> dict[str, str]:
        """It as a message's standard content block."""
        family = self.type.partition("/")[0]
        kind: Block = "image" if family == "image" else "audio" if family == "audio" else "file"
        block = {"type": kind, "base64": self.data, "mime_type": self.type}
        # Providers want a name for a file, and its own may say what nobody has to know.
        return {**block, "filename": self.hash[7:23]} if kind == "file" else block


def admit(attachment: Attachment, where: str, types: Collection[str], largest: int) -> None:
    """Raises InvalidInput that names the field where it may not come in."""
    if attachment.type not in types:
        remedy = f"Allowed are {', '.join(sorted(types))}: AGENT_RUNTIME_ATTACHMENT_TYPES."
        raise InvalidInput(f"{where}.type", attachment.type, "is not allowed", remedy=remedy)
    size = len(attachment.content)
    if size > largest:
        remedy = f"At most {largest} bytes are allowed: AGENT_RUNTIME_ATTACHMENT_MAX."
        raise InvalidInput(f"{where}.data", f"{size} bytes", "is too large", remedy=remedy)
    begins = _BEGINS.get(attachment.type)
    if begins is not None and not attachment.content.startswith(begins):
        raise InvalidInput(f"{where}.type", attachment.type, "is not what the content is")
