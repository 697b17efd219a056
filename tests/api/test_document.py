"""The OpenAPI document says what the server does: every operation is tried with what it allows
and with what it does not."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.served import Served
from tests.api.test_access_matrix import ROWS, Row
from tests.patience import PATIENCE

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

EXAMPLES = 10
"""Of each operation; they are the same in every run."""

SENT = Row("POST", "/v1/triggers/{name}")
TRIED = [SENT, *(row for row in ROWS if row.path != "/v1/events/stream")]
"""The stream has no end to be validated."""

ALL = ("administrator", "lead", "on_call", "policy_owner", "starter")


@pytest.fixture(scope="session")
def described(server: Served) -> BaseSchema:
    """The server's own document."""
    return schemathesis.openapi.from_url(f"{server.url}/v1/openapi.json")


@pytest.fixture(scope="session")
def bearer(server: Served) -> dict[str, str]:
    """Somebody who may do all that there is, in a tenant of their own."""
    return {"authorization": f"Bearer {server.token('fuzz', tenant='fuzz', roles=ALL)}"}


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("row", TRIED, ids=lambda row: f"{row.method} {row.path}")
def test_every_operation_keeps_its_word(
    described: BaseSchema, bearer: dict[str, str], row: Row, mode: GenerationMode
) -> None:
    """No 5xx, and no answer that the document does not describe."""

    @given(case=described[row.path][row.method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def try_one(case: Case[Any]) -> None:
        if "timeout" in case.query:
            case.query["timeout"] = 0.05
        case.call_and_validate(headers=bearer, checks=CHECKS, timeout=PATIENCE)

    try_one()


def test_the_document_tells_who_is_let_in(server: Served) -> None:
    """Every operation but the probes asks for a token, and describes its refusals."""
    with server.client(None) as client:
        found: dict[str, Any] = client.get("/v1/openapi.json").json()
    assert found["security"] == [{"token": []}]
    signed = found["paths"][SENT.path]["post"]
    assert signed["security"] == [{"signature": []}]
    for path, item in found["paths"].items():
        for operation in item.values():
            own = path in ("/livez", "/readyz") or operation is signed
            assert ("security" in operation) is own
            refused = operation["responses"]["default"]["content"]
            assert list(refused) == ["application/problem+json"]
            assert operation["summary"]
            assert operation["description"]


def test_every_post_takes_an_idempotency_key(server: Served) -> None:
    """It is part of what each of them declares."""
    with server.client(None) as client:
        found: dict[str, Any] = client.get("/v1/openapi.json").json()
    posts = [item["post"] for item in found["paths"].values() if "post" in item]
    named = [[p["name"] for p in post.get("parameters", [])] for post in posts]
    assert len(posts) > 15
    assert all("idempotency-key" in names for names in named)
