"""The inbox: what each person finds in it, in which order, and how fast."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, get_args

import pytest

from agent_runtime.approval import Approval
from agent_runtime.errors import InvalidInput
from agent_runtime.inbox import Filter, Key, Order, Sort
from agent_runtime.store.inbox import member, member_set
from tests.conftest import OpenOffice
from tests.ledger import POLICY
from tests.office import Office

MARKED = POLICY.replace('@approvers("lead:1")', '@approvers("lead:1") @risk("low")')
SEED = """
WITH RECURSIVE n (i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
INSERT INTO approvals (id, tenant, run_id, step, visit, status, digest, action_digest, deadline,
  body, created_at, workflow, tool, rules, risk, amount, asks, spent, late_at)
SELECT :status || printf('%06d', i), tenant, run_id, step, visit, :status, :status || i,
  action_digest, strftime('%Y-%m-%dT%H:%M:%S.000000Z', julianday(deadline) + i % 5000),
  json_set(body, '$.id', :status || printf('%06d', i), '$.status', :status), created_at,
  workflow, tool, rules, risk, i * 104729 % 100000000, asks, spent, late_at
FROM approvals, n WHERE id = :id
"""


async def three(office: Office) -> list[Approval]:
    """200 and 900 ask a lead, 5000 asks two of finance; each a minute after the one before. No id
    has a q in it, so that a search for an account finds no other."""
    asked = []
    for number, amount in enumerate(("200.00", "5000.00", "900.00")):
        office.bank.put(f"q{number}", amount=amount)
        asked.append(await office.parked(account=f"q{number}"))
        office.clock.move(timedelta(minutes=1))
    return asked


def targets(office: Office, name: str | None = None, **wanted: Any) -> list[str]:
    """The accounts of what a filter finds, the oldest first."""
    who = None if name is None else office.person(name)
    page = office.runtime.desk.inbox(Filter(**wanted), who=who)
    return [asked.action.target_id for asked in page.items]


async def test_mine_is_what_waits_for_my_answer(office: Office) -> None:
    """By role; not what I have answered, handed on or started; by name where it was handed."""
    small, large, _ = await three(office)
    assert targets(office, "lena", mine=True) == ["q0", "q2"]
    assert targets(office, "fay", mine=True) == ["q1"]
    assert targets(office, "carl", mine=True) == []
    await office.answer(large, "fay")
    assert (targets(office, "fay", mine=True), targets(office, "finn", mine=True)) == ([], ["q1"])
    await office.runtime.desk.delegate(small.id, office.person("lena"), "carl")
    assert (targets(office, "lena", mine=True), targets(office, "carl", mine=True)) == (
        ["q2"], ["q0"],
    )  # fmt: skip


async def test_a_role_whose_places_are_filled_is_not_asked_any_more(
    open_office: OpenOffice,
) -> None:
    """Of a lead and one of finance, the lead has answered: only finance is waited for."""
    office = await open_office(policy=POLICY.replace('"finance:2"', '"finance:1,lead:1"').replace(
        'when { context.facts.amount.lessThanOrEqual(decimal("1000.00")) };\n\n@id("finance-may',
        ';\n\n@id("finance-may',
    ))  # fmt: skip
    office.bank.put("a1", amount="5000.00")
    asked = await office.parked()
    await office.answer(asked, "luis")
    assert (targets(office, "lena", mine=True), targets(office, "fay", mine=True)) == ([], ["a1"])


async def test_what_a_starter_started_is_not_theirs_to_decide(asking: Office) -> None:
    """It is in the list, and not among what waits for them."""
    await asking.parked(owner="lena")
    assert (targets(asking, "lena"), targets(asking, "lena", mine=True)) == (["a1"], [])


async def test_questions_are_found_by_what_they_are_about(open_office: OpenOffice) -> None:
    """Rule, tool, workflow, risk, amount, age, lateness, claim, run: alone and together."""
    office = await open_office(policy=MARKED)
    small, large, middle = await three(office)
    await office.runtime.desk.claim(middle.id, office.person("lena"))
    found: dict[tuple[str, ...], dict[str, Any]] = {
        ("q1",): {"rule": "ask-finance"},
        ("q0", "q2"): {"risk": "low"},
        ("q1", "q2"): {"amount_from": Decimal("900.00"), "amount_to": Decimal("5000.00")},
        ("q0",): {"asked_before": large.created_at, "tool": "pay", "workflow": "ledger"},
        ("q2",): {"asked_after": middle.created_at},
        (): {"tool": "refund"},
    }
    for names, wanted in found.items():
        assert targets(office, **wanted) == list(names), wanted
    assert targets(office, "lena", claimed="by_me") == ["q2"]
    assert targets(office, "luis", claimed="by_others", mine=True) == ["q2"]
    assert targets(office, claimed="by_nobody", run_id=small.run_id) == ["q0"]
    office.clock.move(large.late_at - office.clock.now())
    assert targets(office, late=True) == ["q0", "q1"]


async def test_counts_say_how_many_of_which_kind(office: Office) -> None:
    """As many as the list would show, without showing it."""
    small, *_ = await three(office)
    await office.answer(small, "lena", hold_seconds=60)
    counts = office.runtime.desk.counts(Filter(), who=office.person("luis"))
    assert (counts.total, counts.mine, counts.late) == (3, 1, 0)
    assert counts.statuses == {"held": 1, "open": 2}
    assert counts.rules == {"ask-finance": 1, "ask-lead": 2}
    assert office.runtime.desk.counts(Filter(rule="ask-finance")).total == 1


@pytest.mark.parametrize("sort", get_args(Sort))
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_show_each_question_once(office: Office, sort: Sort, descending: bool) -> None:
    """Page by page in order, also where many have the same value, and one is answered meanwhile."""
    asked = await office.parked(account=put(office, "q0", "500.00"))
    seed(office, asked, open=range(1, 26))
    order, found = Order(sort=sort, descending=descending, limit=7), list[Approval]()
    while True:
        page = office.runtime.desk.inbox(Filter(), order)
        found += page.items
        if page.after is None:
            break
        order = order.model_copy(update={"after": page.after})
        if len(found) == 7:
            await office.answer(asked, "lena", "reject")
    assert len({one.id for one in found}) == len(found) >= 25


async def test_an_amount_is_what_the_tools_facts_declare(office: Office) -> None:
    """Computed from the system of record; an amount that no column could hold is refused."""
    asked = await office.parked(account=put(office, "q0", "500.00"))
    assert asked.amount == Decimal("500.00")
    with pytest.raises(InvalidInput, match="four places"):
        targets(office, amount_from=Decimal("1.00001"))
    with pytest.raises(InvalidInput, match="out of range"):
        targets(office, amount_to=Decimal("1e30"))


async def test_another_tenants_questions_are_not_found(office: Office) -> None:
    """Neither listed nor counted, whoever asks."""
    await three(office)
    stranger = office.person("lena").model_copy(update={"tenant": "other"})
    assert office.runtime.desk.inbox(Filter(), who=stranger).items == ()
    assert office.runtime.desk.counts(Filter(), who=stranger).total == 0


def test_no_name_can_stand_for_two() -> None:
    """Names with quotation marks and commas are one member each."""
    text = member_set(['a","b', "c"])
    assert [member(name) in text for name in ('a","b', "c", "a", "b")] == [
        True, True, False, False,
    ]  # fmt: skip


async def test_a_page_of_ten_thousand_takes_little_longer_than_one_of_a_hundred(
    office: Office,
) -> None:
    """With 20,000 finished questions beside them; how long it takes is for `make bench`."""
    asked = await office.parked(account=put(office, "q0", "500.00"))
    desk, lena = office.runtime.desk, office.person("lena")
    orders = [Order(sort=sort, limit=100, descending=True) for sort in get_args(Sort)]
    pages = [partial(desk.inbox, Filter(mine=True), order, who=lena) for order in orders]
    seed(office, asked, open=range(1, 101), approved=range(1, 201))
    few = [quickest(page) for page in pages]
    seed(office, asked, open=range(101, 10_001), approved=range(201, 20_001))
    assert desk.counts(Filter(mine=True), who=lena).total == 10_001
    assert all(quickest(page) < 10 * before for page, before in zip(pages, few, strict=True))


def put(office: Office, account: str, amount: str) -> str:
    office.bank.put(account, amount=amount)
    return account


def seed(office: Office, asked: Approval, **states: range) -> None:
    """Copy a question many times, in other states too."""
    with closing(sqlite3.connect(office.data / "runtime.db")) as connection:
        for status, numbers in states.items():
            named = {"first": numbers[0], "last": numbers[-1], "status": status, "id": asked.id}
            connection.execute(SEED, named)
        connection.commit()


def quickest(work: Callable[[], object]) -> float:
    """Seconds of the best of some tries: what the machine does beside it is left out."""
    tries = []
    for _ in range(7):
        began = time.perf_counter()
        work()
        tries.append(time.perf_counter() - began)
    return min(tries)


def test_a_cursor_is_typed() -> None:
    """What a page ended with: the sort's value and the id."""
    assert Key.model_validate_json(Key(value=12, id="apr-1").model_dump_json()).value == 12
