"""Evidence in words: where a passage that a run was shown comes from, and who quoted it."""

from __future__ import annotations

from collections.abc import Iterator

from agent_runtime.cli.visible import short
from agent_runtime.knowledge.trail import Trail


def trail_row(number: int, trail: Trail) -> tuple[str, ...]:
    """One passage as a row of the list."""
    passage = trail.passage
    return (
        str(number),
        passage.source,
        passage.version or "-",
        trail.standing,
        str(len(trail.quotes)),
        short(" ".join(passage.text.split()), 80),
    )


def trail_lines(trail: Trail) -> Iterator[str]:
    """One passage: its exact text, its document and version, why it was found, who quoted it, and
    what its bundle left out."""
    passage = trail.passage
    yield f"{passage.source}, {passage.origin}{f' {passage.tool}' if passage.tool else ''}"
    yield f"  shown     {passage.retrieved_at:%Y-%m-%d %H:%M:%S} UTC, {trail.content}"
    yield f"  version   {passage.version or '-'}"
    yield f"  document  {_document(trail)}"
    if passage.stale_at is not None:
        yield f"  good till {passage.stale_at:%Y-%m-%d %H:%M}"
    for field, value in sorted(passage.claims.items()):
        yield f"  claims    {field}: {value}"
    yield from _found(trail)
    yield from ("", *(f"  {line}" for line in passage.text.splitlines()), "")
    for quote in trail.quotes:
        stands = "verbatim" if quote.verified else "not in this text"
        where = f"{quote.step}.{quote.node}, visit {quote.visit}"
        yield f"  quoted    “{short(quote.quote)}” by {where}: {stands}"
    for left in trail.left_out:
        yield f"  left out  {left.source}, {left.tokens} tokens: {left.why}"
    for warning in trail.warnings:
        yield f"  warning   {warning}"


def _document(trail: Trail) -> str:
    if trail.document is None:
        return trail.standing
    about = trail.document.about
    return f"{trail.document.name}, version {about.version or '-'} by now: {trail.standing}"


def _found(trail: Trail) -> Iterator[str]:
    why = trail.passage.retrieval
    if why is None:
        return
    ways = {"words": why.words_rank, "meaning": why.vector_rank}
    told = ", ".join(f"{rank}. by its {way}" for way, rank in ways.items() if rank is not None)
    yield f"  found     as {why.rank}. of all{f': {told}' if told else ''}"
    for other in why.above:
        yield f"  behind    {other}, which outranked it"
