"""What was acknowledged is there, whatever happens to the server."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.api.served import Served, serving


def test_killed_in_the_middle_of_decisions_nothing_is_lost(tmp_path: Path) -> None:
    """What got its 200 is there after the restart, and every run goes on to its end, once."""
    with serving(tmp_path) as server:
        asked = [server.question(server.begin("500.00")) for _ in range(24)]
        acknowledged = decide_until_killed(server, asked)
        server.start()
        assert 0 < len(acknowledged) < len(asked)
        lena = server.as_("lena")
        for name in acknowledged:
            assert lena.get(f"/v1/approvals/{name}").json()["status"] == "approved"
        for one in asked:
            if one["id"] not in acknowledged:
                assert server.decide(one, "luis").status_code in (200, 409)
            server.reached({"id": one["run_id"]}, "completed")
        assert len(server.bank.payouts) == len({key for key, _ in server.bank.payouts}) == 24


def decide_until_killed(server: Served, asked: list[dict[str, str]]) -> set[str]:
    """Answer all at once, and kill the server after the first few; whose answer came back."""
    token, done = server.token("lena"), set[str]()
    lock = threading.Lock()
    process = server.process
    assert process is not None

    def answer(one: dict[str, str]) -> None:
        body = {"kind": "approve", "digest": one["digest"]}
        try:
            with server.client(token) as client:
                said = client.post(f"/v1/approvals/{one['id']}/decide", json=body)
        except httpx.TransportError:
            return
        with lock:
            done.add(one["id"])
            assert said.status_code == 200
            if len(done) == 4:
                os.kill(process.pid, signal.SIGKILL)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(answer, asked))
    server.stop(signal.SIGKILL)
    return done
