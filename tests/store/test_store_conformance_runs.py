"""What every implementation of the store holds to about runs: claims, fences, ends, tenants."""

from __future__ import annotations

import pytest

from agent_runtime.errors import Conflict, LostOwnership, NotFound
from agent_runtime.evidence import Document
from agent_runtime.run import ENDS, RunState
from agent_runtime.store import Session
from tests.store.conftest import HOUR, LEASE, Books

LETTER = Document(source="letter-1", text="Bitte zahlen Sie 50 €.", version="2")


async def test_a_run_comes_back_as_it_was_stored(books: Books) -> None:
    """With its input, trigger, moments and the texts handed in."""
    put = await books.put(key="mail-1", documents=(LETTER,), trace="t-1", priority=3)
    assert books.read().runs.get(put.id) == put
    assert books.read().runs.by_key("ledger", "mail-1") == put
    assert books.read().runs.documents(put.id) == [LETTER]


async def test_a_key_starts_one_run(books: Books) -> None:
    """Of a workflow, in a tenant; elsewhere it is free."""
    await books.put(key="mail-1")
    with pytest.raises(books.refusal):
        await books.put(key="mail-1")
    await books.put(key="mail-1", workflow="letter")
    await books.put(key="mail-1", tenant="bolt")
    await books.put(), await books.put()
    assert len(books.read().runs.find()) == 4
    assert books.read().runs.by_key("ledger", "mail-2") is None


async def test_runs_are_found_by_state_in_the_order_they_were_made(books: Books) -> None:
    """No state named: all of them; at most as many as asked for."""
    states: list[RunState] = ["queued", "paused", "completed", "paused"]
    ids = [(await books.put(id=f"run-{n}", state=s)).id for n, s in enumerate(states)]
    runs = books.read().runs
    assert [run.id for run in runs.find()] == ids
    assert [run.id for run in runs.find(["paused"])] == [ids[1], ids[3]]
    assert [run.id for run in runs.find(["completed", "queued"])] == [ids[0], ids[2]]
    assert [run.id for run in runs.find(["paused"], 1)] == [ids[1]]
    assert runs.count() == {"completed": 1, "paused": 2, "queued": 1}


async def test_a_claim_raises_the_epoch(books: Books) -> None:
    """And names its owner and the end of its lease."""
    run = await books.claimed()
    assert (run.state, run.epoch, run.owner) == ("running", 1, "elsewhere:1")
    assert run.lease_until == books.clock.now() + LEASE
    assert books.read().runs.get(run.id) == run


@pytest.mark.parametrize(
    "state", ["paused", "needs_attention", "outcome_unknown", "version_mismatch", *sorted(ENDS)]
)
async def test_only_a_queued_run_can_be_claimed(books: Books, state: RunState) -> None:
    """Whoever asks, also to take it over."""
    run = await books.put(state=state)
    with pytest.raises(Conflict):
        await books.claim(run.id, take_over=True)
    assert books.read().runs.get(run.id).epoch == 0


async def test_a_running_run_is_taken_over_after_its_lease_only(books: Books) -> None:
    """Or by a caller who knows that its owner is gone."""
    run = await books.claimed()
    with pytest.raises(Conflict, match="elsewhere:1"):
        await books.claim(run.id)
    assert (await books.claim(run.id, take_over=True)).epoch == 2
    books.clock.move(LEASE)
    assert (await books.claim(run.id)).epoch == 3


async def test_an_old_epoch_can_write_nothing(books: Books) -> None:
    """What it did in the same transaction is taken back."""
    run = await books.claimed()
    await books.claim(run.id, take_over=True)

    def work(session: Session) -> None:
        session.events.append("tool.called", run.id)
        session.runs.own(run.id, run.epoch)

    with pytest.raises(LostOwnership):
        await books.write(work)
    with pytest.raises(LostOwnership):
        await books.write(lambda s: s.runs.renew(run.id, run.epoch, s.now + HOUR))
    assert books.read().events.find() == []
    await books.write(lambda s: s.runs.own(run.id, run.epoch + 1))


async def test_a_claim_ends_with_the_run_state(books: Books) -> None:
    """Paused, cancelled or gone: whoever held it owns it no longer."""
    run = await books.claimed()
    await books.write(lambda s: s.runs.move(run.id, "paused"))
    with pytest.raises(LostOwnership):
        await books.write(lambda s: s.runs.own(run.id, run.epoch))
    with pytest.raises(LostOwnership):
        await books.write(lambda s: s.runs.own("run-none", 1))


async def test_a_lease_is_renewed(books: Books) -> None:
    """By its owner, and by the moment that it names."""
    run = await books.claimed()
    until = books.clock.now() + HOUR
    await books.write(lambda s: s.runs.renew(run.id, run.epoch, until))
    assert books.read().runs.get(run.id).lease_until == until


async def test_a_move_gives_the_claim_back(books: Books) -> None:
    """With the reason, and at that moment."""
    run = await books.claimed()
    books.clock.move(HOUR)
    moved = await books.write(lambda s: s.runs.move(run.id, "needs_attention", "Look here."))
    assert (moved.state, moved.reason) == ("needs_attention", "Look here.")
    assert (moved.owner, moved.lease_until) == (None, None)
    assert (moved.updated_at, moved.created_at) == (books.clock.now(), run.created_at)


@pytest.mark.parametrize("end", sorted(ENDS))
async def test_an_end_is_final(books: Books, end: RunState) -> None:
    """No state follows it, the same one included."""
    run = await books.claimed()
    await books.write(lambda s: s.runs.move(run.id, end))
    with pytest.raises(Conflict):
        await books.write(lambda s: s.runs.move(run.id, "queued"))
    with pytest.raises(Conflict):
        await books.write(lambda s: s.runs.move(run.id, end))


async def test_failures_in_a_row_are_counted(books: Books) -> None:
    """Deferred, the run is ready later; what goes on without a failure begins anew."""
    run = await books.claimed()
    later = books.clock.now() + HOUR
    for tries in (1, 2):
        deferred = await books.write(lambda s: s.runs.defer(run.id, later, "The model is down."))
        assert (deferred.state, deferred.tries, deferred.ready_at) == ("queued", tries, later)
        await books.claim(run.id)
    assert (await books.write(lambda s: s.runs.move(run.id, "queued"))).tries == 2
    assert (await books.write(lambda s: s.runs.move(run.id, "paused"))).tries == 0


@pytest.mark.parametrize("ask", ["get", "documents"])
async def test_an_unknown_run_is_named(books: Books, ask: str) -> None:
    """With how to find those that there are."""
    with pytest.raises(NotFound, match="run-none") as found:
        getattr(books.read().runs, ask)("run-none")
    assert "runs list" in found.value.remedy
