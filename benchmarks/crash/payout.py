"""The workflow under test: one step that pays out an account, by a tool of each recovery kind.

Every tool, its facts reader, its probe and the model pass the trap before and after they work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import BaseModel, ConfigDict

from agent_runtime import (
    Context,
    Envelope,
    Evidence,
    Passage,
    Probe,
    Reasoning,
    Step,
    ToolCall,
    Workflow,
    tool,
)
from agent_runtime.action import ProposedAction
from agent_runtime.app import App
from agent_runtime.brief import Brief
from agent_runtime.models.model import Model
from agent_runtime.models.offline import OfflineModel
from agent_runtime.policy import PolicySet
from agent_runtime.tool import Recovery, Tool
from benchmarks.crash.bank import Bank
from benchmarks.crash.point import Trap

WORKFLOW = "payouts"
RECOVERIES: tuple[Recovery, ...] = get_args(Recovery)
QUOTE = "Payouts follow the closing statement."
ASKED = "-asked"
"""How the names of accounts end that nobody may pay out unattended."""

_PERMITS = """
@id("small-{tool}")
permit (principal, action == Action::"execute:{tool}", resource)
when {{ context.facts.amount.lessThanOrEqual(decimal("100.00")) }};

@id("ask-{tool}") @approvers("lead:1") @deadline("1h")
permit (principal, action == Action::"request:{tool}", resource);

@id("lead-{tool}")
permit (principal in Role::"lead", action == Action::"approve:{tool}", resource);
"""

P = TypeVar("P", bound=BaseModel)
R = TypeVar("R")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Request(Strict):
    """The run's input: which account, and by which tool."""

    account: str
    recovery: Literal["safe_retry", "idempotency_key", "probe", "manual"]


class Account(Strict):
    """What the read tool is told."""

    account: str


class Payout(Account):
    """What the write tools are told. `note` is what a person's edit changes."""

    note: str = ""


class Facts(Strict):
    """What the bank says about an account."""

    owner: str
    amount: Decimal


def make_app(trap: Trap, bank: Bank) -> App:
    """The app of one process."""
    pays = [make_pay(recovery, trap, bank) for recovery in RECOVERIES]
    step = Step(
        "pay_out",
        context=Context(tools=[make_look(trap)], token_budget=500),
        reasoning=Reasoning(prompt="pay", proposes=pays),
        policy="payouts",
    )
    workflow = Workflow(WORKFLOW, input=Request, steps=[step], subject="account")
    text = "".join(_PERMITS.format(tool=pay.name) for pay in pays)
    policies = {"payouts": PolicySet.load("payouts", {"payouts.cedar": text}, pays)}
    prompts = {WORKFLOW: {"pay": "Propose the payout of the account."}}
    return App(Path(__file__).parent, {WORKFLOW: workflow}, policies, prompts=prompts)


def trapped(
    trap: Trap, function: Callable[[P, ToolCall], Awaitable[R]]
) -> Callable[[P, ToolCall], Awaitable[R]]:
    """The function of a tool, with the trap before and after it."""

    @wraps(function)
    async def passing(args: P, call: ToolCall) -> R:
        trap("tool.before")
        result = await function(args, call)
        trap("tool.after")
        return result

    return passing


def make_look(trap: Trap) -> Tool:
    """The read tool."""

    async def get_account(args: Account, _call: ToolCall) -> Passage:
        """Look at one account."""
        text = f"Account: {args.account}\n{QUOTE}"
        return Passage(source=f"account-{args.account}", text=text, version="1")

    return tool(effect="read")(trapped(trap, get_account))


def make_pay(recovery: Recovery, trap: Trap, bank: Bank) -> Tool:
    """The write tool of that recovery kind, `pay_<recovery>`."""

    async def pay(args: Payout, call: ToolCall) -> str:
        """Pay out one account."""
        bank.pay(recovery, args.account, call.key)
        return f"paid out {args.account}"

    async def facts(args: Payout, _call: ToolCall) -> Facts:
        amount = Decimal("500.00" if args.account.endswith(ASKED) else "50.00")
        return Facts(owner=args.account, amount=amount)

    async def probe(args: Payout, call: ToolCall) -> Probe:
        if bank.knows(call.key):
            return Probe("yes", f"paid out {args.account}")
        return Probe("no")

    pay.__name__ = f"pay_{recovery}"
    declare = tool(
        effect="write",
        recovery=recovery,
        target="Payout.account",
        facts=trapped(trap, facts),
        probe=trapped(trap, probe) if recovery == "probe" else None,
    )
    return declare(trapped(trap, pay))


def propose(brief: Brief) -> Envelope:
    """Propose the payout once, and nothing more after it."""
    if brief.feedback:
        return Envelope(step=brief.step, status="done", confidence=0.9, reason="Nothing to do.")
    account = brief.input["account"]
    return Envelope(
        step=brief.step,
        status="proposed",
        confidence=0.95,
        evidence=(Evidence(source=f"account-{account}", quote=QUOTE),),
        proposed_action=ProposedAction(type=f"pay_{brief.input['recovery']}", target_id=account),
        reason="The closing statement is settled.",
    )


class Clerk(OfflineModel):
    """The chat model: a rule, with the trap before and after each answer."""

    trap: Any

    async def _agenerate(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> ChatResult:
        self.trap("model.before")
        answer = await super()._agenerate(messages, *args, **kwargs)
        self.trap("model.after")
        return answer


def make_model(trap: Trap) -> Model:
    """The model of one process."""
    return Model("clerk", Clerk(rule=propose, trap=trap))
