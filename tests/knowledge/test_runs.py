"""Runs that rely on the knowledge base: what they are shown, and how it is traced back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent_runtime import Claim, Context, Envelope, Evidence, search_knowledge
from agent_runtime.brief import Brief
from agent_runtime.errors import NotFound
from agent_runtime.evidence import Shown
from agent_runtime.knowledge.bundle import assemble, find_bundle
from agent_runtime.knowledge.index import Incoming
from agent_runtime.knowledge.trail import Trail, trace
from tests.conftest import OpenOffice
from tests.ledger import get_account, proposal
from tests.office import NOON, Office, Record

WINDOW = Claim("window", r"within (\d+) days", kind="number")
SEARCH = search_knowledge("handbook", limit=3).with_inputs(query="message")
CONTEXT = Context(tools=[get_account, SEARCH], claims=[WINDOW])


def quoting(brief: Brief) -> Envelope:
    """Propose the payout, and cite every document word for word."""
    if brief.feedback:
        return Envelope(step=brief.step, status="done", confidence=0.9, reason="Done.")
    known = [p for p in brief.evidence if ".md#" in p.source]
    return proposal(brief, evidence=tuple(Evidence(source=p.source, quote=p.text) for p in known))


async def put(office: Office, name: str, text: str, **about: Any) -> None:
    given = {"labels": ["handbook"], **about}
    incoming = Incoming(name, "text/markdown", text.encode(), given)
    await office.runtime.library.add(office.tenant, "ada", incoming)


@pytest.fixture
async def office(open_office: OpenOffice) -> Office:
    """Its step searches the handbook for the words of the message."""
    return await open_office(quoting, step={"context": CONTEXT})


def trails(office: Office, record: Record) -> dict[str, Trail]:
    """Every passage that the run was shown, followed back."""
    session = office.runtime.store.read("default")
    shown = [name for body in record.bodies("bundle.assembled") for name in body["shown"]]
    found = [trace(session, record.run.id, name) for name in dict.fromkeys(shown)]
    return {trail.passage.source.split("#")[0]: trail for trail in found}


async def test_a_quote_leads_back_to_its_document(office: Office) -> None:
    """By its passage, in its version, with the reason why it was found and what came before."""
    await put(office, "payouts.md", "Payouts happen on Mondays.", version="3")
    await put(
        office, "other.md", "Payouts to partners are made on Fridays, after the bank's hours."
    )
    record = await office.flow(message="When do payouts happen?")
    assert record.run.state == "completed"
    trail = trails(office, record)["payouts.md"]
    assert {(quote.quote, quote.verified) for quote in trail.quotes} == {
        ("Payouts happen on Mondays.", True)
    }
    assert trail.standing == "unchanged"
    assert trail.document is not None
    assert (trail.passage.version, trail.document.about.version) == ("3", "3")
    below = trails(office, record)["other.md"].passage.retrieval
    assert below is not None
    assert (below.rank, below.above) == (2, (trail.passage.source,))


async def test_words_that_do_not_stand_there_are_said_not_to(open_office: OpenOffice) -> None:
    """In the trail as at the gate, which denies what rests on them."""

    def lying(brief: Brief) -> Envelope:
        cited = [one for one in quoting(brief).evidence if ".md#" in one.source]
        lies = tuple(Evidence(source=one.source, quote="Payouts are free.") for one in cited)
        return quoting(brief).model_copy(update={"evidence": lies})

    office = await open_office(lying, step={"context": CONTEXT})
    await put(office, "a.md", "Payouts are slow.")
    record = await office.flow(message="payouts")
    assert record.verdicts[0]["kind"] == "deny"
    trail = trails(office, record)["a.md"]
    assert {(one.quote, one.verified) for one in trail.quotes} == {("Payouts are free.", False)}


async def test_documents_that_contradict_each_other_bring_a_person_in(office: Office) -> None:
    """Two windows in the handbook: what would run unattended is asked about."""
    await put(office, "a.md", "Payouts are made within 14 days.")
    record = await office.flow(message="payouts")
    assert record.verdicts[0]["kind"] == "allow"
    await put(office, "b.md", "Payouts are made within 30 days.")
    record = await office.flow(message="payouts")
    assert record.verdicts[0]["kind"] == "needs_approval"
    assert record.approvals[0].signals.contradictions == 1


async def test_two_editions_in_force_bring_a_person_in(office: Office) -> None:
    """Until one of them ends."""
    await put(office, "a.md", "Payouts are slow.", series="payouts", version="1")
    await put(office, "b.md", "Payouts are fast.", series="payouts", version="2")
    record = await office.flow(message="payouts")
    assert record.approvals[0].signals.contradictions == 1
    await put(
        office,
        "a.md",
        "Payouts are slow.",
        series="payouts",
        version="1",
        valid_to=NOON.date().replace(year=2020),
    )
    record = await office.flow(message="payouts")
    assert record.verdicts[0]["kind"] == "allow"


async def test_a_run_is_shown_the_documents_of_its_tenant(office: Office) -> None:
    """Of the same name, and of that label; whether they still stand is asked of them too."""
    await put(office, "a.md", "Payouts are slow.")
    office.tenant = "acme"
    await put(office, "a.md", "Payouts are fast.")
    await put(office, "b.md", "Payouts are kept from the desk.", labels=["board"])
    record = await office.flow(message="payouts")
    session = office.runtime.store.read("acme")
    (body, *_) = record.bodies("bundle.assembled")
    texts = [session.recordings.kept(name)["text"] for name in body["shown"]]
    assert [text for text in texts if text.startswith("Payouts are")] == ["Payouts are fast."]
    assert "withdrawn" not in record.bodies("gate.judged")[0]


async def test_a_run_is_shown_what_is_in_force_on_its_day(office: Office) -> None:
    """Not what was, nor what will be."""
    today = NOON.date()
    await put(office, "a.md", "Payouts were slow.", valid_to=today - timedelta(days=1))
    await put(office, "b.md", "Payouts are fast.", valid_from=today, valid_to=today)
    await put(office, "c.md", "Payouts will be slow.", valid_from=today + timedelta(days=1))
    assert set(trails(office, await office.flow(message="payouts"))) >= {"b.md"}
    assert {"a.md", "c.md"}.isdisjoint(trails(office, await office.flow(message="payouts")))


async def test_a_document_that_is_too_old_is_stale(office: Office) -> None:
    """By its own rule, counted from when it was last looked at."""
    await put(office, "a.md", "Payouts are slow.", fresh_days=1)
    office.clock.move(NOON - NOON.replace(day=28))
    record = await office.flow(message="payouts")
    assert record.approvals[0].signals.stale_evidence == 1


async def test_a_run_outlives_the_document_that_it_relied_on(office: Office) -> None:
    """What it was shown stays, quotes hold, and the trail says that the document is gone."""
    await put(office, "a.md", "Payouts are slow.")
    record = await office.flow(message="payouts")
    assert record.run.state == "completed"
    await office.runtime.library.remove("default", "ada", "a.md")
    trail = trails(office, record)["a.md"]
    assert (trail.standing, trail.document) == ("removed", None)
    assert trail.quotes[0].verified


async def test_a_document_that_says_something_else_now_is_said_to(office: Office) -> None:
    """The run keeps the words that it was shown."""
    await put(office, "a.md", "Payouts are slow.", version="1")
    record = await office.flow(message="payouts")
    await put(office, "a.md", "Payouts are fast.", version="2")
    trail = trails(office, record)["a.md"]
    assert (trail.standing, trail.passage.text) == ("changed", "Payouts are slow.")


async def test_a_passage_of_another_run_is_not_followed(office: Office) -> None:
    """A hash alone opens nothing."""
    await put(office, "a.md", "Payouts are slow.")
    record = await office.flow(message="payouts")
    name = trails(office, record)["a.md"].content
    other = await office.flow(message="nothing of that")
    with pytest.raises(NotFound):
        trace(office.runtime.store.read("default"), other.run.id, name)
    with pytest.raises(NotFound):
        trace(office.runtime.store.read("other"), record.run.id, name)


async def test_a_bundle_is_kept_once_under_its_digest_for_whoever_is_shown_the_same(
    office: Office,
) -> None:
    """It is read back whole by its digest; by that of anything else, or elsewhere, it is not."""
    await put(office, "payouts.md", "Payouts happen on Mondays.", claims={"day": "monday"})
    records = [await office.flow(message="When do payouts happen?") for _ in range(2)]
    bodies = [record.bodies("bundle.assembled")[0] for record in records]
    digest = bodies[0]["digest"]
    assert bodies[1]["digest"] == digest
    session = office.runtime.store.read("default")
    kept = find_bundle(session, digest)
    assert ("Payouts happen on Mondays.", {"day": "monday"}) in [
        (one.text, one.claims) for one in kept.shown
    ]
    assert [one.model_dump() for one in kept.left_out] == bodies[0]["left_out"]
    assert session.recordings.state(digest) == "kept"
    for where, name in ((session, bodies[0]["shown"][0]), (office.runtime.store.read("x"), digest)):
        with pytest.raises(NotFound, match="bundle"):
            find_bundle(where, name)


async def test_what_was_left_out_and_why_is_part_of_the_bundle(office: Office) -> None:
    """Also what was outranked; the same search makes the same bundle, and the same digest."""
    for number in range(5):
        await put(office, f"{number}.md", f"Payouts number {number} are slow.")
    records = [await office.flow(message="payouts") for _ in range(2)]
    bodies = [record.bodies("bundle.assembled")[0] for record in records]
    assert [left["why"] for left in bodies[0]["left_out"]] == ["outranked", "outranked"]
    assert bodies[0]["digest"] == bodies[1]["digest"]


def test_a_document_that_repeats_another_is_left_out() -> None:
    """Unless it claims something else: the contradiction would be hidden."""

    def passage(name: str, **claims: str) -> Shown:
        return Shown(
            source=f"{name}#1",
            text="Slow.",
            origin="tool",
            retrieved_at=NOON,
            document=name,
            claims=claims,
        )

    bundle = assemble([], [passage("a"), passage("b"), passage("c", edition="2")], 100)
    assert [p.source for p in bundle.shown] == ["a#1", "c#1"]
    assert [(left.source, left.why) for left in bundle.left_out] == [("b#1", "duplicate")]
