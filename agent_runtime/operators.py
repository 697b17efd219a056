"""The people of a local installation: names and roles from `operators.toml` in the data folder."""

from __future__ import annotations

import getpass
import stat
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agent_runtime.errors import NotFound, SettingsError
from agent_runtime.verdict import Operator

FILE = "operators.toml"


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
    if target.exists() or not template.is_file():
        return
    data.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    target.write_text(template.read_text())


def load_operators(data: Path) -> dict[str, Operator]:
    """Read the list; raises SettingsError when it is missing, malformed or open to others."""
    path = data / FILE
    if not path.is_file():
        raise SettingsError(
            f"There is no {path}: nobody can be chosen with --as.",
            remedy='Write it: [operators.NAME] with roles = ["…"], and chmod 600.',
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SettingsError(
            f"{path} is open to other users of this machine; it says whose yes counts.",
            remedy=f"chmod 600 {path}",
        )
    try:
        people = _People.model_validate(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    return {
        name: Operator(name=name, roles=person.roles, tenant=person.tenant)
        for name, person in people.operators.items()
    }


def choose_operator(data: Path, name: str) -> Operator:
    """The person of that name; raises NotFound that lists the others."""
    people = load_operators(data)
    if name not in people:
        raise NotFound("operator", name, remedy=f"Known: {', '.join(sorted(people))}.")
    return people[name]


def channel(name: str) -> str:
    """How a local decision reached us: the machine's user, and who they chose to be."""
    return f"cli:{getpass.getuser()} as {name}"
