"""agent-runtime: a graph-based runtime for back-office agents with approval checkpoints.

Names are loaded when they are first used, so that the command line starts at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

# Read by langgraph when it is imported, which happens below this package only: without it, a
# stored payload that names an importable callable is called (CVE-2026-28277).
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
# langchain would send prompts and evidence to a hosted service when another project's shell has
# this switched on; content leaves here only where it is asked for.
os.environ["LANGSMITH_TRACING"] = os.environ["LANGCHAIN_TRACING_V2"] = "false"

if TYPE_CHECKING:
    from agent_runtime.action import ProposedAction
    from agent_runtime.brief import Brief, LookUp
    from agent_runtime.envelope import Envelope
    from agent_runtime.errors import ToolRefused, ToolUnavailable
    from agent_runtime.evidence import Claim, Evidence, Passage
    from agent_runtime.knowledge.search import search_knowledge
    from agent_runtime.quality import Alert, Grader, LabelKind, OutcomeKind, Quality, Seen
    from agent_runtime.redact import Minimise
    from agent_runtime.resource import resource
    from agent_runtime.schedule import Schedule
    from agent_runtime.step import Context, Reasoning, Step
    from agent_runtime.tool import Probe, ToolCall, adopt, tool
    from agent_runtime.trigger import EventTrigger
    from agent_runtime.workflow import SETTLED, Edge, Migration, Workflow

__all__ = [
    "SETTLED",
    "Alert",
    "Brief",
    "Claim",
    "Context",
    "Edge",
    "Envelope",
    "EventTrigger",
    "Evidence",
    "Grader",
    "LabelKind",
    "LookUp",
    "Migration",
    "Minimise",
    "OutcomeKind",
    "Passage",
    "Probe",
    "ProposedAction",
    "Quality",
    "Reasoning",
    "Schedule",
    "Seen",
    "Step",
    "ToolCall",
    "ToolRefused",
    "ToolUnavailable",
    "Workflow",
    "adopt",
    "resource",
    "search_knowledge",
    "tool",
]

_HOMES = {
    "ProposedAction": "action",
    "Alert": "quality",
    "Grader": "quality",
    "LabelKind": "quality",
    "OutcomeKind": "quality",
    "Quality": "quality",
    "Seen": "quality",
    "Brief": "brief",
    "LookUp": "brief",
    "Envelope": "envelope",
    "ToolRefused": "errors",
    "ToolUnavailable": "errors",
    "Claim": "evidence",
    "Evidence": "evidence",
    "Passage": "evidence",
    "search_knowledge": "knowledge.search",
    "Minimise": "redact",
    "Schedule": "schedule",
    "Context": "step",
    "Reasoning": "step",
    "Step": "step",
    "Probe": "tool",
    "ToolCall": "tool",
    "adopt": "tool",
    "resource": "resource",
    "tool": "tool",
    "EventTrigger": "trigger",
    "SETTLED": "workflow",
    "Edge": "workflow",
    "Migration": "workflow",
    "Workflow": "workflow",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'agent_runtime' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"agent_runtime.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """`tool` and `resource` name a submodule and the decorator in it. Importing a submodule sets it
    as an attribute here; without this, what `from agent_runtime import tool` gives would depend
    on what else was imported before."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
