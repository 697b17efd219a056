"""The benchmark's files: the shop, the shop's policy, tasks and bad proposals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from agent_runtime.evidence import Document

Json = dict[str, Any]
Records = dict[str, dict[str, Json]]
"""The shop's records by collection and id, as in db.json."""
T = TypeVar("T")

POLICY = "policy.md"
REASON = "scenario.reason_for_call"
"""Source ids under which proposals quote the policy and the customer's words."""


class BadInput(Exception):
    """A file that cannot be used; the text names the file and the key at fault."""


class _Record(BaseModel):
    # Other keys are allowed: the files carry provenance that nothing here depends on.
    model_config = ConfigDict(extra="ignore", frozen=True)


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[
    str,
    BeforeValidator(_as_text),
    StringConstraints(min_length=1, max_length=150, pattern=r"^\S(.*\S)?$"),
]


Customer = Annotated[str, StringConstraints(max_length=100)]
Words = Annotated[str, StringConstraints(max_length=200_000)]


class Call(_Record):
    """One call of one tool; its result is known as `action:<action_id>`."""

    action_id: Id
    name: Annotated[str, StringConstraints(min_length=1)]
    arguments: Json = {}

    @property
    def source(self) -> str:
        """The source id of the result."""
        return f"action:{self.action_id}"


class GoldAction(Call):
    """A call with its recorded result: a record, a text, or "Error: <message>"."""

    result: Any
    is_error: bool = False


class Change(_Record):
    """One difference from db.json. `path` is a JSON Pointer inside the record, None is absent."""

    collection: Literal["users", "orders", "products"]
    id: Id
    path: Annotated[str, StringConstraints(pattern=r"^(/.*)?$")]
    after: Any = None


class Instructions(_Record):
    """The private script of the customer, of which the runtime is told the reason alone."""

    reason_for_call: Words | None = None


class Scenario(_Record):
    """Who calls and why; `instructions` may be plain text."""

    instructions: Instructions | Words | None = None

    @property
    def reason(self) -> str:
        """The customer's own words, empty when the task has none."""
        if isinstance(self.instructions, Instructions):
            return self.instructions.reason_for_call or ""
        return self.instructions or ""


class Task(_Record):
    """One conversation: who it is about, what was done in it, and what that must change."""

    id: Id
    actor_user_id: Customer | None
    user_scenario: Scenario = Scenario()
    actions: tuple[GoldAction, ...]
    expected_changes: tuple[Change, ...]


class Proposal(_Record):
    """The bad proposal itself."""

    name: Annotated[str, StringConstraints(min_length=1)]
    arguments: Json = {}
    stated_amount: float | None = None
    evidence: tuple[Json, ...] = ()


class Adversary(_Record):
    """A bad proposal with what went before it, and which stop is expected of the runtime."""

    id: Id
    base_task: Id | None = None
    actor_user_id: Customer | None
    setup: tuple[Call, ...] = ()
    proposal: Proposal
    expected: str


class _Database(_Record):
    products: dict[str, Json]
    users: dict[str, Json]
    orders: dict[str, Json]


class _Adversaries(_Record):
    proposals: Annotated[tuple[Adversary, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Dataset:
    """The shop's records as in db.json, and the policy's text (empty where there is none)."""

    path: Path
    records: Records
    policy: str = ""

    def documents(self, reason: str, results: Sequence[Document] = ()) -> list[Document]:
        """What a run is handed at its start, under the source ids that proposals quote."""
        texts = [(REASON, reason), (POLICY, self.policy)]
        named = [Document(source=source, text=text) for source, text in texts if text]
        return [*named, *results]


@dataclass(frozen=True)
class Files:
    """Everything that one invocation reads."""

    dataset: Dataset
    tasks: tuple[Task, ...]
    adversaries: tuple[Adversary, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)


def load_files(data: Path, tasks: Path, adversarial: Path | None = None) -> Files:
    """Read and validate; raises BadInput."""
    found = _read(tasks, TypeAdapter(Annotated[tuple[Task, ...], Field(min_length=1)]))
    bad = () if adversarial is None else _read(adversarial, TypeAdapter(_Adversaries)).proposals
    reasons = {task.id: task.user_scenario.reason for task in found}
    return Files(load_dataset(data), found, bad, reasons)


def load_dataset(folder: Path) -> Dataset:
    """Read db.json and, where there is one, policy.md; raises BadInput."""
    path, policy = folder / "db.json", folder / POLICY
    records = _read(path, TypeAdapter(_Database)).model_dump()
    text = _text(policy) if policy.exists() else ""
    _check(policy, lambda: Document(source=POLICY, text=text))
    return Dataset(path, records, text)


def _read(path: Path, model: TypeAdapter[T]) -> T:
    try:
        document = json.loads(_text(path), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: is not JSON: {error}.") from error
    return _check(path, lambda: model.validate_python(document))


def _check(path: Path, build: Callable[[], T]) -> T:
    try:
        return build()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the top level"
        raise BadInput(f"{path}: {key}: {first['msg']}.") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: is not UTF-8 text.") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
