"""Health and figures."""

from __future__ import annotations

import httpx

from tests.api.served import Served


def test_probes_are_answered_for_anybody(server: Served) -> None:
    """Without a token, under whatever name; they tell nothing more than that."""
    with server.client(None) as client:
        for path in ("/livez", "/readyz"):
            answer = client.get(path, headers={"host": "10.0.0.7:8400"})
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_figures_are_prometheus_text(server: Served) -> None:
    """Requests by route and status, runs by state, the queue; no id, no name of a person."""
    run = server.begin("20.00")
    server.as_("lena").get(f"/v1/runs/{run['id']}")
    server.as_("lena").request("PURGE", "/v1/runs")
    answer = server.as_("ada").get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    named = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}
    base = 'agent_runtime_http_requests_total{method="GET",path="/v1/runs/{run_id}",status="200"}'
    assert named[base] >= 1
    assert named['agent_runtime_runs{state="completed"}'] >= 1
    assert named["agent_runtime_http_request_seconds_count"] >= 2
    assert {'agent_runtime_notices{state="due"}', 'agent_runtime_notices{state="dead"}'} <= set(
        named
    )
    assert 'method="other"' in answer.text
    for secret in (run["id"], "lena", "default"):
        assert secret not in answer.text


def test_figures_are_a_tenants_own(server: Served) -> None:
    """Another tenant's administrator sees none of our runs."""
    server.begin("20.00")
    with server.client(server.token("ada", tenant="elsewhere")) as ada:
        text: httpx.Response = ada.get("/metrics")
    assert "agent_runtime_runs{" not in text.text
