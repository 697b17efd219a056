"""Folders: which files a path stands for, and what is declared about each.

A folder may hold a `knowledge.toml`; then only the files that it names are taken, so that what lies
beside them is shown to nobody by accident.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from agent_runtime.errors import InvalidInput
from agent_runtime.knowledge.parse import MAX_BYTES
from agent_runtime.source import MEDIA, About

LIST = "knowledge.toml"
"""A folder's own list of sources."""

_FRONT = re.compile(rb"\A(?:\xef\xbb\xbf)?---\r?\n(.*?\r?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FRONT_BYTES = 64_000
_WORDS = frozenset({"title", "version", "series", "about"})


@dataclass(frozen=True)
class File:
    """One file to be read. `given`: what is declared about it, by field."""

    path: Path
    name: str
    given: Mapping[str, Any]

    @property
    def media(self) -> str:
        """What it is, by its ending; raises InvalidInput for what cannot be read."""
        return media_of(self.name)

    def read(self) -> bytes:
        """Its bytes; raises InvalidInput that names it where there are too many, or none."""
        try:
            size = self.path.stat().st_size
            if size > MAX_BYTES:
                raise InvalidInput(
                    "document",
                    self.name,
                    f"has {size} bytes, more than {MAX_BYTES}",
                    remedy="Cut it into parts.",
                )
            with self.path.open("rb") as file:
                return file.read(MAX_BYTES + 1)  # it may have grown since
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise InvalidInput("document", self.name, f"cannot be read: {why}") from error


def media_of(name: str) -> str:
    """What a document is, by its name's ending; raises InvalidInput for what cannot be read."""
    ending = Path(name).suffix.lower()
    if ending not in MEDIA:
        known = ", ".join(MEDIA)
        raise InvalidInput(
            "document", name, "is of no kind that can be read", remedy=f"There are: {known}."
        )
    return MEDIA[ending]


def files(path: Path, given: Mapping[str, Any]) -> list[File]:
    """The files that a path stands for, by name; raises InvalidInput where there is nothing.

    A file that is named itself is taken whatever it is, to be refused by name if need be. In
    folders hidden files, links and kinds that cannot be read are passed over.
    """
    whole = path.resolve()
    if whole.is_file():
        return [File(whole, whole.name, given)]
    if not whole.is_dir():
        raise InvalidInput("PATH", str(path), "is no file and no folder")
    declared = whole / LIST
    found = _listed(whole, declared, given) if declared.is_file() else _all(whole, given)
    return sorted(found, key=lambda file: file.name)


def about(given: Mapping[str, Any], own: Mapping[str, Any]) -> About:
    """What is declared about a source; what it says of itself goes before. Raises InvalidInput."""
    try:
        return About.model_validate({**given, **own})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "about"
        raise InvalidInput(field, first["input"], first["msg"].lower()) from error


def front(media: str, raw: bytes) -> tuple[dict[str, Any], bytes]:
    """A Markdown document's front matter, and the document without it; raises InvalidInput.

    Fields that are not ours are somebody else's; numbers stand for what they look like.
    """
    head = _FRONT.match(raw[:_FRONT_BYTES]) if media == "text/markdown" else None
    found = None if head is None else _yaml(head[1])
    if head is None or not isinstance(found, dict):
        return {}, raw
    own = {name: value for name, value in found.items() if name in About.model_fields}
    for name in _WORDS & own.keys():
        own[name] = str(own[name])
    return own, raw[len(head[0]) :]


def _yaml(head: bytes) -> Any:
    """The front matter; raises InvalidInput."""
    try:
        text = head.decode()
        _check_plain(text)
        return yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise InvalidInput("front matter", head[:60], "is not UTF-8") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput("front matter", head[:60], "is no YAML") from error


def _check_plain(text: str) -> None:
    """Raises InvalidInput for YAML that would take any time or memory to load: what is nested
    deeply does, and what names a part of itself again."""
    depth = 0
    for token in yaml.scan(text):
        depth += isinstance(token, _OPENS) - isinstance(token, _CLOSES)
        if depth > _DEEPEST or isinstance(token, yaml.AliasToken):
            raise InvalidInput("front matter", text[:60], "is nested deeply, or has an alias")


_DEEPEST = 10
_OPENS = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSES = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


def _all(folder: Path, given: Mapping[str, Any]) -> Iterator[File]:
    for path in _plain(folder, "**/*"):
        if path.suffix.lower() in MEDIA:
            yield File(path, _name(folder, path), given)


def _listed(folder: Path, declared: Path, given: Mapping[str, Any]) -> Iterator[File]:
    try:
        entries = tomllib.loads(declared.read_text(encoding="utf-8")).get("source", [])
        listed = [(str(entry.pop("files")), entry) for entry in entries]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, AttributeError) as error:
        raise InvalidInput(
            LIST, str(declared), "cannot be read", remedy='Each [[source]] needs files = "…".'
        ) from error
    taken: set[Path] = set()
    for pattern, entry in listed:
        for path in _plain(folder, _within(declared, pattern)):
            if path not in taken:
                taken.add(path)
                yield File(path, _name(folder, path), {**entry, **given})


def _within(declared: Path, pattern: str) -> str:
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise InvalidInput("files", pattern, f"leaves the folder of {declared.name}")
    return pattern


def _plain(folder: Path, pattern: str) -> Sequence[Path]:
    """Files below a folder that are neither hidden nor links, nor stand behind any."""
    found = []
    for path in folder.glob(pattern):
        inner = path.relative_to(folder)
        steps = [folder.joinpath(*inner.parts[:at]) for at in range(1, len(inner.parts) + 1)]
        hidden = any(part.startswith(".") for part in inner.parts)
        if not hidden and path.is_file() and not any(step.is_symlink() for step in steps):
            found.append(path)
    return found


def _name(folder: Path, path: Path) -> str:
    return f"{folder.name}/{path.relative_to(folder).as_posix()}"
