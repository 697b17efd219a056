"""Knowledge in the store: one tenant's sources, their passages, and the index over their words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from agent_runtime.clock import to_text
from agent_runtime.errors import NotFound
from agent_runtime.source import KnownPassage, Source
from agent_runtime.store.connection import cipher_of
from agent_runtime.store.words import any_of, asked, entry, hashed

MOST_WORDS = 32
"""Words of a query that count: a customer's whole mail may be the query."""

LOOKED_AT = 2_500
"""Passages that one query ranks, about: its rarest words tell the most, and those that stand in so
many passages that they would exceed this count only where it has no rarer ones."""

_ALLOWED = (
    "WITH allowed AS MATERIALIZED (SELECT s.id FROM sources AS s WHERE s.tenant = :tenant"
    " AND s.valid_from <= :day AND s.valid_to >= :day AND (:labels = '[]' OR EXISTS"
    " (SELECT 1 FROM source_labels AS l WHERE l.tenant = :tenant AND l.source = s.id"
    " AND l.label IN (SELECT value FROM json_each(:labels)))))"
)
"""The sources that count, found out once for a query and not for each passage."""
_COUNTS = "p.tenant = :tenant AND p.source IN (SELECT id FROM allowed)"
_BY_WORDS = (
    f"{_ALLOWED} SELECT p.row, bm25(passage_words) AS score, p.hash, p.source FROM passage_words"  # noqa: S608 — constants
    " CROSS JOIN passages AS p ON p.row = passage_words.rowid"
    f" WHERE passage_words MATCH :words AND {_COUNTS} ORDER BY score, p.hash, p.source LIMIT :limit"
)
_ROWS = f"{_ALLOWED} SELECT p.row FROM passages AS p WHERE {_COUNTS} ORDER BY p.row"  # noqa: S608


@dataclass(frozen=True)
class Within:
    """Whose and which passages count: those of sources in force on that day that have one of the
    labels; without labels, all."""

    day: date
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Hit:
    """A passage's row, how well it answers (higher is better), the hash of its text, and its
    source."""

    row: int
    score: float
    hash: str
    source: str

    @property
    def place(self) -> tuple[float, str, str]:
        """Where it stands among others: ties by text and source, not by when they came in."""
        return -round(self.score, 9), self.hash, self.source


class Knowledge:
    """One tenant's knowledge, on one connection."""

    def __init__(self, connection: sqlite3.Connection, tenant: str, now: datetime) -> None:
        self._connection = connection
        self._tenant = tenant
        self._now = now
        self._cipher = cipher_of(connection)

    def put(self, source: Source, passages: Sequence[KnownPassage]) -> int:
        """Store a source with all its passages, in place of what it had; only what differs is
        indexed again. Returns how many passages were not there before."""
        known = dict(
            self._connection.execute(
                "SELECT id, row FROM passages WHERE tenant = ? AND source = ?",
                (self._tenant, source.id),
            ).fetchall()
        )
        gone = set(known) - {passage.id for passage in passages}
        self._forget([known[name] for name in gone])
        for passage in passages:
            if passage.id not in known:
                self._insert(passage)
            else:
                self._place(passage)
        self._put_source(source)
        new = sum(1 for passage in passages if passage.id not in known)
        self._change(new - len(gone))
        return new

    def remove(self, source_id: str) -> None:
        """Forget a source and all its passages."""
        mine = (self._tenant, source_id)
        rows = self._connection.execute(
            "SELECT row FROM passages WHERE tenant = ? AND source = ?", mine
        ).fetchall()
        self._forget([row for (row,) in rows])
        for query in (
            "DELETE FROM source_labels WHERE tenant = ? AND source = ?",
            "DELETE FROM sources WHERE tenant = ? AND id = ?",
        ):
            self._connection.execute(query, mine)
        self._connection.execute(
            "DELETE FROM vectors WHERE tenant = ? AND hash NOT IN"
            " (SELECT hash FROM passages WHERE tenant = ?)",
            (self._tenant, self._tenant),
        )
        self._change(-len(rows))

    def touch(self, source: Source) -> None:
        """Store what is known of a source whose passages stayed."""
        self._put_source(source)

    def source(self, name: str) -> Source:
        """The source of that id or name; raises NotFound, also for another tenant's."""
        found = self.find_source(name)
        if found is None:
            remedy = "List them with: agent-runtime knowledge list"
            raise NotFound("source", name, remedy=remedy)
        return found

    def find_source(self, name: str) -> Source | None:
        """The same, or None."""
        row = self._connection.execute(
            "SELECT id, body FROM sources WHERE tenant = ? AND (id = ? OR name = ?)",
            (self._tenant, name, name),
        ).fetchone()
        return None if row is None else self._source(*row)

    def sources(self, after: str = "", limit: int = -1) -> list[Source]:
        """Sources by name, those behind `after`."""
        rows = self._connection.execute(
            "SELECT id, body FROM sources WHERE tenant = ? AND name > ? ORDER BY name LIMIT ?",
            (self._tenant, after, limit),
        ).fetchall()
        return [self._source(*row) for row in rows]

    def passages(self, source_id: str, after: int = -1, limit: int = -1) -> list[KnownPassage]:
        """A source's passages in the order of the document, those behind number `after`."""
        rows = self._connection.execute(
            "SELECT row, source, id, number, body FROM passages WHERE tenant = ? AND source = ?"
            " AND number > ? ORDER BY number LIMIT ?",
            (self._tenant, source_id, after, limit),
        ).fetchall()
        return [self._passage(*row[1:]) for row in rows]

    def passage(self, source_id: str, name: str) -> KnownPassage | None:
        """One passage; None when its source no longer has it."""
        row = self._connection.execute(
            "SELECT source, id, number, body FROM passages WHERE tenant = ? AND source = ?"
            " AND id = ?",
            (self._tenant, source_id, name),
        ).fetchone()
        return None if row is None else self._passage(*row)

    def at(self, row: int) -> KnownPassage | None:
        """The passage in that row; None when it is gone."""
        found = self._connection.execute(
            "SELECT source, id, number, body FROM passages WHERE tenant = ? AND row = ?",
            (self._tenant, row),
        ).fetchone()
        return None if found is None else self._passage(*found)

    def by_words(self, query: str, within: Within, limit: int) -> list[Hit]:
        """The passages that BM25 ranks best; ties stand by the hash of their text."""
        marks = self._marks(asked(query, MOST_WORDS))
        if not marks:
            return []
        given = {**self._given(within), "words": any_of(marks), "limit": limit}
        found = self._connection.execute(_BY_WORDS, given)
        return [Hit(row, -score, name, source) for row, score, name, source in found]

    def rows(self, within: Within) -> list[int]:
        """The rows of all passages that count, in order."""
        return [row for (row,) in self._connection.execute(_ROWS, self._given(within))]

    def texts(self) -> Iterator[tuple[int, str, str]]:
        """Every passage's row, the hash of its text and its source, in order."""
        yield from self._connection.execute(
            "SELECT row, hash, source FROM passages WHERE tenant = ? ORDER BY row", (self._tenant,)
        )

    def put_vector(self, model: str, name: str, vector: bytes) -> None:
        """Keep an embedding, little-endian float32, by model and hash of its text."""
        sealed = self._cipher.seal_typed(("f4", vector), self._tenant, "vectors", model, name)
        self._connection.execute(
            "INSERT OR REPLACE INTO vectors (tenant, model, hash, type, body) VALUES (?,?,?,?,?)",
            (self._tenant, model, name, *sealed),
        )
        self._change(0)

    def vectors(self, model: str, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The embeddings by one model of texts with these hashes, each with its hash."""
        for name, kind, body in self._connection.execute(
            "SELECT hash, type, body FROM vectors WHERE tenant = ? AND model = ?"
            " AND hash IN (SELECT value FROM json_each(?))",
            (self._tenant, model, json.dumps(sorted(names))),
        ):
            opened = self._cipher.open_typed((kind, body), self._tenant, "vectors", model, name)
            yield name, opened[1]

    def missing_vectors(self, model: str, limit: int) -> list[tuple[str, str]]:
        """Hash and text of passages that have no embedding by this model."""
        rows = self._connection.execute(
            "SELECT min(p.row) FROM passages AS p WHERE p.tenant = :tenant AND NOT EXISTS"
            " (SELECT 1 FROM vectors AS v WHERE v.tenant = :tenant AND v.model = :model"
            " AND v.hash = p.hash) GROUP BY p.hash ORDER BY 1 LIMIT :limit",
            {"tenant": self._tenant, "model": model, "limit": limit},
        ).fetchall()
        found = [self.at(row) for (row,) in rows]
        return [(passage.hash, passage.text) for passage in found if passage is not None]

    def state(self) -> tuple[int, int]:
        """A number that every change of this tenant's knowledge raises, and its passages."""
        row = self._connection.execute(
            "SELECT generation, passages FROM knowledge_states WHERE tenant = ?", (self._tenant,)
        ).fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def _change(self, more: int) -> None:
        self._connection.execute(
            "INSERT INTO knowledge_states (tenant, generation, passages) VALUES (:tenant, 1, :more)"
            " ON CONFLICT (tenant) DO UPDATE SET generation = generation + 1,"
            " passages = passages + :more",
            {"tenant": self._tenant, "more": more},
        )

    def _insert(self, passage: KnownPassage) -> None:
        where = (self._tenant, "passages", passage.source, passage.id)
        body = self._cipher.seal(json.dumps([passage.place, passage.text]), *where)
        row = self._connection.execute(
            "INSERT INTO passages (tenant, source, id, number, hash, body) VALUES (?,?,?,?,?,?)",
            (self._tenant, passage.source, passage.id, passage.number, passage.hash, body),
        ).lastrowid
        self._connection.execute(
            "INSERT INTO passage_words (rowid, words) VALUES (?,?)",
            (row, entry(self._cipher.mark_keys()[0], self._tenant, passage.text)),
        )

    def _place(self, passage: KnownPassage) -> None:
        """A text that stayed may stand elsewhere, or under another heading."""
        where = (self._tenant, "passages", passage.source, passage.id)
        body = self._cipher.seal(json.dumps([passage.place, passage.text]), *where)
        self._connection.execute(
            "UPDATE passages SET number = ?, body = ? WHERE tenant = ? AND source = ? AND id = ?",
            (passage.number, body, self._tenant, passage.source, passage.id),
        )

    def _forget(self, rows: Sequence[int]) -> None:
        self._connection.executemany("DELETE FROM passages WHERE row = ?", [(r,) for r in rows])

    def _put_source(self, source: Source) -> None:
        body = self._cipher.seal(source.model_dump_json(), self._tenant, "sources", source.id)
        about = source.about
        self._connection.execute(
            "INSERT OR REPLACE INTO sources"
            " (tenant, id, name, hash, valid_from, valid_to, checked_at, body)"
            " VALUES (?,?,?,?,?,?,?,?)",
            (self._tenant, source.id, source.name, source.hash, about.valid_from.isoformat())
            + (about.valid_to.isoformat(), to_text(source.checked_at), body),
        )
        self._connection.execute(
            "DELETE FROM source_labels WHERE tenant = ? AND source = ?", (self._tenant, source.id)
        )
        self._connection.executemany(
            "INSERT INTO source_labels (tenant, source, label) VALUES (?,?,?)",
            [(self._tenant, source.id, label) for label in about.labels],
        )

    def _marks(self, found: Sequence[str]) -> list[str]:
        """The words' hashes under every key that the file may know: in a large tenant the rarest,
        as far as LOOKED_AT goes."""
        keys = self._cipher.mark_keys()
        marks = [hashed(key, self._tenant, word) for word in found for key in keys]
        _, count = self.state()
        if count <= LOOKED_AT:
            return marks
        counts = dict(
            self._connection.execute(
                "SELECT term, doc FROM passage_word_counts"
                " WHERE term IN (SELECT value FROM json_each(?))",
                (json.dumps(marks),),
            ).fetchall()
        )
        chosen: list[str] = []
        looked_at = 0
        for mark in sorted(counts, key=lambda mark: (counts[mark], mark)):
            looked_at += counts[mark]
            if chosen and looked_at > LOOKED_AT:
                break
            chosen.append(mark)
        return chosen

    def _given(self, within: Within) -> dict[str, str | int]:
        return {
            "tenant": self._tenant,
            "day": within.day.isoformat(),
            "labels": json.dumps(sorted(within.labels)),
        }

    def _source(self, name: str, body: str) -> Source:
        opened = self._cipher.open(body, self._tenant, "sources", name)
        return Source.model_validate_json(opened)

    def _passage(self, source: str, name: str, number: int, body: str) -> KnownPassage:
        opened = self._cipher.open(body, self._tenant, "passages", source, name)
        place, text = json.loads(opened)
        return KnownPassage(id=name, source=source, number=number, place=place, text=text)
