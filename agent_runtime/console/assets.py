"""Assets: the stylesheet and the scripts, under addresses that change with their content."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources

from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers

from agent_runtime.errors import NotFound

router = APIRouter(include_in_schema=False)

KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """One file as it is sent, plain and compressed."""

    kind: str
    plain: bytes
    packed: bytes


@dataclass(frozen=True)
class Assets:
    """All of them, read once. `version` names their content together: scripts import each other
    by relative names, so that all of them share one folder."""

    version: str
    files: dict[str, Asset]

    @classmethod
    def load(cls) -> Assets:
        """Read what is packaged."""
        folder = resources.files("agent_runtime.console") / "static"
        found = sorted(folder.iterdir(), key=lambda file: file.name)
        files, named = {}, hashlib.sha256()
        for file in found:
            kind = KINDS.get(file.name.rsplit(".", 1)[-1])
            if kind is None:
                continue
            plain = file.read_bytes()
            named.update(file.name.encode() + b"\0" + plain)
            files[file.name] = Asset(f"{kind}; charset=utf-8", plain, gzip.compress(plain, 9))
        return cls(named.hexdigest()[:16], files)

    def url(self, name: str) -> str:
        """Where a page finds the file; raises KeyError for one that is not there."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"


def takes_gzip(headers: Headers) -> bool:
    """Whether the client reads compressed answers."""
    return "gzip" in headers.get("accept-encoding", "")


@router.get("/static/{version}/{name}")
async def asset(version: str, name: str, request: Request) -> Response:
    """One file. An old page's version gets what there is now, and is not to keep it."""
    assets: Assets = request.app.state.console.assets
    found = assets.files.get(name)
    if found is None:
        raise NotFound("file", name)
    headers = {
        "cache-control": FOREVER if version == assets.version else "no-cache",
        "vary": "accept-encoding",
    }
    if takes_gzip(request.headers):
        headers["content-encoding"] = "gzip"
        return Response(found.packed, 200, headers, found.kind)
    return Response(found.plain, 200, headers, found.kind)
