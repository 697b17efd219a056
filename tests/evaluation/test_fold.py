"""The sums say what happened, each event counted once, whoever counts and however often."""

from __future__ import annotations

import asyncio
import base64
from datetime import date, timedelta
from typing import Any

import pytest

from agent_runtime.approval import Approval
from agent_runtime.errors import InvalidInput, NotFound
from agent_runtime.evaluation.calibration import meaning_of
from agent_runtime.evaluation.evaluate import Evaluation
from agent_runtime.evaluation.keeper import Follower, Keeper
from agent_runtime.evaluation.window import Window, window
from agent_runtime.measure import Key, Sum, confidence_bucket
from agent_runtime.service import Service
from agent_runtime.settings import Settings
from agent_runtime.store import Session
from tests.conftest import OpenOffice
from tests.evaluation.conftest import Told, answered
from tests.office import OFFLINE, Office
from tests.patience import until

TODAY = date(2026, 3, 30)


def sums(office: Office) -> dict[Any, Any]:
    found = office.runtime.store.read("default").measures.find([("2026-03-01", "2026-12-31")])
    return dict(found)


async def test_answers_are_counted_by_kind_rule_model_and_group(asking: Office, told: Told) -> None:
    await asking.flow("lena approve")
    await asking.flow("lena reject")
    report = await told()
    (everybody,) = report.answers["all"]
    assert (everybody.n, everybody.approve.count, everybody.reject.count) == (2, 1, 1)
    assert [one.value for one in report.answers["rule"]] == ["ask-lead"]
    assert [one.value for one in report.answers["group"]] == ["lead"]
    assert [one.value for one in report.answers["model"]] == ["rule:pay_once"]


async def test_a_share_of_too_few_cases_is_no_share(asking: Office, told: Told) -> None:
    await asking.flow("lena reject")
    (everybody,) = (await told()).answers["all"]
    assert everybody.reject.share is None
    assert everybody.reject.note == "not enough history"


async def test_an_answer_that_was_undone_is_counted_back(asking: Office, told: Told) -> None:
    asked = await asking.parked()
    await asking.answer(asked, "lena", "reject", hold_seconds=60)
    assert (await told()).answers["all"][0].reject.count == 1
    await asking.runtime.desk.undo(asked.id, asking.person("lena"))
    assert (await told()).answers["all"] == ()


async def test_an_edit_says_which_field_it_changed_and_how_far(asking: Office, told: Told) -> None:
    asked = await asking.parked()
    await asking.answer(
        asked, "lena", "edit", arguments={"account": "a1", "amount": "25.00", "note": "payout"}
    )
    (edited, *_) = (await told()).edits
    assert (edited.field, edited.n, edited.distance) == ("pay.amount", 1, 0.5)


async def test_an_undone_edit_leaves_no_trace_in_the_figures(asking: Office, told: Told) -> None:
    asked = await asking.parked()
    arguments = {"account": "a1", "amount": "25.00"}
    after = await asking.answer(asked, "lena", "edit", arguments=arguments, hold_seconds=60)
    await asking.runtime.desk.undo(after.id, asking.person("lena"))
    report = await told()
    assert (report.edits, report.answers["all"]) == ((), ())


async def test_a_stamp_is_told_from_a_look(asking: Office, told: Told) -> None:
    for seconds in (1, 90):
        asked = await asking.parked()
        await asking.runtime.desk.look(asked.id, asking.person("lena"))
        asking.clock.move(timedelta(seconds=seconds))
        await asking.answer(asked, "lena")
    everybody, leads = (await told()).deciding
    assert (everybody.stamped.count, everybody.stamped.of) == (1, 2)
    assert (leads.group, leads.flagged) == ("lead", False)


@pytest.mark.parametrize(("stamps", "flagged"), [(7, True), (6, False)])
async def test_who_stamps_a_fifth_of_their_answers_is_flagged(
    asking: Office, told: Told, stamps: int, flagged: bool
) -> None:
    """Of 35: seven within three seconds are a fifth, six are not."""
    await answered(asking, {f"run-{n}": "approve" for n in range(stamps)}, took=2.9)
    await answered(asking, {f"run-{n}": "approve" for n in range(stamps, 35)}, took=3.1)
    (leads,) = [one for one in (await told()).deciding if one.group == "lead"]
    assert (leads.stamped.count, leads.stamped.of, leads.flagged) == (stamps, 35, flagged)


async def test_waiting_and_work_are_told_apart(asking: Office) -> None:
    asked = await asking.parked()
    asking.clock.move(timedelta(minutes=20))
    await asking.answer(asked, "lena")
    await asking.drive(asking.read(asked.run_id))
    await asking.runtime.keeper.keep_up("default")
    found = {key.measure: one.total for key, one in sums(asking).items()}
    assert found["latency"] == found["waited"] == 20 * 60
    assert found["worked"] == 0


async def earlier(office: Office, asked: Approval, day: date, right: int, wrong: int = 0) -> None:
    """Count as many more proposals of a day that were as sure as this one."""
    bucket = confidence_bucket(float(asked.signals.confidence))

    def keep(session: Session) -> None:
        measures = session.measures
        held = Key(day.isoformat(), asked.workflow, "right", "step", asked.step, bucket)
        sums = {held: Sum(right), held._replace(measure="wrong"): Sum(wrong)}
        assert measures.keep(measures.cursor(), measures.cursor(), sums, {})

    await office.runtime.store.write(office.tenant, keep)


async def test_a_confidence_means_what_people_made_of_such_cases(asking: Office) -> None:
    asked = await asking.parked()
    session = asking.runtime.store.read("default")
    assert meaning_of(session, asked).text == "not enough history"
    for answer in ("approve", "reject"):
        await asking.flow(f"lena {answer}")
    await asking.runtime.keeper.keep_up("default")
    await earlier(asking, asked, TODAY, right=19, wrong=9)
    found = meaning_of(asking.runtime.store.read("default"), asked)
    assert (found.text, found.n) == ("of 100 such cases 67 were right, n = 30", 30)


@pytest.mark.parametrize(("days", "n"), [(179, 30), (181, 0)])
async def test_what_was_long_ago_says_nothing_of_a_confidence(
    asking: Office, days: int, n: int
) -> None:
    asked = await asking.parked()
    await earlier(asking, asked, TODAY - timedelta(days=days), right=30)
    assert meaning_of(asking.runtime.store.read("default"), asked).n == n


async def test_an_edited_proposal_was_not_right(asking: Office) -> None:
    asked = await asking.parked()
    await asking.answer(asked, "lena", "edit", arguments={"account": "a1", "amount": "25.00"})
    await asking.runtime.keeper.keep_up("default")
    measures = {key.measure for key in sums(asking)}
    assert "wrong" in measures
    assert "right" not in measures


async def test_counting_in_portions_or_at_once_brings_the_same_sums(
    asking: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = asking.runtime.store
    for answer in ("lena approve", "luis reject", "lena approve"):
        await asking.flow(answer)
    await Keeper(store).keep_up("default")
    at_once = sums(asking)
    await store.write("default", lambda s: _forget(s._connection))
    monkeypatch.setattr("agent_runtime.evaluation.keeper.PORTION", 3)
    await Keeper(store).keep_up("default")
    in_portions = sums(asking)
    assert in_portions.keys() == at_once.keys()
    for key, one in in_portions.items():
        assert one == pytest.approx(at_once[key])


def _forget(connection: Any) -> None:
    for table in ("measures", "measured", "courses"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 — constants


async def test_two_that_count_the_same_events_count_them_once(asking: Office) -> None:
    await asking.flow("lena approve")
    store, head = asking.runtime.store, asking.runtime.store.read("default").measures.head()
    first, second = Keeper(store), Keeper(store)
    await first._count("default", 0, head)
    counted = sums(asking)
    await second._count("default", 0, head)
    assert sums(asking) == counted


async def test_a_follower_begins_with_what_happened_before(asking: Office) -> None:
    """What nobody counted while no process worked is not left uncounted."""
    await asking.flow("lena approve")
    store = asking.runtime.store
    follower = Follower(store, Keeper(store))
    follower.begin()
    measures = store.read("default").measures
    await until(lambda: measures.cursor() == measures.head())
    await follower.end()
    assert sums(asking)


async def test_drift_is_held_against_the_days_before(asking: Office) -> None:
    """Not against the window itself, which never differs from itself."""
    await asking.flow("lena approve")
    (ledger,) = (
        await asking.runtime.evaluation.report("default", window(None, None, TODAY))
    ).workflows
    assert {(drift.n, drift.baseline) for drift in ledger.drift} == {(1, 0)}


async def test_a_report_counts_no_more_than_it_has_time_for(asking: Office) -> None:
    await asking.flow("lena approve")
    store = asking.runtime.store
    evaluation = Evaluation(store, Keeper(store))
    report = await evaluation.report("default", window(None, None, TODAY), most=0)
    assert report.behind == store.read("default").measures.head()
    assert report.workflows == ()


@pytest.mark.parametrize(
    ("since", "until", "field", "says"),
    [
        (date(2026, 4, 2), None, "since", "lies in the future"),
        (None, date(2026, 3, 31), "until", "lies in the future"),
        (date(2026, 3, 30), date(2026, 3, 29), "since", "is after until"),
        (date(2024, 3, 30), None, "since", "makes more than"),
    ],
)
def test_a_window_of_which_nothing_can_be_known_is_refused(
    since: date | None, until: date | None, field: str, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says) as refused:
        window(since, until, TODAY)
    assert refused.value.field == field


def test_the_first_days_that_there_are_have_none_before_them() -> None:
    """Nothing could be held against anything."""
    for last in (date.min, date.min + timedelta(days=1), date.min + timedelta(days=40)):
        for since in (None, date.min):
            if since is None and last - date.min > timedelta(days=30):
                continue
            with pytest.raises(InvalidInput, match="leaves no days before"):
                window(since, last, TODAY)
    two = window(date.min + timedelta(days=2), date.min + timedelta(days=3), TODAY)
    assert two.baseline == Window(date.min, date.min + timedelta(days=1))


async def test_a_workflow_that_neither_is_nor_was_has_no_figures(asking: Office) -> None:
    """A misspelt name is told, with those that there are; one without runs is just without."""
    days, report = window(None, None, TODAY), asking.runtime.evaluation.report
    assert (await report("default", days, workflow="ledger")).workflows == ()
    await asking.flow("lena approve")
    with pytest.raises(NotFound, match=r"no workflow 'leger'.*ledger"):
        await report("default", days, workflow="leger")
    was = Evaluation(asking.runtime.store, asking.runtime.keeper, {})
    before = Window(TODAY - timedelta(days=9), TODAY - timedelta(days=8))
    assert (await was.report("default", before, workflow="ledger")).workflows == ()


@pytest.mark.parametrize("days", range(0, 130, 7))
@pytest.mark.parametrize("last", [date(2026, 3, 31), date(2026, 3, 1), date(2024, 2, 29)])
def test_months_and_days_of_a_window_are_each_of_its_days_once(days: int, last: date) -> None:
    asked = Window(last - timedelta(days=days), last)
    covered: list[date] = []
    for first, final in asked.spans:
        if first.startswith("m"):
            begin = date.fromisoformat(f"{first[1:]}-01")
            end = date.fromisoformat(f"{final[1:]}-28") + timedelta(days=4)
            stop = end.replace(day=1) - timedelta(days=1)
        else:
            begin, stop = date.fromisoformat(first), date.fromisoformat(final)
        covered += [begin + timedelta(days=i) for i in range((stop - begin).days + 1)]
    assert sorted(covered) == [asked.since + timedelta(days=i) for i in range(days + 1)]


async def test_what_is_sealed_is_counted_like_what_is_not(open_office: OpenOffice) -> None:
    """And the sums hold no content, so that they need no seal."""
    key = base64.b64encode(b"k" * 32).decode()
    office = await open_office(settings=Settings.model_validate({**OFFLINE, "content_key": key}))
    office.bank.put("a1", amount="500.00")
    asked = await office.parked(message="Call me: +49 30 901820")
    long = {"account": "a1", "amount": "25.00", "note": "n" * 400}
    await office.answer(asked, "lena", "edit", arguments=long)
    await office.runtime.keeper.keep_up("default")
    found = {key.value for key in sums(office) if key.measure == "changed"}
    assert found == {"pay.amount", "pay.note"}
    courses = office.runtime.store.read("default").measures.courses([asked.run_id])
    assert "901820" not in str(sums(office)) + str(courses)


async def test_a_worker_counts_a_moment_after_it_happened(
    asking: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And rests when nothing happens."""
    monkeypatch.setattr("agent_runtime.evaluation.keeper.QUIET", 0.01)
    monkeypatch.setattr("agent_runtime.evaluation.keeper.REST", 0)
    store, counted, stop = asking.runtime.store, asyncio.Event(), asyncio.Event()

    async def look(tenant: str) -> None:
        session = store.read(tenant)
        if session.runs.count().get("paused") and not await Keeper(store).keep_up(tenant, 0):
            counted.set()

    monkeypatch.setattr(asking.runtime.trials, "review", look)
    working = asyncio.create_task(Service(asking.runtime).run(stop))
    await asking.start()
    async with asyncio.timeout(20):
        await counted.wait()
    stop.set()
    await working
    assert sums(asking)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
async def test_an_error_rate_that_is_none_is_refused(asking: Office, rate: float) -> None:
    with pytest.raises(InvalidInput, match="error_rate"):
        await asking.runtime.evaluation.report(
            "default", window(None, None, TODAY), error_rate=rate
        )
