"""Two tenants that use the same names for everything: neither meets the other's knowledge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agent_runtime.knowledge.retrieve import within
from agent_runtime.source import passage_id, source_id, text_hash
from agent_runtime.store import Session, knowledge, words
from tests.knowledge.conftest import TODAY, OpenShelf, Shelf
from tests.knowledge.test_retrieve import Near

OURS, THEIRS, SHARED = "Our window.", "Their window.", "t: The door of both."
HIDDEN = source_id("b.txt")
MODEL, VECTOR, HASH = "near", b"\0" * 8, text_hash(SHARED)
NAME = "[email:abcdefghijkl]"


@pytest.fixture
async def two(shelf: Shelf) -> Shelf:
    """The other tenant came first; it has documents of the same names, and more."""
    await shelf.put("a.txt", THEIRS, tenant="other", labels=["x"])
    await shelf.put("b.txt", THEIRS, tenant="other", labels=["x"])
    await shelf.put("both.json", '{"theirs": {"t": "The door of both."}}', tenant="other")
    await shelf.store.write("other", _more)
    await shelf.put("a.txt", OURS, labels=["y"])
    await shelf.put("both.json", '{"ours": {"t": "The door of both."}}')
    return shelf


def _more(session: Session) -> None:
    session.knowledge.put_vector(MODEL, HASH, VECTOR)
    session.pseudonyms.make_key()
    session.pseudonyms.add(NAME, "mia@example.com")


NOTHING: dict[str, Callable[[Session], Any]] = {
    "find_source": lambda s: s.knowledge.find_source("b.txt"),
    "sources": lambda s: [one for one in s.knowledge.sources() if one.id == HIDDEN],
    "passages": lambda s: s.knowledge.passages(HIDDEN),
    "passage": lambda s: s.knowledge.passage(HIDDEN, passage_id(HIDDEN, THEIRS)),
    "at": lambda s: s.knowledge.at(1),
    "texts": lambda s: [row for row, _, _ in s.knowledge.texts() if row == 1],
    "rows": lambda s: [row for row in s.knowledge.rows(within(TODAY, ())) if row == 1],
    "vectors": lambda s: list(s.knowledge.vectors(MODEL, [HASH])),
    "pseudonyms.key": lambda s: s.pseudonyms.key(),
    "pseudonyms.value": lambda s: s.pseudonyms.value(NAME),
}


@pytest.mark.parametrize("name", NOTHING)
async def test_what_only_another_tenant_has_is_not_there(two: Shelf, name: str) -> None:
    """Neither by its id and name nor by its row and hash."""
    assert NOTHING[name](two.store.read("other"))
    assert not NOTHING[name](two.store.read("default"))


async def test_what_one_has_embedded_the_other_has_not(two: Shelf) -> None:
    """The first passage of all is not ours; the text of both has a vector, and not with us."""
    missing = two.store.read("default").knowledge.missing_vectors
    assert missing(MODEL, 1) == [(text_hash(OURS), OURS)]
    assert missing(MODEL, 9) == [(text_hash(OURS), OURS), (HASH, SHARED)]


def everything(shelf: Shelf, tenant: str) -> list[Any]:
    """All that is known of a tenant's knowledge."""
    known = shelf.store.read(tenant).knowledge
    sources = known.sources()
    passages = [known.passages(source.id) for source in sources]
    rows = [known.rows(within(TODAY, labels)) for labels in ((), ("x",), ("y",))]
    vectors = list(known.vectors(MODEL, [HASH])), known.missing_vectors(MODEL, 9)
    return [sources, passages, rows, list(known.texts()), vectors, known.state()]


async def _change(shelf: Shelf) -> None:
    await shelf.put("a.txt", "Another one.", labels=["z"])
    await shelf.put("both.json", '{"other": {"t": "The door of both."}}', labels=["z"])


async def _remove(shelf: Shelf) -> None:
    for name in ("a.txt", "both.json"):
        await shelf.library.remove("default", "ada", name)


async def _reach(shelf: Shelf) -> None:
    await shelf.store.write("default", lambda session: session.knowledge.remove(HIDDEN))


@pytest.mark.parametrize("work", [_change, _remove, _reach])
async def test_whatever_one_does_the_other_keeps_what_it_has(
    two: Shelf, work: Callable[[Shelf], Awaitable[None]]
) -> None:
    """Under the same names, and by the other's own id."""
    before = everything(two, "other")
    await work(two)
    assert everything(two, "other") == before


async def test_a_removed_text_leaves_no_vector_that_the_other_would_keep_alive(two: Shelf) -> None:
    """What both have said is gone with the last of ours that said it."""
    put = two.store.write
    await put("default", lambda session: session.knowledge.put_vector(MODEL, HASH, VECTOR))
    await _remove(two)
    assert list(two.store.read("default").knowledge.vectors(MODEL, [HASH])) == []


async def test_each_is_searched_by_its_own_vectors(open_shelf: OpenShelf) -> None:
    """Also where as much was done in both, so that nothing else tells them apart."""
    shelf = open_shelf(Near())
    for tenant, text in (("default", OURS), ("other", THEIRS)):
        await shelf.put("a.txt", text, tenant=tenant)
        await shelf.retriever.embed_missing(tenant)
    for tenant, text in (("default", OURS), ("other", THEIRS), ("default", OURS)):
        (found,) = (await shelf.look("windowless", tenant=tenant)).found
        assert (found.passage.text, found.words_rank, found.vector_rank) == (text, None, 1)


def test_no_word_of_one_tenant_is_a_word_of_another() -> None:
    """In the index, which all of them share: a query cannot even name another's words."""
    ours, theirs = (words.entry(b"key", tenant, THEIRS) for tenant in ("default", "other"))
    assert set(ours.split()).isdisjoint(theirs.split())


async def test_each_tenant_makes_its_names_with_a_key_of_its_own(shelf: Shelf) -> None:
    """One that knows a value cannot tell whether the other knows it; the key stays."""
    make = lambda session: session.pseudonyms.make_key()  # noqa: E731
    keys = [await shelf.store.write(tenant, make) for tenant in ("default", "other", "default")]
    assert keys[0] == keys[2] != keys[1]


async def test_a_word_of_another_tenant_would_not_help_either(
    two: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were their words the same, the query itself still keeps to its tenant."""
    for module in (words, knowledge):
        monkeypatch.setattr(module, "hashed", lambda _key, _tenant, word: f"w{word}")
    await two.put("c.txt", "A zebra of theirs.", tenant="other")
    await two.put("c.txt", "A zebra of ours.")
    assert await two.texts("zebra") == ["A zebra of ours."]
    found = two.store.read("default").knowledge.by_words("zebra", within(TODAY, ()), 9)
    assert len(found) == 1
