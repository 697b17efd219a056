"""Policy: one language decides what runs unattended, who is asked, and whose yes counts."""

from agent_runtime.policy.check import Report, check_policies
from agent_runtime.policy.engine import PolicySet, load_policy, tightened
from agent_runtime.policy.schema import left_out
from agent_runtime.policy.table import run_table, signals_of

__all__ = [
    "PolicySet",
    "Report",
    "check_policies",
    "left_out",
    "load_policy",
    "run_table",
    "signals_of",
    "tightened",
]
