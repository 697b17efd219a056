"""The tests' own small app: a bank's ledger, one tool that reads it and one that pays."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

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
    ToolRefused,
    ToolUnavailable,
    Workflow,
    resource,
    tool,
)
from agent_runtime.action import ProposedAction
from agent_runtime.app import App, write_tools
from agent_runtime.brief import Brief
from agent_runtime.policy import PolicySet
from agent_runtime.tool import Recovery, Tool

QUOTE = "Payouts follow the closing statement."
"""Stands in what get_account shows of every account."""

POLICY = """
@id("small-unattended")
permit (principal, action == Action::"execute:pay", resource)
when { context.facts.amount.lessThanOrEqual(decimal("100.00")) && context.signals.clean };

@id("ask-lead") @approvers("lead:1") @deadline("1h")
permit (principal, action == Action::"request:pay", resource)
when { context.facts.amount.lessThanOrEqual(decimal("1000.00")) };

@id("ask-finance") @approvers("finance:2") @deadline("1h")
permit (principal, action == Action::"request:pay", resource)
when { context.facts.amount.greaterThan(decimal("1000.00")) };

@id("lead-may-approve")
permit (principal in Role::"lead", action == Action::"approve:pay", resource)
when { context.facts.amount.lessThanOrEqual(decimal("1000.00")) };

@id("finance-may-approve")
permit (principal in Role::"finance", action == Action::"approve:pay", resource);

@id("held-account")
forbid (principal,
  action in [Action::"execute:pay", Action::"request:pay", Action::"approve:pay"], resource)
when { context.facts.status == "held" };
"""

ESCALATING = POLICY.replace(
    '@id("ask-lead") @approvers("lead:1")',
    '@id("ask-lead") @approvers("lead:1") @escalate("finance:1")',
)

Rule = Callable[[Brief], Envelope]


class Bank:
    """The outside system: accounts in one file, payouts in another that is only added to."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._accounts = folder / "accounts.json"
        self._payouts = folder / "payouts.log"
        self._fuse = folder / "fuse"

    def put(self, account: str, **fields: Any) -> None:
        """Open an account or change some of its fields."""
        self._write(account, {**self._fresh(), **self.accounts.get(account, {}), **fields})

    def drop(self, account: str) -> None:
        accounts = self.accounts
        del accounts[account]
        self._accounts.write_text(json.dumps(accounts))

    @property
    def accounts(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = (
            json.loads(self._accounts.read_text()) if self._accounts.exists() else {}
        )
        return found

    def get(self, account: str) -> dict[str, Any]:
        """One account as the tools see it, with the failure that the test has set."""
        found = self.accounts.get(account)
        if found is None:
            raise ToolRefused(f"There is no account {account}.")
        match found["outage"]:
            case "silent":
                raise ToolUnavailable("The ledger does not answer.")
            case "crash":
                raise RuntimeError("secret detail of the ledger")
            case "moves on":
                self.put(account, version=found["version"] + 1)
            case _:
                pass
        return {name: value for name, value in found.items() if name != "outage"}

    @property
    def payouts(self) -> list[tuple[str, str]]:
        """Key and amount of every payout that really happened, in order."""
        lines = self._payouts.read_text().splitlines() if self._payouts.exists() else []
        return [(line.split()[0], line.split()[1]) for line in lines]

    def pay(self, key: str, amount: Decimal) -> None:
        with self._payouts.open("a") as payouts:
            payouts.write(f"{key} {amount}\n")
            payouts.flush()
            os.fsync(payouts.fileno())

    def lay_fuse(self, when: Literal["before", "after"]) -> None:
        """Kill the process at the next payout, once."""
        self._fuse.write_text(when)

    def burn(self, when: Literal["before", "after"]) -> None:
        if self._fuse.exists() and self._fuse.read_text() == when:
            self._fuse.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def _fresh(self) -> dict[str, Any]:
        blank: dict[str, Any] = {"owner": "mara", "amount": "50.00", "status": "open"}
        return {**blank, "version": 1, "outage": "", "paid": "0"}

    def _write(self, account: str, fields: dict[str, Any]) -> None:
        self._accounts.write_text(json.dumps({**self.accounts, account: fields}))


@resource
async def open_bank(data: Path) -> Bank:
    """The bank in the data folder."""
    return Bank(data)


class AccountName(BaseModel):
    model_config = ConfigDict(extra="forbid")

    account: str


class Pay(BaseModel):
    """What `pay` is told. `note` and `priority` have defaults; `reference` may be None."""

    model_config = ConfigDict(extra="forbid")

    account: str
    amount: Decimal
    note: str = "payout"
    priority: int | None = 5
    reference: str | None = None


class AccountFacts(BaseModel):
    model_config = ConfigDict(extra="forbid")

    owner: str
    amount: Decimal
    status: Literal["open", "held"]
    version: int
    paid: Decimal


@tool(effect="read")
async def get_account(args: AccountName, call: ToolCall) -> Passage:
    """One account as text."""
    found = call.get(Bank).get(args.account)
    text = f"Owner: {found['owner']}\nClosing amount: {found['amount']}\n{QUOTE}"
    return Passage(source=f"account-{args.account}", text=text, version=str(found["version"]))


async def account_facts(args: Pay, call: ToolCall) -> AccountFacts:
    return AccountFacts.model_validate(call.get(Bank).get(args.account))


async def check_amount(args: Pay, call: ToolCall) -> None:
    if args.amount > 9_000:
        raise ToolRefused("More than 9000 cannot be paid out at once.")


def make_pay(recovery: Recovery = "idempotency_key", arguments: type[Pay] = Pay) -> Tool:
    """The write tool `pay`, which repeats itself as its recovery promises."""

    async def pay(args: Pay, call: ToolCall) -> str:
        """Pay out the closing amount of an account."""
        bank = call.get(Bank)
        bank.burn("before")
        known = call.key in dict(bank.payouts)
        if not (recovery == "idempotency_key" and known):
            bank.pay(call.key, args.amount)
        if recovery == "safe_retry":
            bank.put(args.account, paid=str(args.amount))
        bank.burn("after")
        if bank.accounts[args.account]["outage"] == "lost":
            raise ToolUnavailable("The line went dead.")
        return f"paid {args.amount}"

    async def probe(args: Pay, call: ToolCall) -> Probe:
        if call.get(Bank).accounts[args.account]["outage"] == "lost":
            return Probe("unknown")
        paid = call.key in dict(call.get(Bank).payouts)
        return Probe("yes", f"paid {args.amount}") if paid else Probe("no")

    pay.__annotations__["args"] = arguments
    declare = tool(
        effect="write",
        recovery=recovery,
        target="Account.account",
        facts=account_facts,
        check=check_amount,
        probe=probe if recovery == "probe" else None,
    )
    return declare(pay)


def proposal(brief: Brief, **changes: Any) -> Envelope:
    """An envelope that proposes to pay; `changes` go to the envelope or, if it has no such
    field, to the proposed action (`amount` and `account` to its arguments)."""
    account = str(changes.pop("account", brief.input["account"]))
    arguments = {"amount": str(changes.pop("amount", "50.00")), **changes.pop("arguments", {})}
    named: dict[str, Any] = {"type": "pay", "target_id": account, "arguments": arguments}
    for name in ("type", "stated_amount"):
        if name in changes:
            named[name] = changes.pop(name)
    action = ProposedAction(**named)
    fields: dict[str, Any] = {
        "step": brief.step,
        "status": "proposed",
        "confidence": 0.95,
        "evidence": (Evidence(source=f"account-{account}", quote=QUOTE),),
        "proposed_action": action,
        "reason": "The closing statement is settled.",
    }
    return Envelope(**{**fields, **changes})


def done(brief: Brief, **changes: Any) -> Envelope:
    """An envelope that proposes nothing."""
    fields: dict[str, Any] = {"step": brief.step, "status": "done", "confidence": 0.9}
    return Envelope(**{**fields, "reason": "Nothing to do.", **changes})


def pay_once(brief: Brief) -> Envelope:
    """Propose the payout, and nothing more once a person or the bank has said no or it is done."""
    last = brief.feedback[-1].kind if brief.feedback else None
    over = last in ("acted", "rejected", "denied", "expired", "failed")
    return done(brief) if over else proposal(brief)


def cite_feedback(brief: Brief) -> Envelope:
    """Propose the payout; once a person has answered in words, quote them."""
    last = brief.feedback[-1] if brief.feedback else None
    if last is None or last.source is None:
        return proposal(brief)
    return proposal(brief, evidence=(Evidence(source=last.source, quote=last.text),))


def pay_as(**changes: Any) -> Rule:
    """A rule that always proposes the payout with these changes."""

    def rule(brief: Brief) -> Envelope:
        return proposal(brief, **changes)

    return rule


def scripted(*answers: Callable[[Brief], Envelope]) -> Rule:
    """A rule that answers the n-th visit with the n-th entry, and then with the last."""

    def rule(brief: Brief) -> Envelope:
        return answers[min(brief.visit, len(answers)) - 1](brief)

    return rule


class PayRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    customer: str = "mara"
    account: str = "a1"
    message: str = "Please pay me out."


def pay_step(pay: Tool, rule: Rule = pay_once, **fields: Any) -> Step:
    """The step `pay_out`; `fields` replace those of the step."""
    own: dict[str, Any] = {
        "name": "pay_out",
        "context": Context(tools=[get_account]),
        "reasoning": Reasoning(rule=rule, proposes=[pay]),
        "policy": "ledger",
    }
    return Step(**{**own, **fields})


def pay_workflow(pay: Tool, rule: Rule = pay_once, **fields: Any) -> Workflow:
    """The workflow `ledger` of one step; `fields` replace those of the step."""
    return Workflow("ledger", PayRequest, [pay_step(pay, rule, **fields)], subject="customer")


def make_app(workflow: Workflow, policy: str | None = POLICY, *, tools: Sequence[Tool] = ()) -> App:
    """An app of one workflow under one policy text; None: it has no policy set at all."""
    held = [*write_tools([workflow]), *tools]
    policies = {} if policy is None else {"ledger": PolicySet.load("ledger", {"p": policy}, held)}
    return App(
        folder=Path(),
        workflows={workflow.name: workflow},
        policies=policies,
        prompts={workflow.name: {"pay": "Decide on the payout."}},
        resources=(open_bank,),
    )
