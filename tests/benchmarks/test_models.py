"""The benchmark of the layer around a model runs, and says what it measured."""

from __future__ import annotations

import json

import pytest

from benchmarks.models.__main__ import main


def test_it_tells_both_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    """A few calls only: how long they take here is nobody's promise."""
    assert main(["--quick", "--json"]) in (0, 1)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["in_flight"] == 20
    assert 1.0 < found["seconds"] < 30
    assert found["bare_ms"] > 0
    assert found["timer_p99_ms"] >= 10
