"""OIDC bearer tokens at the door of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.access.issuer import AUDIENCE, Issuer, issuing
from tests.api.served import Served, is_problem, serving


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that trusts the issuer."""
    trusted = {
        "AGENT_RUNTIME_OIDC_ISSUER": issuer.url,
        "AGENT_RUNTIME_OIDC_AUDIENCE": AUDIENCE,
        "AGENT_RUNTIME_OIDC_OPERATOR_CLAIM": "email",
        "AGENT_RUNTIME_OIDC_TENANT_CLAIM": "org",
    }
    folder: Path = tmp_path_factory.mktemp("guarded")
    with serving(folder, **trusted) as served:
        yield served


def test_a_person_of_the_issuer_decides(guarded: Served, issuer: Issuer) -> None:
    """Under the name, roles and tenant of the claims, which the record holds."""
    run = guarded.begin("500.00")
    asked = guarded.question(run)
    token = issuer.token(email="lena@example.com", org="default")
    with guarded.client(token) as lena:
        body = {"kind": "approve", "digest": asked["digest"]}
        done = lena.post(f"/v1/approvals/{asked['id']}/decide", json=body)
    (decision,) = done.json()["decisions"]
    assert (decision["operator"], decision["channel"]) == ("lena@example.com", "api:oidc")


def test_a_tenant_is_what_the_claim_says(guarded: Served, issuer: Issuer) -> None:
    """Somebody of another organisation finds nothing; without the claim nobody gets in."""
    run = guarded.begin("500.00")
    with guarded.client(issuer.token(email="eve", org="other")) as eve:
        is_problem(eve.get(f"/v1/runs/{run['id']}"), 404, "not_found")
    with guarded.client(issuer.token(email="eve")) as eve:
        is_problem(eve.get("/v1/runs"), 401, "not_authenticated")


def test_a_token_that_is_over_is_refused(guarded: Served, issuer: Issuer) -> None:
    """As our own are."""
    with guarded.client(issuer.token(email="lena", org="default", exp=1)) as lena:
        is_problem(lena.get("/v1/runs"), 401, "not_authenticated")
