"""Of two verdicts the stricter holds."""

from __future__ import annotations

import pytest

from agent_runtime.policy import tightened
from agent_runtime.verdict import Slot, Verdict, deny


def asked(*slots: tuple[str, int], rule: str = "r") -> Verdict:
    """A verdict that demands these slots."""
    demanded = tuple(Slot(role=role, count=count) for role, count in slots)
    return Verdict(kind="needs_approval", rules=(rule,), slots=demanded, deadline=60)


ALLOW = Verdict(kind="allow", rules=("a",))
DENY = deny("runtime:no-rule", "none")


@pytest.mark.parametrize(
    ("earlier", "now", "result"),
    [
        (ALLOW, DENY, DENY),
        (DENY, ALLOW, DENY),
        (ALLOW, asked(("lead", 1)), asked(("lead", 1))),
        (asked(("lead", 1)), ALLOW, asked(("lead", 1))),
        (asked(("lead", 1)), DENY, DENY),
        (asked(("lead", 1)), asked(("lead", 1), rule="s"), asked(("lead", 1))),
        (asked(("lead", 2)), asked(("lead", 1), rule="s"), asked(("lead", 2))),
        (asked(("lead", 1)), asked(("lead", 2), rule="s"), asked(("lead", 2), rule="s")),
        (
            asked(("finance", 2)),
            asked(("lead", 1), rule="s"),
            asked(("finance", 2), ("lead", 1), rule="s"),
        ),
    ],
)
def test_tightened(earlier: Verdict, now: Verdict, result: Verdict) -> None:
    """The stricter verdict holds, and what was demanded once stays demanded."""
    assert tightened(earlier, now) == result
