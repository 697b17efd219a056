"""Rules as sentences: what Cedar says, for people who read none."""

from __future__ import annotations

import pytest

from agent_runtime.policy.engine import PolicySet
from agent_runtime.policy.rule import read_rules
from agent_runtime.policy.sentence import sentence, source_of
from tests.ledger import POLICY, make_pay

SAID = {
    "small-unattended": "“pay” may run unattended, when the amount on record is at most 100.00"
    " and the signal “clean” holds.",
    "ask-lead": "“pay” needs a yes from 1 of “lead”, when the amount on record is at most 1000.00.",
    "lead-may-approve": "Whoever is “lead” may approve “pay”, when the amount on record is at most"
    " 1000.00.",
    "held-account": "“pay” must not run unattended, be put before people or be approved,"
    " when the status on record is “held”.",
    "base-not-confident": "No action may run unattended, unless the signal “confident” holds.",
}


@pytest.fixture(scope="module")
def policy() -> PolicySet:
    return PolicySet.load("ledger", {"ledger.cedar": POLICY}, [make_pay()])


@pytest.mark.parametrize("name", SAID)
def test_a_rule_is_a_sentence(policy: PolicySet, name: str) -> None:
    """Who may do what under which condition, in words."""
    assert sentence(policy.rules[name]) == SAID[name]


def test_alternatives_are_kept_together() -> None:
    """An “or” within an “and” is not read the other way."""
    text = """@id("x") forbid (principal, action == Action::"execute:pay", resource)
    when { (context.facts.amount < 1 || context.facts.amount > 9) && !context.signals.clean };"""
    said = sentence(read_rules({"x": text})["x"])
    assert (
        "when (the amount on record is below 1 or the amount on record is above 9) and it" in said
    )
    assert said.endswith("it is not so that the signal “clean” holds.")


def test_what_has_no_words_is_left_to_the_source() -> None:
    """A rule that cannot be told is told so; nothing is invented."""
    text = """@id("x") forbid (principal, action == Action::"execute:pay", resource)
    when { (if context.facts.open then 1 else 2) == 2 };"""
    assert "what its source says" in sentence(read_rules({"x": text})["x"])


def test_a_source_ends_where_its_rule_does() -> None:
    """The comment above belongs to it; a semicolon in a string or a comment does not end it."""
    text = """@id("before") forbid (principal, action, resource);

// Why; and since when.
@id("x") forbid (principal, action, resource)
when { context.facts.status == "a;b" // not; here
};
@id("after") forbid (principal, action, resource);"""
    rules = read_rules({"f": text})
    source = source_of(rules["x"], {"f": text})
    assert source.startswith("// Why; and since when.\n@id")
    assert source.endswith("not; here\n};")
    assert source_of(rules["x"], {}) == ""
