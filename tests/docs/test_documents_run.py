"""Every document is executed as a reader would: files written, commands run, outputs compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_runtime.app import load_app, write_tools
from agent_runtime.policy import PolicySet
from tests.docs.document import (
    BIN,
    DOCUMENTS,
    ROOT,
    Block,
    Project,
    blocks,
    checkout,
    commands,
    matches,
)

CHECKOUT = frozenset({"policies.md"})
"""Documents that speak of this repository's own project throughout."""


def execute(block: Block, project: Project) -> None:
    """Write the file that a block shows, or run what it says."""
    if block.path is not None:
        project.write(block)
    elif block.kind == "console":
        for command in commands(block):
            project.run(command)
    elif block.kind == "python":
        code, output = project.execute([str(BIN / "python"), "-c", block.text])
        assert code == 0, output


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_document_does_what_it_says(document: Path, tmp_path: Path) -> None:
    """Its files, commands and outputs hold in a new project, or in a copy of this one."""
    own = checkout(tmp_path / "checkout")
    (tmp_path / "project").mkdir()
    theirs = own if document.name in CHECKOUT else Project(tmp_path / "project")
    for block in blocks(document):
        execute(block, own if block.place == "checkout" else theirs)


def test_the_demo_tells_the_story_that_is_shown(tmp_path: Path) -> None:
    """What `make demo` prints is what the README shows of it."""
    shown = next(b for b in blocks(ROOT / "README.md") if b.text.startswith("$ make demo"))
    (command,) = commands(shown)
    _, story = checkout(tmp_path / "checkout").execute(["agent-runtime", "demo"])
    assert matches(command.expected, story), story


def test_the_demo_ends_with_the_keys_that_are_documented(tmp_path: Path) -> None:
    """The demo's last JSON line has these keys, and its counts add up."""
    _, output = checkout(tmp_path / "checkout").execute(["agent-runtime", "demo", "--json"])
    last = json.loads(output.splitlines()[-1])
    known = ["approvals", "chain_verified", "executed", "refused", "runs", "seconds", "unattended"]
    assert sorted(last) == known
    assert last["runs"]["completed"] == last["executed"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_rules_without_a_file_fit_the_tools(document: Path) -> None:
    """Cedar that is shown outside a file is type-checked against the shop's tools."""
    texts = [b.text for b in blocks(document) if b.kind == "cedar" and b.path is None]
    tools = write_tools(load_app(ROOT, lenient=True).workflows.values())
    for text in texts:
        PolicySet.load("shown", {"shown.cedar": text}, tools)
