"""Durable truth in one SQLite file: runs, approvals, journal, events, recordings, checkpoints.

A `Session` is one tenant's view on one connection: every query in it is scoped by the tenant.
Writes are functions over a session, committed by the one writer; reads have their own connection.
"""

from __future__ import annotations

from agent_runtime.store.file import Store
from agent_runtime.store.journal import Authorization, EntryState, JournalEntry
from agent_runtime.store.lane import Lane
from agent_runtime.store.recordings import Content, Recording, Stored
from agent_runtime.store.session import Across, Session

__all__ = [
    "Across",
    "Authorization",
    "Content",
    "EntryState",
    "JournalEntry",
    "Lane",
    "Recording",
    "Session",
    "Store",
    "Stored",
]
