"""What documents name is there: links, files, commands, packages, rules, states, signals."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from agent_runtime.cli.main import app
from agent_runtime.errors import AuthorError, CallerError, Conflict, NotPermitted, OnCallError
from agent_runtime.policy.engine import base_text
from agent_runtime.policy.rule import read_rules
from agent_runtime.run import RunState
from agent_runtime.settings import Settings
from agent_runtime.signal import Signals
from agent_runtime.tool import Recovery
from tests.docs.document import DOCUMENTS, ROOT, blocks

README = ROOT / "README.md"
EVERYWHERE = [*DOCUMENTS, ROOT / "CHANGELOG.md"]

LINK = re.compile(r"\]\((?!https?://|#)([^)]+)\)")
FILE = re.compile(r"`([\w.*/-]+(?:\.(?:py|md|toml|cedar|yaml|sql|lock)|/))`")
COMMAND = re.compile(r"agent-runtime ([a-z]+(?: [a-z]+)?)")
HOSTS = re.compile(
    # Spelled apart, so that this file names none itself.
    r"pypi\.(?:org)|python(?:hosted)\.org|npm(?:js)\.|ana(?:conda)\.org|crates\.(?:io)"
)
MACHINE = re.compile(r"(?<![\w.…}])/(?:home|root|work|Users|opt|mnt)/\w")


def table(document: Path, heading: str) -> list[list[str]]:
    """The rows of the table whose first column has that heading, cells without backticks."""
    found = re.search(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", document.read_text(), re.M)
    assert found is not None, f"{document.name} has no table of {heading}"
    rows = [line.strip("|").split("|") for line in found[1].splitlines()]
    return [[cell.strip().strip("`") for cell in row] for row in rows]


def named_in(document: Path, pattern: re.Pattern[str]) -> list[str]:
    return sorted(set(pattern.findall(document.read_text())))


@pytest.mark.parametrize("document", EVERYWHERE, ids=lambda document: document.name)
def test_links_and_files_exist(document: Path) -> None:
    """Each relative link, and each file in backticks, is there or is shown by the document."""
    shown = {block.path for block in blocks(document)}
    for link in named_in(document, LINK):
        assert (document.parent / link.split("#")[0]).exists(), link
    for name in set(named_in(document, FILE)) - shown - {"data/"}:
        assert "*" in name or (ROOT / name).exists(), name


def test_commands_exist() -> None:
    """Each command that a document names answers `--help`."""
    named = sorted({name for document in EVERYWHERE for name in named_in(document, COMMAND)})

    codes = {name: CliRunner().invoke(app, [*name.split(), "--help"]).exit_code for name in named}
    assert codes == dict.fromkeys(named, 0)


def test_every_dependency_is_explained() -> None:
    """The two tables list exactly the packages of pyproject.toml, in its order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime, dev = project["dependencies"], project["optional-dependencies"]["dev"]
    declared = [re.split(r"[\[<>=~! ]", wanted)[0] for wanted in [*runtime, *dev]]
    text = README.read_text().split("## What it stands on")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([\w.-]+) \|(.+)$", text, re.MULTILINE)
    assert [name for name, _ in rows if name != "package"] == declared
    assert all(cells.count("|") == 4 for _, cells in rows)


def test_each_rule_is_proven() -> None:
    """The thirteen rules name tests, and each of those is there."""
    rows = table(README, "rule")
    assert [row[0].split(".")[0] for row in rows] == [str(number) for number in range(1, 14)]
    missing = [test for _, test in rows if not list(ROOT.glob(test))]
    assert not missing


def test_states_and_recoveries_are_complete() -> None:
    """The page for people on call knows every state of a run and every recovery of a tool."""
    page = ROOT / "docs" / "recovery.md"
    assert {row[0] for row in table(page, "state")} == set(get_args(RunState))
    assert {row[0] for row in table(page, "`recovery`")} == set(get_args(Recovery))


def test_settings_are_complete() -> None:
    """The table of variables knows every setting and says its default."""
    rows = {row[0]: row[2] for row in table(README, "variable")}
    for name, setting in Settings.model_fields.items():
        variable = str(setting.validation_alias or f"AGENT_RUNTIME_{name.upper()}")
        default = "none" if setting.default is None else f"{setting.default}".removesuffix(".0")
        assert rows[variable] in (default, "the client's own")


def test_exit_codes_are_as_documented() -> None:
    """The page for people on call lists the exit codes of the five kinds of errors in order."""
    text = (ROOT / "docs" / "recovery.md").read_text()
    kinds = (CallerError, NotPermitted, Conflict, AuthorError, OnCallError)
    found = re.findall(r"(\d) when", text[text.index("Every command ends with") :])
    assert found == ["0", *(str(kind.exit_code) for kind in kinds)]


def test_signals_and_base_rules_are_complete() -> None:
    """The page on policies knows every signal and every base rule."""
    page = ROOT / "docs" / "policies.md"
    base = read_rules({"base.cedar": base_text()})
    assert [row[0] for row in table(page, "signal")] == list(Signals.model_fields)
    assert [row[0] for row in table(page, "rule")] == list(base)


def test_lines_are_short() -> None:
    """No line of a document is longer than 120 characters, tables aside."""
    for document in EVERYWHERE:
        lines = document.read_text().splitlines()
        assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


def test_no_file_names_a_host_or_a_machine() -> None:
    """No tracked file names a package index host or an absolute path of somebody's machine."""
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    found = []
    for name in tracked:
        file = ROOT / name
        text = file.read_text(errors="replace") if file.is_file() else ""
        found += [f"{name}: {hit[0]}" for hit in HOSTS.finditer(text)]
        found += [f"{name}: {hit[0]}" for hit in MACHINE.finditer(text)]
    assert found == []
