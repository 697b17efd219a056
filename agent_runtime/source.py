"""Sources: documents of the knowledge base, what is declared about them, and their passages."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.\-]{0,62}$")]
Labels = Annotated[
    tuple[Label, ...],
    Field(max_length=50),
    AfterValidator(lambda given: tuple(sorted(set(given)))),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=150, pattern=r"^\S(.*\S)?$")]
Moment = Annotated[
    datetime, AfterValidator(lambda at: at if at.tzinfo is not None else at.replace(tzinfo=UTC))
]
"""A moment; one without a time zone is UTC."""
Short = Annotated[str, StringConstraints(max_length=200)]

Refresh = Literal["manual", "hourly", "daily", "weekly"]
"""How often a source's file is to be looked at again."""

EVERY: dict[Refresh, timedelta | None] = {
    "manual": None,
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(days=7),
}

NO_BEGIN, NO_END = date.min, date.max

MEDIA = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".text": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".pdf": "application/pdf",
    ".eml": "message/rfc822",
    ".csv": "text/csv",
    ".json": "application/json",
}
"""What can be read, by the ending of a file's name."""


class About(BaseModel):
    """What is declared about a source: by itself, by its folder's list or by whoever adds it.

    `series` names what several editions are of: two that are in force at once contradict each
    other. `about` is the record that it describes as it was at `as_of`. `fresh_days`: how long
    after it was last looked at it may be relied on. `claims`: record field → the value that it
    gives. `valid_from` and `valid_to` are inclusive.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Short = ""
    version: Short = ""
    labels: Labels = ()
    valid_from: date = NO_BEGIN
    valid_to: date = NO_END
    series: Short = ""
    about: Short = ""
    as_of: Moment | None = None
    refresh: Refresh = "manual"
    fresh_days: Annotated[int, Field(gt=0, le=36_500)] | None = None
    claims: Annotated[dict[Short, Short], Field(max_length=50)] = {}


class KnownPassage(BaseModel):
    """One passage of a source: its exact text. `place`: where in the document it stands."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    source: str
    number: int
    place: str
    text: str

    @property
    def hash(self) -> str:
        """Of the text alone: the same in whatever source it stands."""
        return text_hash(self.text)


class Source(BaseModel):
    """One document as it is indexed. `path` is empty where it came over HTTP. `given` was said by
    whoever added it, `about` is that with what the document says of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: Name
    media: str
    path: str = ""
    given: About = About()
    about: About = About()
    hash: str
    size: int
    passages: int
    added_at: datetime
    checked_at: datetime

    @property
    def due_at(self) -> datetime | None:
        """When its file is to be looked at again; None: only when somebody asks."""
        every = EVERY[self.about.refresh]
        return None if every is None or not self.path else self.checked_at + every

    @property
    def stale_at(self) -> datetime | None:
        """From when on it is too old to be relied on."""
        days = self.about.fresh_days
        return None if days is None else self.checked_at + timedelta(days=days)

    def in_force(self, day: date) -> bool:
        """Whether it is valid on that day."""
        return self.about.valid_from <= day <= self.about.valid_to


def source_id(name: str) -> str:
    """A source's id: the same whenever it is added under that name."""
    return "src-" + hashlib.sha256(name.encode()).hexdigest()[:20]


def passage_id(source: str, text: str) -> str:
    """A passage's id within its source: the same text keeps it, wherever it moves."""
    return hashlib.sha256(f"{source}\0{text}".encode()).hexdigest()[:12]


def text_hash(text: str) -> str:
    """The content hash of a text."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
