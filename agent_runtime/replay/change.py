"""Changes that can be tried on the past: the app as it would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent_runtime.app import App
from agent_runtime.errors import InvalidInput
from agent_runtime.policy import PolicySet
from agent_runtime.replay.stub import Live


@dataclass(frozen=True)
class Change:
    """What is tried: the app as it would be. `graphs`: more than policies are other, so that every
    run is played whole. `follow`: where an answer flips, play on. `live`: a model that is asked
    where a recording ends."""

    what: str
    app: App
    graphs: bool = False
    follow: bool = True
    live: Live | None = None


def with_policies(app: App, texts: Mapping[str, str]) -> App:
    """The app under other policies; raises InvalidInput for one that it doesn't have, PolicyError
    for a text that cannot be used."""
    policies = dict(app.policies)
    for name, text in texts.items():
        if name not in policies:
            known = ", ".join(sorted(policies)) or "none"
            raise InvalidInput("--policy", name, f"is no policy here; there are: {known}")
        held = {
            tool.name: tool
            for workflow in app.workflows.values()
            for step in workflow.steps
            if step.policy == name
            for tool in step.reasoning.proposes
        }
        policies[name] = PolicySet.load(name, {f"{name}.cedar": text}, list(held.values()))
    return replace(app, policies=policies, _pinned={})


def with_prompt(app: App, name: str, text: str) -> App:
    """The app with another text of a prompt; raises InvalidInput where no step uses it."""
    users = [
        workflow.name
        for workflow in app.workflows.values()
        if any(step.reasoning.prompt == name for step in workflow.steps)
    ]
    if not users:
        raise InvalidInput("--prompt", name, "is the name of no step's prompt")
    changed = {user: {**app.prompts.get(user, {}), name: text} for user in users}
    return replace(app, prompts={**app.prompts, **changed}, _pinned={})
