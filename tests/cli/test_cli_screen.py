"""What is printed: to people on terminals, to pipes, to programs; and never what steers either."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

from agent_runtime.cli.visible import short, visible
from tests.cli.conftest import PROGRAM, PROJECT, Desk, Said, Say, Terminal

OpenTerminal = Callable[..., Terminal]
HERE = ("--app", str(PROJECT))
NASTY = "\x1b[31mred\x1b[0m \u202efdp [red]x[/red] \x07\x9b31m\n  → completed"


def test_help_names_every_command(spawn: Say) -> None:
    """Help lists the commands; how quick it is, is measured by a benchmark and not here."""
    said = spawn("--help")
    for command in ("demo", "run", "runs", "approvals", "events", "workflows", "policies"):
        assert f"\n  {command} " in said.out


def test_nothing_heavy_before_the_first_line() -> None:
    """Until the first line is out, none of the heavy libraries is imported."""
    heavy = "{'pydantic', 'rich', 'langgraph', 'sqlite3', 'opentelemetry', 'cedarpy'}"
    code = f"import sys, agent_runtime.cli.main; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_needs_nothing_that_drives_runs(desk: Desk) -> None:
    """A list is there sooner than LangGraph would be."""
    code = (
        "import sys; from agent_runtime.cli import main\ntry: main()\nfinally: print(*sys.modules)"
    )
    words = ("approvals", "list", *HERE, "--data", str(desk.data))
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    *rows, modules = done.stdout.splitlines()
    assert len(rows) == 3
    assert not {"langgraph", "langchain_core", "agent_runtime.runtime"} & {*modules.split()}


def test_the_version_is_that_of_the_package(say: Say) -> None:
    """For a report of a fault."""
    assert say("--version").out == f"agent-runtime {version('agent-runtime')}\n"


@pytest.mark.parametrize("group", ["runs", "approvals", "events", "workflows", "policies"])
def test_bare_group(say: Say, group: str) -> None:
    """A group without a command shows its help, every line of it whole."""
    said = say(group)
    assert (said.code, said.err) == (2, "")
    assert "Commands:" in said.out
    assert "..." not in said.out.replace("[ARGS]...", "")


def test_lists_in_a_pipe(desk: Desk) -> None:
    """In a pipe a list is rows with tabs and nothing else."""
    rows = [line.split("\t") for line in desk("approvals", "list").out.splitlines()]
    assert [row[3] for row in rows] == ["49.00", "1250.00", "489.00"]
    assert {len(row) for row in rows} == {8}
    assert all(line.count("\t") == 5 for line in desk("runs", "list").out.splitlines())


def test_empty_list(after_demo: Desk) -> None:
    """An empty list says so where it does not spoil a pipe."""
    said = after_demo("approvals", "list")
    assert (said.code, said.out) == (0, "")
    assert "No approval is open" in said.err


def test_list_on_a_terminal(desk: Desk, terminal: OpenTerminal) -> None:
    """On a terminal a list is a table with a head, and ids that can be copied."""
    on = terminal("approvals", "list", *HERE, "--data", str(desk.data))
    assert on.end() == 0
    assert on.seen.startswith(f"agent-runtime approvals list · data in {desk.data}")
    assert "waits for" in on.seen
    assert "\x1b[1m" in on.seen
    assert desk.approval("49.00") in on.seen


def test_narrow_terminal(desk: Desk, terminal: OpenTerminal) -> None:
    """However narrow the terminal, the first column stays whole."""
    on = terminal("approvals", "list", *HERE, "--data", str(desk.data), COLUMNS="50")
    on.end()
    assert desk.approval("489.00") in on.seen


def test_no_color(desk: Desk, terminal: OpenTerminal) -> None:
    """NO_COLOR is honoured on a terminal."""
    on = terminal("runs", "list", *HERE, "--data", str(desk.data), NO_COLOR="1")
    assert on.end() == 0
    assert "paused" in on.seen
    assert "\x1b[" not in on.seen


def test_full_pipe(after_demo: Desk) -> None:
    """A reader that leaves early ends the printing, not the command, without a traceback."""
    command = [str(PROGRAM), "events", "tail", *HERE, "--data", str(after_demo.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_reader_that_leaves_stops_no_run(desk: Desk, write_input: Callable[..., str]) -> None:
    """A run whose reader leaves is driven to its pause all the same."""
    command = [str(PROGRAM), "run", "refund", "--input", write_input(), "--key", "left"]
    command += [*HERE, "--data", str(desk.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    found = {run["trigger"]["key"]: run["state"] for run in desk("runs", "list", "--json").json}
    assert (process.returncode, found["left"]) == (0, "paused")


def test_visible() -> None:
    """Every character that could steer a terminal or forge a line becomes an escape."""
    shown = visible(NASTY)
    assert shown.isprintable()
    assert shown.startswith(r"\x1b[31mred\x1b[0m \u202efdp [red]x[/red] \x07\x9b31m\n")
    assert visible("“Grüße” → 東京") == "“Grüße” → 東京"
    assert short("a\n\nb  c " * 50, 20) == "a b c a b c a b c a…"


def test_untrusted_text(desk: Desk, write_input: Callable[..., str]) -> None:
    """What a customer wrote is shown as text in every command, in both manners."""
    path = write_input(message=f"Refund, please. {NASTY}")
    run = desk("run", "refund", "--input", path, "--key", "nasty\x1b[2J", "--json").json["id"]
    asked = desk("approvals", "list").out.splitlines()[-1].split("\t")[0]
    for words in (("runs", "list"), ("runs", "show", run), ("approvals", "show", asked),
                  ("events", "tail"), ("approvals", "decide", asked, "reject", "--as", "lena",
                                       "--reason", NASTY)):  # fmt: skip
        for manner in ((), ("--json",)):
            said = desk(*words, *manner)
            printed = said.out + said.err
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", printed), words
            assert "\n  → completed" not in printed
    assert "[red]x[/red]" in desk("runs", "show", run).out


def test_untrusted_text_on_a_terminal(
    desk: Desk, write_input: Callable[..., str], terminal: OpenTerminal
) -> None:
    """On a terminal markup stays text and escapes stay visible."""
    run = desk("run", "refund", "--input", write_input(message=NASTY), "--key", "n", "--json").json
    on = terminal("runs", "show", run["id"], *HERE, "--data", str(desk.data))
    on.end()
    assert "[red]x[/red]" in on.seen
    assert r"\x1b[31mred" in on.seen
    assert "\x1b[31m" not in on.seen


def test_poor_encoding(desk: Desk, spawn: Say) -> None:
    """Where the output knows only ASCII, other characters become escapes."""
    env = {"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin"}
    said = spawn("approvals", "show", desk.approval("49.00"), *HERE, "--data", str(desk.data),
                 env=env)  # fmt: skip
    assert (said.code, said.out.isascii()) == (0, True)


def test_demo_in_json(demo_made: tuple[Path, Said]) -> None:
    """The demo ends with one JSON line that counts what happened."""
    said = demo_made[1].json
    assert len(demo_made[1].out.splitlines()) == 1
    assert said.pop("seconds") < 60
    assert said == {
        "runs": {"completed": 8, "expired": 1, "rejected": 4},
        "approvals": {"approve": 8, "reject": 2, "edit": 1, "respond": 1, "expire": 1},
        "executed": 8,
        "refused": 3,
        "unattended": 1,
        "chain_verified": True,
    }


def test_the_story_ends_before_today(after_demo: Desk) -> None:
    """Its deadlines lapse, and still nothing in it is of a day to come."""
    last = after_demo("events", "tail", "--json").json
    assert datetime.fromisoformat(last["at"]) < datetime.now(UTC)


def test_follow(desk: Desk) -> None:
    """What another process does shows up in a tail that follows."""
    run = desk("runs", "list", "--state", "paused").out.split("\t")[0]
    command = [str(PROGRAM), "events", "tail", "--follow", "--last", "1", "--run", run]
    command += [*HERE, "--data", str(desk.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        desk("runs", "cancel", run, "--as", "lena", "--reason", "Seen.")
        lines += [process.stdout.readline(), process.stdout.readline()]
        process.terminate()
    assert "run.paused" in lines[0]
    assert "approval.closed" in lines[1]
    assert "by=lena, reason=Seen., state=cancelled" in lines[2]
