"""Opening: what commands work on, here or behind a URL, and the options that say where it is.

`opens` gives a command the options by which it finds what it works on, here or behind a URL; the
command itself gets that opened, and the screen, before its own arguments.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    TypeVar,
    get_type_hints,
)

import typer

from agent_runtime.cli.options import (
    HERE,
    AppFolder,
    As,
    AsJson,
    DataFolder,
    Url,
    hello,
    hello_person,
    open_place,
)
from agent_runtime.errors import InvalidInput, SettingsError

if TYPE_CHECKING:
    from agent_runtime.cli.administration import Administration
    from agent_runtime.cli.archive import Archive
    from agent_runtime.cli.assessment import Assessment
    from agent_runtime.cli.opening import Place
    from agent_runtime.cli.screen import Screen
    from agent_runtime.cli.shelf import Shelf
    from agent_runtime.cli.station import Station
    from agent_runtime.cli.timetable import Timetable
    from agent_runtime.client import Client

P = ParamSpec("P")
R = TypeVar("R")
X = TypeVar("X")


@dataclass(frozen=True)
class Chosen:
    """What the shared options of one command say. `title` names it in the first line; `named`:
    it is done in a person's name."""

    folder: Path = HERE
    data: Path | None = None
    url: str | None = None
    who: str = ""
    as_json: bool = False
    title: str = ""
    named: bool = False


Opener = Callable[[Chosen], "tuple[X, Screen]"]


def opens(
    opener: Opener[X],
    *,
    who: Literal["", "may", "must"] = "",
    data: bool = True,
    first: str = "",
) -> Callable[[Callable[Concatenate[X, Screen, P], R]], Callable[..., R]]:
    """A command that works on what `opener` opens.

    `who`: whether one may, or must, say with --as who one is. `data`: whether the data folder
    matters. `first`: the first line, said to everybody before anything is opened, with {the
    command's own arguments}; without it, a person at a terminal is told what is read, and where.
    """

    def give(command: Callable[Concatenate[X, Screen, P], R]) -> Callable[..., R]:
        own, shared = _own(command), list(_shared(opener, who, data=data))

        @functools.wraps(command)
        def run(ctx: typer.Context, **given: Any) -> R:
            chosen = {one.name: given.pop(one.name) for one in shared}
            title = _begin(ctx, first.format_map(given), data=data, as_json=chosen["as_json"])
            found, screen = opener(Chosen(**chosen, title=title, named=who == "must"))
            return command(found, screen, **given)  # type: ignore[call-arg]  # typer gives its own

        context = Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context)
        seen = [*own, *shared, context]
        run.__signature__ = inspect.Signature(seen)  # type: ignore[attr-defined]  # what typer reads
        run.__annotations__ = {one.name: one.annotation for one in seen}
        return run

    return give


def _own(command: Callable[..., Any]) -> list[Parameter]:
    """A command's own arguments, without what is opened: those types are heavy to import."""
    own = list(inspect.signature(command).parameters.values())[2:]
    named = {one.name: one.annotation for one in own}
    holder = type("Own", (), {"__annotations__": named, "__module__": command.__module__})
    hints = get_type_hints(holder, include_extras=True)
    return [one.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[one.name]) for one in own]


def _begin(ctx: typer.Context, first: str, *, data: bool, as_json: bool) -> str:
    """Say the first line, or return the title of one that is to say more."""
    if first:
        hello(first, as_json=as_json)
        return ""
    title = _title(ctx)
    if data:
        return title
    hello_person(title, as_json=as_json)
    return ""


def _shared(opener: Opener[Any], who: str, *, data: bool) -> Iterator[Parameter]:
    """The options that every command has which works on such a thing."""
    options: dict[str, tuple[Any, Any]] = {"who": (As, "")} if who else {}
    options["folder"] = (AppFolder, HERE)
    if data:
        options["data"] = (DataFolder, None)
    if opener is not place:
        options["url"] = (Url, None)
    options["as_json"] = (AsJson, False)
    for name, (annotation, default) in options.items():
        yield Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _title(ctx: typer.Context) -> str:
    names: list[str] = []
    while ctx.parent is not None:
        names.insert(0, str(ctx.info_name))
        ctx = ctx.parent  # type: ignore[assignment]  # its class is typer's own too
    return " ".join(names)


def place(chosen: Chosen) -> tuple[Place, Screen]:
    """Opens a project and its data folder; see `open_place`."""
    return open_place(chosen.folder, chosen.data, as_json=chosen.as_json, title=chosen.title)


def station(chosen: Chosen) -> tuple[Station, Screen]:
    """Opens what runs are driven and decided on; see `_open`."""

    def here(place: Place, screen: Screen) -> Station:
        from agent_runtime.cli.local import Local

        return Local(place, screen, chosen.who)

    def there(client: Client, screen: Screen) -> Station:
        from agent_runtime.cli.remote import Remote

        return Remote(client, screen)

    return _open(chosen, here, there)


def administration(chosen: Chosen) -> tuple[Administration, Screen]:
    """Opens what is done to an installation; see `_open`."""

    def here(place: Place, _: Screen) -> Administration:
        from agent_runtime.cli.administration import Here

        return Here(place, chosen.who)

    def there(client: Client, _: Screen) -> Administration:
        from agent_runtime.cli.administration_there import There

        return There(client)

    return _open(chosen, here, there)


def shelf(chosen: Chosen) -> tuple[Shelf, Screen]:
    """Opens the knowledge base; see `_open`."""

    def here(place: Place, _: Screen) -> Shelf:
        from agent_runtime.cli.shelf import Here

        return Here(place, chosen.who)

    def there(client: Client, _: Screen) -> Shelf:
        from agent_runtime.cli.shelf import There

        return There(client.knowledge)

    return _open(chosen, here, there)


def archive(chosen: Chosen) -> tuple[Archive, Screen]:
    """Opens what is left of runs; see `_open`."""

    def here(place: Place, _: Screen) -> Archive:
        from agent_runtime.cli.archive import Here

        return Here(place, chosen.who)

    def there(client: Client, screen: Screen) -> Archive:
        from agent_runtime.cli.archive import There
        from agent_runtime.cli.remote import Remote

        return There(client, Remote(client, screen))

    return _open(chosen, here, there)


def timetable(chosen: Chosen) -> tuple[Timetable, Screen]:
    """Opens what the clock starts; see `_open`."""

    def here(place: Place, _: Screen) -> Timetable:
        from agent_runtime.cli.timetable import Here

        return Here(place, chosen.who)

    def there(client: Client, _: Screen) -> Timetable:
        from agent_runtime.cli.timetable import There

        return There(client)

    return _open(chosen, here, there)


def assessment(chosen: Chosen) -> tuple[Assessment, Screen]:
    """Opens how runs do, what is said of them and what is tried on them; see `_open`."""

    def here(place: Place, _: Screen) -> Assessment:
        from agent_runtime.cli.assessment import Here

        return Here(place, chosen.who)

    def there(client: Client, _: Screen) -> Assessment:
        from agent_runtime.cli.assessment import There

        return There(client)

    return _open(chosen, here, there)


def _open(
    chosen: Chosen, here: Callable[[Place, Screen], X], there: Callable[[Client, Screen], X]
) -> tuple[X, Screen]:
    """What a command works on, in this folder or behind a URL.

    Raises InvalidInput where it is not said who, or said twice, SettingsError where it is not
    clear on what.
    """
    if chosen.url is not None:
        client, screen = _connect(chosen, chosen.url)
        found = there(client, screen)
        weakref.finalize(found, client.close)  # a command just ends, and what it opened with it
        return found, screen
    opened, screen = place(chosen)
    if chosen.named and not chosen.who:
        raise InvalidInput("--as", chosen.who, "is missing", remedy="Say who you are.")
    return here(opened, screen), screen


def _connect(chosen: Chosen, url: str) -> tuple[Client, Screen]:
    if chosen.data is not None or chosen.folder != HERE:
        raise SettingsError(
            "A server and a folder are both named.",
            remedy="Leave --url, or --app and --data, away.",
        )
    if chosen.who:
        raise InvalidInput(
            "--as", chosen.who, "means nothing to a server", remedy="Its token says who."
        )
    if chosen.title:
        hello_person(f"{chosen.title} · {url}", as_json=chosen.as_json)
    from agent_runtime.cli.screen import Screen
    from agent_runtime.client import Client
    from agent_runtime.settings import load_client_settings

    token = load_client_settings().token
    client = Client(url, None if token is None else token.get_secret_value())
    return client, Screen(as_json=chosen.as_json)
