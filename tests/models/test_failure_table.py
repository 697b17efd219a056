"""Each row of the failure table, over real HTTP: what was asked how often, and what is recorded."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import perf_counter
from typing import Any

import openai
import pytest
from langchain_core.language_models import FakeListChatModel

from agent_runtime import Reasoning
from agent_runtime.errors import InvalidInput, ModelUnavailable
from agent_runtime.failure import TABLE, Remedy
from agent_runtime.models.client import provider_errors
from agent_runtime.models.model import Model
from agent_runtime.models.retry import Failure, decide
from agent_runtime.settings import Settings
from agent_runtime.testing import ChatReply, fault
from tests.conftest import OpenOffice
from tests.ledger import make_pay, proposal
from tests.models.conftest import QUICK, SPARE, Ask, after, answer, brief_of


@pytest.mark.parametrize(
    ("reply", "kind", "times"),
    [
        (fault.rate_limited(), "rate_limited", 5),
        (fault.server_error(), "server_error", 3),
        (fault.server_error(503), "server_error", 3),
        (fault.server_error(409), "server_error", 3),
        (after(fault.cut_off), "unreachable", 2),
        (after(fault.truncated), "invalid_json", 2),
        (after(fault.talkative), "invalid_json", 2),
    ],
    ids=["429", "500", "503", "409", "cut", "truncated", "prose"],
)
async def test_a_passing_failure_is_tried_again_so_often(
    ask: Ask, reply: Any, kind: str, times: int
) -> None:
    """The last attempt that the table grants succeeds, and every one stands in the records."""
    desk = await ask(*[reply] * times, answer)
    record = await desk.flow()
    assert record.run.state == "completed", record.run.reason
    assert desk.outcomes(record) == [kind] * times + ["answered"]
    assert [call.attempt for call in desk.calls(record)] == list(range(1, times + 2))
    assert len(desk.server.requests) == times + 1


@pytest.mark.parametrize(
    ("reply", "kind", "attempts", "words"),
    [
        (fault.rate_limited(), "rate_limited", 6, "asked less often (429)"),
        (fault.server_error(), "server_error", 4, "failed (500)"),
        (fault.wrong_key(), "unauthorized", 1, "Correct OPENAI_API_KEY"),
        (fault.unknown_model(), "unknown_model", 1, "Correct AGENT_RUNTIME_MODEL"),
        (after(fault.truncated), "invalid_json", 3, "cut off at its longest"),
        (fault.refusing(), "refused", 1, "refused to answer"),
        (fault.filtered(), "filtered", 1, "content filter"),
        (ChatReply(status=400, error="No, Ann!"), "unusable", 1, "not have the request (400)"),
        (fault.out_of_quota(), "unauthorized", 1, "See to the plan of OPENAI_API_KEY"),
    ],
    ids=["429", "500", "401", "404", "truncated", "refusal", "filter", "400", "quota"],
)
async def test_a_lasting_failure_waits_for_a_person(
    ask: Ask, reply: Any, kind: str, attempts: int, words: str
) -> None:
    """What the run says names the failure and what to do about it, in none of the provider's words,
    which may repeat the request; nothing was paid."""
    desk = await ask(*[reply] * attempts)
    record = await desk.flow()
    assert record.run.state == "needs_attention"
    assert words in record.run.reason
    assert (getattr(reply, "error", "") or "?!") not in record.run.reason
    assert desk.outcomes(record) == [kind] * attempts
    assert record.payouts == []


async def test_history_says_what_failed_and_what_followed(ask: Ask) -> None:
    """Kind, attempt and consequence; where in the answer, where there was one."""
    desk = await ask(fault.server_error(), lambda request: answer(request, step="another"), answer)
    told = [body | {"step": "", "visit": 0} for body in (await desk.flow()).bodies("model.failed")]
    common = {"step": "", "visit": 0}
    assert told == [
        {**common, "field": "", "kind": "server_error", "attempt": 1, "then": "wait"},
        {**common, "field": "step", "kind": "wrong_content", "attempt": 2, "then": "hint"},
    ]


async def test_retry_after_is_waited_out(ask: Ask) -> None:
    """The provider's seconds count where they are more than our own."""
    desk = await ask(fault.rate_limited("0.4"), answer)
    began = perf_counter()
    record = await desk.flow()
    assert record.run.state == "completed"
    assert perf_counter() - began >= 0.4


@pytest.mark.parametrize(
    "until",
    ["3600", format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)],
    ids=["seconds", "date"],
)
async def test_a_worker_does_not_sleep_for_an_hour(ask: Ask, until: str) -> None:
    """A Retry-After beyond the row's longest ends the attempts, however it is written."""
    desk = await ask(fault.rate_limited(until))
    record = await desk.flow()
    assert record.run.state == "needs_attention"
    assert desk.outcomes(record) == ["rate_limited"]


def test_waits_double_and_never_shrink_below_half() -> None:
    """From the row's first second to its longest; the rest is jitter."""
    failure = Failure("rate_limited", "")
    waits = [
        [decide(failure, Counter({"rate_limited": n}), TABLE, draw).seconds for n in range(5)]
        for draw in (0.0, 1.0)
    ]
    assert waits == [[0.5, 1.0, 2.0, 4.0, 8.0], [1.0, 2.0, 4.0, 8.0, 16.0]]


async def test_a_hanging_provider_is_asked_twice(ask: Ask) -> None:
    """Once more after the time-out, then a person."""
    desk = await ask(fault.hanging(), fault.hanging(), patience=0.3)
    record = await desk.flow()
    assert record.run.state == "needs_attention"
    assert "AGENT_RUNTIME_MODEL_TIMEOUT" in record.run.reason
    assert desk.outcomes(record) == ["timed_out", "timed_out"]


class Hanging(FakeListChatModel):
    """A client that keeps no time itself."""

    async def _agenerate(self, *_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()


async def test_a_client_that_keeps_no_time_is_timed_out_too(open_office: OpenOffice) -> None:
    """One attempt takes no longer than the settings say, whoever makes it."""
    office = await open_office(
        step={"reasoning": Reasoning(prompt="pay", proposes=[make_pay()], failures=QUICK)},
        model=Model("m", Hanging(responses=["?"])),
        settings=Settings.model_validate({"model_timeout": 0.2, "anchor": None}),
    )
    async with asyncio.timeout(60):
        record = await office.flow()
    calls = office.runtime.store.read("default").calls.find(record.run.id)
    assert [call.outcome for call in calls] == ["timed_out", "timed_out"]


async def test_a_slow_first_byte_is_no_failure(ask: Ask) -> None:
    """As long as it comes in time; how long it took is recorded."""
    desk = await ask(after(lambda reply: fault.slow(reply, 0.2)))
    record = await desk.flow()
    (call,) = desk.calls(record)
    assert (record.run.state, call.outcome) == ("completed", "answered")
    assert call.millis >= 200


async def test_wrong_content_comes_back_as_a_hint(ask: Ask) -> None:
    """The model is shown its answer and what is wrong with it, three attempts in all."""
    desk = await ask(*[lambda request: answer(request, step="another")] * 3)
    record = await desk.flow()
    assert record.run.state == "needs_attention"
    assert desk.outcomes(record) == ["wrong_content"] * 3
    assert [len(request.messages) for request in desk.server.requests] == [2, 4, 6]
    assert "step: is not 'pay_out'" in desk.server.requests[1].messages[-1]["content"]


async def test_no_json_is_asked_again_unchanged(ask: Ask) -> None:
    """There is nothing in it to point at."""
    desk = await ask(after(fault.talkative), answer)
    record = await desk.flow()
    first, second = desk.server.requests
    assert record.run.state == "completed"
    assert first.messages == second.messages


async def test_a_fence_around_the_answer_costs_no_attempt(ask: Ask) -> None:
    """It is packing: the document in it is validated like any other."""
    desk = await ask(after(fault.fenced))
    record = await desk.flow()
    assert (record.run.state, desk.outcomes(record)) == ("completed", ["answered"])


async def test_too_long_is_compacted_once(ask: Ask) -> None:
    """With half of each passage, and not a second time."""
    desk = await ask(fault.too_long(), answer)
    record = await desk.flow(message="A long story. " * 100)
    first, second = (brief_of(request) for request in desk.server.requests)
    assert record.run.state == "completed"
    assert len(second.evidence[0].text) < len(first.evidence[0].text) * 0.6
    assert desk.outcomes(record) == ["too_long", "answered"]


async def test_still_too_long_waits_for_a_person(ask: Ask) -> None:
    """The remedy names what to lower."""
    desk = await ask(fault.too_long(), fault.too_long())
    record = await desk.flow()
    assert record.run.state == "needs_attention"
    assert "token_budget" in record.run.reason


async def test_a_declared_fallback_answers(ask: Ask) -> None:
    """With attempts of its own; the envelope names it and why it was asked."""
    desk = await ask(*[fault.server_error()] * 4, spare=(fault.server_error(), answer))
    record = await desk.flow()
    (envelope,) = [e for e in record.envelopes if e["node"] == "reasoning"]
    assert record.run.state == "completed"
    assert envelope["producer"] == SPARE
    assert envelope["route"]["reason"] == "fell back from default: server_error"
    assert [call.model for call in desk.calls(record)][-2:] == [SPARE, SPARE]


async def test_a_fallback_that_fails_is_the_last(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where it names itself; the run tells of its key, which is a variable of its own."""
    monkeypatch.setenv("SPARE_KEY", "spare-secret")
    spare = {"model": SPARE, "fallback": "spare", "api_key_variable": "SPARE_KEY"}
    asking = {"models": {"spare": spare}, "budgets": {"run": {"calls": 4}}}
    wrong = fault.wrong_key()
    record = await (desk := await ask(wrong, spare=(wrong,), asking=asking)).flow()
    assert "Correct SPARE_KEY" in record.run.reason
    assert [call.model for call in desk.calls(record)] == ["test-model", SPARE]
    assert desk.server.requests[1].headers["authorization"] == "Bearer spare-secret"


@pytest.mark.parametrize("reply", [fault.refusing(), fault.filtered()], ids=["refusal", "filter"])
async def test_a_refusal_is_not_shopped_around(ask: Ask, reply: ChatReply) -> None:
    """What one model refuses goes to a person, whatever other model is declared."""
    desk = await ask(reply, spare=(answer,))
    record = await desk.flow()
    assert record.run.state == "needs_attention"
    assert [call.model for call in desk.calls(record)] == ["test-model"]


async def test_an_optional_step_is_left_out_and_flagged(ask: Ask) -> None:
    """The run goes on; history says that the step was skipped and why."""
    desk = await ask(fault.wrong_key(), optional=True)
    record = await desk.flow()
    (skipped,) = record.bodies("step.skipped")
    assert record.run.state == "completed"
    assert "OPENAI_API_KEY" in skipped["reason"]
    assert record.payouts == []


def test_a_steps_attempts_bound_malformed_answers() -> None:
    """Three unless it says otherwise; what else it declares about them comes first."""
    malformed = {"invalid_json": Remedy("again", 2), "wrong_content": Remedy("hint", 2)}
    assert Reasoning(prompt="pay").table == malformed
    once = Reasoning(prompt="pay", attempts=1, failures={"wrong_content": Remedy("hint", 5)})
    assert once.table == {"invalid_json": Remedy("again", 0), "wrong_content": Remedy("hint", 5)}


async def test_a_step_overrides_a_row(ask: Ask) -> None:
    """What it declares holds; the rest of the table stays."""
    failures = {**QUICK, "server_error": Remedy("wait", 1, first=0.01)}
    desk = await ask(*[fault.server_error()] * 2, failures=failures)
    record = await desk.flow()
    assert desk.outcomes(record) == ["server_error", "server_error"]


async def test_a_provider_without_json_schema_is_asked_plainly(ask: Ask) -> None:
    """Its refusal of the form is found out once, and costs no attempt of the step's."""
    desk = await ask(fault.formless(), answer, answer)
    assert (await desk.flow()).run.state == "completed"
    assert (await desk.flow()).run.state == "completed"
    asked = ["response_format" in request.body for request in desk.server.requests]
    assert asked == [True, False, False]


async def test_missing_usage_is_estimated(ask: Ask) -> None:
    """The row says that its tokens are no provider's figures."""
    desk = await ask(after(fault.without_usage))
    (call,) = desk.calls(await desk.flow())
    assert call.estimated
    assert call.tokens_in > 100
    assert call.tokens_out > 0


async def test_another_models_name_is_recorded(ask: Ask) -> None:
    """Providers answer under a dated name: the envelope keeps ours, the recording has theirs."""
    desk = await ask(after(fault.misnamed))
    record = await desk.flow()
    session = desk.office.runtime.store.read("default")
    (said,) = [r for r in session.recordings.find(record.run.id) if r.kind == "model"]
    assert said.name == "test-model"
    assert said.response["model"] == "another-model"


async def test_a_host_that_cannot_be_reached_is_named(ask: Ask) -> None:
    """With its port, and the setting that names it."""
    desk = await ask()
    desk.server.__exit__(None, None, None)
    record = await desk.flow()
    assert record.run.state == "needs_attention"
    assert "at 127.0.0.1:" in record.run.reason
    assert "OPENAI_BASE_URL" in record.run.reason
    assert desk.outcomes(record) == ["unreachable"] * 3


def test_nothing_of_an_address_but_host_and_port_is_told() -> None:
    """A name and a key may stand in it."""
    guard = provider_errors("m", "https://ann:secret@models.example:8/v1?key=k", "KEY")
    with pytest.raises(ModelUnavailable, match=r"provider at models.example:8 could not"), guard():
        raise openai.OpenAIError


async def test_the_answer_can_come_as_a_tools_arguments(ask: Ask) -> None:
    """Where that is the form, the tool is offered and its call is the answer."""
    from agent_runtime.testing import ChatReply, ToolRequest

    def by_tool(request: Any) -> ChatReply:
        document = proposal(brief_of(request)).model_dump(mode="json", exclude_none=True)
        return ChatReply(tool_calls=(ToolRequest("1", "give_answer", document),))

    desk = await ask(by_tool, asking={"model_output": "tool"})
    record = await desk.flow()
    (request,) = desk.server.requests
    assert record.run.state == "completed", record.run.reason
    assert [tool["function"]["name"] for tool in request.tools] == ["give_answer"]


def test_every_text_that_is_no_json_is_told_apart() -> None:
    """A field called envelope is no reason to take wrong content for no JSON."""
    from agent_runtime.envelope import is_no_json, parse_envelope

    with pytest.raises(InvalidInput) as no_json:
        parse_envelope("I would pay.")
    with pytest.raises(InvalidInput) as wrong:
        parse_envelope('{"step": 1}')
    assert is_no_json(no_json.value)
    assert not is_no_json(wrong.value)
