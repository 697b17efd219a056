"""CloudEvents 1.0 over HTTP: read from a request in either form, and written in the structured one.

Structured: the whole event is the body, `application/cloudevents+json`. Binary: the body is the
event's data, and its attributes are headers that begin with `ce-`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from agent_runtime.errors import InvalidInput

MEDIA = "application/cloudevents+json"
HEADER = "ce-"

_NAME = re.compile(r"^[a-z0-9]{1,40}$")
_JSON = re.compile(r"^application/([a-z0-9.+-]+\+)?json$")

Attribute = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class CloudEvent(BaseModel):
    """One event. `source` and `id` together name it: whoever sends them again sends it again."""

    model_config = ConfigDict(extra="allow", frozen=True)

    specversion: Literal["1.0"]
    id: Attribute
    source: Attribute
    type: Attribute
    subject: Attribute | None = None
    time: AwareDatetime | None = None
    datacontenttype: Attribute | None = None
    dataschema: Attribute | None = None
    data: Any = None

    @property
    def document(self) -> dict[str, Any]:
        """The event as plain JSON, as its structured form has it."""
        attributes = self.model_dump(mode="json", exclude={"data"})
        given = {name: value for name, value in attributes.items() if value is not None}
        return given | {"data": self.data}


def media_type(headers: Mapping[str, str]) -> str:
    """The content type without its parameters."""
    return headers.get("content-type", "").split(";")[0].strip().lower()


def read_cloudevent(headers: Mapping[str, str], content: Any) -> CloudEvent | None:
    """The event that a request carries (header names in lower case, its body as JSON), or None
    where it carries something else. Raises InvalidInput that names the attribute at fault."""
    if media_type(headers) == MEDIA:
        return _validate(content)
    if f"{HEADER}specversion" not in headers:
        return None
    named = {
        name.removeprefix(HEADER): unquote(value)
        for name, value in headers.items()
        if name.startswith(HEADER)
    }
    return _validate({**named, "datacontenttype": headers.get("content-type"), "data": content})


def _validate(given: Any) -> CloudEvent:
    if not isinstance(given, dict):
        raise InvalidInput("body", type(given).__name__, "is no CloudEvent")
    if "data_base64" in given:
        remedy = "Send data as JSON."
        raise InvalidInput("data_base64", "bytes", "binary data is not taken", remedy=remedy)
    for name, value in given.items():
        if name in CloudEvent.model_fields:
            continue
        if _NAME.match(name) is None or not isinstance(value, str | int | bool):
            raise InvalidInput("attribute", name[:40], "is no attribute of a CloudEvent")
    try:
        event = CloudEvent.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        remedy = "A CloudEvent 1.0 has specversion, id, source and type."
        # The value is the sender's content, and is not repeated.
        kind = type(first["input"]).__name__
        raise InvalidInput(field, kind, first["msg"], remedy=remedy) from None
    content = event.datacontenttype or "application/json"
    if _JSON.match(media_type({"content-type": content})) is None:
        raise InvalidInput("datacontenttype", content, "is no JSON")
    return event
