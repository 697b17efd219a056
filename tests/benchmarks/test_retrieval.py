"""The retrieval benchmark: its labels fit the samples, and its figures say what they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.retrieval.__main__ import main


def test_a_quick_run_measures_quality_and_speed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every question about the samples has an answer there; both rankings and both are scored."""
    out = tmp_path / "latest.json"
    out.write_text('{"other": 1}')
    asked = ["--passages", "300", "--queries", "5", "--json", "--out", str(out)]
    assert main([*asked, "--data", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["quality"]) == {"samples"}
    samples = document["quality"]["samples"]
    for way in ("bm25", "vectors", "fused"):
        assert samples[way]["recall_at_20"] >= 0.9, way
        assert samples[way]["precision_at_5"] >= 0.8, way
    assert document["speed"]["passages"] == 300
    assert json.loads(out.read_text()) == {"other": 1, "retrieval": document}


def test_a_folder_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    """Nothing is measured then."""
    assert main(["--data", str(tmp_path / "none")]) == 2
