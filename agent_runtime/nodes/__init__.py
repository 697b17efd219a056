"""The four nodes of a step: context, reasoning, gate and action."""
