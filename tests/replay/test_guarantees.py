"""The README's guarantees: each names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROOF = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_guarantee_names_a_test_that_is_there() -> None:
    named = PROOF.findall((ROOT / "README.md").read_text())
    assert len(named) >= 13
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert missing == []
