"""What many commands share: their options, the first line, and the place they work in."""

from __future__ import annotations

import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_runtime.errors import InvalidInput, SettingsError

if TYPE_CHECKING:
    from agent_runtime.cli.administration import Administration
    from agent_runtime.cli.opening import Place
    from agent_runtime.cli.screen import Screen
    from agent_runtime.cli.shelf import Shelf
    from agent_runtime.cli.station import Station
    from agent_runtime.client import Client

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


def open_station(
    folder: Path,
    data: Path | None,
    url: str | None,
    who: str = "",
    *,
    named: bool = False,
    as_json: bool,
    title: str = "",
) -> tuple[Station, Screen]:
    """The station and the screen of one command, of one that `named` somebody does.

    Raises InvalidInput where it is not said who, or said twice, SettingsError where it is not
    clear on what.
    """
    if url is not None:
        return _open_remote(folder, data, url, who, as_json=as_json, title=title)
    place, screen = open_place(folder, data, as_json=as_json, title=title)
    if named and not who:
        raise InvalidInput("--as", who, "is missing", remedy="Say who you are.")
    from agent_runtime.cli.local import Local

    return Local(place, screen, who), screen


def open_administration(
    folder: Path,
    data: Path | None,
    url: str | None,
    who: str = "",
    *,
    named: bool = False,
    as_json: bool,
    title: str = "",
) -> tuple[Administration, Screen]:
    """The same for what is done to an installation."""
    if url is not None:
        client, screen = _connect(folder, data, url, who, as_json=as_json, title=title)
        from agent_runtime.cli.administration_there import There

        there = There(client)
        weakref.finalize(there, client.close)
        return there, screen
    place, screen = open_place(folder, data, as_json=as_json, title=title)
    if named and not who:
        raise InvalidInput("--as", who, "is missing", remedy="Say who you are.")
    from agent_runtime.cli.administration import Here

    return Here(place, who), screen


def open_shelf(
    folder: Path,
    data: Path | None,
    url: str | None,
    who: str = "",
    *,
    as_json: bool,
    title: str = "",
) -> tuple[Shelf, Screen]:
    """The same for the knowledge base."""
    if url is not None:
        client, screen = _connect(folder, data, url, who, as_json=as_json, title=title)
        from agent_runtime.cli.shelf import There

        there = There(client.knowledge)
        weakref.finalize(there, client.close)
        return there, screen
    place, screen = open_place(folder, data, as_json=as_json, title=title)
    from agent_runtime.cli.shelf import Here

    return Here(place, who), screen


def _open_remote(
    folder: Path, data: Path | None, url: str, who: str, *, as_json: bool, title: str
) -> tuple[Station, Screen]:
    client, screen = _connect(folder, data, url, who, as_json=as_json, title=title)
    from agent_runtime.cli.remote import Remote

    station = Remote(client, screen)
    weakref.finalize(station, client.close)  # a command just ends, and its station with it
    return station, screen


def _connect(
    folder: Path, data: Path | None, url: str, who: str, *, as_json: bool, title: str
) -> tuple[Client, Screen]:
    if data is not None or folder != HERE:
        raise SettingsError(
            "A server and a folder are both named.",
            remedy="Leave --url, or --app and --data, away.",
        )
    if who:
        raise InvalidInput("--as", who, "means nothing to a server", remedy="Its token says who.")
    if title:
        hello_person(f"{title} · {url}", as_json=as_json)
    from agent_runtime.cli.screen import Screen
    from agent_runtime.client import Client
    from agent_runtime.settings import load_client_settings

    token = load_client_settings().token
    client = Client(url, None if token is None else token.get_secret_value())
    return client, Screen(as_json=as_json)
