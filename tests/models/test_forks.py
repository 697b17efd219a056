"""Forks that ask with another prompt, or another model."""

from __future__ import annotations

import pytest

from agent_runtime.errors import InvalidInput
from agent_runtime.replay.edits import read_edits
from agent_runtime.replay.fork import fork
from agent_runtime.run import Run
from tests.models.conftest import MODEL, SPARE, Ask, Desk, after, answer
from tests.replay.conftest import again


async def forked(desk: Desk, run: Run, **edits: str) -> Run:
    office = desk.office
    named = read_edits({name.replace("__", "."): text for name, text in edits.items()})
    made = await fork(office.runtime, run.id, "pay_out", named, office.person("luis"))
    return await office.drive(made)


async def test_a_forks_prompt_is_what_its_model_is_asked_with(ask: Ask) -> None:
    """Its origin's stays; the replay asks with it too."""
    desk = await ask(answer, answer)
    record = await desk.flow()
    made = await forked(desk, record.run, prompt__pay="Look at it twice.")
    asked = [str(request.messages[0]["content"]) for request in desk.server.requests]
    assert ["Look at it twice." in text for text in asked] == [False, True]
    assert made.origin is not None
    assert (made.state, made.origin.edits) == ("completed", ("prompt.pay",))
    assert (await again(desk.office, made)).result == "identical"


async def test_a_forks_model_is_asked_in_place_of_any_other(ask: Ask) -> None:
    """No tier and no escalation leads away from it, and the envelope says why."""
    wrong = after(lambda reply: type(reply)("no JSON"))
    tiers = {"tiers": {"heavy": "default"}, "model_fallback": None}
    desk = await ask(
        answer, spare=(wrong, answer), asking=tiers | {"models": {"s": {"model": SPARE}}}
    )
    record = await desk.flow()
    made = await forked(desk, record.run, model="s")
    assert [request.model for request in desk.server.requests] == [MODEL, SPARE, SPARE]
    (envelope,) = [e for e in desk.office.record(made).envelopes if e["node"] == "reasoning"]
    assert (envelope["producer"], envelope["route"]["reason"]) == (SPARE, "the fork asks it")


@pytest.mark.parametrize(
    ("edits", "problem"),
    [
        ({"prompt__nobodys": "x"}, "is no step's prompt; there are: pay"),
        ({"prompt__pay": "{{ input.nothing }}"}, "is not among its inputs"),
        ({"model": "unheard-of"}, "is not set up here; there are: default"),
        ({"policy__ledger": "forbid (principal, action, resource);"}, "is not in force"),
    ],
)
async def test_what_cannot_be_used_is_refused(
    ask: Ask, edits: dict[str, str], problem: str
) -> None:
    """And no fork really acts by a policy that nobody has activated."""
    desk = await ask(answer)
    record = await desk.flow()
    with pytest.raises(InvalidInput, match=problem):
        await forked(desk, record.run, **edits)
    assert len(desk.server.requests) == 1
