"""Changes that can be tried on the past: the app as it would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent_runtime.app import App
from agent_runtime.errors import InvalidInput
from agent_runtime.policy import PolicySet
from agent_runtime.replay.stub import Live
from agent_runtime.store import Content


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

    @property
    def after(self) -> dict[str, str]:
        """What is tried, by name: policies, prompts, versions, and who is asked in place of the
        recordings."""
        return {**_named(self.app), "model": _asked(self.live)}

    def before(self, app: App) -> dict[str, str]:
        """The same of the app as it is."""
        return {**_named(app), "model": _asked(None)}


def _named(app: App) -> dict[str, str]:
    policies = {f"policy {name}": policy.digest for name, policy in app.policies.items()}
    versions = {f"workflow {name}": app.version(name).id for name in app.workflows}
    prompts = {
        f"prompt {workflow}/{name}": Content.of(text).hash
        for workflow in app.workflows
        for name, text in app.version(workflow).prompts.items()
    }
    return {**policies, **prompts, **versions}


def _asked(live: Live | None) -> str:
    if live is None:
        return "as recorded"
    return f"{live.model.producer}{'' if live.fresh else ' where a recording ends'}"


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
