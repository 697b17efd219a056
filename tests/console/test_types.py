"""The scripts' own types, as JSDoc states them, hold: TypeScript reads them, and builds nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "types"
LOCK = HERE / "package-lock.json"
INSTALLED = HERE / "node_modules/.package-lock.json"
PATIENCE = 120


@pytest.fixture
def compiler() -> Path:
    """TypeScript of the version that is pinned by its hash, installed once in a checkout."""
    if shutil.which("npm") is None:
        pytest.skip("needs node and npm, as developers of the console have them")
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
        words = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        made = subprocess.run(
            words, check=False, cwd=HERE, capture_output=True, text=True, timeout=PATIENCE
        )
        if made.returncode != 0:
            pytest.skip(f"npm could not install TypeScript: {made.stderr[-300:]}")
        os.utime(INSTALLED)
    return HERE / "node_modules/typescript/bin/tsc"


def test_every_module_keeps_the_types_that_it_states(compiler: Path) -> None:
    words = ["node", str(compiler), "--project", str(HERE), "--pretty", "false"]
    found = subprocess.run(words, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_lock_names_a_hash_and_no_host() -> None:
    text = LOCK.read_text()
    assert '"integrity": "sha512-' in text
    assert "://" not in text
