"""Documents come in whole or not at all; what did not change is left as it is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agent_runtime.cipher import Sealing
from agent_runtime.errors import Conflict, InvalidInput, NotFound
from agent_runtime.knowledge.folder import files
from agent_runtime.knowledge.index import Incoming
from tests.knowledge.conftest import OpenShelf, Shelf, states
from tests.knowledge.documents import a_mail, a_pdf, a_pdf_bomb, a_zip_bomb

KINDS = {
    "a.md": b"# Returns\n\nThe window is long.",
    "a.txt": b"The window is long.",
    "a.html": b"<h1>Returns</h1><script>evil()</script><p>The <b>window</b> is long.</p>",
    "a.pdf": a_pdf("Nothing here.", "The window is long."),
    "a.eml": a_mail("The window is long."),
    "a.csv": b"topic,rule\nreturns,The window is long.\n",
    "a.json": b'[{"topic": "returns", "rules": [{"rule": "The window is long."}]}]',
}


@pytest.mark.parametrize("name", KINDS)
async def test_every_kind_of_document_is_found_by_its_words(shelf: Shelf, name: str) -> None:
    """And its text is what a reader of it sees."""
    await shelf.put(name, KINDS[name])
    (found, *_) = await shelf.texts("windows")
    assert "window" in found
    assert "evil" not in found


async def test_a_text_that_stays_keeps_its_id(shelf: Shelf) -> None:
    """Whatever else changes in its document, and wherever it moves."""
    await shelf.put("a.md", "# One\n\nFirst.\n\n# Two\n\nSecond.")
    before = shelf.ids("a.md")
    entry = await shelf.put("a.md", "# Two\n\nSecond.\n\n# Three\n\nThird.")
    assert (entry.state, entry.new) == ("changed", 1)
    assert shelf.ids("a.md")[0] == before[1]
    assert await shelf.texts("first") == []


async def test_what_did_not_change_is_not_indexed_again(shelf: Shelf, tmp_path: Path) -> None:
    """Only that it was looked at is noted; a label that is new is a change."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("One.")
    assert states(await shelf.take(tmp_path / "docs")) == {"docs/a.md": "added"}
    generation = shelf.store.read("default").knowledge.state()
    shelf.clock.move(timedelta(minutes=1))
    assert states(await shelf.take(tmp_path / "docs")) == {"docs/a.md": "unchanged"}
    knowledge = shelf.store.read("default").knowledge
    assert knowledge.state() == generation
    assert knowledge.source("docs/a.md").checked_at == shelf.clock.now()
    assert states(await shelf.take(tmp_path / "docs", labels=["new"])) == {"docs/a.md": "changed"}


BAD = {
    "a.pdf": (a_pdf("The window.")[:200], "is no PDF"),
    "bomb.pdf": (a_pdf_bomb(), "is no PDF|holds no text"),
    "bomb.txt": (a_zip_bomb(), "archive"),
    "program.txt": (b"\x7fELF\x02\x01" + b"\0" * 100, "program"),
    "binary.txt": (bytes(range(256)) * 10, "binary"),
    "bell.txt": (b"One\x07two", "binary"),
    "unmarked.txt": (("Größe der Türen.\n" * 20).encode("utf-16-le"), "binary"),
    "mixed.txt": ("Größe\n".encode() + "Größe\n".encode("latin-1"), "line 2 is not UTF-8"),
    "empty.md": (b"   \n", "holds no text"),
    "a.csv": (b"\0\0", "binary"),
    "a.json": (b"{", "no JSON"),
    "deep.json": (b"[" * 100_000, "nested deeper"),
    "a.docx": (b"x", "no kind"),
    "number.json": (b'{"n": ' + b"9" * 5_000 + b"}", "number"),
    "bomb.md": (b"---\na: &a [x]\ntitle: [*a, *a]\n---\nOne.", "alias"),
    "date.md": (b"---\nvalid_to: 2026-02-30\n---\nOne.", "is no YAML"),
    "deep.md": (b"---\ntitle: " + b"[" * 20_000 + b"\n---\nOne.", "nested"),
    "steps.md": (b"---\n" + b"- " * 20_000 + b"\n---\nOne.", "nested"),
    "front.md": ("---\ntitle: Größe\n---\nOne.".encode("latin-1"), "not UTF-8"),
    "mail.eml": (b"no headers here", "no headers|holds no text"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_be_read_is_refused_by_name(shelf: Shelf, name: str) -> None:
    """With the reason, and nothing of it is stored."""
    raw, problem = BAD[name]
    with pytest.raises(InvalidInput, match=problem) as refused:
        await shelf.put(name, raw)
    assert name in str(refused.value) or "front matter" in str(refused.value)
    assert shelf.names() == []


async def test_a_refused_file_harms_no_other(shelf: Shelf, tmp_path: Path) -> None:
    """Beside it the sound ones come in; a file of 200 MB is refused unread."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("One.")
    (folder / "b.pdf").write_bytes(b"%PDF-1.4 broken")
    with (folder / "c.txt").open("wb") as big:
        big.truncate(200_000_000)
    entries = await shelf.take(folder)
    assert states(entries) == {
        "docs/a.md": "added",
        "docs/b.pdf": "refused",
        "docs/c.txt": "refused",
    }
    assert "200000000 bytes" in entries[2].problem


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "cp1252"])
async def test_other_encodings_are_read(shelf: Shelf, encoding: str) -> None:
    """Where one fits the whole text."""
    text = "Die Rückgabe von Möbeln ist für alle Käufer möglich, auch später im Jahr. " * 5
    await shelf.put("a.txt", text.encode(encoding))
    assert (await shelf.texts("Rückgabe"))[0] == text.strip()


async def test_only_what_a_folder_lists_is_taken(shelf: Shelf, tmp_path: Path) -> None:
    """Where it has a list; hidden files and links are never taken."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("a.md", "b.md", ".hidden.md", "secret.json"):
        (folder / name).write_text('"One."')
    (folder / "link.md").symlink_to(folder / "secret.json")
    assert sorted(states(await shelf.take(folder))) == [
        "docs/a.md",
        "docs/b.md",
        "docs/secret.json",
    ]
    (folder / "knowledge.toml").write_text('[[source]]\nfiles = "a.*"\nlabels = ["x"]\n')
    assert states(await shelf.take(folder)) == {"docs/a.md": "changed"}
    for outside in ("../*", "/etc/*"):
        (folder / "knowledge.toml").write_text(f'[[source]]\nfiles = "{outside}"\n')
        with pytest.raises(InvalidInput, match="leaves the folder"):
            await shelf.take(folder)


async def test_front_matter_says_when_a_document_is_in_force(shelf: Shelf) -> None:
    """It goes before what its folder says, and is no part of the text."""
    front = "---\nversion: 2\nvalid_to: 2025-12-31\nlayout: page\n---\n"
    await shelf.put("a.md", front + "Old window.", labels=["x"], version="1")
    source = shelf.store.read("default").knowledge.source("a.md")
    assert (source.about.version, source.about.labels) == ("2", ("x",))
    assert await shelf.texts("window") == []
    assert await shelf.texts("window", day=source.about.valid_to) == ["Old window."]
    marked = b"\xef\xbb\xbf" + front.replace("2025", "2024").encode() + b"Old door."
    await shelf.put("marked.md", marked)
    assert shelf.store.read("default").knowledge.source("marked.md").about.valid_to.year == 2024
    with pytest.raises(InvalidInput, match="valid_to"):
        await shelf.put("b.md", "---\nvalid_to: soon\n---\nNew.")


async def test_two_files_do_not_share_a_name(shelf: Shelf, tmp_path: Path) -> None:
    """The second one would silently replace the first."""
    for place in ("one", "two"):
        (tmp_path / place / "docs").mkdir(parents=True)
        (tmp_path / place / "docs" / "a.md").write_text(place)
    await shelf.take(tmp_path / "one" / "docs")
    (entry,) = await shelf.take(tmp_path / "two" / "docs")
    assert entry.state == "refused"
    assert "another file already" in entry.problem
    assert await shelf.texts("one") == ["one"]


async def test_a_removed_source_is_found_no_more(shelf: Shelf) -> None:
    """The history says who removed it."""
    await shelf.put("a.md", "One window.")
    await shelf.library.remove("default", "ada", "a.md")
    assert await shelf.texts("window") == []
    last = shelf.store.read("default").events.find()[-1]
    assert (last.type, (last.body or {})["by"]) == ("knowledge.removed", "ada")
    with pytest.raises(NotFound):
        await shelf.library.remove("default", "ada", "a.md")


async def test_sources_are_refreshed_by_their_own_policy(shelf: Shelf, tmp_path: Path) -> None:
    """What is due is read again; a file that is gone is named, and what is known of it stays."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "daily.md").write_text("Old.")
    (folder / "manual.md").write_text("Old.")
    await shelf.take(folder / "daily.md", refresh="daily")
    await shelf.take(folder / "manual.md")
    shelf.clock.move(timedelta(hours=25))
    (folder / "daily.md").write_text("New.")
    (folder / "manual.md").unlink()
    due = [entry async for entry in shelf.library.refresh("default", "ada")]
    assert states(due) == {"daily.md": "changed"}
    every = [entry async for entry in shelf.library.refresh("default", "ada", due_only=False)]
    assert states(every) == {"daily.md": "unchanged", "manual.md": "missing"}
    assert shelf.names() == ["daily.md", "manual.md"]


@pytest.mark.parametrize(("refresh", "hours"), [("hourly", 1), ("daily", 24), ("weekly", 168)])
async def test_a_source_is_due_when_its_policy_says(
    shelf: Shelf, tmp_path: Path, refresh: str, hours: int
) -> None:
    """Not a second before, and again as long after it was looked at."""
    (tmp_path / "a.md").write_text("One.")
    await shelf.take(tmp_path / "a.md", refresh=refresh)
    for _ in range(2):
        shelf.clock.move(timedelta(hours=hours, seconds=-1))
        assert [entry async for entry in shelf.library.refresh("default", "ada")] == []
        shelf.clock.move(timedelta(seconds=1))
        due = [entry async for entry in shelf.library.refresh("default", "ada")]
        assert states(due) == {"a.md": "unchanged"}


async def test_a_sealed_file_tells_neither_text_nor_words(open_shelf: OpenShelf) -> None:
    """And is searched as well; with another key in front it still is."""
    sealed = open_shelf(cipher=Sealing([b"k" * 32]))
    await sealed.put("a.md", "The xylophone window.")
    assert await sealed.texts("xylophone") == ["The xylophone window."]
    sealed.store.close()
    assert b"xylophon" not in sealed.store.path.read_bytes()
    turned = open_shelf(cipher=Sealing([b"n" * 32, b"k" * 32]))
    assert await turned.texts("xylophones") == ["The xylophone window."]


async def test_the_same_name_by_hand_and_by_file(shelf: Shelf, tmp_path: Path) -> None:
    """A file may take over what came without one, and the reverse."""
    await shelf.put("a.md", "One.")
    (tmp_path / "a.md").write_text("Two.")
    assert states(await shelf.take(tmp_path / "a.md")) == {"a.md": "changed"}
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.md").write_text("Three.")
    with pytest.raises(Conflict):
        await shelf.library.add(
            "default", "x", Incoming.from_file(files(tmp_path / "b" / "a.md", {})[0])
        )
