"""Steps: one governed cell of a workflow, and the rubric of which node may hold which tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from agent_runtime.action import digest
from agent_runtime.authored import AtLeastOne, NotNegative, wrong_call
from agent_runtime.brief import Brief, LookUp
from agent_runtime.budget import Budget, Tier
from agent_runtime.envelope import Envelope, Node
from agent_runtime.errors import OutOfScope, WorkflowError
from agent_runtime.evidence import Claim
from agent_runtime.failure import Remedy, Table
from agent_runtime.guard import Guards
from agent_runtime.redact import Minimise
from agent_runtime.signal import Thresholds
from agent_runtime.tool import Effect, Tool

Outcome = Literal["acted", "finished", "denied", "rejected", "failed", "expired"]
"""How a visit of a step ends. acted: its action was executed; finished: reasoning has nothing
(more) to propose; denied: policy said no; rejected: a person said no; failed: the outside system
refused at execution; expired: nobody answered in time."""

Rule = Callable[[Brief], Envelope]
OfflineRule = Callable[[Brief], Envelope | LookUp]

RUBRIC: dict[Node, frozenset[Effect]] = {
    "context": frozenset({"read"}),
    "reasoning": frozenset({"read", "simulate"}),
    "gate": frozenset(),
    "action": frozenset({"write"}),
}


@dataclass(frozen=True)
class Context:
    """The first phase: look-ups whose arguments come from the run's input by name.

    `token_budget` bounds everything shown in the run, in estimated tokens. `minimise`: what of
    results, documents and the run's input the step may see. `claims`: what texts are checked for,
    so that two that contradict each other are noticed. `sees` names earlier steps: of each of them
    the step is given the last envelope, and nothing else that they said or were shown.
    `cross_check`: the tier whose models are asked, beside the claims, whether texts contradict each
    other.
    """

    tools: Sequence[Tool] = ()
    token_budget: AtLeastOne = 4_000
    minimise: Minimise = field(default_factory=Minimise)
    claims: Sequence[Claim] = ()
    sees: Sequence[str] = ()
    cross_check: Tier | None = None


@dataclass(frozen=True)
class Reasoning:
    """The second phase: a model with a prompt, or a plain function (`rule`).

    `prompt` names a file in the workflow's `prompts/`, without its ending. `proposes` are the
    write tools it may propose, `tools` what it may call itself. `offline` answers in place of
    the model where none is configured. `attempts` bounds malformed envelopes, `max_calls` tool
    calls, `max_tool_errors` impossible proposals, each per visit.

    `tier`: whose models answer first; `failures`: what is done otherwise about a failed call than
    the table says. `budget`: for one run of this step. `optional`: when no model can be had, the
    step is left out and flagged. `deterministic`: asked at temperature 0, and an answer to exactly
    the same request is used again; never for drafting. `guards`: what texts to be sent are held
    against; `attachments`: whether its model is shown what came with the run. `batch`: the first
    question of each visit may go by the provider's batch endpoint with those of other runs, for
    less money; the run is parked meanwhile, for hours at worst.
    """

    prompt: str = ""
    proposes: Sequence[Tool] = ()
    tools: Sequence[Tool] = ()
    rule: Rule | None = None
    offline: OfflineRule | None = None
    attempts: AtLeastOne = 3
    max_calls: NotNegative = 40
    max_tool_errors: NotNegative = 5
    tier: Tier = "standard"
    failures: Table = field(default_factory=dict)
    budget: Budget | None = None
    optional: bool = False
    deterministic: bool = False
    guards: Guards | None = None
    attachments: bool = False
    batch: bool = False

    @property
    def table(self) -> Table:
        """What this step declares about failures; `attempts` bounds malformed answers."""
        further = max(0, self.attempts - 1)
        bounded: Table = {
            "invalid_json": Remedy("again", further),
            "wrong_content": Remedy("hint", further),
        }
        return {**bounded, **self.failures}


@dataclass(frozen=True)
class Step:
    """Context, reasoning, gate and action under one name. Without `proposes` it never acts."""

    name: str
    reasoning: Reasoning
    context: Context = field(default_factory=Context)
    policy: str | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    max_rechecks: NotNegative = 2
    max_rounds: AtLeastOne = 3

    @cached_property
    def scopes(self) -> dict[Node, dict[str, Tool]]:
        """The exact set of tools that each node may call, by name."""
        held: dict[Node, Sequence[Tool]] = {
            "context": self.context.tools,
            "reasoning": self.reasoning.tools,
            "gate": (),
            "action": self.reasoning.proposes,
        }
        return {node: {tool.name: tool for tool in tools} for node, tools in held.items()}

    def tool(self, node: Node, name: str) -> Tool:
        """The tool of that name in the node's scope; raises OutOfScope."""
        found = self.scopes[node].get(name)
        if found is None:
            raise OutOfScope(f"{self.name}.{node}", name)
        return found

    @property
    def context_budget(self) -> int:
        """What the context phase may fill; a quarter is kept where reasoning looks things up."""
        budget = self.context.token_budget
        return budget - budget // 4 if self.reasoning.tools else budget

    @cached_property
    def contract(self) -> str:
        """Digest of what a parked run of this step depends on: tools and their schemas.

        Prompts, thresholds and policies are outside it: a corrected typo strands nobody.
        """
        tools = {
            f"{node}.{name}": [tool.effect, tool.recovery, tool.schema]
            for node, scope in self.scopes.items()
            for name, tool in scope.items()
        }
        return digest({"step": self.name, "tools": tools})

    def check(self) -> None:
        """Hold the step against the rubric; raises WorkflowError that names tool and rule."""
        for held in (self.context.tools, self.reasoning.tools, self.reasoning.proposes):
            for tool in held:
                if not isinstance(tool, Tool):
                    raise WorkflowError(
                        f"Step {self.name!r}: {tool!r} is no declared tool.",
                        remedy="Declare it with @tool, or adopt it with a declared effect.",
                    )
        for node, scope in self.scopes.items():
            for tool in scope.values():
                if tool.effect not in RUBRIC[node]:
                    allowed = " or ".join(sorted(RUBRIC[node])) or "no"
                    raise WorkflowError(
                        f"Step {self.name!r}: {tool.name!r} is a {tool.effect} tool;"
                        f" the {node} node may hold {allowed} tools only (scope rubric)."
                    )
        if self.reasoning.proposes and self.policy is None:
            raise WorkflowError(
                f"Step {self.name!r} proposes writes but names no policy.",
                remedy="Name one: Step(..., policy='…') for policies/….cedar.",
            )
        self._check_who_decides()
        self._check_drafts()

    def _check_drafts(self) -> None:
        """A guard that looks at no argument would let every draft pass."""
        guards, tools = self.reasoning.guards, self.reasoning.proposes
        known = {name: None for tool in tools for name in tool.arguments.model_fields}
        for name in () if guards is None else guards.drafts:
            if name not in known:
                raise WorkflowError(
                    f"Step {self.name!r}: its guards look at {name!r}, which no tool of it takes.",
                    remedy=f"Their arguments: {', '.join(known) or 'none'}.",
                )

    def _check_who_decides(self) -> None:
        """A prompt or a rule, and only one of them, that can be called."""
        decides = self.reasoning
        if not (decides.prompt or decides.rule):
            raise WorkflowError(f"Step {self.name!r} has neither a prompt nor a rule.")
        if decides.prompt and decides.rule:
            raise WorkflowError(
                f"Step {self.name!r} has both a prompt and a rule.",
                remedy="Keep one. What answers where no model is configured is offline=….",
            )
        for rule in (decides.rule, decides.offline):
            if rule is not None and (wrong := wrong_call(rule, 1, waits=False)):
                raise WorkflowError(
                    f"Step {self.name!r}: {wrong}.", remedy="Write def rule(brief: Brief)."
                )
        if decides.batch and decides.rule is not None:
            raise WorkflowError(
                f"Step {self.name!r} is decided by a rule, which goes by no batch.",
                remedy="Leave out batch=True, or give it a prompt in place of the rule.",
            )
