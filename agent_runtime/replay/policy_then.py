"""The policy of then: the texts that gave an answer of the past, found by their digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from agent_runtime.app import App
from agent_runtime.drawn import candidate_of
from agent_runtime.errors import PolicyError
from agent_runtime.run import Run
from agent_runtime.store import Session


def texts_then(
    session: Session, app: App, run: Run, policy: str, digest: str
) -> Mapping[str, str] | None:
    """The texts of that policy by file, the base rules' too; None where they were never kept."""
    found = (texts for name, texts in _known(session, app, run, policy) if name == digest)
    return next(found, None)


def _known(
    session: Session, app: App, run: Run, policy: str
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Digest and texts of all that may have judged the run: what is in force, what was when a
    version was stored, what was tried."""
    present = app.policies.get(policy)
    if present is not None:
        yield present.digest, present.texts
    stored = [version_id for _, version_id in session.versions.find(run.workflow)]
    for version_id in dict.fromkeys([run.version, *stored]):
        version = session.versions.get(run.workflow, version_id)
        pinned = None if version is None else version.policies.get(policy)
        if pinned is not None:
            yield pinned.digest, pinned.texts
    for rollout in session.rollouts.find(run.workflow):
        if rollout.policy == policy:
            with suppress(PolicyError):  # deployed since, with other tools
                tried = candidate_of(app, policy, rollout.text)
                yield tried.digest, tried.texts
