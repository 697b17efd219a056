"""Knowledge over HTTP: what steps may read, who sees what, and where a quote comes from."""

from __future__ import annotations

import base64
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent_runtime.access import Caller
from agent_runtime.api.once import OncePerKey
from agent_runtime.api.page import After, Limit, Page, cursor_of, read_cursor
from agent_runtime.api.site import Here, OnRun, OnTenant, Reader
from agent_runtime.errors import InvalidInput
from agent_runtime.evidence import Retrieval
from agent_runtime.knowledge.bundle import KeptBundle, find_bundle
from agent_runtime.knowledge.index import Entry, incoming_text
from agent_runtime.knowledge.retrieve import Asked, Found, within
from agent_runtime.knowledge.search import Sight, sights
from agent_runtime.knowledge.trail import Trail, trace
from agent_runtime.run import Run
from agent_runtime.source import About, KnownPassage, Labels, Name, Source

router = APIRouter(prefix="/v1", tags=["knowledge"], route_class=OncePerKey)

Administrator = Annotated[Caller, Depends(OnTenant("administer"))]
Readable = Annotated[Run, Depends(OnRun("read"))]
Hash = Annotated[str, Path(pattern=r"^sha256:[0-9a-f]{64}$", description="Of its content.")]
BundleDigest = Annotated[str, Path(pattern=r"^sha256:[0-9a-f]{64}$", description="Its digest.")]

EXAMPLE: dict[str, Any] = {
    "name": "handbook/returns.md",
    "text": "# Returns\n\nGoods come back unused.",
    "about": {"labels": ["handbook"], "version": "2", "valid_from": "2026-01-01"},
}


class AddSource(BaseModel):
    """A document: its `text`, or its bytes in `base64`. The ending of its name says what it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: Name
    text: str | None = None
    base64: str | None = None
    about: About = About()


class Search(BaseModel):
    """What is looked for, in any words. Without labels, in all sources; on a day, in those that
    were in force then."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"query": "refund window"}]}
    )

    query: Annotated[str, StringConstraints(max_length=20_000)]
    labels: Labels = ()
    on: date | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 5


class FoundPassage(BaseModel):
    """A passage that was found; `cited` is the source id that evidence has for it."""

    source: Source
    passage: KnownPassage
    cited: str
    why: Retrieval


class Answer(BaseModel):
    """What was found, best first. `warnings`: why it may be less than it could be."""

    items: list[FoundPassage]
    warnings: list[str]


class SightList(BaseModel):
    """Which steps see which labels, by workflow."""

    items: list[Sight]


@router.post("/knowledge/sources", status_code=201)
async def add(asked: AddSource, site: Here, caller: Administrator, response: Response) -> Entry:
    """Take one document in, in place of what has its name."""
    given = asked.about.model_dump(exclude_unset=True)
    incoming = incoming_text(asked.name, _content(asked), given)
    entry = await site.runtime.library.add(caller.tenant, caller.name, incoming)
    response.headers["Location"] = f"/v1/knowledge/sources/{entry.source}"
    return entry


@router.get("/knowledge/sources")
async def sources(
    site: Here, caller: Reader, limit: Limit = 50, cursor: After = None
) -> Page[Source]:
    """The tenant's sources, by name."""
    after = read_cursor(cursor, ["knowledge"], str) or ""
    found = site.read(caller).knowledge.sources(after, limit + 1)
    more = cursor_of(found[limit - 1].name, ["knowledge"]) if len(found) > limit else None
    return Page(items=found[:limit], next=more)


@router.get("/knowledge/sources/{source_id}")
async def source(source_id: str, site: Here, caller: Reader) -> Source:
    """One source."""
    return site.read(caller).knowledge.source(source_id)


@router.get("/knowledge/sources/{source_id}/passages")
async def passages(
    source_id: str, site: Here, caller: Reader, limit: Limit = 50, cursor: After = None
) -> Page[KnownPassage]:
    """A source's passages, in the order of the document."""
    knowledge = site.read(caller).knowledge
    found_in = knowledge.source(source_id).id
    after = read_cursor(cursor, ["passages", found_in], int)
    found = knowledge.passages(found_in, -1 if after is None else after, limit + 1)
    ended = len(found) <= limit
    more = None if ended else cursor_of(found[limit - 1].number, ["passages", found_in])
    return Page(items=found[:limit], next=more)


@router.delete("/knowledge/sources/{source_id}")
async def remove(source_id: str, site: Here, caller: Administrator) -> Entry:
    """Forget a source; what runs were shown of it stays in their history."""
    return await site.runtime.library.remove(caller.tenant, caller.name, source_id)


@router.post("/knowledge/search")
async def search(asked: Search, site: Here, caller: Reader) -> Answer:
    """Find the passages that answer best. A POST, since addresses are logged by others."""
    day = asked.on or site.runtime.clock.now().date()
    question = Asked(asked.query, within(day, asked.labels), asked.limit)
    answer = await site.runtime.retriever.search(caller.tenant, question)
    return Answer(items=[_told(f) for f in answer.found], warnings=list(answer.warnings))


@router.get("/knowledge/access")
async def seen_by(site: Here, _: Reader) -> SightList:
    """Which steps see which labels."""
    return SightList(items=sights(site.runtime.app.workflows.values()))


@router.get("/runs/{run_id}/evidence/{content}")
async def drill_down(run: Readable, content: Hash, site: Here) -> Trail:
    """One passage that the run was shown: its exact text, who quoted it, the document that it
    stands in, whether that is still so, why it was found and what outranked it."""
    return trace(site.store.read(run.tenant), run.id, content)


@router.get("/bundles/{digest}")
async def bundle(digest: BundleDigest, site: Here, caller: Reader) -> KeptBundle:
    """What a step was shown, by its digest: the same for every step, agent or reviewer that was
    shown the same. `bundle.assembled` in a run's events names it."""
    return find_bundle(site.read(caller), digest)


def _content(asked: AddSource) -> bytes:
    if (asked.text is None) == (asked.base64 is None):
        raise InvalidInput("text", asked.name, "wants either text or base64")
    if asked.text is not None:
        return asked.text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(asked.base64 or "", validate=True)
    except ValueError as error:
        raise InvalidInput("base64", asked.name, "is no base64") from error


def _told(found: Found) -> FoundPassage:
    why: dict[str, Any] = {
        "rank": found.rank,
        "score": found.score,
        "words_rank": found.words_rank,
        "vector_rank": found.vector_rank,
    }
    return FoundPassage(
        source=found.source, passage=found.passage, cited=found.name, why=Retrieval(**why)
    )
