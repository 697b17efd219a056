"""The app: a user's project of workflows, tools and policies, loaded from its folder."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType

from agent_runtime.access import Access, load_access
from agent_runtime.errors import AgentRuntimeError, NotFound, SettingsError, WorkflowError
from agent_runtime.models.template import check_prompts
from agent_runtime.policy import PolicySet, load_policy
from agent_runtime.resource import Resource
from agent_runtime.tool import Tool
from agent_runtime.trigger import EventTrigger
from agent_runtime.version import PinnedPolicy, Version, pin
from agent_runtime.workflow import Workflow


@dataclass(frozen=True)
class App:
    """What a project declares. `prompts` are texts by workflow and name."""

    folder: Path
    workflows: Mapping[str, Workflow]
    policies: Mapping[str, PolicySet]
    prompts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    resources: tuple[Resource, ...] = ()
    access: Access = field(default_factory=Access.load)
    _pinned: dict[str, tuple[list[str], Version]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @cached_property
    def triggers(self) -> Mapping[str, tuple[EventTrigger, Workflow]]:
        """What events may start, by the trigger's name."""
        return {
            t.name: (t, workflow) for workflow in self.workflows.values() for t in workflow.triggers
        }

    def workflow(self, name: str) -> Workflow:
        """The workflow of that name; raises NotFound that lists the others."""
        if name not in self.workflows:
            known = ", ".join(sorted(self.workflows)) or "none"
            raise NotFound("workflow", name, remedy=f"This app has: {known}.")
        return self.workflows[name]

    def version(self, name: str) -> Version:
        """What a workflow is now: another one once a policy of it was changed; raises NotFound."""
        in_force = [policy.digest for policy in self.policies.values()]
        known = self._pinned.get(name)
        if known is None or known[0] != in_force:
            pinned = {
                policy: PinnedPolicy(digest=rules.digest, texts=dict(rules.texts))
                for policy, rules in self.policies.items()
            }
            fresh = pin(self.workflow(name), self.prompts.get(name, {}), pinned)
            known = self._pinned[name] = (in_force, fresh)
        return known[1]


def load_app(folder: Path, *, lenient: bool = False) -> App:
    """Load `graphs/`, `tools/` and `policies/`; raises SettingsError outside a project folder.

    `lenient` leaves the policies out, for a check that reports what is wrong with them.
    """
    folder = folder.resolve()
    if not (folder / "graphs").is_dir():
        raise SettingsError(
            f"{folder} is no project folder: it has no graphs/.",
            remedy="Name one with --app DIR.",
        )
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    workflows, prompts = {}, {}
    for place in sorted((folder / "graphs").iterdir()):
        if (place / "workflow.py").is_file():
            workflow = _workflow(place.name)
            workflows[workflow.name] = workflow
            prompts[workflow.name] = _read_prompts(place / "prompts")
    _check_triggers(workflows.values())
    tools = write_tools(workflows.values())
    used = {} if lenient else proposals(workflows.values())
    policies = {
        name: load_policy(folder / "policies", name, [tool for tool in tools if tool.name in held])
        for name, held in sorted(used.items())
        if held
    }
    access = Access.load() if lenient else load_access(folder / "policies")
    app = App(folder, workflows, policies, prompts, _resources(folder), access)
    for workflow in () if lenient else workflows.values():
        _check_prompts(workflow, prompts[workflow.name])
    return app


def write_tools(workflows: Iterable[Workflow]) -> list[Tool]:
    """Every write tool that some step proposes, once."""
    found: dict[str, Tool] = {}
    for workflow in workflows:
        workflow.check()
        for step in workflow.steps:
            for tool in step.reasoning.proposes:
                if found.setdefault(tool.name, tool) is not tool:
                    raise WorkflowError(f"Two different tools are called {tool.name!r}.")
    return list(found.values())


def _check_triggers(workflows: Iterable[Workflow]) -> None:
    """A trigger's name is an address, and a message that is signed for one of them must not count
    at another."""
    triggers = [trigger for workflow in workflows for trigger in workflow.triggers]
    addresses = [trigger.name for trigger in triggers]
    secrets = [f"{trigger.tenant}/{trigger.secret_name}" for trigger in triggers]
    for what, found in (("name", addresses), ("secret", secrets)):
        twice = sorted({one for one in found if found.count(one) > 1})
        if twice:
            raise WorkflowError(
                f"Two triggers have the {what} {twice[0]!r}.", remedy="Give each its own."
            )


def proposals(workflows: Iterable[Workflow]) -> dict[str, set[str]]:
    """Which write tools are proposed under which policy set."""
    used: dict[str, set[str]] = {}
    for workflow in workflows:
        for step in workflow.steps:
            if step.policy is not None:
                names = (tool.name for tool in step.reasoning.proposes)
                used.setdefault(step.policy, set()).update(names)
    return used


def _workflow(name: str) -> Workflow:
    module = _import(f"graphs.{name}.workflow")
    workflow = getattr(module, "workflow", None)
    if not isinstance(workflow, Workflow):
        raise WorkflowError(f"graphs/{name}/workflow.py defines no `workflow = Workflow(…)`.")
    if workflow.name != name:
        raise WorkflowError(
            f"graphs/{name}/workflow.py calls its workflow {workflow.name!r}.",
            remedy="A workflow is called like its folder: rename the one or the other.",
        )
    return workflow


def _import(name: str) -> ModuleType:
    """An author's module; raises WorkflowError that names file and line of what is wrong in it."""
    try:
        return importlib.import_module(name)
    except AgentRuntimeError:
        raise
    except Exception as error:
        remedy = "Correct that line."
        if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith(
            ("graphs", "tools")
        ):
            remedy = f"Install {error.name} beside agent-runtime, or correct the import."
        raise WorkflowError(
            f"{_place(error)}: {type(error).__name__}: {error}", remedy=remedy
        ) from error


def _place(error: Exception) -> str:
    """Where an author's module went wrong: the innermost line that is no library's."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    libraries = ("importlib", "site-packages")
    own = [f for f in frames if not any(library in f.filename for library in libraries)]
    return f"{own[-1].filename}:{own[-1].lineno}"


def _read_prompts(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    return {file.stem: file.read_text() for file in sorted(folder.glob("*.md"))}


def _check_prompts(workflow: Workflow, prompts: Mapping[str, str]) -> None:
    for step in workflow.steps:
        name = step.reasoning.prompt
        if name and name not in prompts:
            raise WorkflowError(
                f"Step {step.name!r}: there is no prompt {name!r}.",
                remedy=f"Write graphs/{workflow.name}/prompts/{name}.md.",
            )
    problems = check_prompts(prompts, workflow.input.model_fields)
    if problems:
        raise WorkflowError(
            "\n  ".join([f"The prompts of {workflow.name!r} cannot be used:", *problems]),
            remedy="See: agent-runtime prompts check",
        )


def _resources(folder: Path) -> tuple[Resource, ...]:
    if not (folder / "tools").is_dir():
        return ()
    package = _import("tools")
    names = [info.name for info in pkgutil.iter_modules(package.__path__, "tools.")]
    modules = [_import(name) for name in names]
    found = {
        value.kind: value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Resource)
    }
    return tuple(found.values())
