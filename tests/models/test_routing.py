"""Which model answers, what it is told of, and when a dearer one is asked instead."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from langchain_core.messages import HumanMessage

from agent_runtime.errors import ModelUnavailable, SettingsError
from agent_runtime.models.client import connect
from agent_runtime.models.embed import connect_embedder
from agent_runtime.models.exchange import asked, request_name
from agent_runtime.models.lineup import line_up
from agent_runtime.models.route import Choice, escalate
from agent_runtime.settings import ModelSettings, ModelSpec, Settings
from agent_runtime.testing import ChatReply, ChatServer, Script, fault
from tests.ledger import make_pay
from tests.models.conftest import Ask, after, answer

HEAVY = {"models": {"big": {"model": "spare-model"}}, "tiers": {"heavy": "big"}}


def produced(record: Any) -> list[tuple[str, str]]:
    found = [e for e in record.envelopes if e["node"] == "reasoning"]
    return [(e["producer"], e["route"]["reason"]) for e in found]


async def test_a_step_starts_on_its_tier(ask: Ask) -> None:
    """The envelope says so, and by which prompt it was asked."""
    desk = await ask(answer)
    record = await desk.flow()
    (envelope,) = [e for e in record.envelopes if e["node"] == "reasoning"]
    assert envelope["route"] == {"tier": "standard", "reason": "the step's tier is standard"}
    assert envelope["prompt"].startswith("pay@0 sha256:")


async def test_a_prompts_own_tier_comes_before_its_steps(ask: Ask) -> None:
    """Its front matter knows how hard the task is that it sets."""
    desk = await ask(spare=(answer,), asking={**HEAVY, "model_fallback": None})
    desk.office.runtime.app.prompts["ledger"]["pay"] = "---\nid: pay\ntier: heavy\n---\nPay."
    assert produced(await desk.flow()) == [("spare-model", "the step's tier is heavy")]


async def test_a_persona_speaks_apart_from_the_task(ask: Ask) -> None:
    """Between the rails, which are the runtime's, and what is to be done."""
    desk = await ask(answer)
    desk.office.runtime.app.prompts["ledger"] |= {"persona": "You are Ida.", "pay": "Pay it."}
    await desk.flow()
    parts = desk.server.requests[0].messages[0]["content"].split("\n\n")
    assert [part.strip() for part in parts[1:3]] == ["You are Ida.", "Pay it."]
    assert "You never act" in parts[0]


async def test_an_answer_of_no_use_escalates(ask: Ask) -> None:
    """The next attempt is the heavy model's, with the conversation so far."""
    wrong = [lambda request: answer(request, step="another")]
    desk = await ask(*wrong, spare=(answer,), asking={**HEAVY, "model_fallback": None})
    record = await desk.flow()
    reason = "escalated from standard: its answer could not be used"
    assert produced(record) == [("spare-model", reason)]


def test_only_another_model_of_a_dearer_tier_is_turned_to() -> None:
    """Neither back to the step's own tier, nor to the model that has just answered."""
    now = Choice("standard", "spare", "it fell back")
    assert escalate(now, "doubt", {"standard": "own"}) is None
    assert escalate(now, "doubt", {"heavy": "spare"}) is None
    dearer = Choice("heavy", "big", "escalated from standard: doubt")
    assert escalate(now, "doubt", {"heavy": "big"}) == dearer


async def test_an_answer_that_is_no_json_escalates_too(ask: Ask) -> None:
    """Asked the same again, and not by the same model."""
    talking = after(fault.talkative)
    desk = await ask(talking, spare=(answer,), asking={**HEAVY, "model_fallback": None})
    reason = "escalated from standard: its answer was no JSON"
    assert produced(await desk.flow()) == [("spare-model", reason)]


async def test_low_confidence_escalates_once(ask: Ask) -> None:
    """The heavy model's word counts, whatever its confidence."""
    doubtful = [lambda request: answer(request, confidence=0.4)]
    desk = await ask(*doubtful, spare=tuple(doubtful), asking={**HEAVY, "model_fallback": None})
    record = await desk.flow()
    assert produced(record) == [("spare-model", "escalated from standard: low confidence (0.40)")]
    assert [call.tier for call in desk.calls(record)] == ["standard", "heavy"]


async def test_without_a_dearer_model_doubt_stays_doubt(ask: Ask) -> None:
    """It goes on to the gate as it is."""
    desk = await ask(lambda request: answer(request, confidence=0.4))
    record = await desk.flow()
    assert produced(record) == [("test-model", "the step's tier is standard")]


async def test_a_deterministic_step_is_answered_once(ask: Ask) -> None:
    """The same request again costs nothing; the row says that nobody was asked."""
    desk = await ask(answer, deterministic=True)
    first, second = await desk.flow(), await desk.flow()
    assert (first.run.state, second.run.state) == ("completed", "completed")
    assert desk.outcomes(second) == ["cached"]
    assert len(desk.server.requests) == 1
    assert desk.server.requests[0].body["temperature"] == 0.0


async def test_a_kept_answer_never_crosses_tenants(ask: Ask) -> None:
    """The other tenant's same request is asked anew."""
    desk = await ask(answer, answer, deterministic=True)
    await desk.flow()
    desk.office.tenant = "other"
    assert (await desk.flow()).run.state == "completed"
    assert len(desk.server.requests) == 2


async def test_a_kept_answer_is_for_one_prompt_only(ask: Ask) -> None:
    """Another input is another request; so is another prompt, whose text is in it."""
    desk = await ask(answer, answer, deterministic=True)
    await desk.flow()
    await desk.flow(message="Please pay me out now.")
    assert len(desk.server.requests) == 2


async def test_a_kept_answer_is_not_another_prompts(ask: Ask) -> None:
    """A prompt that was corrected is asked anew, of the same customer about the same."""
    desk = await ask(answer, answer, deterministic=True)
    await desk.flow()
    desk.office.runtime.app.prompts["ledger"]["pay"] = "Decide on the payout with care."
    assert desk.outcomes(await desk.flow()) == ["answered"]


async def test_a_kept_answer_expires(ask: Ask) -> None:
    """After the time that the settings say."""
    desk = await ask(answer, answer, deterministic=True, asking={"model_cache": 60})
    await desk.flow()
    desk.office.clock.move(timedelta(seconds=61))
    assert desk.outcomes(await desk.flow()) == ["answered"]


async def test_a_step_that_is_not_deterministic_is_asked_each_time(ask: Ask) -> None:
    """Drafts are never warmed up."""
    desk = await ask(answer, answer)
    (call,) = desk.calls(await desk.flow())
    assert desk.office.runtime.store.read("default").calls.kept(call.request) is None
    assert desk.outcomes(await desk.flow()) == ["answered"]


def test_every_part_of_a_request_is_in_its_name() -> None:
    """An answer is kept for the whole of it."""
    told, pay = [HumanMessage("Pay.")], make_pay()
    requests = [
        asked("m", told, [], {"temperature": 0.0}),
        asked("other", told, [], {"temperature": 0.0}),
        asked("m", [HumanMessage("Pay!")], [], {"temperature": 0.0}),
        asked("m", told, [pay], {"temperature": 0.0}),
        asked("m", told, [], {"temperature": None}),
    ]
    assert len({request_name(request) for request in requests}) == len(requests)


@pytest.mark.parametrize(
    "asking",
    [
        {"tiers": {"heavy": "nobody"}},
        {"model_fallback": "nobody"},
        {"models": {"a": {"model": "m", "fallback": "nobody"}}},
    ],
)
def test_a_name_of_no_model_is_refused_at_the_start(asking: dict[str, Any]) -> None:
    """With the setting and the names that there are."""
    settings = Settings.model_validate({"OPENAI_API_KEY": "k"})
    with pytest.raises(SettingsError, match="'nobody', and there is no such model"):
        line_up(settings, ModelSettings.model_validate(asking))


def test_any_chat_model_can_be_named() -> None:
    """By its import string, with its options; what is none is refused by name."""
    settings, asking = Settings.model_validate({"OPENAI_API_KEY": None}), ModelSettings()
    provider = "langchain_core.language_models:FakeListChatModel"
    options = {"responses": ["hello"]}
    made = connect(ModelSpec(model="f", provider=provider, options=options), settings, asking)
    assert made.producer == "f"
    with pytest.raises(SettingsError, match="'nowhere:Model' cannot be used"):
        connect(ModelSpec(model="f", provider="nowhere:Model"), settings, asking)


def test_options_of_a_model_hold_and_wrong_ones_are_named() -> None:
    """Beside our own; but attempts are counted by us, whatever they say."""
    settings, asking = Settings.model_validate({"OPENAI_API_KEY": "k"}), ModelSettings()
    options = {"timeout": 7, "max_retries": 9}
    chat: Any = connect(ModelSpec(model="m", options=options), settings, asking).chat
    assert (chat.request_timeout, chat.max_retries) == (7, 0)
    with pytest.raises(SettingsError, match="'m' cannot be made with its options: temperature"):
        connect(ModelSpec(model="m", options={"temperature": "hot"}), settings, asking)


@pytest.fixture
def embedding() -> Any:
    def build(server: ChatServer, http: httpx.AsyncClient, batch: int = 2) -> Any:
        settings = Settings.model_validate(
            {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "k"}
        )
        asking = ModelSettings.model_validate({"embedding_batch": batch})
        return connect_embedder(settings, asking, http_client=http)

    return build


async def test_embeddings_come_in_batches_and_in_order(embedding: Any) -> None:
    """Five texts in three requests."""
    async with httpx.AsyncClient() as http:
        with ChatServer(lambda _: ChatReply("")) as server:
            found = await embedding(server, http).embed(
                ["a", "bb", "ccc", "dddd", "eeeee"], "default"
            )
            assert sorted(server.embedded) == [1, 2, 2]
    assert [vector[0] for vector in found] == [1, 2, 3, 4, 5]


async def test_embeddings_follow_the_table_too(embedding: Any) -> None:
    """A key that is refused is told at once."""
    async with httpx.AsyncClient() as http:
        with ChatServer(Script({}), refuses=fault.wrong_key()) as server:
            with pytest.raises(ModelUnavailable, match="Correct OPENAI_API_KEY"):
                await embedding(server, http).embed(["a"], "default")
            assert server.embedded == [1]


def test_without_a_provider_there_are_no_embeddings() -> None:
    """None, so that who wants some can do without."""
    assert connect_embedder(Settings.model_validate({"OPENAI_API_KEY": None})) is None


async def test_a_slow_answer_is_not_asked_for_twice(ask: Ask) -> None:
    """The client itself retries nothing: one place counts."""
    desk = await ask(fault.server_error(), after(lambda reply: reply))
    await desk.flow()
    counts = [request.headers.get("x-stainless-retry-count") for request in desk.server.requests]
    assert counts == ["0", "0"]


async def test_the_newer_api_answers_alike(ask: Ask) -> None:
    """`responses` instead of chat completions: tokens, recording and envelope are the same."""
    desk = await ask(answer, asking={"model_api": "responses"})
    record = await desk.flow()
    (call,) = desk.calls(record)
    assert record.run.state == "completed", record.run.reason
    assert (call.tokens_in, call.tokens_out) == (100, 20)
    assert "input" in desk.server.requests[0].body
    assert desk.server.requests[0].body["text"]["format"]["type"] == "json_schema"
