"""What many commands share: their options, the first line, and the place they work in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.errors import SettingsError

if TYPE_CHECKING:
    from agent_runtime.cli.opening import Place
    from agent_runtime.cli.screen import Screen

JSON = "--json"

AppFolder = Annotated[
    Path, typer.Option("--app", envvar="AGENT_RUNTIME_APP", help="Project folder with graphs/.")
]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", envvar="AGENT_RUNTIME_DATA", help="Data folder; default: APP/data."),
]
AsJson = Annotated[bool, typer.Option(JSON, help="Print JSON for programs.")]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="AGENT_RUNTIME_URL",
        help="A server, in place of --app and --data; AGENT_RUNTIME_TOKEN says who you are.",
    ),
]
As = Annotated[
    str, typer.Option("--as", help="Who you are: a name in operators.toml.", show_default=False)
]
Why = Annotated[str, typer.Option("--reason", help="Why; recorded.")]
RunId = Annotated[str, typer.Argument(help="Id of the run.", metavar="RUN")]
HERE = Path()


def hello(text: str, *, as_json: bool) -> None:
    """The first line, before anything heavy is imported."""
    if not as_json:
        print(f"agent-runtime {text}", flush=True)


def hello_person(text: str, *, as_json: bool) -> None:
    """The same of a command whose answer is the output: a pipe gets the answer alone."""
    if sys.stdout.isatty():
        hello(text, as_json=as_json)


def open_place(
    folder: Path, data: Path | None, *, as_json: bool, title: str = ""
) -> tuple[Place, Screen]:
    """The place and the screen of one command; raises SettingsError outside a project folder.

    The title says to a person what is read, and where.
    """
    if folder == HERE and not (folder / "graphs").is_dir():
        raise SettingsError(
            f"--app is missing: {folder.resolve()} is no project folder, it has no graphs/.",
            remedy="Name a project folder with --app DIR, or go to one.",
        )
    if title:
        hello_person(f"{title} · data in {data or folder / 'data'}", as_json=as_json)
    from agent_runtime.cli.opening import Place
    from agent_runtime.cli.screen import Screen

    return Place(folder, data), Screen(as_json=as_json)
