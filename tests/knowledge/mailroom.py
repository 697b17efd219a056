"""A mailroom: its tools bring persons' data from everywhere, and one step sees what it may."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_runtime import (
    Context,
    Envelope,
    Evidence,
    Passage,
    ProposedAction,
    Reasoning,
    Step,
    ToolCall,
    ToolRefused,
    Workflow,
    search_knowledge,
    tool,
)
from agent_runtime.app import App
from agent_runtime.brief import Brief
from agent_runtime.policy import PolicySet
from agent_runtime.redact import PSEUDONYM, Minimise
from agent_runtime.resource import Resource
from agent_runtime.step import OfflineRule
from agent_runtime.tool import Tool

POLICY = """
@id("a-lead-is-asked") @approvers("lead:1")
permit (principal, action == Action::"request:send_answer", resource);

@id("a-lead-may-approve")
permit (principal in Role::"lead", action == Action::"approve:send_answer", resource);
"""

SEES = Minimise(
    results={
        "get_customer": {
            "id": "show",
            "mail": "pseudonym",
            "accounts.iban": "mask",
            "cards": "drop",
            "notes": "show",
        }
    },
    input={"case": "show", "message": "show"},
    text={"email": "pseudonym", "phone": "mask", "iban": "mask", "card": "drop"},
    region="GB",
)


class Letter(BaseModel):
    """What a run is about; `sender` and `phone` are nobody's business."""

    model_config = ConfigDict(extra="forbid")

    case: str
    message: str
    sender: str = ""
    phone: str = ""


class Case(BaseModel):
    model_config = ConfigDict(extra="forbid")

    case: str


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    case: str
    to: str
    text: str


class CaseFacts(BaseModel):
    status: str


@dataclass
class Post:
    """The outside world: what there is to be read, what was really sent, and for whom facts were
    read."""

    customer: dict[str, Any] = field(default_factory=dict)
    letters: list[str] = field(default_factory=list)
    claims: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    sent: list[tuple[str, str]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)


@tool(effect="read")
async def get_customer(args: Case, call: ToolCall) -> dict[str, Any]:
    """The customer behind a case."""
    return call.get(Post).customer


@tool(effect="read")
async def read_letters(args: Case, call: ToolCall) -> list[Passage]:
    """What came by post before."""
    post = call.get(Post)
    return [
        Passage(source=f"letter-{number}", text=text, claims=post.claims)
        for number, text in enumerate(post.letters)
    ]


@tool(effect="read")
async def ask_bank(args: Case, call: ToolCall) -> str:
    """A bank that refuses, and says too much."""
    raise ToolRefused(call.get(Post).problem)


async def case_facts(args: Answer, call: ToolCall) -> CaseFacts:
    call.get(Post).looked_up.append(args.to)
    return CaseFacts(status="open")


@tool(effect="write", recovery="idempotency_key", target="Case.case", facts=case_facts)
async def send_answer(args: Answer, call: ToolCall) -> str:
    """Send an answer to whom it concerns."""
    call.get(Post).sent.append((args.to, args.text))
    return f"sent to {args.to}"


def answer(brief: Brief) -> Envelope:
    """Answer to the first address that can be seen, in words that name it again."""
    acted = any(told.kind == "acted" for told in brief.feedback)
    found_well = [p for p in brief.evidence if not p.source.startswith("failure:")]
    quotes = [Evidence(source=p.source, quote=p.text[:60]) for p in found_well]
    fields: dict[str, Any] = {"step": brief.step, "confidence": 0.9, "evidence": tuple(quotes)}
    seen = "\n".join(passage.text for passage in brief.evidence)
    found = PSEUDONYM.search(seen)
    if acted or found is None:
        return Envelope(**fields, status="done", reason=seen[-300:])
    arguments = {"to": found[0], "text": f"Dear {found[0]}, it is done."}
    action = ProposedAction(type="send_answer", target_id="c1", arguments=arguments)
    return Envelope(**fields, status="proposed", reason=seen[:300], proposed_action=action)


def mailroom(
    post: Post,
    *,
    offline: OfflineRule = answer,
    send: Tool = send_answer,
    sees: Minimise = SEES,
) -> App:
    """The app, around one outside world; `offline` answers where no model is connected."""
    step = Step(
        "answer_letter",
        context=Context(
            tools=[
                get_customer,
                read_letters,
                ask_bank,
                search_knowledge("inbox", limit=10).with_inputs(query="message"),
            ],
            token_budget=40_000,
            minimise=sees,
        ),
        reasoning=Reasoning(prompt="answer", offline=offline, proposes=[send]),
        policy="mailroom",
    )
    workflow = Workflow("mailroom", Letter, [step])

    async def open_post(_: Path) -> Post:
        return post

    policies = {"mailroom": PolicySet.load("mailroom", {"p": POLICY}, [send])}
    return App(
        folder=Path(),
        workflows={"mailroom": workflow},
        policies=policies,
        prompts={"mailroom": {"answer": "Answer the letter."}},
        resources=(Resource(Post, open_post),),
    )
