"""Events of other systems: signed, or nothing happens; and each starts one run, once."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent_runtime.errors import Conflict, InvalidInput, SignatureRefused
from agent_runtime.settings import Settings
from agent_runtime.signature import WINDOW
from tests.conftest import OpenOffice
from tests.office import OFFLINE, Office
from tests.triggers.sender import (
    MAIL,
    OLDER,
    OTHER,
    SECRET,
    Letter,
    binary,
    cloudevent,
    event,
    send,
    workflow,
)


def runs(office: Office) -> list[str]:
    return [run.id for run in office.runtime.store.read("default").runs.find()]


@pytest.mark.parametrize("letter", [event(), binary()], ids=["structured", "binary"])
async def test_an_event_starts_a_run_of_its_owner(taking: Office, letter: Letter) -> None:
    """In either form of CloudEvents; the owner is whom the trigger declares."""
    run, new = await send(taking, letter)
    assert (new, run.state, run.input["account"]) == (True, "queued", "a1")
    assert (run.trigger.kind, run.trigger.owner) == ("event", MAIL.owner)


async def test_both_forms_of_an_event_are_the_same_event(taking: Office) -> None:
    """Source and id name it, and the second start gives the first run."""
    first, _ = await send(taking, event())
    again, new = await send(taking, binary(id="msg-2"))
    assert (again.id, new) == (first.id, False)


async def test_any_json_is_mapped_by_pointers(taking: Office) -> None:
    """What the mapping does not name is left aside."""
    order = {"id": 7, "accounts": ["a1", "a2"], "total": "1.00"}
    run, _ = await send(taking, Letter({"order": order, "note": "Pay it."}), to="shop")
    assert (run.input["account"], run.input["message"]) == ("a1", "Pay it.")
    again, new = await send(taking, Letter({"order": order, "note": "Pay it."}, "msg-2"), to="shop")
    assert (again.id, new) == (run.id, False)


async def test_json_without_an_id_is_named_by_its_message(taking: Office) -> None:
    """A sender that repeats a message repeats its id."""
    one, again, two = [
        (await send(taking, Letter({"account": "a1"}, name)))[0].id for name in ("m1", "m1", "m2")
    ]
    assert one == again != two


async def test_the_secret_before_the_last_still_counts(taking: Office) -> None:
    """So that both sides need not change it at the same moment."""
    assert (await send(taking, event(secret=OLDER)))[1]


async def test_fifty_at_once_start_one_run(taking: Office) -> None:
    """One of them is new."""
    found = await asyncio.gather(*(send(taking, event(id=f"msg-{n}")) for n in range(50)))
    assert len({run.id for run, _ in found}) == 1
    assert sum(new for _, new in found) == 1


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another secret": ({"secret": OTHER}, "forged"),
    "no signature": ({"headers": {"webhook-signature": ""}}, "forged"),
    "another version": ({"headers": {"webhook-signature": "v2,AAAA"}}, "forged"),
    "no base64": ({"headers": {"webhook-signature": "v1,\u00e4"}}, "forged"),
    "another id": ({"headers": {"webhook-id": "msg-2"}}, "forged"),
    "another time": ({"headers": {"webhook-timestamp": "1774872001"}}, "forged"),
    "no time": ({"headers": {"webhook-timestamp": ""}}, "unsigned"),
    "a time in words": ({"headers": {"webhook-timestamp": "noon"}}, "malformed"),
    "an id with a break": ({"headers": {"webhook-id": "a\nb"}}, "malformed"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_not_signed_is_refused(
    taking: Office, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Nothing changes, and the log tells once which trigger and why, and nothing of the message."""
    options, why = REFUSED[name]
    own = caplog.at_level(logging.INFO, logger="agent_runtime")
    with own, pytest.raises(SignatureRefused) as refused:
        await send(taking, event(**options))
    assert (refused.value.why, runs(taking)) == (why, [])
    (told,) = [record for record in caplog.records if record.getMessage() == "event refused"]
    assert vars(told)["fields"] == {"trigger": "mail", "why": why}


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_stale_one_is_refused(taking: Office, minutes: int) -> None:
    """By the runtime's clock, in either direction."""
    with pytest.raises(SignatureRefused, match="not valid") as refused:
        await send(taking, event(), at=taking.clock.now() + timedelta(minutes=minutes))
    assert refused.value.why == "stale"


async def test_a_changed_body_is_refused(taking: Office) -> None:
    """The signature covers every byte of it."""
    headers = event().signed(taking.clock.now())
    changed = event(cloudevent(data={"account": "a2"})).body
    with pytest.raises(SignatureRefused):
        taking.runtime.reception.admit("mail", headers, changed)


async def test_an_unknown_trigger_is_refused_like_a_forgery(taking: Office) -> None:
    """Names of triggers cannot be guessed."""
    with pytest.raises(SignatureRefused, match="not valid"):
        await send(taking, event(), to="nope")


async def test_a_replay_under_another_name_is_refused(taking: Office) -> None:
    """Headers of a binary event are not signed: its message's id holds them fast."""
    await send(taking, binary())
    with pytest.raises(Conflict, match="another content"):
        await send(taking, binary(ce="x", id="msg-1", source="/elsewhere"))
    assert len(runs(taking)) == 1


async def test_a_replay_after_the_window_is_stale(taking: Office) -> None:
    """Until then it is the same message and gives the same run."""
    first, sent = await send(taking, event()), taking.clock.now()
    assert await send(taking, event(), at=sent) == (first[0], False)
    taking.clock.move(WINDOW + timedelta(seconds=1))
    with pytest.raises(SignatureRefused):
        await send(taking, event(), at=sent)


async def test_an_event_with_another_input_is_refused(taking: Office) -> None:
    """Its id was given before."""
    await send(taking, event())
    with pytest.raises(Conflict, match="another input"):
        await send(taking, event(cloudevent(data={"account": "a2"}), id="msg-2"))


INVALID: dict[str, tuple[Letter, str]] = {
    "no id": (event(cloudevent(id="")), "id"),
    "another version": (event(cloudevent(specversion="0.3")), "specversion"),
    "bytes": (event(cloudevent(data_base64="AAAA")), "data_base64"),
    "a strange attribute": (event(cloudevent(Trace="x")), "attribute"),
    "text as data": (event(cloudevent(data="a1")), "data"),
    "xml": (event(cloudevent(datacontenttype="text/xml")), "datacontenttype"),
    "an unknown field": (event(cloudevent(data={"account": "a1", "nope": 1})), "nope"),
    "no data": (binary(b""), "data"),
    "no JSON": (Letter(b"{"), "body"),
    "a list": (Letter([]), "data"),
}


@pytest.mark.parametrize("name", INVALID)
async def test_an_event_of_no_use_names_the_field(taking: Office, name: str) -> None:
    """And starts nothing; corrected, the same message is taken."""
    letter, field = INVALID[name]
    with pytest.raises(InvalidInput) as refused:
        await send(taking, letter)
    assert (refused.value.field, runs(taking)) == (field, [])
    assert (await send(taking, event(id=letter.id)))[1]


async def test_a_mapped_event_without_its_id_is_refused(taking: Office) -> None:
    """It could not be told from another."""
    with pytest.raises(InvalidInput, match="/order/id"):
        await send(taking, Letter({"order": {"accounts": ["a1"]}}), to="shop")


async def test_a_trigger_starts_runs_of_its_own_tenant(open_office: OpenOffice) -> None:
    """Signed with that tenant's secret, which another's of the same name is not."""
    settings = {**OFFLINE, "secrets": {"acme/mail": SECRET, "default/mail": OTHER}}
    office = await open_office(
        workflow=workflow(replace(MAIL, tenant="acme")), settings=Settings.model_validate(settings)
    )
    run, _ = await send(office, event())
    assert (run.tenant, runs(office)) == ("acme", [])
    with pytest.raises(SignatureRefused):
        await send(office, event(secret=OTHER))
