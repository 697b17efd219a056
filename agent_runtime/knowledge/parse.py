"""Parsing: a document's bytes become sections of verbatim text, or a refusal that says why.

What a format hides from a reader (scripts, markup, headers of a mail that nobody reads) is no
text. Nothing here fetches anything.
"""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from agent_runtime.errors import InvalidInput

MAX_BYTES = 20_000_000
"""A larger file is refused unread: what nobody could read is no knowledge."""
MAX_TEXT = 20_000_000
"""Characters of all sections: a small file may unfold to any size."""
MAX_PAGES = 2_000
MAX_ROWS = 200_000
MAX_DEPTH = 40

_BINARY = (b"PK\x03\x04", b"\x1f\x8b", b"\x7fELF", b"MZ", b"\x89PNG", b"\xff\xd8\xff", b"SQLite")
"""How archives, programs, pictures and databases begin, whatever their names end with."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


@dataclass(frozen=True)
class Section:
    """A piece of a document in its own words. `place`: the heading, page or row it stands in."""

    place: str
    text: str


def parse(name: str, media: str, raw: bytes) -> list[Section]:
    """The sections of a document; raises InvalidInput that names it and what is wrong with it."""
    if len(raw) > MAX_BYTES:
        raise _refusal(name, f"has {len(raw)} bytes, more than {MAX_BYTES}", "Cut it into parts.")
    if media != "application/pdf" and raw.startswith(_BINARY):
        raise _refusal(name, "is an archive, a program or a picture, not text")
    found, size = [], 0
    for section in _PARSERS[media](name, raw):
        size += len(section.text)
        if size > MAX_TEXT:
            raise _refusal(name, f"unfolds to more than {MAX_TEXT} characters")
        if section.text.strip():
            found.append(section)
    if not found:
        raise _refusal(name, "holds no text", "A scanned page needs its text recognised first.")
    return found


def decode(name: str, raw: bytes) -> str:
    """A text in whatever encoding it is written; refused where no encoding fits the whole."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if raw.startswith(mark):
            return _decoded(name, raw, encoding)
    if b"\0" in raw:
        raise _refusal(name, "is binary, not text")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        text = _guess(name, raw, error)
    if _CONTROL.search(text):
        raise _refusal(name, "is binary, not text")
    return text


def _decoded(name: str, raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _refusal(
            name, f"is said to be {encoding} and is not, at byte {error.start}"
        ) from error


def _guess(name: str, raw: bytes, error: UnicodeDecodeError) -> str:
    """Text of another encoding. One that is UTF-8 for the most part is two encodings in one file,
    and either reading of it would be wrong somewhere."""
    from charset_normalizer import from_bytes

    sound = sum(1 for _ in re.finditer(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}", raw))
    if sound:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refusal(
            name, f"mixes encodings: line {line} is not UTF-8", "Save it as UTF-8 throughout."
        )
    best = from_bytes(raw).best()
    if best is None:
        raise _refusal(name, "is in no encoding that is known", "Save it as UTF-8.")
    return str(best)


def _markdown(name: str, raw: bytes) -> Iterator[Section]:
    """Blocks below their headings, as they are written."""
    from markdown_it import MarkdownIt

    text = decode(name, raw)
    lines, place, start = text.splitlines(keepends=True), "", 0
    found = MarkdownIt("commonmark").enable("table").parse(text)
    for token, title in pairwise(found):
        if token.type != "heading_open" or token.level or token.map is None:
            continue
        yield Section(place, "".join(lines[start : token.map[0]]).strip("\n"))
        place, start = title.content, token.map[0]
    yield Section(place, "".join(lines[start:]).strip("\n"))


def _text(name: str, raw: bytes) -> Iterator[Section]:
    yield Section("", decode(name, raw))


_UNSEEN = ("script", "style", "template", "noscript", "head", "iframe", "object", "svg")
_UNSEEN_STYLE = re.compile(r"(?i)display\s*:\s*none|visibility\s*:\s*hidden")
_BLOCKS = ("p", "li", "td", "th", "pre", "blockquote", "dt", "dd", "caption", "figcaption", "div")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def _html(name: str, raw: bytes) -> Iterator[Section]:
    """What a reader sees, a line for each block, below its heading."""
    yield from _html_text(decode(name, raw))


def _html_text(text: str) -> Iterator[Section]:
    from bs4 import BeautifulSoup

    try:
        page = BeautifulSoup(text, "html.parser")
    except RecursionError:
        return
    for hidden in (page(list(_UNSEEN)), page(hidden=True), page(style=_UNSEEN_STYLE)):
        for unseen in hidden:
            unseen.decompose()
    place, lines = "", list[str]()
    for block in page.find_all([*_HEADINGS, *_BLOCKS]):
        if block.find(list(_BLOCKS)):
            continue
        words = " ".join(block.get_text(" ").split())
        if block.name in _HEADINGS:
            yield Section(place, "\n".join(lines))
            place, lines = words, []
        if words:
            lines.append(words)
    plain = "\n".join(lines) or ("" if place else " ".join(page.get_text(" ").split()))
    yield Section(place, plain)


def _pdf(name: str, raw: bytes) -> Iterator[Section]:
    """The text of each page."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(raw), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise _refusal(name, "is a PDF that wants a password")
        if len(reader.pages) > MAX_PAGES:
            raise _refusal(name, f"has more than {MAX_PAGES} pages")
        for number, page in enumerate(reader.pages, start=1):
            yield Section(f"page {number}", _CONTROL.sub(" ", page.extract_text()))
    except InvalidInput:
        raise
    except PyPdfError as error:
        raise _no_pdf(name, error) from error
    except _PDF_FAULTS as error:
        raise _no_pdf(name, error) from error


def _no_pdf(name: str, error: Exception) -> InvalidInput:
    return _refusal(name, f"is no PDF that can be read ({type(error).__name__})")


_PDF_FAULTS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What pypdf also raises on damaged files."""


def _mail(name: str, raw: bytes) -> Iterator[Section]:
    """Who wrote what to whom, and the words; attachments are documents of their own."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    if not message.keys():
        raise _refusal(name, "is no mail: it has no headers")
    headers = [f"{field}: {message[field]}" for field in _HEADERS if message[field]]
    yield Section("headers", "\n".join(headers))
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return
    try:
        content = body.get_content()
    except (LookupError, UnicodeError) as error:
        raise _refusal(name, "is a mail in no encoding that is known") from error
    if body.get_content_subtype() == "html":
        yield from _html_text(content)
    else:
        yield Section("text", _CONTROL.sub(" ", content))


_HEADERS = ("From", "To", "Date", "Subject")


def _csv(name: str, raw: bytes) -> Iterator[Section]:
    """A line of `column: value` for each row."""
    text = decode(name, raw)
    try:
        kind: Any = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t|")
    except csv.Error:
        kind = csv.excel
    rows = csv.reader(io.StringIO(text), kind)
    try:
        columns = next(rows, [])
        for number, row in enumerate(rows, start=2):
            if number > MAX_ROWS:
                raise _refusal(name, f"has more than {MAX_ROWS} rows")
            pairs = zip(columns, row, strict=False)
            line = "; ".join(f"{column}: {value}" for column, value in pairs if value.strip())
            yield Section(f"row {number}", line)
    except csv.Error as error:
        raise _refusal(name, f"is no CSV that can be read: {error}") from error


def _json(name: str, raw: bytes) -> Iterator[Section]:
    """A section for each object that holds plain values, at its JSON pointer."""
    try:
        value = json.loads(decode(name, raw))
        yield from _records(name, value, "", 0)
    except RecursionError as error:
        raise _refusal(name, f"is nested deeper than {MAX_DEPTH} levels") from error
    except json.JSONDecodeError as error:
        raise _refusal(name, f"is no JSON: {error.msg} in line {error.lineno}") from error
    except ValueError as error:
        raise _refusal(name, "holds a number that nobody could read") from error


def _records(name: str, value: Any, place: str, depth: int) -> Iterator[Section]:
    if depth > MAX_DEPTH:
        raise _refusal(name, f"is nested deeper than {MAX_DEPTH} levels")
    match value:
        case dict():
            plain = {k: v for k, v in value.items() if not isinstance(v, dict | list)}
            yield Section(place, "\n".join(f"{k}: {_said(v)}" for k, v in plain.items()))
            inner = [(k, v) for k, v in value.items() if k not in plain]
        case list() if all(not isinstance(part, dict | list) for part in value):
            yield Section(place, "\n".join(map(_said, value)))
            return
        case list():
            inner = list(enumerate(value))
        case _:
            yield Section(place, _said(value))
            return
    for key, part in inner:
        yield from _records(name, part, f"{place}/{key}", depth + 1)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _refusal(name: str, problem: str, remedy: str = "") -> InvalidInput:
    return InvalidInput("document", name, problem, remedy=remedy)


_PARSERS: dict[str, Callable[[str, bytes], Iterator[Section]]] = {
    "text/markdown": _markdown,
    "text/plain": _text,
    "text/html": _html,
    "application/pdf": _pdf,
    "message/rfc822": _mail,
    "text/csv": _csv,
    "application/json": _json,
}
