"""The people of a local installation: names and roles from `operators.toml` in the data folder."""

from __future__ import annotations

import os
import pwd
import stat
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agent_runtime.errors import NotFound, SettingsError
from agent_runtime.verdict import Operator

FILE = "operators.toml"
_EXAMPLE = 'Each person reads: [operators.NAME], then roles = ["support_lead"].'


class _Person(BaseModel):
    model_config = ConfigDict(extra="forbid")

    roles: tuple[str, ...]
    tenant: str = "default"


class _People(BaseModel):
    model_config = ConfigDict(extra="forbid")

    operators: dict[str, _Person]


def provide_operators(data: Path, template: Path) -> None:
    """Copy a project's list of people into the data folder, mode 0600, unless there is one."""
    target = data / FILE
    if target.exists() or not template.is_file() or not data.is_dir():
        return
    draft = target.with_suffix(f".{os.getpid()}")
    try:
        text = template.read_bytes()
        draft.touch(mode=0o600)
        draft.write_bytes(text)
        draft.replace(target)  # all or nothing: a list cut short would lock people out
    except OSError as error:
        raise SettingsError(
            f"{target} cannot be made from {template}: {error.strerror}.",
            remedy="Make the data folder writable, or write the list yourself.",
        ) from error


def load_operators(data: Path) -> dict[str, Operator]:
    """Read the list; raises SettingsError when it is missing, malformed or open to others."""
    path = data / FILE
    if not path.is_file():
        raise SettingsError(
            f"There is no {path}: nobody can be chosen with --as.",
            remedy=f"Write it, then chmod 600. {_EXAMPLE}",
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SettingsError(
            f"{path} is open to other users of this machine; it says whose yes counts.",
            remedy=f"chmod 600 {path}",
        )
    try:
        people = _People.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be used: {_problem(error)}.", remedy=_EXAMPLE
        ) from error
    return {
        name: Operator(name=name, roles=person.roles, tenant=person.tenant)
        for name, person in people.operators.items()
    }


def choose_operator(data: Path, name: str) -> Operator:
    """The person of that name; raises NotFound that lists the others."""
    people = load_operators(data)
    if name not in people:
        raise NotFound("operator", name, remedy=f"Known: {', '.join(sorted(people)) or 'nobody'}.")
    return people[name]


def channel(name: str) -> str:
    """How a local decision reached us: the machine's user, and who they chose to be."""
    return f"cli:{user()} as {name}"


def user() -> str:
    """The machine's user, asked of the system: the environment's $USER says what its owner
    likes."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers run under ids that have no name
        return str(os.getuid())


def _problem(error: OSError | ValueError) -> str:
    """One line; pydantic's and the decoder's own messages are several or quote the text."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return getattr(error, "strerror", None) or str(error)
