"""How it is told how well refunds are decided."""

from __future__ import annotations

from agent_runtime import Alert, LabelKind, OutcomeKind, Quality

GUIDELINES = """Would you have decided the same, from what the step was shown?
Yes: the same proposal, or the same refusal. No: another one.
Cannot tell: what is shown does not suffice. Whether the money arrived is another question."""

quality = Quality(
    outcomes=[OutcomeKind("refund_reversed", good=False), OutcomeKind("customer_satisfied")],
    labels=[LabelKind("same_decision", ["yes", "no", "cannot_tell"], GUIDELINES)],
    alerts=[Alert("many_rejects", watches="reject", above=0.3)],
)
