"""The README's guarantees: each names a test that is there, and is run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROOF = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
RULE = re.compile(r"`(tests/rules/test_rule_\d\d_\*\.py)`")


def is_run(file: str, name: str) -> bool:
    """Whether pytest finds that test, and nothing says to leave it out."""
    path = ROOT / file
    if not path.is_file() or not path.name.startswith("test_"):
        return False
    module = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [one for one in module.body if isinstance(one, kinds) and one.name == name]
    marks = [ast.unparse(mark) for one in found for mark in one.decorator_list]
    return len(found) == 1 and not any("skip" in mark or "xfail" in mark for mark in marks)


def test_every_guarantee_names_a_test_that_is_run() -> None:
    """Row by row: one without a proof is none."""
    table = README.split("| guarantee | proof |\n|---|---|\n")[1].partition("\n\n")[0]
    named = [PROOF.findall(row) for row in table.split("\n")]
    assert len(named) >= 13
    assert {len(proofs) for proofs in named} == {1}
    assert [f"{file}::{name}" for ((file, name),) in named if not is_run(file, name)] == []


def test_every_rule_of_the_design_has_its_tests() -> None:
    named = RULE.findall(README)
    assert len(named) == 13
    assert [glob for glob in named if not [*ROOT.glob(glob)]] == []


def test_a_name_that_no_test_has_is_found() -> None:
    """A test that was renamed, is somewhere else, or is left out."""
    assert is_run("tests/replay/test_guarantees.py", "test_a_name_that_no_test_has_is_found")
    assert not is_run("tests/replay/test_guarantees.py", "test_renamed")
    assert not is_run("tests/replay/golden_app.py", "write")
    assert not is_run("tests/replay/test_gone.py", "test_a_name_that_no_test_has_is_found")
