"""Secrets that are shared with other systems, by tenant and name: from the environment, or from a
file that nobody else can read. They are stored nowhere else and never told.

The file is TOML, `name = ["whsec_…", "whsec_…"]` under `[tenant]`; the variable
`AGENT_RUNTIME_SECRETS` is JSON such as `{"default/crm": "whsec_… whsec_…"}`.
"""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr, TypeAdapter, ValidationError

from agent_runtime.errors import SettingsError
from agent_runtime.signature import read_secret

FILE = "secrets.toml"
"""Where it stands in the data folder, unless the settings name another place."""

_FILE: TypeAdapter[dict[str, dict[str, list[str]]]] = TypeAdapter(dict[str, dict[str, list[str]]])
_EXAMPLE = 'Under [TENANT], each line reads: NAME = ["whsec_…"].'


@dataclass(frozen=True)
class Secrets:
    """Reads the file at each use, so that a changed secret counts at once."""

    file: Path
    given: Mapping[str, SecretStr] = field(default_factory=dict)

    def get(self, tenant: str, name: str) -> Sequence[bytes]:
        """The secrets of that name, the one that signs first; raises SettingsError for none.

        Another tenant's are not found: with them one could sign in its name.
        """
        found = self._given(tenant, name) or self._read().get(tenant, {}).get(name, [])
        if not found:
            raise SettingsError(
                f"Tenant {tenant!r} has no secret {name!r}.",
                remedy=f"Write it into {self.file}, mode 0600. {_EXAMPLE}",
            )
        return [read_secret(text, name) for text in found]

    def knows(self, tenant: str, name: str) -> bool:
        """Whether there is a secret of that name; raises SettingsError for one of no use."""
        return bool(self._given(tenant, name) or self._read().get(tenant, {}).get(name))

    def _given(self, tenant: str, name: str) -> list[str]:
        given = self.given.get(f"{tenant}/{name}")
        return [] if given is None else given.get_secret_value().split()

    def _read(self) -> dict[str, dict[str, list[str]]]:
        if not self.file.is_file():
            return {}
        if stat.S_IMODE(self.file.stat().st_mode) & 0o077:
            raise SettingsError(
                f"{self.file} is open to other users of this machine; it holds secrets.",
                remedy=f"chmod 600 {self.file}",
            )
        try:
            return _FILE.validate_python(tomllib.loads(self.file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            # Neither the decoder's words nor pydantic's are repeated: they may quote a secret.
            kind = "no TOML" if not isinstance(error, ValidationError) else "another form"
            raise SettingsError(f"{self.file} cannot be used: {kind}.", remedy=_EXAMPLE) from None
