"""The shop's database: transactions, idempotency, import and export."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime.errors import InvalidInput, StoreError, ToolRefused, ToolUnavailable, Ungated
from tests.shop.desk import (
    CARD,
    GIFT,
    HOME,
    MUG_BLUE,
    MUG_WHITE,
    PAYPAL,
    Desk,
    OpenDesk,
    cancelling,
    make_document,
    make_order,
    make_user,
    opened,
    paying,
    replacing,
    returning,
)
from tools.shop import (
    Shop,
    cancel_pending_order,
    exchange_delivered_order_items,
    modify_pending_order_address,
    modify_pending_order_items,
    modify_pending_order_payment,
    open_shop,
    return_delivered_order_items,
)
from tools.shop.database import SCHEMA_VERSION
from tools.shop.session import Session

CALLS = {
    "pending": [
        (cancel_pending_order, cancelling()),
        (modify_pending_order_items, replacing((MUG_WHITE, MUG_BLUE), by=GIFT)),
        (modify_pending_order_payment, paying(PAYPAL)),
    ],
    "delivered": [
        (return_delivered_order_items, returning(MUG_WHITE)),
        (exchange_delivered_order_items, replacing((MUG_WHITE, MUG_BLUE))),
    ],
}


@pytest.mark.parametrize("status", CALLS)
async def test_the_same_key_changes_once(open_desk: OpenDesk, status: str) -> None:
    """A repeated call returns the recorded result; another key is refused by the new state."""
    for tool, arguments in CALLS[status]:
        desk = await open_desk(make_order(status=status, paid_with=GIFT))
        if tool is return_delivered_order_items:
            arguments = {**arguments, "payment_method_id": GIFT}  # noqa: PLW2901 - this one case
        first = await desk.run(tool, arguments, key="once")
        after = await desk.shop.dump()
        assert await desk.run(tool, arguments, key="once") == first
        assert await desk.shop.dump() == after
        with pytest.raises(ToolRefused):
            await desk.run(tool, arguments, key="again")


async def test_a_refused_call_leaves_its_key_free(open_desk: OpenDesk) -> None:
    """Nothing is recorded of a change that was not made."""
    desk = await open_desk(make_order())
    with pytest.raises(ToolRefused):
        await desk.run(cancel_pending_order, cancelling("#0"), key="once")
    order = await desk.run(cancel_pending_order, cancelling(), key="once")
    assert order["status"] == "cancelled"


async def test_a_key_belongs_to_one_tool(open_desk: OpenDesk) -> None:
    """A key that was used by another tool is refused instead of answered with its result."""
    desk = await open_desk(make_order())
    await desk.run(modify_pending_order_payment, paying(PAYPAL), key="once")
    with pytest.raises(ToolRefused, match="was used for modify_pending_order_payment already"):
        await desk.run(cancel_pending_order, cancelling(), key="once")


async def test_a_write_without_grant_is_refused(open_desk: OpenDesk) -> None:
    """The shop's tools are the runtime's to call."""
    desk = await open_desk(make_order())
    args = cancel_pending_order.parse(cancelling())
    with pytest.raises(Ungated):
        await cancel_pending_order(args, desk.call())
    assert await desk.shop.dump() == make_document(make_order())


def cancel_beside_others(path: Path, key: str) -> Any:
    """Cancel over a connection and event loop of one's own; gives the order or the refusal."""

    async def cancel() -> Any:
        shop = await Shop.open(path)
        try:
            return await Desk(shop).run(cancel_pending_order, cancelling(), key=key)
        except ToolRefused as refused:
            return refused.message
        finally:
            await shop.aclose()

    return asyncio.run(cancel())


async def test_one_key_on_many_connections_changes_once(tmp_path: Path) -> None:
    """The ledger is in the file: whoever comes later gets the recorded result."""
    async with opened(tmp_path / "s.db", make_order(paid_with=GIFT)) as desk:
        cancels = [
            asyncio.to_thread(cancel_beside_others, tmp_path / "s.db", "once") for _ in range(6)
        ]
        results = await asyncio.gather(*cancels)
        assert results == [(await desk.shop.dump())["orders"]["#1"]] * 6
        assert await desk.balance() == 90.3


async def test_many_keys_on_many_connections_let_one_win(tmp_path: Path) -> None:
    """The rules run inside the transaction: whoever comes later meets the changed order."""
    async with opened(tmp_path / "s.db", make_order(paid_with=GIFT)) as desk:
        cancels = [
            asyncio.to_thread(cancel_beside_others, tmp_path / "s.db", f"key-{n}") for n in range(6)
        ]
        results = await asyncio.gather(*cancels)
        assert results.count("Non-pending order cannot be cancelled") == 5
        assert await desk.balance() == 90.3


async def test_a_locked_database_is_unavailable(open_desk: OpenDesk, tmp_path: Path) -> None:
    """A process that keeps the file makes a write unavailable; reads go on."""
    desk = await open_desk(make_order())
    other = sqlite3.connect(tmp_path / "shop-0.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ToolUnavailable, match="locked"):
        await desk.run(cancel_pending_order, cancelling())
    assert (await desk.shop.dump())["orders"]["#1"]["status"] == "pending"
    other.close()
    assert (await desk.run(cancel_pending_order, cancelling()))["status"] == "cancelled"


async def test_a_failed_change_keeps_nothing(open_desk: OpenDesk) -> None:
    """A change that raises halfway is rolled back, and the shop stays usable."""
    desk = await open_desk(make_order())

    def change(session: Session) -> dict[str, Any]:
        session.add_to_gift_card("ada", GIFT, 5.0)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await desk.shop.once(desk.call("once"), "tool", "#1", change)
    assert await desk.balance() == 50.0


async def test_a_change_decided_on_an_older_version_is_refused(open_desk: OpenDesk) -> None:
    """A call that names the version it was decided on is refused once the order has changed."""
    desk = await open_desk(make_order())
    decided_on = replace(desk.call("once"), facts={"version": 1})
    await desk.shop.amend("#1", {"note": "changed by somebody else"})
    with pytest.raises(ToolRefused, match="version was 1, is 2"):
        await desk.shop.once(decided_on, "tool", "#1", lambda _: {})


async def test_changes_survive_a_restart(tmp_path: Path) -> None:
    """`open_shop` finds the folder's database again; only its owner may read the file."""
    shop = await open_shop.open(tmp_path)
    await shop.load(make_document(make_order()))
    await Desk(shop).run(modify_pending_order_address, {"order_id": "#1", **HOME})
    await shop.aclose()
    again = await open_shop.open(tmp_path)
    assert (await again.dump())["orders"]["#1"]["address"] == HOME
    await again.aclose()
    assert stat.S_IMODE((tmp_path / "shop.db").stat().st_mode) == 0o600


async def test_an_unusable_file_is_named(tmp_path: Path) -> None:
    """A file that is no database, or a newer one, is refused when it is opened."""
    path = tmp_path / "s.db"
    path.write_text("no database" * 100)
    with pytest.raises(StoreError, match=r"s\.db"):
        await Shop.open(path)
    newer = sqlite3.connect(tmp_path / "newer.db")
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(StoreError, match="newer than this code"):
        await Shop.open(tmp_path / "newer.db")


async def test_importing_again_replaces_and_raises_versions(open_desk: OpenDesk) -> None:
    """A second import of the same records is a change of each."""
    desk = await open_desk(make_order())
    await desk.shop.load(make_document(make_order(status="processed")))
    facts = await desk.facts(modify_pending_order_address, {"order_id": "#1", **HOME})
    assert (facts.status, facts.version) == ("processed", 2)
    assert await desk.shop.dump() == make_document(make_order(status="processed"))


@pytest.mark.parametrize(
    "broken",
    [
        {"order": {}},
        {"orders": {"#2": {"order_id": "#2", "user_id": "ada"}}},
        {"users": {"bo": make_user("bo", payment_methods={CARD: {"source": "gift_card"}})}},
        {"policies": [{"id": "policy-1", "title": "Rule"}]},
        {"policies": [{"id": "policy-1", "title": "", "text": "", "valid_from": "soon"}]},
    ],
)
async def test_a_malformed_document_imports_nothing(
    open_desk: OpenDesk, broken: dict[str, Any]
) -> None:
    """The import is one transaction, and its error names the field."""
    desk = await open_desk(make_order())
    with pytest.raises(InvalidInput):
        await desk.shop.load({"users": {"bo": make_user("bo")}, **broken})
    assert await desk.shop.dump() == make_document(make_order())


NAMES = st.text(max_size=8)
AMOUNTS = st.floats(allow_nan=False, allow_infinity=False)
BALANCES = AMOUNTS.map(lambda balance: balance + 0.0)  # SQLite stores -0.0 as 0.0
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | AMOUNTS | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
METHODS = st.dictionaries(
    NAMES,
    st.fixed_dictionaries({"source": st.just("gift_card"), "balance": BALANCES, "id": NAMES})
    | st.fixed_dictionaries({"source": st.just("paypal"), "extra": JSON_VALUES}),
    max_size=3,
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "products": st.dictionaries(
            NAMES,
            st.fixed_dictionaries(
                {"name": NAMES, "variants": st.dictionaries(NAMES, JSON_VALUES, max_size=2)}
            ),
            max_size=2,
        ),
        "users": st.dictionaries(
            NAMES, st.fixed_dictionaries({"email": NAMES, "payment_methods": METHODS}), max_size=2
        ),
        "orders": st.dictionaries(
            NAMES,
            st.fixed_dictionaries({"user_id": NAMES, "status": NAMES, "more": JSON_VALUES}),
            max_size=2,
        ),
    }
)


@settings(deadline=None, max_examples=40)
@given(document=DOCUMENTS)
def test_what_is_imported_is_exported_exactly(document: dict[str, Any]) -> None:
    """dump(load(x)) is x, key order included, and so again for a second shop."""

    async def round_trip() -> None:
        with TemporaryDirectory() as folder:
            given_document = document
            for name in ("one.db", "two.db"):
                shop = await Shop.open(Path(folder) / name)
                await shop.load(given_document)
                given_document = await shop.dump()
                await shop.aclose()
                for part, records in document.items():
                    assert repr(given_document[part]) == repr(records)

    asyncio.run(round_trip())
