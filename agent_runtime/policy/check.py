"""`policies check`: everything about a folder of policies that can be known before a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent_runtime.errors import PolicyError
from agent_runtime.policy.engine import BASE_FILE, PolicySet, load_policy
from agent_runtime.policy.rule import Rule
from agent_runtime.policy.schema import Verb, left_out, shapes_of
from agent_runtime.policy.table import judge_table, read_table
from agent_runtime.tool import Tool

_TABLE = ".tests.yaml"
_ACCESS = "access"
"""Not about actions: it says who may start, read, decide; see `agent_runtime.access`."""


class Report(BaseModel):
    """What a check found. `problems` have to be mended; `notes` are good to know.

    `rules` and `cases` count those of the folder, without the base rules.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: tuple[str, ...]
    rules: int
    cases: int
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Findings:
    rules: int = 0
    cases: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_policies(
    folder: Path, tools: Sequence[Tool], used: Mapping[str, Collection[str]]
) -> Report:
    """Check every policy of a folder: ids, annotations, types, coverage, decision tables.

    `used` maps a policy's name to the write tools that workflows propose under it. Nothing is
    raised for what is found in the files; it is all in the report.
    """
    found = _Findings()
    try:
        shapes_of(tools)
    except PolicyError as error:
        return Report(files=(), rules=0, cases=0, problems=(error.message,))
    names = {path.stem for path in folder.glob("*.cedar")} - {_ACCESS}
    for name in sorted(names | set(used)):
        _check_one(folder, name, tools, sorted(used.get(name, ())), found)
    found.notes += [f"policy {name} is used by no step" for name in sorted(names - set(used))]
    found.problems += _uncovered(tools, used)
    found.problems += _orphans(folder, names)
    found.notes += [f"policy does not see {line}" for line in left_out(tools)]
    found.notes += _ownerless(tools)
    files = [*folder.glob("*.cedar"), *folder.glob(f"*{_TABLE}")]
    return Report(
        files=tuple(sorted(path.name for path in files)),
        rules=found.rules,
        cases=found.cases,
        problems=tuple(found.problems),
        notes=tuple(found.notes),
    )


def _check_one(
    folder: Path, name: str, tools: Sequence[Tool], used: Sequence[str], found: _Findings
) -> None:
    # As it is loaded for work: another workflow's tools are none of this policy's business.
    tools = [tool for tool in tools if tool.name in used] or tools
    try:
        policy_set = load_policy(folder, name, tools)
    except PolicyError as error:
        found.problems.append(str(error))
        return
    own = [rule for rule in policy_set.rules.values() if rule.file != BASE_FILE]
    found.rules += len(own)
    writes = {tool.name for tool in tools if tool.effect == "write"}
    for tool in used:
        if tool not in writes:
            found.problems.append(f"policy {name}: there is no write tool {tool}")
            continue
        found.problems += [f"policy {name}: {line}" for line in _coverage(own, tool)]
    _check_table(folder / f"{name}{_TABLE}", policy_set, tools, found)


def _check_table(
    path: Path, policy_set: PolicySet, tools: Sequence[Tool], found: _Findings
) -> None:
    if not path.is_file():
        found.notes.append(f"{path.name} is missing: no case says what these rules have to answer")
        return
    try:
        result = judge_table(policy_set, tools, read_table(path.read_text(encoding="utf-8")))
    except PolicyError as error:
        found.problems.append(f"{path.name}: {error.message}")
        return
    found.cases += result.cases
    found.problems += [f"{path.name}: {failure}" for failure in result.failures]
    found.notes += [
        f"{path.name}: rule {rule.id} decides no case"
        for rule in policy_set.rules.values()
        if rule.file != BASE_FILE and rule.id not in result.decided
    ]


def _coverage(rules: Sequence[Rule], tool: str) -> Iterator[str]:
    """Whether the tool can get a verdict other than deny, and a question an answer."""
    asking = _permits(rules, "request", tool)
    if not asking and not _permits(rules, "execute", tool):
        yield f"no rule permits {tool}, unattended or on request"
    approving = _permits(rules, "approve", tool)
    if asking and not approving:
        yield f"{tool} may be asked for, and no rule lets anybody approve it"
        return
    roles = {rule.role for rule in approving}
    demanded = {
        slot.role
        for rule in asking
        for slots in (rule.slots, rule.escalate, *rule.later)
        for slot in slots
    }
    if None not in roles:
        for role in sorted(demanded - {role for role in roles if role is not None}):
            yield f"{tool} is put before {role}, and no rule lets {role} approve it"


def _permits(rules: Sequence[Rule], verb: Verb, tool: str) -> list[Rule]:
    return [rule for rule in rules if rule.effect == "permit" and rule.covers(verb, tool)]


def _uncovered(tools: Sequence[Tool], used: Mapping[str, Collection[str]]) -> list[str]:
    proposed = {tool for names in used.values() for tool in names}
    writes = sorted({tool.name for tool in tools if tool.effect == "write"} - proposed)
    return [
        f"write tool {name} has no rules: no step proposes it under a policy" for name in writes
    ]


def _orphans(folder: Path, names: Collection[str]) -> list[str]:
    tables = sorted(path.name.removesuffix(_TABLE) for path in folder.glob(f"*{_TABLE}"))
    return [f"{name}{_TABLE}: there is no {name}.cedar" for name in tables if name not in names]


def _ownerless(tools: Sequence[Tool]) -> list[str]:
    return [
        f"the facts of {name} name no owner, so whose record it is goes unchecked"
        for name, shape in shapes_of(tools).items()
        if "owner" not in shape.facts.model.model_fields
    ]
