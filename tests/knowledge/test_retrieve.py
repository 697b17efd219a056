"""Retrieval: the best passages that may be seen, the same ones every time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_runtime import search_knowledge
from agent_runtime.errors import ModelUnavailable, ToolDeclarationError
from agent_runtime.knowledge import retrieve
from agent_runtime.knowledge.retrieve import DEEP, Answer
from agent_runtime.source import source_id, text_hash
from agent_runtime.store import knowledge as store_knowledge
from agent_runtime.testing.embedding import embedding
from tests.knowledge.conftest import OpenShelf, Shelf

ROOT = Path(__file__).parents[2]


class Near:
    """An endpoint that can be down."""

    model = "near"

    def __init__(self) -> None:
        self.down = False
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str], tenant: str) -> list[list[float]]:  # noqa: ARG002
        if self.down:
            raise ModelUnavailable("It is down.")
        self.asked += texts
        return [embedding(text) for text in texts]


async def test_the_words_that_tell_texts_apart_decide(shelf: Shelf) -> None:
    """In any form, and whatever stands around them."""
    await shelf.put(
        "a.md", "# A\n\nParcels are shipped on Mondays.\n\n# B\n\nWe cancelled the order."
    )
    assert (await shelf.texts("How was it shipping?"))[0].endswith("Mondays.")
    assert (await shelf.texts("can I cancel it"))[0].endswith("the order.")


async def test_a_tie_stands_by_the_text(shelf: Shelf) -> None:
    """Not by the order in which documents came in."""
    for name in ("b.md", "a.md", "c.md"):
        await shelf.put(name, "The window is long.")
    first = [found.source.name for found in (await shelf.look("window")).found]
    for name in ("a.md", "c.md", "b.md"):
        await shelf.library.remove("default", "ada", name)
        await shelf.put(name, "The window is long.")
    assert [found.source.name for found in (await shelf.look("window")).found] == first


class Placed:
    """Puts each text where it was told to, and all others in one place."""

    model = "placed"

    def __init__(self, **places: list[float]) -> None:
        self._places = places

    async def embed(self, texts: Sequence[str], tenant: str) -> list[list[float]]:  # noqa: ARG002
        return [self._places.get(text.split()[0], [1.0, 0.0]) for text in texts]


async def test_texts_that_are_equally_near_stand_by_the_text(open_shelf: OpenShelf) -> None:
    """More of them than are ranked, in whatever order they came; the same text by its source."""
    shelf = open_shelf(Placed())
    texts = [f"Window {number}." for number in range(DEEP + 10)]
    for text in texts:
        await shelf.put(f"{texts.index(text)}.txt", text)
    for name in ("z.txt", "a.txt"):
        await shelf.put(name, min(texts, key=text_hash))
    await shelf.retriever.embed_missing("default")
    found = [one.passage.text for one in (await shelf.look("zebra", limit=DEEP)).found]
    assert found == sorted([*texts, *[min(texts, key=text_hash)] * 2], key=text_hash)[:DEEP]
    names = [one.source.name for one in (await shelf.look("zebra", limit=3)).found]
    assert names == sorted(names, key=source_id)


async def test_both_rankings_count(open_shelf: OpenShelf) -> None:
    """What words and meaning find goes before what meaning alone finds first."""
    shelf = open_shelf(Placed(Zebra=[0.9, 0.1]))
    await shelf.put("a.txt", "Zebra crossings.")
    await shelf.put("b.txt", "Something else.")
    await shelf.retriever.embed_missing("default")
    found = (await shelf.look("zebra")).found
    assert [(f.source.name, f.words_rank, f.vector_rank) for f in found] == [
        ("a.txt", 1, 2),
        ("b.txt", None, 1),
    ]


async def test_a_tie_of_both_rankings_stands_by_the_text(open_shelf: OpenShelf) -> None:
    """One is first by words, the other by meaning: which came first decides nothing."""
    meant = "Something of a zebra."
    said = next(t for n in range(99) if text_hash(t := f"Zebra zebra {n}") > text_hash(meant))
    shelf = open_shelf(Placed(Zebra=[0.9, 0.1], zebra=[1.0, 0.0]))
    for name, text in (("a.txt", said), ("b.txt", meant)):
        await shelf.put(name, text)
    await shelf.retriever.embed_missing("default")
    found = (await shelf.look("zebra")).found
    assert [(f.words_rank, f.vector_rank) for f in found] == [(2, 1), (1, 2)]


async def test_what_has_no_vector_yet_is_told_of(open_shelf: OpenShelf) -> None:
    """It is found by its words alone, until it has one."""
    shelf = open_shelf(Placed())
    await shelf.put("a.txt", "The window.")
    await shelf.retriever.embed_missing("default")
    await shelf.put("b.txt", "The zebra.")
    answer = await shelf.look("zebra")
    assert answer.warnings == ("Passages without a vector yet: 1.",)
    await shelf.retriever.embed_missing("default")
    assert (await shelf.look("zebra")).warnings == ()


async def test_what_is_not_in_force_is_not_found(shelf: Shelf) -> None:
    """On the day that is asked for; both ends belong to it."""
    days: dict[str, Any] = {"valid_from": date(2026, 1, 1), "valid_to": date(2026, 1, 31)}
    await shelf.put("a.md", "The window.", **days)
    for day, found in ((date(2025, 12, 31), 0), (date(2026, 1, 31), 1), (date(2026, 2, 1), 0)):
        assert len(await shelf.texts("window", day=day)) == found


async def test_in_a_large_tenant_the_rarest_words_decide(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word of every text is not looked up beside one that tells them apart; alone it still is."""
    monkeypatch.setattr(store_knowledge, "LOOKED_AT", 3)
    for number in range(6):
        await shelf.put(f"{number}.txt", f"Window {'zebra' if number == 4 else number}.")
    assert await shelf.texts("window zebra") == ["Window zebra."]
    assert len(await shelf.texts("window")) == 5


async def test_words_of_scripts_without_blanks_are_found(shelf: Shelf) -> None:
    """By pairs of signs; letters with marks by those without."""
    await shelf.put("a.md", "# A\n\n返金は三十日以内です。\n\n# B\n\nDie Rückgabe.")
    assert "返金" in (await shelf.texts("返金"))[0]
    assert "Rückgabe" in (await shelf.texts("ruckgabe"))[0]


FOREIGN = "The xylophone of the other tenant."
HIDDEN = "The xylophone of the board."
OPEN = "The window of the shop."
WORDS = st.sampled_from(["xylophone", "window", "of", "tenant", "board"])
SYNTAX = st.sampled_from(
    ['"', "*", "(", ")", "OR", "NOT", "NEAR(", "words:", "^", "--", "';", "\0"]
)


@settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.one_of(WORDS, SYNTAX, st.text(max_size=8)), max_size=12))
async def test_no_query_reaches_beyond_tenant_and_labels(shelf: Shelf, parts: list[str]) -> None:
    """Whatever it says, in the index's syntax or SQL's."""
    if not shelf.names():
        await shelf.put("a.md", OPEN, labels=["open"])
        await shelf.put("b.md", HIDDEN, labels=["board"])
        await shelf.put("c.md", FOREIGN, tenant="other", labels=["open"])
    assert set(await shelf.texts(" ".join(parts), "open")) <= {OPEN}
    assert set(await shelf.texts(" ".join(parts))) <= {OPEN, HIDDEN}


async def test_vectors_find_what_words_miss(open_shelf: OpenShelf) -> None:
    """Both rankings are fused; each text is embedded once, however often it is asked for."""
    near = Near()
    shelf = open_shelf(near)
    await shelf.put("a.md", "Reimbursement takes a week.")
    await shelf.put("b.md", "Glass is cleaned on Fridays.")
    assert await shelf.texts("reimbursable") == []
    assert await shelf.retriever.embed_missing("default") == 2
    found = (await shelf.look("reimbursable")).found
    assert (found[0].source.name, found[0].words_rank, found[0].vector_rank) == ("a.md", None, 1)
    await shelf.put("c.md", "Glass is cleaned on Fridays.")
    assert await shelf.retriever.embed_missing("default") == 0


async def test_however_many_have_no_vector_all_get_one(
    open_shelf: OpenShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few at a time: what is embedded before an endpoint goes down is kept."""
    monkeypatch.setattr(retrieve, "SENT", 2)
    near = Near()
    shelf = open_shelf(near)
    for number in range(5):
        await shelf.put(f"{number}.txt", f"Window {number}.")
    assert await shelf.retriever.embed_missing("default") == 5
    assert len(near.asked) == len(set(near.asked)) == 5


async def test_vectors_keep_within_tenant_labels_and_days(open_shelf: OpenShelf) -> None:
    """As the words do."""
    shelf = open_shelf(Near())
    await shelf.put("a.md", HIDDEN, labels=["board"])
    await shelf.put("b.md", "The xylophone of old.", labels=["open"], valid_to=date(2020, 1, 1))
    await shelf.put("c.md", FOREIGN, tenant="other", labels=["open"])
    await shelf.put("d.md", OPEN, labels=["open"])
    for tenant in ("default", "other"):
        await shelf.retriever.embed_missing(tenant)
    assert await shelf.texts("xylophonic", "open") == [OPEN]
    assert await shelf.texts("xylophonic", "open", tenant="other") == [FOREIGN]
    await shelf.library.remove("default", "ada", "d.md")
    assert await shelf.texts("xylophonic", "open") == []


async def test_without_the_endpoint_words_go_on(open_shelf: OpenShelf) -> None:
    """And the answer says so."""
    near = Near()
    shelf = open_shelf(near)
    await shelf.put("a.md", "The window.")
    near.down = True
    answer = await shelf.look("window")
    assert [found.passage.text for found in answer.found] == ["The window."]
    assert "searched by words alone" in answer.warnings[0]


async def test_a_question_without_words_is_asked_of_nobody(open_shelf: OpenShelf) -> None:
    """Providers refuse an empty text: it would look as if they were down."""
    near = Near()
    shelf = open_shelf(near)
    await shelf.put("a.md", "The window.")
    assert await shelf.look(" ") == Answer(())
    assert near.asked == []


@pytest.mark.parametrize("labels", [(), ("Not a label",), ("",)])
def test_a_search_without_labels_is_an_error_of_the_author(labels: tuple[str, ...]) -> None:
    """Nothing is shown that nobody chose."""
    with pytest.raises(ToolDeclarationError):
        search_knowledge(*labels)


INGEST = """
import asyncio, sys
from pathlib import Path
from agent_runtime.clock import SystemClock
from agent_runtime.knowledge.folder import files
from agent_runtime.knowledge.index import Library
from agent_runtime.store import Store

async def main():
    library = Library(Store(Path(sys.argv[1]), SystemClock()), SystemClock())
    taken = 0
    async for entry in library.add_files("default", "child", files(Path(sys.argv[2]), {})):
        print(entry.state, flush=True)
        taken += 1
        if taken == int(sys.argv[3]):
            sys.stdin.readline()

asyncio.run(main())
"""


def ingest_until(lines: int, database: Path, folder: Path) -> None:
    """Ingest in a process of its own, killed the moment it goes on after so many documents."""
    command = [sys.executable, "-c", INGEST, str(database), str(folder), str(lines)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        for _ in range(lines):
            assert child.stdout.readline() == b"added\n"
        os.write(child.stdin.fileno(), b"\n")
        os.kill(child.pid, signal.SIGKILL)


async def test_an_ingest_that_was_killed_goes_on_where_it_was(
    open_shelf: OpenShelf, tmp_path: Path
) -> None:
    """SIGKILL in its middle: what is there is whole, and only the rest is done again."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(120):
        sections = [f"# Part {part}\n\nWindow {number} {part}." for part in range(10)]
        (folder / f"{number:03}.md").write_text("\n\n".join(sections))
    await asyncio.to_thread(ingest_until, 20, tmp_path / "runtime.db", folder)
    shelf = open_shelf()
    sources = shelf.store.read("default").knowledge.sources()
    assert 20 <= len(sources) < 120
    assert {len(shelf.ids(source.name)) for source in sources} == {10}
    entries = await shelf.take(folder)
    assert [entry.state for entry in entries].count("unchanged") == len(sources)
    assert len(shelf.names()) == 120
    assert shelf.store.read("default").knowledge.state()[1] == 1_200


async def test_others_have_their_turns_while_vectors_are_read(
    open_shelf: OpenShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes in such a turn is not found any more."""
    monkeypatch.setattr(retrieve, "READ", 5)
    shelf = open_shelf(Near())
    for number in range(40):
        await shelf.put(f"{number}.md", f"Window number {number}.")
    await shelf.retriever.embed_missing("default")
    turns, yielded = 0, asyncio.sleep

    async def turn(seconds: float) -> None:
        nonlocal turns
        turns += 1
        if turns == 3:
            await shelf.library.remove("default", "ada", "7.md")
        await yielded(seconds)

    monkeypatch.setattr(asyncio, "sleep", turn)
    found = (await shelf.look("Window number 7", limit=40)).found
    assert turns >= 8
    assert "7.md" not in [one.source.name for one in found]
