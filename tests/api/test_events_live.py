"""Events over HTTP: in pages, and live without a gap or a duplicate."""

from __future__ import annotations

import signal
import threading
from itertools import islice
from pathlib import Path

import httpx

from agent_runtime.api.events import RECHECK
from tests.api.live import listening
from tests.api.served import Served, is_problem, serving


def head(server: Served) -> int:
    """The number of the last event, once no run of an earlier test adds any."""
    server.paid()
    events = server.read()["events"]
    return int(events[-1].number) if events else 0


def test_what_is_stored_is_told(server: Served) -> None:
    """Each event once, in order, with its number as id."""
    lena, before = server.as_("lena"), head(server)
    with listening(lena) as told:
        run = server.begin("500.00")
        found = [next(told)]
        while found[-1].type != "run.paused":
            found.append(next(told))
    numbers = [event.id for event in found]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] > before
    assert {event.data["run_id"] for event in found} <= {run["id"], None}


def test_a_reader_that_comes_back_misses_nothing(server: Served) -> None:
    """It reconnects after each few events, with the last id that it saw."""
    lena, start = server.as_("lena"), head(server)
    runs = [server.begin("20.00") for _ in range(3)]
    end, last, seen = head(server), start, []
    while last < end:
        with listening(lena, last=last) as told:
            for event in islice(told, min(7, end - last)):
                seen.append(event.id)
                last = event.id
    assert seen == list(range(start + 1, end + 1))
    assert len(runs) == 3


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    """Killed in the middle: the reader goes on with the new process where it stood."""
    with serving(tmp_path) as server:
        first = server.begin("20.00")
        with listening(server.as_("lena"), after=0) as told:
            seen = [event.id for event in islice(told, 5)]
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        server.start()
        second = server.begin("20.00")
        end = head(server)
        with listening(server.as_("lena"), last=seen[-1]) as told:
            rest = list(islice(told, end - seen[-1]))
    assert [*seen, *(event.id for event in rest)] == list(range(1, end + 1))
    assert {first["id"], second["id"]} <= {event.data["run_id"] for event in rest}


def test_a_stop_ends_streams_and_the_worker(tmp_path: Path) -> None:
    """Gently: the stream is finished, not cut, and the exit code is 0."""
    with serving(tmp_path) as server:
        with listening(server.as_("lena")) as told:
            stopping = threading.Timer(0.3, server.stop)
            stopping.start()
            rest = list(told)
        stopping.join()
        assert [event.type for event in rest] == []
        assert server.process is not None
        assert server.process.returncode == 0


def test_filters_apply_to_pages_and_streams(server: Served) -> None:
    """By run and by type; what is left out is not counted as missed."""
    run, query = server.begin("20.00"), {"type": ["run.queued", "run.ended"]}
    server.begin("20.00")
    lena = server.as_("lena")
    page = lena.get("/v1/events", params={**query, "run": run["id"]}).json()
    assert [event["type"] for event in page["items"]] == ["run.queued", "run.ended"]
    with listening(lena, after=0, run=run["id"], **query) as told:
        assert [next(told).type, next(told).type] == ["run.queued", "run.ended"]


def test_pages_of_events_hold_each_once(server: Served) -> None:
    """To the end, whatever the page's size."""
    server.begin("500.00")
    lena, seen, after = server.as_("lena"), [], 0
    while after is not None:
        page = lena.get("/v1/events", params={"after": after, "limit": 7}).json()
        seen += [event["number"] for event in page["items"]]
        after = page["next"]
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= head(server) - 1


def test_who_missed_too_much_is_told_to_start_over(server: Served) -> None:
    """A number that is not there yet, as after a restored backup: `reset`, and on from the end."""
    head(server)
    with listening(server.as_("lena"), last=10**9) as told:
        reset = next(told)
        assert (reset.type, reset.data) == ("reset", {"head": reset.id})
        run = server.begin("20.00")
        assert next(told).data["run_id"] in (run["id"], None)


def test_another_tenant_hears_nothing_of_ours(server: Served) -> None:
    """Nor is it told how much there was."""
    with listening(server.as_("lena", "quiet"), after=0) as told:
        server.begin("20.00")
        with server.client(server.token("ada", tenant="quiet")) as ada:
            ada.post("/v1/tokens", json={"operator": "x"})
        found = list(islice(told, 3))
    assert {event.data["tenant"] for event in found} == {"quiet"}
    assert [event.id for event in found] == [1, 2, 3]


def test_a_revoked_token_hears_no_more(server: Served) -> None:
    """Its stream ends with the next event, which it is not told."""
    made = server.as_("ada").post("/v1/tokens", json={"operator": "tom", "roles": ["lead"]}).json()
    with server.client(made["secret"]) as tom, listening(tom) as told:
        threading.Event().wait(RECHECK)
        server.as_("ada").post(f"/v1/tokens/{made['token']['id']}/revoke")
        assert list(told) == []


def test_a_last_event_id_is_a_number(server: Served) -> None:
    """Anything else is refused, not taken for the beginning."""
    for wrong in ("x", "-1", "²"):
        answer = _get(server.as_("lena"), wrong)
        is_problem(answer, 422, "invalid_input", "Last-Event-ID")


def _get(client: httpx.Client, last: str) -> httpx.Response:
    return client.get("/v1/events/stream", headers=[(b"last-event-id", last.encode())])
