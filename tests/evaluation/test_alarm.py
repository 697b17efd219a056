"""Alerts are told once when a threshold is passed, to whoever asked for it, and end alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent_runtime.notice import Wanted
from agent_runtime.quality import Alert, Quality
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
