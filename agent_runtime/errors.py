"""Every error of the runtime, grouped by who must act on it.

AgentRuntimeError
├── CallerError                whoever sent the request corrects it
│   ├── InvalidInput           a field has a value that cannot be used
│   │   └── Unconfirmed        what a yes does was not typed beside it, where that is asked
│   ├── KeyReused              an idempotency key stands for another request already
│   ├── NotFound               no such run, approval, workflow, operator, tool
│   │   └── TenantErased       all of that tenant was erased
│   ├── NotAuthenticated       nobody proved who they are
│   │   └── SignatureRefused   a message is not from whom it should be
│   ├── NotPermitted           policy does not let this person do that
│   ├── RateLimited            too much was asked for in too short a time
│   └── Conflict               the thing is no longer in the state the request needs
│       ├── AlreadyDecided     somebody else's answer came first
│       ├── KeyAtWork          the first request under an idempotency key has no answer yet
│       └── StaleQuestion      what was decided on is not what is asked now
├── AuthorError                the developer of the workflow corrects it
│   ├── WorkflowError          steps, edges or scopes do not fit together
│   ├── ToolDeclarationError   a tool lacks an effect, a recovery, a facts reader …
│   ├── PolicyError            a policy file does not load or does not check
│   ├── OutOfScope             a node named a tool that it does not hold
│   └── Ungated                a write was attempted without an authorization
├── OnCallError                whoever runs the installation corrects it
│   ├── SettingsError          a setting, path or file mode is wrong
│   ├── StoreError             the database cannot be used as it is
│   ├── ModelUnavailable       the model's provider does not answer
│   ├── AddressRefused         a webhook may not reach that network
│   ├── RecordingGone          what a replay feeds on was pruned or erased
│   ├── RecordingDamaged       what a replay feeds on is not what was stored
│   ├── ServerUnavailable      a server of ours does not answer, or not as one
│   └── LostOwnership          another worker has taken the run over
├── ToolError                  the outside system's answer; reasoning hears of it
│   ├── ToolRefused            the call is impossible; nothing was changed
│   ├── ToolUnavailable        no answer: whether something happened may be unknown
│   └── RecordingEnds          a replay has come to what was never recorded
└── NeedsAttention             a person looks at the run, without a proposal to approve
    └── BudgetExceeded         asking a model would cost more than was allowed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self


class AgentRuntimeError(Exception):
    """Base of all errors raised here. `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    @classmethod
    def retold(cls, message: str, remedy: str = "", **known: Any) -> Self:
        """The same error as another process raised it: its words, and what else it knows."""
        error = cls.__new__(cls, message)
        AgentRuntimeError.__init__(error, message, remedy=remedy)
        vars(error).update(known)
        return error


class CallerError(AgentRuntimeError):
    """The request is at fault; sending it again unchanged will not help."""

    exit_code = 2
    code = "caller_error"


class InvalidInput(CallerError):
    """A field's value cannot be used. `value` is shown shortened."""

    code = "invalid_input"

    def __init__(self, field: str, value: object, problem: str, *, remedy: str = "") -> None:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}…"
        super().__init__(f"{field}: {problem} (got {shown}).", remedy=remedy)
        self.field = field
        self.value = value
        self.problem = problem


class Unconfirmed(InvalidInput):
    """A yes at high risk came without what it does, typed by whoever gives it."""

    code = "unconfirmed"


class KeyReused(CallerError):
    """The idempotency key was sent with another request before."""

    code = "key_reused"

    def __init__(self, key: str) -> None:
        reused = f"The key {key!r} was sent with another request."
        super().__init__(reused, remedy="Use a new key for a new request.")


class NotFound(CallerError):
    """Nothing of that name or id exists for this tenant."""

    code = "not_found"

    def __init__(self, kind: str, name: str, *, remedy: str = "") -> None:
        super().__init__(f"There is no {kind} {name!r}.", remedy=remedy)
        self.kind = kind
        self.name = name


class TenantErased(NotFound):
    """Nothing of this tenant is there any more, and nothing new is taken for it."""

    code = "tenant_erased"

    def __init__(self, tenant: str, why: str) -> None:
        super().__init__("tenant", tenant)
        self.message = f"The tenant {tenant!r} {why}."


class NotAuthenticated(CallerError):
    """The credential is missing, unknown, expired or revoked; which, only the log says."""

    exit_code = 3
    code = "not_authenticated"


class SignatureRefused(NotAuthenticated):
    """A message lacks a signature, or has one that does not count. `why` is for the log: told to
    the sender, it would help a forger only."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "The signature is not valid.", remedy="Sign id, timestamp and body, just before."
        )
        self.why = why


class RateLimited(CallerError):
    """The caller's share is used up; `retry_after` is in seconds."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, remedy=f"Try again in {retry_after:.0f} s.")
        self.retry_after = retry_after


class NotPermitted(CallerError):
    """Policy refuses this person. `rules` are the ids that decided, if any matched."""

    exit_code = 3
    code = "not_permitted"

    def __init__(self, message: str, *, rules: tuple[str, ...] = (), remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.rules = rules


class Conflict(CallerError):
    """The state has moved on since the request was made."""

    exit_code = 4
    code = "conflict"


class AlreadyDecided(Conflict):
    """The question has its final answer; `by` gave it (a person's name or `deadline`)."""

    code = "already_decided"

    def __init__(self, approval_id: str, status: str, by: str) -> None:
        super().__init__(
            f"Approval {approval_id} is {status} already, by {by}.",
            remedy=f"See it with: agent-runtime approvals show {approval_id}",
        )
        self.status = status
        self.by = by


class KeyAtWork(Conflict):
    """The first request with that idempotency key is still being carried out."""

    code = "key_at_work"

    def __init__(self, key: str) -> None:
        at_work = f"The first request with the key {key!r} is still at work."
        super().__init__(at_work, remedy="Wait for its answer.")


@dataclass(frozen=True)
class Change:
    """One thing that is no longer as the caller saw it, in words."""

    field: str
    old: str
    new: str


class StaleQuestion(Conflict):
    """The digest or version that the caller saw is not the one that is asked now; `changes` says
    what is different, as far as that is known."""

    code = "stale_question"

    def __init__(self, message: str, *, remedy: str = "", changes: tuple[Change, ...] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.changes = changes


class AuthorError(AgentRuntimeError):
    """The workflow, tool or policy as written is wrong; found before anything runs."""

    exit_code = 5
    code = "author_error"


class WorkflowError(AuthorError):
    """A workflow cannot be built."""

    code = "workflow_error"


class ToolDeclarationError(AuthorError):
    """A tool's declaration is incomplete or contradicts itself."""

    code = "tool_declaration_error"


class PolicyError(AuthorError):
    """A policy set cannot be used. `problems` lists each finding, one line each."""

    code = "policy_error"

    def __init__(self, message: str, problems: tuple[str, ...] = (), *, remedy: str = "") -> None:
        super().__init__("\n  ".join([message, *problems]), remedy=remedy)
        self.problems = problems


class OutOfScope(AuthorError):
    """A node asked for a tool that its scope does not hold."""

    code = "out_of_scope"

    def __init__(self, node: str, tool: str) -> None:
        super().__init__(f"{node} may not use the tool {tool!r}: it is not in its scope.")
        self.node = node
        self.tool = tool


class Ungated(AuthorError):
    """A write tool was called without an authorization for exactly this call."""

    code = "ungated"


class OnCallError(AgentRuntimeError):
    """The installation needs a hand: settings, disk, database, provider."""

    exit_code = 6
    code = "on_call_error"


class SettingsError(OnCallError):
    """A setting, path or file mode is unusable."""

    code = "settings_error"


class StoreError(OnCallError):
    """The database file is missing, corrupt, locked or newer than this code."""

    code = "store_error"


class ModelUnavailable(OnCallError):
    """The model could not be asked, or gave nothing of use; the run waits and can be resumed.

    `kind` is one of `failure.FailureKind`, or "" where it is not known; `retry_after`: seconds
    that the provider asked for.
    """

    code = "model_unavailable"

    def __init__(
        self, message: str, *, remedy: str = "", kind: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.kind = kind
        self.retry_after = retry_after


class RecordingGone(OnCallError):
    """A run cannot be replayed: what it feeds on is not kept any more."""

    code = "recording_gone"

    def __init__(self, run_id: str, why: str) -> None:
        remedy = "Keep recordings for longer: AGENT_RUNTIME_RETENTION."
        super().__init__(f"Run {run_id} cannot be replayed: {why}.", remedy=remedy)


class RecordingDamaged(OnCallError):
    """What is stored of a run is not what was stored."""

    code = "recording_damaged"

    def __init__(self, run_id: str, why: str) -> None:
        remedy = "Find out with: agent-runtime doctor. Restore a backup."
        super().__init__(f"Run {run_id} cannot be replayed: {why}.", remedy=remedy)


class ServerUnavailable(OnCallError):
    """A server was asked and gave no answer that can be used; what it was asked may be done."""

    code = "server_unavailable"


class AddressRefused(OnCallError):
    """A webhook's address is none that may be reached. Which one it was is not told: whoever
    subscribed chose the name, and would learn what is inside."""

    code = "address_refused"

    def __init__(self) -> None:
        remedy = "Allow its network: AGENT_RUNTIME_NOTICE_NETWORKS"
        super().__init__("The webhook's address may not be reached.", remedy=remedy)


class LostOwnership(OnCallError):
    """The run's epoch has been raised by another worker; nothing was written."""

    code = "lost_ownership"


class ToolError(AgentRuntimeError):
    """An outside system's refusal or silence, raised by tools."""

    code = "tool_error"


class ToolRefused(ToolError):
    """The call is impossible as proposed; the tool changed nothing."""

    code = "tool_refused"


class RecordingEnds(ToolError):
    """A replay asks for what was never recorded; only there, and for nobody to catch."""

    code = "recording_ends"


class ToolUnavailable(ToolError):
    """The outside system gave no answer."""

    code = "tool_unavailable"


class NeedsAttention(AgentRuntimeError):
    """The run stops at its last checkpoint and waits for a person to resume or cancel it."""

    code = "needs_attention"


class OutcomeUnknown(NeedsAttention):
    """A write call was lost, and neither repeating nor probing can tell what became of it."""

    code = "outcome_unknown"

    def __init__(self, tool: str, why: str) -> None:
        remedy = "Look in the outside system, then: agent-runtime runs settle"
        super().__init__(f"Whether {tool} was executed is unknown: {why}.", remedy=remedy)


class BudgetExceeded(NeedsAttention):
    """Asking a model would have cost more than `scope` has left; nothing was asked. `fails`: the
    run is to end instead of waiting for a person."""

    code = "budget_exceeded"

    def __init__(self, scope: str, problem: str, *, fails: bool) -> None:
        super().__init__(
            f"The budget of the {scope.replace('_', ' of the ')} is used up ({problem}).",
            remedy=(
                "Resume the run to grant as much again, or raise AGENT_RUNTIME_BUDGETS."
                if scope in ("step", "run")
                else "Raise AGENT_RUNTIME_BUDGETS, or resume the run tomorrow."
            ),
        )
        self.scope = scope
        self.fails = fails
