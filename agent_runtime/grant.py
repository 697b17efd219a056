"""Grants: the capability to run one write call once. The journal issues them, in the transaction
that consumes an authorization; nobody else can make one."""

from __future__ import annotations

from typing import Any

from agent_runtime.errors import Ungated


class _Sealed(type):
    """Lets only this package's journal make instances, by way of `_issue`."""

    def __call__(cls, *_args: Any, **_kwargs: Any) -> Any:
        raise Ungated(f"{cls.__name__} cannot be constructed; the journal issues it.")


class Grant(metaclass=_Sealed):
    """The right to run one write call once: issued with the journal intent, spent by the call."""

    action_digest: str
    key: str
    _spent: bool

    @classmethod
    def _issue(cls, action_digest: str, key: str) -> Grant:
        grant = object.__new__(cls)
        grant.action_digest, grant.key, grant._spent = action_digest, key, False
        return grant

    def spend(self, tool: str, key: str, action: str) -> None:
        """Use the grant up; raises Ungated for another key or action digest, or a second time."""
        if self._spent or (key, action) != (self.key, self.action_digest):
            raise Ungated(f"The grant for {tool} is spent or is for another call.")
        self._spent = True
