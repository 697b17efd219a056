"""An OpenID Connect issuer on this machine: its documents over HTTP, and tokens that it signs."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "agent-runtime"


class Issuer:
    """Keys by their id; `asked` are the paths that were fetched, `named` what it says it is.

    `codes`: of sign-ins that were begun; `meddled`: what somebody changes on the way back, and
    `nonce` in the token.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.named = url
        self.keys: dict[str, RSAPrivateKey] = {}
        self.asked: list[str] = []
        self.is_away = False
        self.codes: dict[str, dict[str, str]] = {}
        self.meddled: dict[str, str] = {}
        self.nonce = ""
        self.rotate("k1")

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on; the old ones are gone."""
        self.keys = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def document(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        if self.is_away:
            return None
        if path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": f"{self.url}/authorize"}
            places |= {"token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys"}
            return {"issuer": self.named, **places}
        if path == "/keys":
            return {"keys": [self._public(kid) for kid in self.keys]}
        return None

    def authorize(self, query: dict[str, str]) -> str:
        """Let whoever comes in, and send them back; a code is for one challenge, once."""
        code = f"code-{len(self.asked)}"
        self.codes[code] = query
        back = {"code": code, "state": query["state"]}
        return f"{query['redirect_uri']}?{urlencode({**back, **self.meddled})}"

    def redeem(self, form: dict[str, str]) -> dict[str, Any] | None:
        """The token for a code, where its verifier fits; none otherwise."""
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            return None
        hashed = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(hashed).decode().rstrip("=") != asked["code_challenge"]:
            return None
        nonce = self.nonce or asked["nonce"]
        return {"id_token": self.token(aud=form["client_id"], nonce=nonce)}

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        own = {"iss": self.named, "aud": AUDIENCE, "sub": "lena", "roles": ["lead"]}
        return {**own, "iat": now, "exp": now + 300, **changes}

    def token(self, *, kid: str | None = None, **changes: Any) -> str:
        """A signed token; a claim that is None is left away."""
        named = kid or next(iter(self.keys))
        key = self.keys.get(named) or next(iter(self.keys.values()))
        claims = {name: v for name, v in self.claims(**changes).items() if v is not None}
        return jwt.encode(claims, key, "RS256", headers={"kid": named})

    def _public(self, kid: str) -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(self.keys[kid].public_key(), as_dict=True)
        return {**public, "kid": kid, "use": "sig", "alg": "RS256"}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer that answers over HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = urlsplit(self.path)
            if place.path == "/authorize":
                self.send_response(303)
                self.send_header("location", issuer.authorize(dict(parse_qsl(place.query))))
                self.end_headers()
                return
            self._answer(issuer.document(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._answer(issuer.redeem(dict(parse_qsl(body))))

        def _answer(self, found: dict[str, Any] | None) -> None:
            self.send_response(200 if found else 503)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
