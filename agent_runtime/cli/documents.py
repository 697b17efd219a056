"""Documents that a command hands in with a run: texts as they are, other files as attachments."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Sequence
from pathlib import Path

from agent_runtime.attachment import Attachment
from agent_runtime.cli.reading import checked
from agent_runtime.errors import InvalidInput
from agent_runtime.evidence import Document

OPTION = "--document"

MAX_BYTES = 30_000_000
"""More than any attachment may have: a larger file is not read to its end."""


def read_documents(paths: Sequence[Path]) -> list[Document]:
    """Each file under its own name as source; raises InvalidInput that names the file. Whether an
    attachment may come in is the runtime's to say."""
    found = [_document(path) for path in paths]
    names = [document.source for document in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(OPTION, twice, "is named twice", remedy="A source needs its own name.")
    return found


def _document(path: Path) -> Document:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(OPTION, str(path), f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise InvalidInput(OPTION, str(path), f"is larger than {MAX_BYTES} bytes")
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if not kind.startswith("text/"):
        attachment = Attachment(type=kind, data=base64.b64encode(content).decode())
        return checked(Document, {"source": path.name, "text": "", "attachment": attachment})
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            OPTION, str(path), "is not UTF-8 text", remedy="Save it as UTF-8."
        ) from error
    return checked(Document, {"source": path.name, "text": text})
