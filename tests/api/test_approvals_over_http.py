"""Approvals over HTTP: the inbox, claims, answers, second thoughts, and everybody at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.served import Served, is_problem
from tests.patience import PATIENCE


@pytest.fixture
def asked(server: Served) -> dict[str, Any]:
    """A question to one lead about 500."""
    return server.question(server.begin("500.00"))


def act(server: Served, name: str, asked: dict[str, Any], verb: str, body: Any = None) -> Any:
    return server.as_(name).post(f"/v1/approvals/{asked['id']}/{verb}", json=body)


def test_the_inbox_holds_what_is_asked_of_me(server: Served, asked: dict[str, Any]) -> None:
    """`mine` is by role; an answer, a filter on the amount or another rule takes it away."""
    query = {"mine": "true", "run": asked["run_id"]}
    ids = [a["id"] for a in server.as_("lena").get("/v1/approvals", params=query).json()["items"]]
    assert ids == [asked["id"]]
    assert server.as_("fay").get("/v1/approvals", params=query).json()["items"] == []
    for more in ({"amount_to": "499.99"}, {"rule": "ask-finance"}, {"late": "true"}):
        found = server.as_("lena").get("/v1/approvals", params={**query, **more}).json()
        assert found["items"] == []


def test_pages_of_the_inbox_hold_each_question_once(server: Served) -> None:
    """In every order, while new ones come in."""
    made = {server.question(server.begin(f"{amount}.00"))["id"] for amount in (300, 200, 400)}
    for sort in ("age", "-age", "amount", "-amount", "deadline", "-deadline"):
        seen: list[str] = []
        query: dict[str, Any] = {"sort": sort, "limit": 2}
        while "cursor" not in query or query["cursor"]:
            page = server.as_("lena").get("/v1/approvals", params=query).json()
            seen += [item["id"] for item in page["items"]]
            query["cursor"] = page["next"]
        assert made <= set(seen)
        assert len(seen) == len(set(seen))


def ids_of(server: Served, tenant: str = "default", **query: Any) -> list[str]:
    """Of the questions on one page of lena's."""
    answer = server.as_("lena", tenant).get("/v1/approvals", params=query)
    return [asked["id"] for asked in answer.json()["items"]]


def test_a_search_finds_by_what_is_shown(server: Served, asked: dict[str, Any]) -> None:
    """Each word has to stand there, and each filter to hold; another tenant finds nothing of it."""
    account = asked["action"]["target_id"]
    assert ids_of(server, q=f"PAY {account}") == [asked["id"]]
    assert ids_of(server, q=f"{account} nowhere") == []
    assert ids_of(server, q=account, amount_to="499.99") == []
    assert ids_of(server, "other", q=account) == []


def test_pages_of_a_search_are_its_own(server: Served) -> None:
    """Each question once; a cursor of another search is refused."""
    lena, run = server.as_("lena"), server.begin("501.00")
    made = [server.question(run)["id"], server.question(server.begin("501.00"))["id"]]
    query: dict[str, Any] = {"q": "501.00", "limit": 1, "sort": "-age"}
    first = lena.get("/v1/approvals", params=query).json()
    second = ids_of(server, **query, cursor=first["next"])
    assert [first["items"][0]["id"], *second] == made[::-1]
    other = lena.get("/v1/approvals", params={**query, "q": "501", "cursor": first["next"]})
    is_problem(other, 422, "invalid_input", "cursor")


def test_counts_say_how_many(server: Served, asked: dict[str, Any]) -> None:
    """Under the same filters as the list."""
    query = {"run": asked["run_id"]}
    counts = server.as_("lena").get("/v1/approvals/counts", params=query).json()
    assert (counts["total"], counts["mine"], counts["rules"]) == (1, 1, {"ask-lead": 1})


def test_an_unknown_filter_is_refused(server: Served) -> None:
    """A typing error must not find everything."""
    answer = server.as_("lena").get("/v1/approvals", params={"workflw": "ledger"})
    is_problem(answer, 422, "invalid_input", "workflw", "workflow")


def test_a_claim_asks_others_to_stay_away(server: Served, asked: dict[str, Any]) -> None:
    """Until it is given back, or somebody insists."""
    assert act(server, "lena", asked, "claim", {}).json()["claim"]["by"] == "lena"
    is_problem(server.decide(asked, "luis"), 409, "conflict", "lena is at work")
    act(server, "lena", asked, "release")
    assert act(server, "luis", asked, "claim", {}).json()["claim"]["by"] == "luis"
    done = server.decide(asked, "lena", override=True)
    assert done.json()["decisions"][0]["overrode"] == "luis"


def test_a_held_answer_can_be_undone_by_its_author(server: Served, asked: dict[str, Any]) -> None:
    """By nobody else; then the question is open again, and nothing was executed."""
    held = server.decide(asked, "lena", hold_seconds=60)
    assert held.json()["status"] == "held"
    is_problem(server.decide(asked, "luis"), 409, "already_decided", "lena")
    assert act(server, "luis", asked, "undo").status_code in (403, 409)
    assert act(server, "lena", asked, "undo").json()["status"] == "open"
    assert server.reached({"id": asked["run_id"]}, "paused")


def test_an_edit_is_asked_about_anew(server: Served, asked: dict[str, Any]) -> None:
    """With the edited action; the editor's yes counts where policy lets it."""
    answer = server.decide(asked, "lena", "edit", arguments={"note": "with care"})
    edited = answer.json()
    assert edited["id"] != asked["id"]
    assert edited["action"]["arguments"]["note"] == "with care"
    assert edited["status"] == "approved"
    assert answer.headers["location"] == f"/v1/runs/{asked['run_id']}"


def test_a_response_goes_back_to_reasoning(server: Served, asked: dict[str, Any]) -> None:
    """The run asks again, with the words as evidence."""
    server.decide(asked, "lena", "respond", reason="Check the closing date.")
    again = server.question(server.reached({"id": asked["run_id"]}, "paused"))
    assert again["id"] != asked["id"]


def test_a_rejection_needs_words(server: Served, asked: dict[str, Any]) -> None:
    """And may say of which kind it is."""
    refused = server.decide(asked, "lena", "reject", reason=" ")
    is_problem(refused, 422, "invalid_input", "reason")
    done = server.decide(asked, "lena", "reject", code="duplicate", wait="done")
    is_problem(done, 422, "invalid_input", "wait")
    done = server.decide(asked, "lena", "reject", code="duplicate")
    assert done.json()["decisions"][0]["code"] == "duplicate"


def test_what_was_seen_has_to_be_what_is_there(server: Served) -> None:
    """An old version is refused, by header or body, with what has changed since."""
    asked = server.question(server.begin("5000.00"))
    fay, path = server.as_("fay"), f"/v1/approvals/{asked['id']}"
    tag = fay.get(path).headers["etag"]
    server.decide(asked, "finn")
    body = {"kind": "approve", "digest": asked["digest"]}
    stale = fay.post(f"{path}/decide", json=body, headers={"if-match": tag})
    found = is_problem(stale, 409, "stale_question")
    assert found["changed"] == [{"field": "decisions", "old": "", "new": "finn: approve"}]
    assert fay.post(f"{path}/decide", json={**body, "version": asked["version"]}).status_code == 409
    now = fay.get(path).headers["etag"]
    assert fay.post(f"{path}/decide", json=body, headers={"if-match": now}).status_code == 200


def test_a_part_is_handed_on(server: Served, asked: dict[str, Any]) -> None:
    """The one who got it may answer; the one who gave it may not any more."""
    handed = act(server, "lena", asked, "delegate", {"to": "luis", "reason": "On leave."})
    assert handed.json()["delegations"][0]["to"] == "luis"
    is_problem(server.decide(asked, "lena"), 403, "not_permitted")
    assert server.decide(asked, "luis").json()["status"] == "approved"


def test_people_talk_about_it(server: Served, asked: dict[str, Any]) -> None:
    """Remarks are kept in order, and turn away no answer that is on its way."""
    for name, text in (("lena", "Is that the old account?"), ("luis", "It is.")):
        assert act(server, name, asked, "comments", {"text": text}).status_code == 201
    found = server.as_("fay").get(f"/v1/approvals/{asked['id']}/comments").json()["items"]
    assert [one["author"] for one in found] == ["lena", "luis"]
    version = asked["version"]
    assert server.decide(asked, "lena", version=version).status_code == 200


def test_several_at_once_after_a_look_at_all(server: Served) -> None:
    """The preview adds up; its digest is echoed; each is answered by itself."""
    questions = [server.question(server.begin("150.00")) for _ in range(3)]
    ids, lena = [asked["id"] for asked in questions], server.as_("lena")
    seen = lena.post("/v1/bulk-decisions/preview", json={"ids": ids}).json()
    assert (seen["count"], seen["total"], seen["largest"]) == (3, "450.00", "150.00")
    body = {"ids": ids, "preview": seen["digest"], "kind": "approve"}
    wrong = {**body, "preview": "sha256:" + "0" * 64}
    is_problem(lena.post("/v1/bulk-decisions", json=wrong), 409, "stale_question")
    done = lena.post("/v1/bulk-decisions", json=body).json()["items"]
    assert [(one["id"], one["approval"]["status"]) for one in done] == [
        (i, "approved") for i in ids
    ]


def test_two_say_yes_to_a_large_one(server: Served) -> None:
    """A quorum of different people; nobody counts twice."""
    asked = server.question(server.begin("5000.00"))
    assert server.decide(asked, "fay").json()["status"] == "open"
    is_problem(server.decide(asked, "fay"), 409, "already_decided", "fay")
    assert server.decide(asked, "finn").json()["status"] == "approved"


def test_at_high_risk_a_yes_says_what_it_does(server: Served) -> None:
    """The amount is typed; without it, or with another, nothing is decided and the field named."""
    asked = server.question(server.begin("999.00"))
    for typed in ({}, {"confirm": "99.00"}):
        refused = is_problem(server.decide(asked, "lena", **typed), 422, "unconfirmed", "999.00")
        assert [one["field"] for one in refused["errors"]] == ["confirm"]
    assert server.question({"id": asked["run_id"]})["decisions"] == []
    assert server.decide(asked, "lena", confirm="999").json()["status"] == "approved"


def test_fifty_answer_at_once_and_one_counts(server: Served, asked: dict[str, Any]) -> None:
    """One 200; the 49 others get 409 and hear who was first."""
    clients = [
        server.client(server.token(f"lead{number}", roles=("lead",))) for number in range(50)
    ]
    barrier = threading.Barrier(50)

    def answer(number: int) -> Any:
        body = {"kind": ("approve", "reject")[number % 2], "digest": asked["digest"]}
        barrier.wait(PATIENCE)
        path = f"/v1/approvals/{asked['id']}/decide"
        with clients[number] as client:
            return client.post(path, json={**body, "reason": "Mine."})

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(answer, range(50)))
    winners = [number for number, said in enumerate(answers) if said.status_code == 200]
    assert len(winners) == 1
    losers = [said for said in answers if said.status_code != 200]
    for said in losers:
        assert is_problem(said, 409, "already_decided")["by"] == f"lead{winners[0]}"
