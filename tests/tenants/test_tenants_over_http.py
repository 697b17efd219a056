"""Tenants over HTTP and from the command line, on a server process of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.client import Client
from agent_runtime.errors import NotFound, StoreError
from tests.api.served import DONE, PAUSED, REGIONS, Served, is_problem, serving
from tests.program import ROOT
from tests.program import run as program
from tests.tenants.conftest import holding
from tests.triggers.sender import Letter

OUTSIDE = {"bank.db", "payouts.log"}
"""What the project's own outside system keeps."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with two regions, in which acme has a file in the EU."""
    regions = json.dumps(REGIONS)
    folder = tmp_path_factory.mktemp("regions")
    with serving(folder, AGENT_RUNTIME_REGIONS=regions) as served:
        make(served, "acme", "eu")
        yield served


def make(server: Served, name: str, region: str | None = None) -> dict[str, Any]:
    answer = server.as_("ada").post("/v1/tenants", json={"name": name, "region": region})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def begun(server: Served, tenant: str) -> dict[str, Any]:
    """A run of that tenant that waits for a person."""
    body = {"workflow": "ledger", "input": {"account": server.account("500.00")}}
    answer = server.as_("desk", tenant).post("/v1/runs", json=body, params=PAUSED)
    assert answer.json()["state"] == "paused", answer.text
    run: dict[str, Any] = answer.json()
    return run


def mail(content: dict[str, Any], name: str) -> dict[str, Any]:
    """A signed message, as a request's headers and body."""
    letter = Letter(content, id=name)
    return {"content": letter.body, "headers": letter.signed(datetime.now(UTC))}


def command(server: Served, *words: str, **env: str) -> Any:
    """What the command line prints as JSON."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **server.env, **env}
    done = program(*words, "--json", env=env)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_a_whole_day_in_a_file_of_its_own(server: Served) -> None:
    """Started, asked, approved and paid by a server that was there before the tenant."""
    run = begun(server, "acme")
    lena = server.as_("lena", "acme")
    (asked,) = lena.get("/v1/approvals", params={"run": run["id"]}).json()["items"]
    body = {"kind": "approve", "digest": asked["digest"]}
    answer = lena.post(f"/v1/approvals/{asked['id']}/decide", json=body, params=DONE)
    assert answer.status_code == 200, answer.text
    assert lena.get(f"/v1/runs/{run['id']}").json()["state"] == "completed"
    held = holding(server.data, run["id"])
    assert {name.removesuffix("-wal") for name in held} - OUTSIDE == {"eu/acme.db"}


def test_another_tenant_s_token_finds_nothing(server: Served) -> None:
    """Neither in its own file nor in the one that the others share."""
    run = begun(server, "acme")
    for who in (server.as_("lena"), server.as_("lena", "other")):
        is_problem(who.get(f"/v1/runs/{run['id']}"), 404, "not_found")
        assert run["id"] not in who.get("/v1/events", params={"limit": 200}).text


def test_who_sees_which_tenants(server: Served) -> None:
    """The installation's administrators all names and states; a tenant's its own alone."""
    begun(server, "other")
    names = [one["name"] for one in server.as_("ada").get("/v1/tenants").json()["items"]]
    assert {"acme", "default", "other"} <= set(names)
    own = server.as_("ada", "other").get("/v1/tenants").json()["items"]
    assert [one["name"] for one in own] == ["other"]
    for path in ("", "/export"):
        answer = server.as_("ada", "other").get(f"/v1/tenants/acme{path}")
        is_problem(answer, 404, "not_found")
    refused = server.as_("ada", "other").post("/v1/tenants", json={"name": "mine"})
    is_problem(refused, 403, "not_permitted", "access-of-another-tenant")


def test_the_installation_s_administrators_read_no_tenant_s_content(server: Served) -> None:
    """They make and erase tenants; handing one out is for the tenant's own."""
    answer = server.as_("ada").get("/v1/tenants/acme/export")
    is_problem(answer, 403, "not_permitted", "access-of-another-tenant")


def test_the_export_is_the_tenant_s_own(server: Served, tmp_path: Path) -> None:
    """Streamed to its administrator, checked against its manifest, and in its history."""
    run = begun(server, "acme")
    with Client(server.url, server.token("ada", tenant="acme")) as client:
        manifest = client.administration.export_tenant("acme", tmp_path / "out")
        last = list(client.events())[-1]
    assert manifest.tables["runs"].rows >= 1
    assert run["id"] in (tmp_path / "out" / "runs.jsonl").read_text()
    assert last.type == "tenant.exported"
    assert manifest.head.number == last.number


def test_a_tenant_is_erased_by_the_installation(server: Served) -> None:
    """Only when its name is said again; then its tokens open nothing, and others go on."""
    make(server, "gone", "us")
    run, lena = begun(server, "gone"), server.as_("lena", "gone")
    path = "/v1/tenants/gone/erase"
    is_problem(server.as_("ada").post(path, json={"confirm": "acme"}), 422, "invalid_input")
    done = server.as_("ada").post(path, json={"confirm": "gone"}).json()
    assert (done["tenant"]["state"], done["tenant"]["erased_by"]) == ("erased", "ada")
    assert done["emptied"]
    is_problem(lena.get("/v1/runs"), 401, "not_authenticated")
    assert not (server.data / "us" / "gone.db").exists()
    assert holding(server.data / "us", run["id"]) == []
    is_problem(server.as_("ada").post(path, json={"confirm": "gone"}), 404, "tenant_erased")
    assert server.as_("lena", "acme").get("/v1/runs").status_code == 200


@pytest.mark.parametrize(
    ("name", "region", "says"),
    [
        ("corp", "mars", "is no region of this installation"),
        ("Corp", "eu", "cannot be the name of a file"),
        ("../corp", None, "name"),
    ],
)
def test_a_tenant_that_cannot_be_is_refused(
    server: Served, name: str, region: str | None, says: str
) -> None:
    """With the field at fault."""
    answer = server.as_("ada").post("/v1/tenants", json={"name": name, "region": region})
    is_problem(answer, 422, "invalid_input", says)


def test_the_command_line_does_the_same_through_the_server(server: Served, tmp_path: Path) -> None:
    """Made, listed, handed out and erased with --url; verified before and after."""
    home = {"AGENT_RUNTIME_URL": server.url, "AGENT_RUNTIME_TOKEN": server.token("ada")}
    made = command(server, "tenants", "create", "dora", "--region", "us", **home)
    assert made["region"] == "us"
    begun(server, "dora")
    own = {**home, "AGENT_RUNTIME_TOKEN": server.token("ada", tenant="dora")}
    manifest = command(server, "tenants", "export", "dora", str(tmp_path / "out"), **own)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == manifest
    assert command(server, "events", "verify", **own)["problem"] == ""
    done = command(server, "tenants", "erase", "dora", "--confirm", "dora", **home)
    assert done["rows"]["runs"] == 1
    listed = command(server, "tenants", "list", **home)
    assert {"dora": "erased"}.items() <= {one["name"]: one["state"] for one in listed}.items()


def test_tokens_and_notices_are_administered_through_the_server(server: Served) -> None:
    """As here; the tenant is the token's."""
    home = {"AGENT_RUNTIME_URL": server.url, "AGENT_RUNTIME_TOKEN": server.token("ada")}
    words = ("tokens", "create", "--operator", "tom", "--role", "lead")
    made = command(server, *words, **home)
    with server.client(made["secret"]) as tom:
        assert tom.get("/v1/runs").status_code == 200
    token = made["token"]["id"]
    assert token in [one["id"] for one in command(server, "tokens", "list", **home)]
    assert command(server, "tokens", "revoke", token, **home)["revoked_at"] is not None
    hook = ("https://10.0.0.1/hook", "--topic", "failed", "--secret", "crm")
    told = command(server, "notices", "subscribe", *hook, **home)
    assert [told["id"]] == [s["id"] for s in command(server, "notices", "subscriptions", **home)]
    command(server, "notices", "unsubscribe", told["id"], **home)
    assert command(server, "notices", "dead", **home) == []
    assert command(server, "policies", "check", **home)["problems"] == []


def test_a_trigger_that_is_made_leads_to_its_tenant(server: Served) -> None:
    """Its address holds the tenant; its events start runs there, once each, owned as it says."""
    ada = server.as_("ada", "acme")
    wanted = {"name": "mail", "workflow": "ledger", "secret": "inbox", "owner": "mailroom"}
    made = ada.post("/v1/triggers", json=wanted)
    assert made.status_code == 201, made.text
    assert made.json()["name"] == "acme.mail"
    sent = mail({"account": server.account("500.00")}, "msg-a")
    with server.client(None) as sender:
        first, again = (sender.post("/v1/triggers/acme.mail", **sent) for _ in range(2))
        assert (first.status_code, again.status_code) == (202, 200), first.text
        run = server.as_("lena", "acme").get(f"/v1/runs/{first.json()['run']}").json()
        assert run["trigger"]["owner"] == "mailroom"
        ada.delete("/v1/triggers/acme.mail")
        gone = sender.post("/v1/triggers/acme.mail", **mail({"account": "a1"}, "msg-b"))
        is_problem(gone, 401, "not_authenticated")


def test_a_stream_of_an_export_that_is_cut_short_is_no_export(tmp_path: Path) -> None:
    """Whoever takes it is told, and nothing is kept."""
    from agent_runtime import export

    with pytest.raises(StoreError, match="cut short"):
        export.write_folder(tmp_path / "out", export.heard(['{"table":"runs","row":{}}']))
    assert not (tmp_path / "out").exists()


def test_a_tenant_that_is_not_there_is_not_found(server: Served) -> None:
    """As from the API, so from the client."""
    with Client(server.url, server.token("ada")) as client, pytest.raises(NotFound):
        client.administration.erase_tenant("nobody")
