"""The audit: who did what, filtered, exported and verified; and never taken for a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import get_args

import httpx
import pytest

from agent_runtime.console.audit import COLUMNS
from agent_runtime.console.audit_view import GROUPS
from agent_runtime.event import EventType
from tests.api.served import Served, browsing
from tests.console.browser import COOKIE, cookie_of
from tests.console.conftest import SignIn


@pytest.fixture
def ada(desk: Served) -> Iterator[httpx.Client]:
    """An administrator's browser, without the browser."""
    cookies = {COOKIE: cookie_of(desk, desk.token("ada"))}
    with browsing(desk.url, cookies=cookies) as client:
        yield client


def exported(ada: httpx.Client, **query: str) -> list[dict[str, str]]:
    answer = ada.get("/audit/export", params={"format": "csv", **query})
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def edited(desk: Served, reason: str) -> dict[str, str]:
    """A run whose proposal lena has changed to half the amount."""
    run = desk.begin("500.00")
    asked = desk.question(run)
    body = {
        "kind": "edit",
        "digest": asked["digest"],
        "version": asked["version"],
        "arguments": {**asked["action"]["arguments"], "amount": "250.00"},
        "reason": reason,
    }
    answer = desk.as_("lena").post(f"/v1/approvals/{asked['id']}/decide", json=body)
    assert answer.status_code == 200, answer.text
    return {"run": run["id"], "approval": asked["id"]}


async def test_a_decision_stands_with_who_why_and_what_it_changed(
    sign_in: SignIn, desk: Served
) -> None:
    made = edited(desk, "Half of it was used.")
    visit = await sign_in("ada")
    await visit.open(f"/audit?what=decisions&run={made['run']}")
    line = await visit.text("tr:has-text('edited')")
    for told in ("lena", "Half of it was used.", "Amount", "250.00", made["approval"]):
        assert told in line
    assert await visit.findings() == []


async def test_the_chain_is_checked_at_a_click(sign_in: SignIn) -> None:
    visit = await sign_in("ada", java_script_enabled=False)
    page = await visit.open("/audit")
    await page.get_by_role("button", name="Check the chain").click()
    assert "The chain holds" in await visit.text("main")


def test_whoever_may_not_check_is_not_offered_to(desk: Served) -> None:
    cookies = {COOKIE: cookie_of(desk, desk.token("lena"))}
    with browsing(desk.url, cookies=cookies) as client:
        assert "Check the chain</button>" not in client.get("/audit").text


def test_an_export_has_every_line_that_fits(ada: httpx.Client, desk: Served) -> None:
    runs = [edited(desk, "a")["run"], edited(desk, "b")["run"]]
    found = exported(ada, what="decisions", run=runs[0], who="LENA")
    assert {line["who"] for line in found} == {"lena"}
    assert tuple(found[0]) == COLUMNS
    both = ada.get("/audit/export", params={"format": "json", "what": "decisions"}).text
    named = [json.loads(line) for line in both.splitlines()]
    assert [one["number"] for one in named] == sorted((o["number"] for o in named), reverse=True)


def test_no_cell_of_an_export_is_a_formula(ada: httpx.Client, desk: Served) -> None:
    made = edited(desk, '=HYPERLINK("http://evil.example")')
    (line,) = [x for x in exported(ada, run=made["run"]) if x["did"] == "edited"]
    assert line["reason"].startswith("'=HYPERLINK")


@pytest.mark.parametrize(
    "query", [{"what": "all"}, {"since": "yesterday"}, {"until": "1066-10-14"}, {"whom": "x"}]
)
def test_a_filter_that_is_none_is_told_so(ada: httpx.Client, query: dict[str, str]) -> None:
    answer = ada.get("/audit", params=query, headers={"accept": "text/html"})
    assert answer.status_code == 422
    assert next(iter(query)) in answer.text


def test_another_tenant_has_another_audit(ada: httpx.Client, desk: Served) -> None:
    made = edited(desk, "of this tenant")
    cookies = {COOKIE: cookie_of(desk, desk.token("ada", tenant="other"))}
    with browsing(desk.url, cookies=cookies) as other:
        assert made["run"] not in other.get("/audit/export").text
    assert made["run"] in ada.get("/audit/export").text


def test_no_deed_of_an_administrator_is_left_out() -> None:
    """Whatever was made, changed, proposed, given away or removed."""
    deeds = ("created", "changed", "removed", "revoked", "proposed", "activated", "exported")
    kinds = {kind for kind in get_args(EventType) if kind.partition(".")[2] in (*deeds, "erased")}
    assert len(kinds) > len(deeds)
    assert kinds <= set(GROUPS["administration"])
