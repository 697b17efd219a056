"""What a server tells of runs that were: reports, replays, forks, two runs beside each other."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agent_runtime.client.answer import as_, path_of
from agent_runtime.client.wire import Wire
from agent_runtime.run import Run

if TYPE_CHECKING:  # heavy, and needed by few
    from agent_runtime.replay.edits import Edits
    from agent_runtime.replay.replay import Replayed
    from agent_runtime.report import Beside, Report


class Replays:
    """The runs of the tenant that the token is for."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def report(self, run_id: str, *, content: bool = True) -> Report:
        """All that explains one run; without `content`, ids and digests only."""
        from agent_runtime.report import Report

        return as_(Report, self._wire.get(path_of("runs", run_id, "report"), {"content": content}))

    def replay(self, run_id: str, *, pinned: bool = False) -> Replayed:
        """Run it again on its recordings, without effects. `pinned`: with the prompts and policies
        that it was started under."""
        from agent_runtime.replay.replay import Replayed

        path = path_of("runs", run_id, "replay")
        return as_(Replayed, self._wire.post(path, query={"pinned": pinned}))

    def fork(
        self, run_id: str, step: str, edits: Edits, *, reason: str, visit: int | None = None
    ) -> Run:
        """Start a new run from a visit of a step (default: the first); it inherits no approval."""
        body = {**_begun(step, edits, visit), "reason": reason}
        return as_(Run, self._wire.post(path_of("runs", run_id, "fork"), body))

    def rehearse_fork(
        self, run_id: str, step: str, edits: Edits, *, visit: int | None = None
    ) -> Report:
        """Play such a fork on the recordings: nobody is asked, nothing is done."""
        from agent_runtime.report import Report

        path = path_of("runs", run_id, "fork", "rehearsal")
        return as_(Report, self._wire.post(path, _begun(step, edits, visit)))

    def compare(self, run_id: str, other: str) -> Beside:
        """Another run of the same workflow beside this one."""
        from agent_runtime.report import Beside

        return as_(Beside, self._wire.get(path_of("runs", run_id, "compare", other)))


def _begun(step: str, edits: Edits, visit: int | None) -> dict[str, Any]:
    changed = {name: value for name, value in asdict(edits).items() if value}
    return {"at": step, "visit": visit, **changed}
