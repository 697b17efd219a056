"""The read tool that searches the knowledge base, within the labels that a step declares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from agent_runtime.errors import ToolDeclarationError
from agent_runtime.evidence import Findings, LeftOut, Passage, Retrieval, count_tokens
from agent_runtime.knowledge.retrieve import Asked, Found, Retriever, within
from agent_runtime.source import Labels
from agent_runtime.tool import Tool, ToolCall, tool
from agent_runtime.workflow import Workflow

_LABELS: TypeAdapter[tuple[str, ...]] = TypeAdapter(Labels)


class Query(BaseModel):
    """What is looked for, in any words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: Annotated[str, StringConstraints(max_length=20_000)]


def search_knowledge(*labels: str, limit: int = 4, name: str = "search_knowledge") -> Tool:
    """A read tool that finds the best `limit` passages in force today that have one of these
    labels. The step that holds it sees no others, whatever is asked.

    Raises ToolDeclarationError where no label is named: nothing is shown that nobody chose.
    """
    try:
        allowed = _LABELS.validate_python(labels)
    except ValidationError as error:
        raise ToolDeclarationError(f"{name}: {labels!r} are no labels.") from error
    if not allowed or limit < 1:
        raise ToolDeclarationError(
            f"{name} names no labels, or no passages.",
            remedy='Say which: search_knowledge("policy", limit=4).',
        )

    @tool(effect="read")
    async def search(args: Query, call: ToolCall) -> Findings:
        """Search the knowledge base; gives the passages in force today that answer best."""
        asked = Asked(args.query, within(call.now.date(), allowed), limit)
        answer = await call.get(Retriever).search(call.tenant, asked)
        return Findings(
            passages=tuple(_passage(found, answer.found) for found in answer.found),
            left_out=tuple(_outranked(found) for found in answer.outranked),
            warnings=answer.warnings,
        )

    return replace(search, name=name, labels=allowed)


def _passage(found: Found, all_found: Sequence[Found]) -> Passage:
    about = found.source.about
    edition = {f"edition of {about.series}": about.version} if about.series else {}
    return Passage(
        source=found.name,
        text=found.passage.text,
        version=about.version,
        claims={**about.claims, **edition},
        about=about.about,
        as_of=about.as_of,
        stale_at=found.source.stale_at,
        document=found.source.id,
        passage=found.passage.id,
        retrieval=Retrieval(
            rank=found.rank,
            score=found.score,
            words_rank=found.words_rank,
            vector_rank=found.vector_rank,
            above=tuple(other.name for other in all_found if other.rank < found.rank),
        ),
    )


def _outranked(found: Found) -> LeftOut:
    return LeftOut(source=found.name, tokens=count_tokens(found.passage.text), why="outranked")


class Sight(BaseModel):
    """One step's view of the knowledge base: by which tool of which node, and what labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workflow: str
    step: str
    node: str
    tool: str
    labels: tuple[str, ...]


def sights(workflows: Iterable[Workflow]) -> list[Sight]:
    """Who may see what: what no step's labels name is shown to none."""
    return [
        Sight(workflow=workflow.name, step=step.name, node=node, tool=tool.name, labels=tool.labels)
        for workflow in workflows
        for step in workflow.steps
        for node, scope in step.scopes.items()
        for tool in scope.values()
        if tool.labels
    ]
