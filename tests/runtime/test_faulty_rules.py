"""A fault in an author's rule leaves its run where a person finds it, with the place to correct."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
from pydantic import BaseModel, field_validator

from agent_runtime import Reasoning
from agent_runtime.action import ProposedAction
from agent_runtime.brief import Brief
from agent_runtime.envelope import Envelope
from tests.conftest import OpenOffice
from tests.ledger import make_pay


class Iban(BaseModel):
    number: str

    @field_validator("number")
    @classmethod
    def _starts_with_a_country(cls, number: str) -> str:
        raise ValueError(f"{number} has no country")


def divides(brief: Brief) -> Envelope:
    raise ZeroDivisionError("secret-4711")


def says_nothing(brief: Brief) -> Envelope:
    return cast("Envelope", None)


def states_a_text(brief: Brief) -> Envelope:
    amount = cast("Any", "secret-4711")
    ProposedAction(type="pay", target_id="a1", stated_amount=amount)
    return says_nothing(brief)


def has_a_validator(brief: Brief) -> Envelope:
    Iban(number="secret-4711")
    return says_nothing(brief)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (divides, r"ZeroDivisionError in \S+test_faulty_rules.py:\d+"),
        (says_nothing, r".*of rule:says_nothing is no Envelope \(got 'NoneType'\).*"),
        (
            states_a_text,
            r"ValidationError in \S+:\d+, ProposedAction.stated_amount: Input should be an"
            r" instance of Decimal",
        ),
        (has_a_validator, r"ValidationError in \S+:\d+, Iban.number"),
    ],
)
async def test_a_fault_is_named_and_nothing_of_its_text_is_told(
    open_office: OpenOffice, rule: Any, reason: str
) -> None:
    """The text of an error may hold what only the run may see."""
    run = (await (await open_office(rule)).flow()).run
    assert run.state == "needs_attention"
    assert re.fullmatch(reason, run.reason)
    assert "4711" not in run.reason


async def test_an_offline_rule_that_says_nothing_is_named(open_office: OpenOffice) -> None:
    """It stands where a model would."""
    reasoning = Reasoning(prompt="pay", proposes=[make_pay()], offline=says_nothing)
    run = (await (await open_office(step={"reasoning": reasoning})).flow()).run
    assert run.state == "needs_attention"
    assert "The offline says_nothing returned NoneType." in run.reason
