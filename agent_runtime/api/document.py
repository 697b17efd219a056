"""The OpenAPI document: what the routes declare, with what holds for all of them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from agent_runtime.api.problem import MEDIA, Problem
from agent_runtime.signature import SIGNATURE

OPEN = frozenset({"/livez", "/readyz"})
"""Paths that ask for no token."""

_REF = {"$ref": "#/components/schemas/Problem"}
_REFUSED = {"description": "A problem (RFC 9457).", "content": {MEDIA: {"schema": _REF}}}
_OURS = ("HTTPValidationError", "ValidationError")
"""What FastAPI would answer; we answer problems."""


def document(app: FastAPI) -> dict[str, Any]:
    """The app's document, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _made(app)
    return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    whole: dict[str, Any] = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    parts = whole.setdefault("components", {})
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        # Standard Webhooks: HMAC-SHA256 over the message's id, timestamp and body.
        "signature": {"type": "apiKey", "in": "header", "name": SIGNATURE},
    }
    schemas = parts.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    for name in _OURS:
        schemas.pop(name, None)
    whole["security"] = [{"token": []}]
    for path, item in whole["paths"].items():
        for operation in item.values():
            answers = operation["responses"]
            answers.pop("422", None)
            answers["default"] = _REFUSED
            if path in OPEN:
                operation["security"] = []
    return whole
