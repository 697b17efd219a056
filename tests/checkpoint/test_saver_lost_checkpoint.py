"""A crash between a node's stored writes and the checkpoint that takes them in: two commits."""

from __future__ import annotations

from typing import Any

import pytest

from agent_runtime.errors import StoreError
from agent_runtime.run import Run
from agent_runtime.store.checkpoints import Checkpoints
from tests.office import Office

PUTS = 6
"""Checkpoints of one flow: input, start, context, reasoning (parks), gate, action."""


async def drive_to_the_end(office: Office, run: Run) -> Run:
    """Answer what is asked, and send the run on wherever it stopped."""
    for _ in range(2 * PUTS):
        run = await office.drive(run)
        if run.state == "paused":
            await office.answer(run, "lena")
        elif run.state == "needs_attention":
            await office.runtime.resume(run.id, office.person("lena"))
        else:
            break
    return run


@pytest.mark.parametrize("lost", range(1, PUTS + 1))
async def test_a_run_goes_on_from_the_checkpoint_before(
    asking: Office, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """Whichever is lost, the node's stored writes are taken in, and the effect happens once."""
    put, calls = Checkpoints.put, []

    def failing(self: Checkpoints, *args: Any) -> None:
        calls.append(args)
        if len(calls) == lost:
            raise StoreError("The disk is full.")
        put(self, *args)

    monkeypatch.setattr(Checkpoints, "put", failing)
    run = await drive_to_the_end(asking, await asking.start())
    assert (run.state, len(asking.bank.payouts)) == ("completed", 1), run.reason
    assert len(calls) > PUTS
