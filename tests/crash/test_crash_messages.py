"""Messages that come late or not at all: the file decides, not the message."""

from __future__ import annotations

import asyncio

import pytest

from agent_runtime.queue import Job
from agent_runtime.queue.files import FilesQueue
from agent_runtime.service import Service
from tests.office import Office
from tests.patience import PATIENCE


async def test_a_job_whose_claim_was_given_to_another_is_not_worked_on(office: Office) -> None:
    """A worker that slept between its claim and its first look finds the run in other hands:
    the claim that it was handed has lapsed, and the one that stands is not its own."""
    run = await office.start()
    late = await office.claim(run)
    office.lapse()
    theirs = await office.claim(run)
    await Service(office.runtime)._work(Job(run.tenant, run.id, late.run.epoch))
    record = office.record(run)
    assert (record.run.state, record.run.epoch) == ("running", theirs.run.epoch)
    assert (record.payouts, record.envelopes) == ([], [])


async def test_a_service_ends_even_if_its_wake_up_is_lost(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told to stop while it waits, it looks up by itself before long."""
    monkeypatch.setattr(FilesQueue, "nudge", lambda _queue: None)
    stop = asyncio.Event()
    service = asyncio.create_task(Service(office.runtime).run(stop))
    await asyncio.sleep(0.3)
    stop.set()
    await asyncio.wait_for(service, PATIENCE)
