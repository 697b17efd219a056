"""A disk that forgets: what it may hold when the power fails, given all that was asked of it.

A write reaches it at any time up to the end of a sync that began after the write: whole, torn, out
of order, or not at all. The name of a file is as durable as its folder's last sync, and names
reach it in order. This is less than any journaling file system promises.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.powerloss.trace import Record

SECTOR = 512
"""Bytes that reach the disk together or not at all."""

Loss = Literal["none", "last", "torn", "scattered"]
"""What of the unsynced writes is lost: none of them; the last ones; half of the last one, too;
any of them, and sectors of any."""


class Inode:
    """A file's content, whatever its name."""

    def __init__(self) -> None:
        self.content = bytearray()


@dataclass(frozen=True)
class Change:
    """Something asked of the disk: bytes at an offset, a new size, or (`named`) what a name
    stands for from now on."""

    inode: Inode | None
    offset: int = 0
    data: bytes | None = None
    named: str | None = None


@dataclass
class Disk:
    """One folder's disk: what is on it for good, and what was asked since."""

    folder: str
    names: dict[str, Inode | None] = field(default_factory=dict)
    present: dict[str, Inode | None] = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)
    _begun: dict[tuple[str, int], list[Change]] = field(default_factory=dict)

    def apply(self, record: Record) -> None:
        """Let one call happen."""
        match record.kind:
            case "W":
                self._ask(Change(self._open(record.name), record.offset, record.data))
            case "T":
                self._ask(Change(self._open(record.name), record.offset))
            case "U":
                self._name(record.name, None)
            case "B":
                self._begun[record.name, record.offset] = self._covered(record.name)
            case "S":
                self._reach(self._begun.pop((record.name, record.offset)))
            case _:
                raise ValueError(f"{record.kind} of {record.name} is nothing a database asks")

    def after(self, loss: Loss, rng: random.Random) -> dict[str, bytes]:
        """The files that the disk holds after a power failure now."""
        contents = {inode: bytearray(inode.content) for inode in self._inodes()}
        names = dict(self.names)
        for change in _kept(self.pending, loss, rng):
            if change.named is not None:
                names[change.named] = change.inode
            elif change.inode is not None:
                _put(contents[change.inode], change)
        return {name: bytes(contents[inode]) for name, inode in names.items() if inode is not None}

    def _open(self, name: str) -> Inode:
        found = self.present.get(name)
        if found is None:
            found = Inode()
            self._name(name, found)
        return found

    def _name(self, name: str, inode: Inode | None) -> None:
        self.present[name] = inode
        self._ask(Change(inode, named=name))

    def _ask(self, change: Change) -> None:
        self.pending.append(change)

    def _covered(self, name: str) -> list[Change]:
        if name == self.folder:
            return [change for change in self.pending if change.named is not None]
        inode = self.present.get(name)
        return [c for c in self.pending if c.named is None and c.inode is inode]

    def _reach(self, changes: Sequence[Change]) -> None:
        reached = {id(change) for change in changes}
        for change in self.pending:
            if id(change) not in reached:
                continue  # another thread's sync has covered it, or it came later
            if change.named is not None:
                self.names[change.named] = change.inode
            elif change.inode is not None:
                _put(change.inode.content, change)
        self.pending = [change for change in self.pending if id(change) not in reached]

    def _inodes(self) -> set[Inode]:
        named = [*self.names.values(), *(change.inode for change in self.pending)]
        return {inode for inode in named if inode is not None}


def _put(content: bytearray, change: Change) -> None:
    if change.data is None:
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data


def _kept(pending: Sequence[Change], loss: Loss, rng: random.Random) -> Iterator[Change]:
    """The changes that reach the disk; of some only a part."""
    match loss:
        case "none":
            yield from pending
        case "last":
            yield from pending[: rng.randrange(len(pending) + 1)]
        case "torn":
            cut = rng.randrange(len(pending)) if pending else 0
            yield from pending[:cut]
            yield from _torn(pending[cut : cut + 1], rng)
        case "scattered":
            yield from _scattered(pending, rng)


def _torn(changes: Sequence[Change], rng: random.Random) -> Iterator[Change]:
    for change in changes:
        if change.data:
            yield Change(
                change.inode, change.offset, change.data[: rng.randrange(len(change.data))]
            )


def _scattered(pending: Sequence[Change], rng: random.Random) -> Iterator[Change]:
    share = rng.choice([0.1, 0.5, 0.9])
    names_end = rng.randrange(len(pending) + 1)
    for position, change in enumerate(pending):
        if change.named is not None:
            if position < names_end:
                yield change
        elif change.data is None:
            if rng.random() < share:
                yield change
        else:
            yield from _sectors(change, change.data, share, rng)


def _sectors(change: Change, data: bytes, share: float, rng: random.Random) -> Iterator[Change]:
    """The parts of one write that reached the disk, sector by sector of the file."""
    if rng.random() < 0.5:  # most writes are lost or kept as a whole
        if rng.random() < share:
            yield change
        return
    at = change.offset
    end = at + len(data)
    while at < end:
        until = min(end, (at // SECTOR + 1) * SECTOR)
        if rng.random() < share:
            yield Change(change.inode, at, data[at - change.offset : until - change.offset])
        at = until
