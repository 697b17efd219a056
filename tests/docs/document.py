"""Documents that are executed: their fenced blocks, and a project to write and run them in."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from tests.program import run as program

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BIN = Path(sys.executable).parent

ANY = "…"
"""In expected output: any text within a line; alone on a line, any number of lines."""

_FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"^(?:#|//|<!--) ([\w./-]+\.\w+)(?: -->)?$")
_SHELL = re.compile(r"[|&;<>$`(){}*\n]")
_ID = re.compile(r"\b(run|apr)-[0-9a-f]{20}\b")


@dataclass(frozen=True)
class Block:
    """One fenced block: `python`, `console`, …; `place` is the second word of its info string."""

    kind: str
    place: str
    text: str
    line: int

    @property
    def path(self) -> str | None:
        """The file that it shows, from the comment in its first line."""
        found = _PATH.match(self.text.split("\n", 1)[0])
        return None if found is None else found[1]

    @property
    def content(self) -> str:
        """What is written to `path`; a Markdown file goes without the comment."""
        return self.text.split("\n", 1)[1] if self.kind == "markdown" else self.text


@dataclass(frozen=True)
class Command:
    """One line behind a `$`, and the output that the document promises."""

    line: str
    expected: list[str]

    @property
    def fails(self) -> bool:
        """Whether the promised output is a failure's."""
        return any(line.startswith(("error:", "problem:")) for line in self.expected)


@dataclass
class Project:
    """A folder in which a document's blocks are executed, as a reader would with a clean shell."""

    folder: Path
    ids: dict[str, str] = field(default_factory=dict)

    def write(self, block: Block) -> None:
        """Write the file that a block shows."""
        target = self.folder / (block.path or "")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.content)

    def run(self, command: Command) -> None:
        """Run one command; what it prints and how it ends has to be what the document says.

        `run-…` and `apr-…` stand for the id that was printed last.
        """
        line = re.sub(rf"\b(run|apr)-{ANY}", lambda found: self.ids[found[1]], command.line)
        plain = line.startswith("agent-runtime ") and _SHELL.search(line) is None
        code, output = self.call(line) if plain else self.execute(["bash", "-c", line])
        self.ids.update({found[1]: found[0] for found in _ID.finditer(output)})
        assert matches(command.expected, output), f"$ {line}\n{output}"
        assert (code != 0) is command.fails, f"$ {line}\nended with {code}"

    def call(self, line: str) -> tuple[int, str]:
        """The same of the program alone, where a line asks nothing of the shell."""
        done = program(*shlex.split(line)[1:], env=self.clean, folder=self.folder)
        return done.returncode, done.stdout + done.stderr

    @property
    def clean(self) -> dict[str, str]:
        """An environment with nothing of ours."""
        paths = os.pathsep.join([str(BIN), "/usr/local/bin", "/usr/bin", "/bin"])
        return {"PATH": paths, "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def execute(self, command: list[str]) -> tuple[int, str]:
        """Exit code and output of a process in the folder, with nothing of our environment."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.clean,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout


def checkout(folder: Path) -> Project:
    """A project with this repository's own workflows, tools, policies and people."""
    for name in ("graphs", "tools", "policies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "operators.toml", folder)
    return Project(folder)


def blocks(document: Path) -> list[Block]:
    """The fenced blocks of a document, in order."""
    text = document.read_text()
    return [
        Block(found[1], found[2] or "", found[3], text[: found.start()].count("\n") + 1)
        for found in _FENCE.finditer(text)
    ]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block, each with its promised output. `>` continues a command."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        first, *lines = part.splitlines()
        more = list(takewhile(lambda line: line.startswith("> "), lines))
        typed = [first, *(line.removeprefix("> ") for line in more)]
        yield Command("\n".join(typed), lines[len(more) :])


def matches(expected: list[str], output: str) -> bool:
    """Whether the output is the expected one; runs of blanks count as one."""
    pattern = ""
    for line in expected:
        words = re.escape(" ".join(line.split())).replace(ANY, "[^\n]*")
        pattern += "(?:[^\n]*\n)*" if line.strip() == ANY else f"{words}\n"
    said = "".join(f"{' '.join(line.split())}\n" for line in output.splitlines())
    return re.fullmatch(pattern, said) is not None
