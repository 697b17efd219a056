"""Disclosure: what of a run's input people are shown.

The input is stored as it came in, because execution needs it. Whoever handed it in or may correct
it sees it so; anybody else sees of it what all steps of the workflow may.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from agent_runtime.access import Caller, a_run
from agent_runtime.app import App
from agent_runtime.evidence import Document
from agent_runtime.redact import EVERYTHING, Redactor
from agent_runtime.run import Run


def sees_all(app: App, caller: Caller, run: Run) -> bool:
    """Whether the caller is shown the run's input as it came in."""
    return run.trigger.owner == caller.name or app.access.ask(caller, "resume", a_run(run)).counts


def disclosed(app: App, caller: Caller, run: Run) -> Run:
    """The run as the caller is shown it."""
    return run if sees_all(app, caller, run) else minimised(app, run)


def disclosed_documents(
    app: App, caller: Caller, run: Run, documents: Sequence[Document]
) -> list[Document]:
    """What came with the run's start as the caller is shown it."""
    if sees_all(app, caller, run):
        return list(documents)
    return [_hidden(document, _redactors(app, run)) for document in documents]


def minimised(app: App, run: Run) -> Run:
    """The run with its input as all steps of its workflow may see it."""
    redactors = _redactors(app, run)
    told = reduce(lambda inputs, redactor: redactor.input(inputs), redactors, run.input)
    return run.model_copy(update={"input": told})


def _redactors(app: App, run: Run) -> list[Redactor]:
    """Those of the workflow's steps; of one that is not known here, all that patterns find."""
    workflow = app.workflows.get(run.workflow)
    if workflow is None:
        return [Redactor(EVERYTHING)]
    return [Redactor(step.context.minimise) for step in workflow.steps]


def _hidden(document: Document, redactors: Sequence[Redactor]) -> Document:
    source, text = document.source, document.text
    for redactor in redactors:
        source, text = redactor.text(source), redactor.text(text)
    return document.model_copy(update={"source": source, "text": text})
