"""Evidence: quoted facts with a stable source, and the bundle of passages one step was shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_runtime.action import digest
from agent_runtime.attachment import Attachment
from agent_runtime.errors import WorkflowError

SourceId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
Origin = Literal["tool", "document", "operator", "failure"]

BY_MODEL = "(read by a model)"
"""How the field of a claim ends that a model found to contradict another one."""

BYTES_PER_TOKEN = 4
"""Estimate used for budgets: no tokenizer is downloaded, and a budget need not be exact."""


class Evidence(BaseModel):
    """One citation in an envelope: these words stand in that source.

    An empty quote cites the source as a whole; it is verified when the source was shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    source: SourceId
    quote: Annotated[str, StringConstraints(max_length=4_000)]


class Document(BaseModel):
    """A text handed in with a run's start, such as the customer's message or a mail. Of an
    `attachment`, the text is its caption or transcript: that can be quoted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SourceId
    text: Annotated[str, StringConstraints(max_length=200_000)]
    version: str = ""
    attachment: Attachment | None = None


class Retrieval(BaseModel):
    """Why a passage of the knowledge base was found. Ranks count from 1, the first fifty of each
    way; `above`: the sources that outranked it, best first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int
    score: float
    words_rank: int | None = None
    vector_rank: int | None = None
    above: tuple[str, ...] = ()


class Passage(BaseModel):
    """What a read tool may return instead of plain JSON, to name its source itself.

    `claims` maps a record's field (`order-7.purchase_date`) to the value this source gives it;
    two sources with different values for one field contradict each other. `about` names the
    record that the text tells of, as it was at `as_of`; a newer text about it makes this one
    stale, and so does `stale_at`. `document` and `passage` are ids in the knowledge base.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SourceId
    text: str
    version: str = ""
    claims: dict[str, str] = {}
    about: str = ""
    as_of: datetime | None = None
    stale_at: datetime | None = None
    document: str = ""
    passage: str = ""
    retrieval: Retrieval | None = None


class Shown(BaseModel):
    """One passage as it was shown in a run: exact text, where from and when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SourceId
    text: str
    version: str = ""
    origin: Origin
    tool: str = ""
    retrieved_at: datetime
    stale_at: datetime | None = None
    claims: dict[str, str] = {}
    about: str = ""
    as_of: datetime | None = None
    document: str = ""
    passage: str = ""
    retrieval: Retrieval | None = None

    @property
    def tokens(self) -> int:
        """Estimated size in tokens."""
        return count_tokens(self.text)

    @property
    def origin_id(self) -> str:
        """What later texts of the same origin replace: its document, or else its source."""
        return self.document or self.source


class LeftOut(BaseModel):
    """A passage that was found and not shown, with the reason.

    duplicate: another source says the same in the same words; outranked: others answered better.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SourceId
    tokens: int
    why: Literal["over budget", "duplicate", "outranked"]


class Withdrawn(BaseModel):
    """A passage that was shown and that its document no longer stands for.

    changed: the document says something else by now; not in force: it does not count any more, or
    not yet; removed: it is gone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SourceId
    document: str
    why: Literal["changed", "not in force", "removed"]


class Findings(BaseModel):
    """What a read tool may return that searched: passages, what it left out, and why it may have
    found less than there is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    passages: tuple[Passage, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()


class Bundle(BaseModel):
    """What one step was shown, and what was left out and why. `tokens` never exceeds `budget`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shown: tuple[Shown, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    tokens: int = 0
    budget: int = Field(ge=0)

    @property
    def document(self) -> list[Any]:
        """What was shown, whenever and in whatever run: the same texts of the same sources and
        versions, and the same left out. This is what is kept of it, under its digest."""
        shown = [[p.source, p.version, p.text, sorted(p.claims.items())] for p in self.shown]
        left_out = [[left.source, left.tokens, left.why] for left in self.left_out]
        return [shown, left_out, list(self.warnings), self.budget]

    @property
    def digest(self) -> str:
        """The name of its document."""
        return digest(self.document)


@dataclass(frozen=True)
class Claim:
    """A declared check: what a text says of a field is the first group of `pattern` in it.

    Two sources that say different things contradict each other. A text that says two things
    itself says neither: which of them counts, only a reader can tell. `number` and `date` compare
    values, however they are written; what is none of them is no claim.
    """

    field: str
    pattern: str
    kind: Literal["text", "number", "date"] = "text"

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise WorkflowError(f"Claim {self.field!r}: its pattern is none: {error}.") from error
        if groups < 1:
            raise WorkflowError(f"Claim {self.field!r}: its pattern has no group for the value.")

    def read(self, text: str) -> str | None:
        """What a text claims, as it is compared; None: nothing, or nothing clear."""
        found = {_value(m[1], self.kind) for m in re.finditer(self.pattern, text) if m[1]}
        found.discard(None)
        return found.pop() if len(found) == 1 else None


def claimed(passage: Passage, claims: Sequence[Claim]) -> Passage:
    """A passage with what its text claims beside what it claims by itself."""
    read = {claim.field: claim.read(passage.text) for claim in claims}
    said = {field: value for field, value in read.items() if value is not None}
    return passage.model_copy(update={"claims": {**said, **passage.claims}}) if said else passage


_DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y", "%d %b %Y")


def _value(text: str, kind: Literal["text", "number", "date"]) -> str | None:
    match kind:
        case "text":
            return " ".join(text.casefold().split()).strip(".,;:!?") or None
        case "number":
            return _number(text)
        case "date":
            for form in _DATES:
                with suppress(ValueError):
                    return datetime.strptime(text.strip(), form).date().isoformat()  # noqa: DTZ007 — a day has no zone
            return None
        case _:
            assert_never(kind)


def _number(text: str) -> str | None:
    """`1,000.50`, `1 000.50` and `1000.5` are one number; a comma alone groups thousands or stands
    for the point, by how many digits follow."""
    plain = re.sub(r"[\s'\u00a0]", "", text)
    if re.fullmatch(r"-?\d{1,3}(?:\.\d{3})+(?:,\d+)?|-?\d+,\d{1,2}", plain):
        plain = plain.replace(".", "").replace(",", ".")
    try:
        number = Decimal(plain.replace(",", ""))
    except InvalidOperation:
        return None
    return f"{number.normalize():f}" if number.is_finite() else None


def outdated(shown: list[Shown]) -> list[str]:
    """The sources that tell of a record as it was before a newer text about it that is shown too,
    sorted. Records themselves are what documents are held against."""
    newest: dict[str, datetime] = {}
    for passage in shown:
        if passage.about and passage.as_of is not None:
            at = newest.get(passage.about)
            newest[passage.about] = passage.as_of if at is None else max(at, passage.as_of)
    return sorted(
        {
            passage.origin_id
            for passage in _latest(shown)
            if (passage.document or passage.origin == "document")
            and passage.as_of is not None
            and passage.as_of < newest.get(passage.about, passage.as_of)
        }
    )


def _latest(shown: list[Shown]) -> list[Shown]:
    """The newest passage of each origin."""
    return list({passage.origin_id: passage for passage in shown}.values())


def stale(shown: list[Shown], now: datetime) -> list[str]:
    """The sources or documents whose newest passage is past its time, sorted."""
    return sorted(
        passage.origin_id
        for passage in _latest(shown)
        if passage.stale_at is not None and passage.stale_at <= now
    )


def count_tokens(text: str) -> int:
    """Estimated tokens of a text, rounded up."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def unverified(citations: tuple[Evidence, ...], shown: list[Shown]) -> list[Evidence]:
    """The citations whose words do not stand verbatim in any shown version of their source."""
    texts: dict[str, list[str]] = {}
    for passage in shown:
        if passage.origin != "failure":
            texts.setdefault(passage.source, []).append(passage.text)
    return [c for c in citations if not any(c.quote in text for text in texts.get(c.source, []))]


def contradictions(shown: list[Shown]) -> list[str]:
    """The fields to which two sources give different values, sorted."""
    return [one.field for one in disputes(shown)]


@dataclass(frozen=True)
class Dispute:
    """A field to which two sources give different values. `said`: each origin's source and value,
    in the order in which they were shown."""

    field: str
    said: tuple[tuple[str, str], ...]


def disputes(shown: list[Shown]) -> list[Dispute]:
    """What sources contradict each other about, by field.

    A later version of the *same* source or document replaces the earlier one: a record that
    changed while the run went on does not contradict itself. What a model found counts by source:
    it may have read that two passages of one document say different things.
    """
    latest: dict[str, dict[str, tuple[str, str]]] = {}
    for passage in shown:
        for field, value in passage.claims.items():
            origin = passage.source if field.endswith(BY_MODEL) else passage.origin_id
            latest.setdefault(field, {})[origin] = (passage.source, value)
    return [
        Dispute(field, tuple(said.values()))
        for field, said in sorted(latest.items())
        if len({value for _, value in said.values()}) > 1
    ]
