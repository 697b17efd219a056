"""The outside system: a bank whose ledger is only added to, in a file beside the database.

What stands in it has happened, whatever became of the process that asked for it. How payouts are
counted follows from the recovery that their tool promises:

- `safe_retry` sets an account to a balance. Repeating that changes nothing, so that all calls
  under one key are one effect.
- `idempotency_key`: the bank itself refuses a key that it knows; each line is an effect.
- `probe` and `manual` pay whenever they are called; each line is an effect.

In every case an account that has more than one effect was paid twice.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from agent_runtime.tool import Recovery
from benchmarks.crash.notes import Notes

FILE = "bank.jsonl"


class Bank:
    """The bank of one data folder, as seen by one process."""

    def __init__(self, folder: Path) -> None:
        self._ledger = Notes(folder / FILE)

    def pay(self, recovery: Recovery, account: str, key: str) -> None:
        """Carry out one call."""
        if recovery != "idempotency_key":
            self._enter(recovery, account, key)
            return
        with self._ledger.held():
            if not self.knows(key):
                self._enter(recovery, account, key)

    def knows(self, key: str) -> bool:
        """Whether a call under this key was carried out."""
        return any(line["key"] == key for line in self._ledger.read("paid"))

    def calls(self) -> int:
        """How many calls were carried out, harmless repetitions among them."""
        return len(self._ledger.read("paid"))

    def effects(self) -> Counter[str]:
        """How many effects each account has seen."""
        lines = self._ledger.read("paid")
        settings = {(ln["account"], ln["key"]) for ln in lines if ln["recovery"] == "safe_retry"}
        paid = [ln["account"] for ln in lines if ln["recovery"] != "safe_retry"]
        return Counter([*paid, *(account for account, _ in settings)])

    def _enter(self, recovery: Recovery, account: str, key: str) -> None:
        self._ledger.add("paid", recovery=recovery, account=account, key=key)
        self._ledger.sync()
