"""Problems: every refusal as RFC 9457 problem+json, mapped from the errors in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from agent_runtime.errors import (
    AgentRuntimeError,
    AlreadyDecided,
    CallerError,
    Conflict,
    InvalidInput,
    KeyReused,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    OnCallError,
    PolicyError,
    RateLimited,
    StaleQuestion,
)
from agent_runtime.telemetry import log

MEDIA = "application/problem+json"
CODE = "urn:agent-runtime:problem:"

STATUS: tuple[tuple[type[AgentRuntimeError], int, str], ...] = (
    (InvalidInput, 422, "A field cannot be used"),
    (KeyReused, 422, "The idempotency key stands for another request"),
    (PolicyError, 422, "The policy cannot be used"),
    (NotFound, 404, "Not found"),
    (NotAuthenticated, 401, "Not authenticated"),
    (NotPermitted, 403, "Not permitted"),
    (RateLimited, 429, "Too many requests"),
    (Conflict, 409, "The state has moved on"),
    (CallerError, 400, "The request is at fault"),
    (OnCallError, 503, "The installation needs a hand"),
    (AgentRuntimeError, 500, "Something went wrong here"),
)
"""The first that fits decides, so that the narrower stand first."""

OWN = {
    "malformed": (400, "The request is malformed"),
    "not_acceptable": (406, "Not acceptable"),
    "method_not_allowed": (405, "Method not allowed"),
    "not_found": (404, "Not found"),
    "body_timeout": (408, "The body took too long"),
    "too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "The body is no JSON"),
    "misdirected": (421, "This host is not served here"),
    "invalid_input": (422, "A field cannot be used"),
    "internal_error": (500, "Something went wrong here"),
    "overloaded": (503, "Too much at once"),
    "timeout": (504, "It took too long"),
}
"""Codes that no error of the runtime stands behind, with status and title."""


class Problem(BaseModel):
    """RFC 9457. `code` is stable, for programs; `detail` is for people; `request` finds the log."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(examples=[f"{CODE}not_found"])]
    title: str
    status: int
    code: Annotated[str, Field(examples=["not_found"])]
    detail: str
    request: str
    remedy: str | None = None


def problem(code: str, detail: str, request: str, **more: Any) -> Response:
    """A refusal that no error of the runtime stands behind."""
    status, title = OWN[code]
    return _send(_body(status, title, code, detail, request, more))


def describe(error: AgentRuntimeError, request: str) -> Response:
    """A refusal from one of our errors."""
    return _send(told(error, request))


def told(error: AgentRuntimeError, request: str) -> dict[str, Any]:
    """The same as plain JSON. What the installation's own people must mend is named by its code
    alone: messages of that kind hold paths and names of this machine."""
    status, title = next(
        (status, title) for kind, status, title in STATUS if isinstance(error, kind)
    )
    if status >= 500:
        log("request failed", request=request, error=error.code)
        return _body(status, title, error.code, "It has been logged.", request, {})
    return _body(status, title, error.code, error.message, request, _more(error))


async def on_error(request: Request, error: Exception) -> Response:
    """The one handler: whatever is raised while a request is served ends here."""
    name = request_id(request)
    match error:
        case AgentRuntimeError():
            return describe(error, name)
        case RequestValidationError():
            return _invalid(error, name)
        case HTTPException():
            return _http(error, name)
        case _:
            # What we send does not fit what we promise: a defect, told as one.
            raise error


def request_id(request: Request) -> str:
    """The id that the front gave to this request."""
    return str(request.scope.get("request_id", ""))


HANDLED: tuple[type[Exception], ...] = (
    AgentRuntimeError,
    RequestValidationError,
    HTTPException,
)


def _more(error: AgentRuntimeError) -> dict[str, Any]:
    more: dict[str, Any] = {"remedy": error.remedy or None}
    match error:
        case InvalidInput():
            more["errors"] = [{"field": error.field, "problem": error.message}]
        case NotFound():
            more |= {"kind": error.kind, "name": error.name}
        case AlreadyDecided():
            more |= {"decided": error.status, "by": error.by}
        case NotPermitted():
            more["rules"] = list(error.rules)
        case RateLimited():
            more["retry_after"] = error.retry_after
        case StaleQuestion():
            more["changed"] = [asdict(change) for change in error.changes]
        case _:
            pass
    return more


def _invalid(error: RequestValidationError, name: str) -> Response:
    """Each field at fault; the value itself is not repeated, it may be a secret or huge."""
    found = [
        {"field": ".".join(str(part) for part in each["loc"]), "problem": str(each["msg"])}
        for each in error.errors()[:20]
    ]
    detail = "; ".join(f"{each['field']}: {each['problem']}" for each in found[:3])
    return problem("invalid_input", detail, name, errors=found)


def _http(error: HTTPException, name: str) -> Response:
    codes = {404: "not_found", 405: "method_not_allowed", 406: "not_acceptable"}
    code = codes.get(error.status_code, "malformed")
    answer = problem(code, OWN[code][1] + ".", name)
    answer.headers.update(error.headers or {})
    return answer


def _body(
    status: int, title: str, code: str, detail: str, request: str, more: Mapping[str, Any]
) -> dict[str, Any]:
    body = {"type": CODE + code, "title": title, "status": status, "code": code}
    body |= {"detail": detail, "request": request}
    return body | {name: value for name, value in more.items() if value is not None}


def _send(body: dict[str, Any]) -> Response:
    headers = {}
    if body["status"] == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="agent-runtime"'
    if body["status"] in (429, 503):
        headers["Retry-After"] = str(max(1, round(body.get("retry_after", 1))))
    return JSONResponse(body, body["status"], headers, media_type=MEDIA)
