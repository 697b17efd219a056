"""Every endpoint, and everybody who may not use it: refused with the right status, recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.api.served import Served, is_problem

DIGEST = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Row:
    """One endpoint. `wrong`: who may not use it; None: everybody in the tenant may.

    `foreign`: what another tenant's administrator gets for our id. `act`: what a refusal is
    recorded as in the history; reads are only logged.
    """

    method: str
    path: str
    body: Any = None
    wrong: str | None = "nobody"
    foreign: int | None = None
    act: str | None = None


START = {"workflow": "ledger", "input": {}}
WHY = {"reason": "Because."}
FORK = {"at": "pay_out", "reason": "Because."}
CASE = {
    "tool": "pay",
    "input": {"account": "a1", "amount": "5.00"},
    "facts": {"owner": "mara", "amount": "5", "status": "open", "version": 1, "paid": "0"},
}

SCHEDULE = {"workflow": "ledger", "name": "nightly", "cron": "0 3 * * *"}

MAIL = {"name": "desk", "workflow": "ledger", "secret": "desk"}
"""A trigger whose secret another tenant does not have."""

WANTED = {
    "channel": "webhook",
    "to": "https://crm.example.com/hook",
    "topics": ["failed"],
    "secret": "crm",
}

KNOWN = {"name": "returns.md", "text": "Goods come back unused."}

CAME = {"run": "{run_id}", "outcome": "satisfied", "value": True}
TRY = {"workflow": "ledger", "policy": "ledger", "candidate": "chg-none"}
SAID = {"run": "{run_id}", "label": "correct", "value": "yes"}

ROWS = (
    Row("GET", "/v1/workflows"),
    Row("GET", "/v1/workflows/{name}"),
    Row("GET", "/v1/workflows/{name}/schema"),
    Row("GET", "/v1/workflows/{name}/drawing"),
    Row("POST", "/v1/runs", START, wrong="lena", act="start"),
    Row("GET", "/v1/runs", wrong="desk"),
    Row("GET", "/v1/runs/counts", wrong="desk"),
    Row("GET", "/v1/runs/{run_id}", foreign=404),
    Row("GET", "/v1/runs/{run_id}/timeline", foreign=404),
    Row("GET", "/v1/runs/{run_id}/envelopes", foreign=404),
    Row("GET", "/v1/runs/{run_id}/evidence", foreign=404),
    Row("GET", "/v1/runs/{run_id}/journal", foreign=404),
    Row("GET", "/v1/runs/{run_id}/calls", foreign=404),
    Row("GET", "/v1/runs/{run_id}/report", foreign=404),
    Row("POST", "/v1/runs/{run_id}/replay", foreign=404),
    Row("POST", "/v1/runs/{run_id}/fork", FORK, wrong="lena", foreign=404, act="resume"),
    Row("POST", "/v1/runs/{run_id}/fork/rehearsal", {"at": "pay_out"}, foreign=404),
    Row("GET", "/v1/runs/{run_id}/compare/{other_id}", foreign=404),
    Row("POST", "/v1/runs/{run_id}/cancel", WHY, wrong="desk", foreign=404, act="cancel"),
    Row("POST", "/v1/runs/{run_id}/resume", WHY, wrong="lena", foreign=404, act="resume"),
    Row("POST", "/v1/runs/{run_id}/settle", {"how": "retry"}, "lena", 404, "settle"),
    Row("GET", "/v1/approvals", wrong="desk"),
    Row("GET", "/v1/approvals/{approval_id}", wrong="desk", foreign=404),
    Row(
        "POST",
        "/v1/approvals/{approval_id}/decide",
        {"kind": "approve", "digest": DIGEST},
        wrong="desk",
        foreign=404,
        act="decide",
    ),
    Row("GET", "/v1/approvals/counts", wrong="desk"),
    *(
        Row("POST", f"/v1/approvals/{{approval_id}}/{verb}", body, "desk", 404, act)
        for verb, body, act in (
            ("try-edit", {"arguments": {}}, "decide"),
            ("undo", None, "decide"),
            ("claim", {}, "claim"),
            ("release", None, "claim"),
            ("delegate", {"to": "luis"}, "decide"),
            ("refresh", None, "claim"),
            ("comments", {"text": "Seen."}, "comment"),
        )
    ),
    Row("GET", "/v1/approvals/{approval_id}/comments", wrong="desk", foreign=404),
    Row("POST", "/v1/bulk-decisions/preview", {"ids": ["{approval_id}"]}, "desk", 404, "decide"),
    Row(
        "POST",
        "/v1/bulk-decisions",
        {"ids": ["{approval_id}"], "preview": DIGEST, "kind": "approve"},
        wrong="desk",
        foreign=404,
        act="decide",
    ),
    Row("GET", "/v1/events", wrong="desk"),
    Row("GET", "/v1/events/stream", wrong="desk"),
    Row("GET", "/v1/schedules", wrong="desk"),
    Row("POST", "/v1/schedules", SCHEDULE, wrong="lena", act="administer"),
    Row("GET", "/v1/schedules/{schedule_id}", wrong="desk", foreign=404),
    Row("GET", "/v1/schedules/{schedule_id}/next", wrong="desk", foreign=404),
    Row("POST", "/v1/schedules/{schedule_id}/pause", {}, "lena", 404, "administer"),
    Row("POST", "/v1/schedules/{schedule_id}/resume", None, "lena", 404, "administer"),
    Row("DELETE", "/v1/schedules/{schedule_id}", None, "lena", 404, "administer"),
    Row("GET", "/v1/triggers", wrong="desk"),
    Row("POST", "/v1/triggers", MAIL, wrong="lena", foreign=422, act="administer"),
    Row("PUT", "/v1/triggers/{name}", MAIL, "lena", 404, "administer"),
    Row("DELETE", "/v1/triggers/{name}", None, "lena", 404, "administer"),
    Row("GET", "/v1/triggers/{name}", wrong="desk", foreign=404),
    Row("POST", "/v1/subscriptions", WANTED, wrong="lena", act="administer"),
    Row("GET", "/v1/subscriptions", wrong="lena", act="administer"),
    Row("GET", "/v1/subscriptions/{subscription_id}", None, "lena", 404, "administer"),
    Row("DELETE", "/v1/subscriptions/{subscription_id}", None, "lena", 404, "administer"),
    Row("GET", "/v1/notices", wrong="lena", act="administer"),
    Row("GET", "/v1/notices/{notice_id}", None, "lena", 404, "administer"),
    Row("POST", "/v1/notices/{notice_id}/resend", None, "lena", 404, "administer"),
    Row("POST", "/v1/knowledge/sources", KNOWN, wrong="lena", act="administer"),
    Row("GET", "/v1/knowledge/sources", wrong="desk"),
    Row("GET", "/v1/knowledge/sources/{source_id}", wrong="desk", foreign=404),
    Row("GET", "/v1/knowledge/sources/{source_id}/passages", wrong="desk", foreign=404),
    Row("DELETE", "/v1/knowledge/sources/{source_id}", None, "lena", 404, "administer"),
    Row("POST", "/v1/knowledge/search", {"query": "refund"}, wrong="desk"),
    Row("GET", "/v1/knowledge/access", wrong="desk"),
    Row("GET", "/v1/runs/{run_id}/evidence/{content}", foreign=404),
    Row("GET", "/v1/bundles/{digest}", wrong="desk", foreign=404),
    Row("GET", "/v1/policies", wrong="desk"),
    Row("POST", "/v1/policies/check", wrong="desk"),
    Row("GET", "/v1/policies/changes", wrong="desk"),
    Row("GET", "/v1/policies/{name}", wrong="desk"),
    Row("POST", "/v1/policies/{name}/explain", CASE, wrong="desk"),
    Row("POST", "/v1/policies/{name}/propose", WHY, wrong="ada", foreign=403, act="propose"),
    Row("POST", "/v1/policies/changes/{change_id}/activate", None, "ada", 404, "activate"),
    Row("POST", "/v1/tokens", {"operator": "x"}, wrong="petra", act="administer"),
    Row("GET", "/v1/tokens", wrong="petra", act="administer"),
    Row("POST", "/v1/tokens/{token_id}/revoke", None, "petra", 404, "administer"),
    Row("GET", "/v1/tenants", wrong="lena", act="administer"),
    Row("POST", "/v1/tenants", {"name": "corp"}, wrong="lena", foreign=403, act="administer"),
    Row("GET", "/v1/tenants/{tenant}", None, "lena", 404, "administer"),
    Row("GET", "/v1/tenants/{tenant}/export", None, "lena", 404, "administer"),
    Row("POST", "/v1/tenants/{tenant}/erase", {"confirm": "default"}, "lena", 403, "administer"),
    Row("GET", "/v1/verification", wrong="lena", act="administer"),
    Row("GET", "/metrics", wrong="lena", act="administer"),
    Row("GET", "/v1/metrics", wrong="desk"),
    Row("POST", "/v1/outcomes", CAME, wrong="desk", foreign=404, act="comment"),
    Row("POST", "/v1/labels", SAID, wrong="desk", foreign=404, act="comment"),
    Row("POST", "/v1/shadows", {"run": "{run_id}"}, wrong="desk", foreign=404, act="comment"),
    Row("GET", "/v1/labels/{name}/next", wrong="desk"),
    Row("GET", "/v1/runs/{run_id}/outcomes", foreign=404),
    Row("GET", "/v1/runs/{run_id}/labels", foreign=404),
    Row("GET", "/v1/runs/{run_id}/grades", foreign=404),
    Row("POST", "/v1/runs/{run_id}/grades", None, "desk", 404, "comment"),
    Row("GET", "/v1/rollouts", wrong="desk"),
    Row("POST", "/v1/rollouts", TRY, wrong="ada", foreign=404, act="propose"),
    Row("GET", "/v1/rollouts/{rollout_id}", wrong="desk", foreign=404),
    Row("POST", "/v1/rollouts/{rollout_id}/stop", {}, "lena", 404, "propose"),
)

PUBLIC = frozenset({"name", "tenant"})
"""Of the ids in paths, those that are no secret: a workflow's name, and every home's."""

EVERYWHERE = frozenset({"/v1/events", "/v1/rollouts"})
"""Where another tenant is told the ids of a policy on trial: it is tried there too."""

OPEN = frozenset({("GET", "/livez"), ("GET", "/readyz"), ("GET", "/v1/openapi.json")})
"""What anybody may ask: they tell nothing about anybody's data."""

SIGNED = frozenset({("POST", "/v1/triggers/{name}")})
"""What a signature lets in, and no token: see test_triggers_over_http."""

each = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")


@pytest.fixture(scope="module")
def place(server: Served) -> dict[str, str]:
    """Ids for the paths: a run of somebody who is also a lead, and what hangs on it."""
    inside = {**WANTED, "to": "https://10.0.0.1/hook", "topics": ["pending"]}
    told = server.as_("ada").post("/v1/subscriptions", json=inside).json()
    run = server.begin("500.00", by="both")
    server.token("carl")
    (token, *_) = server.as_("ada").get("/v1/tokens").json()["items"]
    change = server.as_("petra").post("/v1/policies/ledger/propose", json=WHY).json()
    trial = {**TRY, "candidate": change["id"], "rehearsal": digest_seen(change), "share": 0.001}
    rollout = server.as_("paul").post("/v1/rollouts", json=trial).json()["rollout"]
    made = server.as_("ada").post("/v1/schedules", json={**SCHEDULE, "name": "hourly"}).json()
    known = {**KNOWN, "name": "desk.md"}
    source = server.as_("ada").post("/v1/knowledge/sources", json=known).json()
    return {
        "subscription_id": told["id"],
        "notice_id": server.given_up(told)["id"],
        "schedule_id": made["id"],
        "run_id": run["id"],
        "other_id": run["id"],
        "approval_id": server.question(run)["id"],
        "token_id": token["id"],
        "change_id": change["id"],
        "rollout_id": rollout["id"],
        "source_id": source["source"],
        "content": "sha256:" + "1" * 64,
        "digest": digest_of(server, run),
        "name": "ledger",
        "tenant": "default",
    }


def refused(server: Served) -> dict[str, Any]:
    """The last refusal that the history tells of."""
    told = [e.body for e in server.read()["events"] if e.type == "access.refused"]
    return dict(told[-1])


def digest_seen(change: dict[str, Any]) -> str | None:
    """Of a change's rehearsal, where there was one."""
    return None if change["rehearsal"] is None else str(change["rehearsal"]["digest"])


def digest_of(server: Served, run: dict[str, Any]) -> str:
    """Of the bundle that a run was shown."""
    found = server.as_("lena").get("/v1/events", params={"run": run["id"], "limit": 50}).json()
    (body,) = [e["body"] for e in found["items"] if e["type"] == "bundle.assembled"]
    return str(body["digest"])


@pytest.fixture
def ask(server: Served, place: dict[str, str]) -> Callable[..., Any]:
    """Send a row's request with a token; None: without one."""

    def send(row: Row, token: str | None) -> Any:
        with server.client(token) as client:
            body = row.body
            if body is not None and "ids" in body:
                body = {**body, "ids": [place["approval_id"]]}
            if body is not None and "run" in body:
                body = {**body, "run": place["run_id"]}
            return client.request(row.method, row.path.format(**place), json=body)

    return send


def everything(server: Served) -> list[tuple[str, str]]:
    with server.client(None) as client:
        document = client.get("/v1/openapi.json").json()
    return [(verb.upper(), path) for path, item in document["paths"].items() for verb in item]


def test_every_endpoint_is_in_the_matrix(server: Served) -> None:
    """A new one without its row fails here; so does a row without its endpoint."""
    rows = {(row.method, row.path) for row in ROWS}
    assert set(everything(server)) - OPEN - SIGNED == rows


@each
def test_no_token(ask: Callable[..., Any], row: Row) -> None:
    """401, and how to do it right."""
    answer = ask(row, None)
    is_problem(answer, 401, "not_authenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@each
def test_an_expired_token(server: Served, ask: Callable[..., Any], row: Row) -> None:
    """401; that it has existed is not said."""
    gone = server.token("ada", lifetime=timedelta(seconds=-1))
    body = is_problem(ask(row, gone), 401, "not_authenticated")
    assert body["detail"] == "The token is not valid."


@each
def test_the_wrong_role(server: Served, ask: Callable[..., Any], row: Row) -> None:
    """403 with the rule that decided; what would have changed something is in the history."""
    assert row.wrong is not None
    is_problem(ask(row, server.token(row.wrong)), 403, "not_permitted", "runtime:no-rule")
    if row.act is not None:
        last = refused(server)
        assert (last["operator"], last["act"]) == (row.wrong, row.act)


@each
def test_a_token_of_too_little_scope(server: Served, ask: Callable[..., Any], row: Row) -> None:
    """403 although its operator may: the token is limited to something else."""
    roles = ("administrator", "policy_owner", "lead", "on_call")
    limited = server.token(
        "root", roles=roles, scopes=("start" if row.act == "claim" else "claim",)
    )
    is_problem(ask(row, limited), 403, "not_permitted", "access-outside-token-scope")


@each
def test_another_tenant(
    server: Served, place: dict[str, str], ask: Callable[..., Any], row: Row
) -> None:
    """Our ids are not found; lists hold nothing of ours."""
    roles = ("administrator", "policy_owner", "lead", "on_call", "starter")
    token = server.token("root", tenant="other", roles=roles)
    if row.path == "/v1/events/stream":
        return  # it waits for the other tenant's own events; see test_events_live
    answer = ask(row, token)
    if row.foreign is None:
        assert answer.status_code < 300, answer.text
        public = PUBLIC | {"change_id", "rollout_id"} if row.path in EVERYWHERE else PUBLIC
        ours = {value for name, value in place.items() if name not in public}
        assert not [value for value in ours if value in answer.text]
        assert '"tenant":"default"' not in answer.text
    else:
        code = {404: "not_found", 403: "not_permitted", 422: "invalid_input"}[row.foreign]
        is_problem(answer, row.foreign, code)


@pytest.mark.parametrize("kind", ["approve", "edit", "reject", "respond"])
def test_the_starter_decides_nothing_about_their_own_run(
    server: Served, place: dict[str, str], kind: str
) -> None:
    """Whatever roles they hold; the refusal names the rule and is recorded."""
    asked = server.as_("lena").get(f"/v1/approvals/{place['approval_id']}").json()
    more = {"arguments": {"note": "x"}} if kind == "edit" else {}
    answer = server.decide(asked, "both", kind, **more)
    is_problem(answer, 403, "not_permitted", "access-decider-started-it")
    assert refused(server)["id"] == asked["id"]
    assert server.question({"id": place["run_id"]})["status"] == "open"


def test_a_policy_refusal_of_the_desk_is_recorded(server: Served, place: dict[str, str]) -> None:
    """Carl may answer questions, and his yes does not count towards this one."""
    asked = server.as_("lena").get(f"/v1/approvals/{place['approval_id']}").json()
    is_problem(server.decide(asked, "carl"), 403, "not_permitted", "does not count")
    assert refused(server)["operator"] == "carl"


def test_a_revoked_token_ends_at_once(server: Served) -> None:
    """With the next request; revoking twice changes nothing."""
    made = server.as_("ada").post("/v1/tokens", json={"operator": "tom", "roles": ["lead"]}).json()
    with server.client(made["secret"]) as tom:
        assert tom.get("/v1/runs").status_code == 200
        for _ in range(2):
            ended = server.as_("ada").post(f"/v1/tokens/{made['token']['id']}/revoke").json()
        assert ended["revoked_at"] is not None
        is_problem(tom.get("/v1/runs"), 401, "not_authenticated")


def test_nobody_is_who_a_header_says(server: Served) -> None:
    """Headers that proxies set elsewhere mean nothing here."""
    names = ("x-forwarded-user", "x-remote-user", "x-operator", "x-tenant", "cookie")
    with server.client(None) as client:
        headers = dict.fromkeys(names, "ada")
        is_problem(client.get("/v1/runs", headers=headers), 401, "not_authenticated")
    lena = server.as_("lena")
    answer = lena.post("/v1/tokens", json={"operator": "x"}, headers={"x-operator": "ada"})
    is_problem(answer, 403, "not_permitted")
