"""Alerts are told once when a threshold is passed, to whoever asked for it, and end alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from agent_runtime.evaluation.alarm import _share
from agent_runtime.evaluation.figures import Figures, Place
from agent_runtime.measure import Sum
from agent_runtime.notice import Wanted
from agent_runtime.quality import Alert, Quality, Watched
from agent_runtime.settings import Settings
from tests.conftest import OpenOffice
from tests.evaluation.conftest import answered
from tests.ledger import make_pay, pay_once, pay_workflow
from tests.office import OFFLINE, Office

ALERT = Alert("many_rejects", "reject", above=0.2, days=7, least=30)


@pytest.fixture
async def watched(open_office: OpenOffice) -> Office:
    workflow = replace(pay_workflow(make_pay(), pay_once), quality=Quality(alerts=[ALERT]))
    settings = Settings.model_validate({**OFFLINE, "secrets": {"default/crm": "whsec_" + "A" * 44}})
    office = await open_office(workflow=workflow, settings=settings)
    office.bank.put("a1", amount="500.00")
    return office


async def answer(office: Office, *answers: str) -> None:
    told = {f"run-{office.clock.now():%j}-{i}": kind for i, kind in enumerate(answers)}
    await answered(office, told)
    await office.runtime.alarms.review("default")


def told(office: Office) -> list[str]:
    events = office.runtime.store.read("default").events.find()
    return [event.type for event in events if event.type.startswith("alert.")]


async def test_too_few_cases_alarm_nobody(watched: Office) -> None:
    await answer(watched, *["reject"] * 29)
    assert told(watched) == []


async def test_a_passed_threshold_is_told_once_and_its_end_too(watched: Office) -> None:
    await answer(watched, *["reject"] * 10, *["approve"] * 20)
    await answer(watched)
    assert told(watched) == ["alert.raised"]
    watched.clock.move(timedelta(days=8))
    await answer(watched, *["approve"] * 30)
    assert told(watched) == ["alert.raised", "alert.ended"]


async def test_a_webhook_is_told_of_it_by_the_outbox_and_may_be_down(watched: Office) -> None:
    """It is tried again like any notice; the alert stands whether or not it got there."""
    asked: dict[str, Any] = {"channel": "webhook", "to": "https://down.example/h", "secret": "crm"}
    wanted = Wanted.model_validate({**asked, "topics": ["alert"]})
    await watched.runtime.outbox.subscribe(watched.person("lena"), wanted)
    await answer(watched, *["reject"] * 30)
    session = watched.runtime.store.read("default")
    (notice,) = session.notices.find("due")
    assert (notice.topic, notice.workflow, notice.status) == ("alert", "ledger", "many_rejects")
    assert session.alerts.since("ledger", "many_rejects") is not None


def test_each_alert_watches_its_own_share() -> None:
    """Of sums in which each of them is another one."""
    counts = {"approve": 50, "edit": 5, "reject": 10, "respond": 35}
    figures = Figures(
        {
            "answered": {Place("", f"\n{kind}", 0): Sum(n=n) for kind, n in counts.items()},
            "ended": {
                Place("", "\nfailed", 0): Sum(n=15),
                Place("", "\ncompleted", 0): Sum(n=85),
            },
            "took": {
                **{Place("", "", i): Sum(n=n) for i, n in ((0, 20), (8, 80))},
                **{Place("group", "lead", i): Sum(n=n) for i, n in ((0, 99), (8, 1))},
            },
            "outcome": {
                Place("", "reversed", 0): Sum(n=25),
                Place("", "reversed", 1): Sum(n=75),
            },
            "drift": {
                Place("input a", "x", 0): Sum(n=100),
                Place("input b", "x", 0): Sum(n=30),
                Place("input b", "y", 0): Sum(n=70),
            },
        }
    )
    before = Figures({"drift": {Place(f"input {name}", "x", 0): Sum(n=100) for name in ("a", "b")}})
    read = {name: _share(figures, before, name) for name in get_args(Watched)}
    drift = read.pop("drift")
    assert drift is not None
    assert (drift.value > 0.25, drift.n) == (True, 100)
    assert {name: one and (one.value, one.n) for name, one in read.items()} == {
        "reject": (0.10, 100),
        "edit": (0.05, 100),
        "respond": (0.35, 100),
        "failed": (0.15, 100),
        "stamped": (0.20, 100),
        "bad_outcome": (0.25, 100),
    }
    assert not any(_share(Figures({}), before, name) for name in get_args(Watched))


async def test_at_the_threshold_it_is_not_passed(watched: Office) -> None:
    await answer(watched, *["reject"] * 6, *["approve"] * 24)
    assert told(watched) == []
    await answer(watched, *["reject"] * 4)
    assert told(watched) == ["alert.raised"]
    await answer(watched, *["approve"] * 16)
    assert told(watched) == ["alert.raised", "alert.ended"]


async def test_an_alert_looks_back_as_many_days_as_it_says(watched: Office) -> None:
    """What was before is over."""
    await answer(watched, *["approve"] * 90)
    watched.clock.move(timedelta(days=7))
    await answer(watched, *["reject"] * 10, *["approve"] * 20)
    assert told(watched) == ["alert.raised"]


async def test_two_processes_that_review_at_once_tell_it_once(watched: Office) -> None:
    alarms = watched.runtime.alarms
    await answer(watched)
    await answered(watched, {f"run-{i}": "reject" for i in range(30)})
    await asyncio.gather(*(alarms.review("default") for _ in range(3)))
    assert told(watched) == ["alert.raised"]
