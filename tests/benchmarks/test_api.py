"""`python -m benchmarks.api`: a real server, and figures that are all there."""

from __future__ import annotations

import json

import pytest

from benchmarks.api.__main__ import Size, main

SMALL = Size({1: 3, 2: 6}, 1, 60, 5, 5)


def test_it_measures_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """One line of JSON; every cycle was completed, or it would have been aborted."""
    assert main(["--json"], size=SMALL) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["cycles_per_s"]) == {"1", "2"}
    assert all(value > 0 for value in found["cycles_per_s"].values())
    assert found["cycle_p50_ms"] > 0
    assert found["api_inbox_p95_ms"] > 0
    assert found["sse_readers"]["count"] == 5
    assert found["sse_readers"]["worst_s"] > 0
    assert found["others"]["Aegra 0.11.0, no Redis"]["cycles_per_s_at_16"] == 24.6
