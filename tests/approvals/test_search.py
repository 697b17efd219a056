"""Searching the inbox: all that waits is searched, by what people are shown of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime.approval import Approval
from agent_runtime.inbox import Filter, Order, finds, may_find
from agent_runtime.store.inbox import SEARCHED
from tests.approvals.test_inbox import put, seed, three
from tests.conftest import OpenOffice
from tests.encryption.conftest import KEY, settings
from tests.office import Office


async def found(office: Office, text: str, **wanted: Any) -> list[str]:
    """The accounts of what a search by lena finds."""
    page = await office.runtime.desk.search(text, Filter(**wanted), who=office.person("lena"))
    return [asked.action.target_id for asked in page.items]


async def test_every_word_stands_somewhere_in_what_is_shown(office: Office) -> None:
    """By target, amount, rule or id, in any case; not by what nobody is shown."""
    small, large, _ = await three(office)
    assert await found(office, "  Q1 5000.00 ") == ["q1"]
    assert await found(office, small.id.upper()) == ["q0"]
    assert await found(office, large.rules[0]) == ["q1"]
    assert await found(office, "q0 5000.00") == []
    assert await found(office, small.contract[:20]) == []
    assert await found(office, "q", statuses=("approved",)) == []


async def test_the_last_of_ten_thousand_is_found_and_no_page_is_cut(office: Office) -> None:
    """However far back it stands; others at work get their turn in between."""
    asked = await office.parked(account=put(office, "q0", "500.00"))
    seed(office, asked, open=range(1, 10_000 + 1))
    desk, lena, turns = office.runtime.desk, office.person("lena"), 0

    async def work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(work())
    page = await desk.search("open010000", Filter(), who=lena)
    other.cancel()
    assert [one.id for one in page.items] == ["open010000"]
    assert page.after is None
    assert turns >= 10_000 // SEARCHED


async def test_a_search_goes_on_where_its_page_ended(office: Office) -> None:
    """Each question once, in every order."""
    asked = await office.parked(account=put(office, "q0", "500.00"))
    seed(office, asked, open=range(1, 1_500 + 1))
    for sort in ("age", "amount"):
        order: Order | None = Order(sort=sort, limit=200, descending=True)
        seen: list[str] = []
        while order is not None:
            page = await office.runtime.desk.search(
                "open", Filter(), order, who=office.person("lena")
            )
            seen += [one.id for one in page.items]
            order = None if page.after is None else order.model_copy(update={"after": page.after})
        assert (len(seen), len(set(seen))) == (1_500 + (asked.id in seen), len(seen))


async def test_another_tenant_finds_nothing(office: Office) -> None:
    """However exactly they name it."""
    small, *_ = await three(office)
    stranger = office.person("lena").model_copy(update={"tenant": "other"})
    page = await office.runtime.desk.search(small.id, Filter(), who=stranger)
    assert page.items == ()


async def test_what_is_sealed_is_searched_too(open_office: OpenOffice) -> None:
    """With the key, as any other file; nothing of it stands in the file for that."""
    office = await open_office(settings=settings(KEY))
    await three(office)
    assert await found(office, "q2") == ["q2"]


texts = st.text(max_size=12) | st.text('ab"\\\n\x01Σßİ ', max_size=8)
values = st.recursive(texts | st.integers() | st.booleans(), lambda v: st.lists(v, max_size=3))


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """A question as it is stored, for others made like it."""
    words = dict.fromkeys(("id", "tenant", "run_id", "workflow", "step", "digest"), "w")
    words |= {"action_digest": "w", "contract": "w", "policy": "w", "policy_version": "w"}
    action = {"tool": "pay", "target_type": "Account", "target_id": "t", "arguments": {}}
    many = {"rules": ["r"], "reasons": [], "slots": [], "escalate": []}
    when = {"deadline": "2026-03-30T12:00:00Z", "created_at": "2026-03-30T11:00:00Z"}
    rest = {"visit": 1, "status": "open", "facts": {}, "signals": SIGNALS}
    return {**words, **many, **when, **rest, "action": action}


SIGNALS: dict[str, Any] = dict.fromkeys(
    ("unverified_quotes", "contradictions", "context_tokens", "retries", "stale_evidence"), 0
) | {"context_large": False, "retried_repeatedly": False, "clean": True}
SIGNALS |= {"confidence": "0.9", "confident": True}


@given(target=texts, value=values, at=st.integers(0, 12), long=st.integers(1, 6))
def test_the_first_look_leaves_out_nothing_that_is_to_be_found(
    example: dict[str, Any], target: str, value: Any, at: int, long: int
) -> None:
    """Whatever marks, escapes or letters its text has."""
    asked = Approval.model_validate(
        {**example, "action": {**example["action"], "target_id": target}, "facts": {"a": value}}
    )
    for text in (target, str(value)):
        part = text[at : at + long]
        if finds(part, asked):
            assert may_find(part, asked.model_dump_json(exclude={"decisions"}))
