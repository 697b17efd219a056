"""Drawn: the prompts and policies that a run gets, where versions of them are tried on a share.

A run keeps what it drew for as long as that is tried. The moment a rollout ends, whatever is in
force without it decides about everything that is still open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from agent_runtime.action import digest
from agent_runtime.app import App
from agent_runtime.clock import Clock
from agent_runtime.errors import PolicyError
from agent_runtime.models.template import choose, variants
from agent_runtime.policy import PolicySet
from agent_runtime.rollout import DEPLOYMENT, Rollout, Span
from agent_runtime.run import Run
from agent_runtime.store import Session
from agent_runtime.telemetry import log


def prompts_of(
    texts: Mapping[str, str], rollouts: Sequence[Rollout], run: Run, now: datetime
) -> Mapping[str, str]:
    """A run's prompts by name: in the place of each the one that it has drawn."""
    changed = {}
    for name in {name.partition(".")[0] for name in texts if "." in name} & texts.keys():
        chosen = choose(texts, name, run.id).name
        if chosen != name and not _is_out(texts, rollouts, name, chosen, now):
            changed[name] = texts[chosen]
    for one in rollouts:
        started = one.prompt is not None and one.declared is None
        if started and one.candidate in texts and _tries(one, run, now):
            changed[one.replaced] = texts[one.candidate]
    return {**texts, **changed} if changed else texts


@dataclass(frozen=True)
class Candidates:
    """The policy sets that are tried, each read once."""

    app: App
    _read: dict[str, PolicySet] = field(default_factory=dict)

    def get(self, rollout: Rollout) -> PolicySet:
        """The one of a rollout; raises PolicyError where this code cannot use it."""
        known = self._read.get(rollout.id)
        if known is None:
            known = self._read[rollout.id] = candidate_of(self.app, rollout.replaced, rollout.text)
        return known


def policies_of(
    candidates: Candidates, rollouts: Callable[[], Sequence[Rollout]], run: Run, clock: Clock
) -> Mapping[str, PolicySet]:
    """The policies that decide about a run, by name."""
    if any(one.policy is not None and _tries(one, run, clock.now()) for one in rollouts()):
        return _Tried(candidates, rollouts, run, clock)
    return candidates.app.policies


def forked_with(session: Session, run: Run) -> Mapping[str, str]:
    """The prompts that a fork was given in the place of its workflow's; raises StoreError where
    they are gone."""
    given = {} if run.origin is None else run.origin.prompts
    return {name: str(session.recordings.content(content)) for name, content in given.items()}


def names_of(rollouts: Sequence[Rollout], run: Run, now: datetime) -> tuple[str, ...]:
    """The rollouts whose candidates a run has drawn."""
    return tuple(one.id for one in rollouts if _tries(one, run, now))


def spans_of(texts: Mapping[str, str], prompt: str) -> Iterator[tuple[str, Span]]:
    """The variants of a prompt that a share of runs gets, and which; none where no run would get
    the prompt itself: then there is nothing to hold them against."""
    held = variants(texts, prompt)
    rest, low = sum(one.matter.share for one in held), 0
    for one in held:
        high = low + one.matter.share
        if high > low and rest < 100:
            named = digest([texts[prompt], texts[one.name], low, high, rest])
            yield one.name, Span(low=low, high=high, rest=rest, digest=named)
        low = high


def candidate_of(app: App, name: str, text: str) -> PolicySet:
    """A text as the policy of that name; raises PolicyError where this code cannot use it."""
    tools = {
        tool.name: tool
        for workflow in app.workflows.values()
        for step in workflow.steps
        if step.policy == name
        for tool in step.reasoning.proposes
    }
    return PolicySet.load(name, {f"{name}.cedar": text}, list(tools.values()))


@dataclass(frozen=True)
class _Tried(Mapping[str, PolicySet]):
    """Policies in the place of which a candidate is tried: asked for each anew, because the
    rollout may end while a segment works."""

    candidates: Candidates
    rollouts: Callable[[], Sequence[Rollout]]
    run: Run
    clock: Clock

    def __getitem__(self, name: str) -> PolicySet:
        plain = self.candidates.app.policies[name]
        for one in self.rollouts():
            if one.policy == name and _tries(one, self.run, self.clock.now()):
                try:
                    return self.candidates.get(one)
                except PolicyError as error:  # deployed since: what is in force decides
                    log("candidate cannot be used", self.run, rollout=one.id, error=error.code)
        return plain

    def __iter__(self) -> Iterator[str]:
        return iter(self.candidates.app.policies)

    def __len__(self) -> int:
        return len(self.candidates.app.policies)


def _tries(rollout: Rollout, run: Run, now: datetime) -> bool:
    return rollout.tries(run.id, run.created_at, now)


def _is_out(
    texts: Mapping[str, str],
    rollouts: Sequence[Rollout],
    prompt: str,
    variant: str,
    now: datetime,
) -> bool:
    """Whether a declared variant was rolled back or stopped, as its files are now."""
    named = dict(spans_of(texts, prompt)).get(variant)
    about = [
        one
        for one in rollouts
        if one.declared == named and one.candidate == variant and one.started_at <= now
    ]
    last = about[-1] if named is not None and about else None
    return last is not None and not last.covers(now) and last.ended_by != DEPLOYMENT
