"""Approvals of a file that an older runtime wrote."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from agent_runtime.clock import ManualClock, to_text
from agent_runtime.inbox import Filter, Order
from agent_runtime.store import Store, database
from agent_runtime.verdict import Operator
from tests.office import NOON

AT = to_text(NOON)
BODY = {
    "id": "apr-1", "tenant": "default", "run_id": "run-1", "workflow": "ledger", "step": "pay_out",
    "visit": 1, "status": "open", "digest": "sha256:d", "action_digest": "sha256:a",
    "contract": "sha256:c", "policy": "ledger", "policy_version": "sha256:p",
    "action": {"tool": "pay", "target_type": "Account", "target_id": "a1", "arguments": {}},
    "facts": {"owner": "mara", "amount": "489.00"},
    "signals": {
        "confidence": "0.95", "confident": True, "unverified_quotes": 0, "contradictions": 0,
        "context_tokens": 10, "context_large": False, "retries": 0, "retried_repeatedly": False,
        "stale_evidence": 0, "asks_for_person": False, "amount_difference": None, "clean": True,
    },
    "rules": ["ask-lead"], "reasons": [], "slots": [{"role": "lead", "count": 1}], "escalate": [],
    "demanded": None, "deadline": AT, "interrupt_id": "i", "replaced_by": None,
    "closed_by": None, "edited_by": None, "created_at": AT, "closed_at": None,
}  # fmt: skip
RUN = (
    "INSERT INTO runs (id, tenant, workflow, version, state, input, documents, trigger, trace,"
    " created_at, updated_at) VALUES ('run-1', 'default', 'ledger', '1', 'paused', '{}', '[]',"
    """ '{"kind": "event", "owner": "luis", "key": null}', '', ?, ?)"""
)
QUESTION = (
    "INSERT INTO approvals (id, tenant, run_id, step, visit, status, digest, action_digest,"
    " deadline, body, created_at)"
    " VALUES ('apr-1', 'default', 'run-1', 'pay_out', 1, 'open', 'sha256:d', 'sha256:a', ?, ?, ?)"
)


def write_older(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file as it was before the inbox, with one open question in it."""
    scripts = database.migrations()
    before = next(n for n, text in enumerate(scripts) if "approvals_inbox" in text)
    with monkeypatch.context() as patched:
        patched.setattr(database, "migrations", lambda: scripts[:before])
        database.prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(RUN, (AT, AT))
        connection.execute(QUESTION, (AT, json.dumps(BODY), AT))
        connection.commit()


def test_an_older_question_is_in_the_inbox_as_a_new_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its amount, who is asked, and who started the run and therefore is not."""
    path = tmp_path / "runtime.db"
    write_older(path, monkeypatch)
    store = Store(path, ManualClock(NOON))
    try:
        session, found = store.read("default"), Filter(mine=True, amount_from=Decimal(489))
        asked = session.approvals.get("apr-1")
        assert (asked.amount, asked.started_by, asked.risk) == (Decimal("489.00"), "luis", "medium")
        for name, ids in (("lena", ["apr-1"]), ("luis", [])):
            who = Operator(name=name, roles=("lead",))
            assert [key.id for key in session.inbox.page(found, Order(), who)] == ids
        assert session.inbox.counts(Filter()).rules == {"ask-lead": 1}
    finally:
        store.close()
