"""The runs, their pages and what people do there, asked for as a browser without scripts would."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from agent_runtime.clock import SystemClock
from agent_runtime.store import Session, Store
from agent_runtime.store.database import connect
from tests.api.served import PAUSED, Served, browsing
from tests.console.browser import COOKIE, cookie_of

As = Callable[..., "Reader"]
TABS = ("envelope", "context", "model", "tools", "policy", "journal", "spans", "state")
EVIL = "<script>alert(1)</script>\u202etxt.exe"


@dataclass
class Reader:
    """Somebody who is signed in, without a browser."""

    http: httpx.Client

    def page(self, path: str, status: int = 200) -> str:
        answer = self.http.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form of ours."""
        token = re.search(r'data-form-token="([^"]+)"', self.page("/runs"))
        assert token is not None
        return self.http.post(path, data={"form_token": token[1], **fields})


@pytest.fixture(scope="module")
def as_(desk: Served) -> Iterator[As]:
    """Signs somebody in."""
    clients: dict[tuple[str, str], Reader] = {}

    def one(name: str = "lena", tenant: str = "default") -> Reader:
        if (name, tenant) not in clients:
            cookie = cookie_of(desk, desk.token(name, tenant=tenant))
            clients[name, tenant] = Reader(
                browsing(desk.url, cookies={COOKIE: cookie}, headers={"accept": "text/html"})
            )
        return clients[name, tenant]

    yield one
    for reader in clients.values():
        reader.http.close()


def start(desk: Served, message: str = "Please pay me out.") -> str:
    """A run that asks a lead, with this message."""
    given = {"account": desk.account("500.00"), "message": message}
    answer = desk.as_("desk").post(
        "/v1/runs", json={"workflow": "ledger", "input": given}, params=PAUSED
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_runs_are_found_by_what_they_are(desk: Served, as_: As) -> None:
    """State, workflow, owner and key narrow the list; an id leads to its run."""
    owner = f"o{secrets.token_hex(4)}"
    asked = (("500.00", f"{owner}-a"), ("50.00", f"{owner}-b"))
    with desk.client(desk.token(owner, roles=("starter",))) as client:
        runs = [
            client.post(
                "/v1/runs",
                json={"workflow": "ledger", "input": {"account": desk.account(amount)}, "key": key},
                params=PAUSED,
            ).json()
            for amount, key in asked
        ]
    asking, paid = (run["id"] for run in runs)
    waiting = as_().page(f"/runs?owner={owner}&state=paused")
    assert asking in waiting
    assert paid not in waiting
    assert "waiting for an answer" in waiting
    ended = as_().page(f"/runs?view=ended&owner={owner}&workflow=ledger&trigger=request&age=1h")
    assert paid in ended
    assert asking not in ended
    assert asking in as_().page(f"/runs?q={owner}-a")
    answer = as_().http.get(f"/runs?q={paid}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{paid}")
    assert "hidden by the filter" in as_().page(f"/runs?owner={owner}&state=failed")


@pytest.mark.parametrize("query", ["state=lost", "view=mine", "age=2y", "trigger=hand", "sort=up"])
async def test_what_cannot_be_sought_is_said(as_: As, query: str) -> None:
    """A mistyped filter finds nothing wrong: it says what there is."""
    assert "There are:" in as_().page(f"/runs?{query}", 422)


async def test_pages_of_runs_show_each_once(desk: Served, as_: As) -> None:
    """Older runs are a page further, none twice, however many come meanwhile."""
    owner = f"o{secrets.token_hex(4)}"
    with desk.client(desk.token(owner, roles=("starter",))) as client:
        body = {"workflow": "ledger", "input": {"account": "a1"}}
        made = {client.post("/v1/runs", json=body).json()["id"] for _ in range(53)}
        first = as_().page(f"/runs?owner={owner}")
        client.post("/v1/runs", json=body)
        link = re.search(r'rel="next" href="([^"]+)"', first)
        assert link is not None
        second = as_().page(link[1].replace("&amp;", "&"))
    seen = [re.findall(r'<tr id="(run-\w+)"', page) for page in (first, second)]
    assert [len(rows) for rows in seen] == [50, 3]
    assert set(seen[0] + seen[1]) == made


async def test_a_run_is_drawn_where_it_stands(desk: Served, as_: As) -> None:
    """Its way is thick, its gate is filled and waits, and the same stands in a table."""
    page = as_().page(f"/runs/{start(desk)}")
    assert page.count('data-current="true"') == 1
    assert re.search(r'class="g-node taken current waits"', page)
    assert "waits here" in page
    assert "waiting for an answer so far" in page
    assert 'style="' not in page
    folded = as_().page(f"/runs/{start(desk)}?drawn=steps")
    assert "waits: gate" in folded


async def test_the_version_of_the_run_is_drawn(desk: Served, as_: As) -> None:
    """However the code has moved on; and where that version was never kept, the page says so."""
    kept, lost = start(desk), start(desk)
    store = Store(desk.data / "runtime.db", SystemClock())

    def rewrite(session: Session) -> None:
        now = session.versions.get("ledger", session.runs.get(kept).version)
        assert now is not None
        step = now.topology.steps[0].model_copy(update={"name": "long_gone"})
        drawn = now.topology.model_copy(update={"steps": (step,)})
        session.versions.keep(now.model_copy(update={"id": "earlier00001", "topology": drawn}))

    await store.write("default", rewrite)
    with closing(connect(desk.data / "runtime.db")) as file:
        for run, version in ((kept, "earlier00001"), (lost, "neverkept001")):
            file.execute("UPDATE runs SET version = ? WHERE id = ?", (version, run))
    store.close()
    page = as_().page(f"/runs/{kept}")
    assert ">long_gone<" in page
    assert "was not kept" not in page
    assert "was not kept. Drawn is the one that is deployed now" in as_().page(f"/runs/{lost}")


async def test_a_long_run_is_shown_from_its_end(desk: Served, as_: As) -> None:
    """The last hundred visits, and the earlier ones when they are asked for."""
    run = desk.begin("50.00")["id"]
    store = Store(desk.data / "runtime.db", SystemClock())

    def think(session: Session) -> None:
        for visit in range(2, 152):
            body = {"step": "pay_out", "node": "reasoning", "visit": visit, "status": "done"}
            more = {"reason": f"Thought {visit:03}.", "confidence": 1.0, "producer": "rule:x"}
            session.events.append("envelope.emitted", run, **body, **more)

    await store.write("default", think)
    store.close()
    page = as_().page(f"/runs/{run}")
    assert "Thought 151." in page
    assert "Thought 051." not in page
    link = re.search(r'href="(/runs/[^"]+before=\d+)"', page)
    assert link is not None
    earlier = as_().page(link[1])
    assert "Thought 051." in earlier
    assert "Thought 052." not in earlier
    assert "Show earlier" not in earlier


async def test_a_run_of_another_tenant_is_not_there(desk: Served, as_: As) -> None:
    """Not its page, not its steps, not its row, and nothing can be done to it."""
    run = start(desk)
    other = as_("lena", "other")
    for path in ("", "/input", "/history", "/steps/pay_out/1", "/steps/pay_out/1/model"):
        assert "pay_out" not in other.page(f"/runs/{run}{path}", 404).replace(path, "")
    assert run not in other.page(f"/runs/rows?id={run}")
    assert other.post(f"/runs/{run}/cancel", reason="mine").status_code == 404
    assert desk.as_("lena").get(f"/v1/runs/{run}").json()["state"] == "paused"


@pytest.mark.parametrize("tab", TABS)
async def test_each_side_of_a_visit_has_a_page(desk: Served, as_: As, tab: str) -> None:
    """What went in, what was decided and what was done can be looked up one by one."""
    run = desk.begin("50.00")
    page = as_().page(f"/runs/{run['id']}/steps/pay_out/1/{tab}")
    said = {
        "envelope": "The closing statement is settled.",
        "context": "Payouts follow the closing statement.",
        "model": "No model was asked in this visit.",
        "tools": "idempotency key",
        "policy": "small-unattended",
        "journal": "paid 50.00",
        "spans": "In the visit",
        "state": "pay_out.reasoning",
    }
    assert said[tab] in page


async def test_a_visit_that_never_was_is_not_there(desk: Served, as_: As) -> None:
    """Unknown steps, visits and sides are pages that say so."""
    run = start(desk)
    as_().page(f"/runs/{run}/steps/pay_out/2", 404)
    as_().page(f"/runs/{run}/steps/nowhere/1", 404)
    as_().page(f"/runs/{run}/steps/pay_out/1/money", 422)
    as_().page(f"/runs/{run}/steps/pay_out/0", 422)


async def test_cancelling_takes_a_reason_and_ends_it_once(desk: Served, as_: As) -> None:
    """Without one nothing happens; the second one is told that it has ended."""
    run = start(desk)
    refused = as_("ona").post(f"/runs/{run}/cancel", reason="")
    assert refused.status_code == 422
    assert "That could not be done" in refused.text
    assert as_("ona").post(f"/runs/{run}/cancel", reason="Paid by hand.").status_code == 303
    page = as_().page(f"/runs/{run}")
    assert "cancelled" in page
    assert "Paid by hand." in page
    assert as_("ona").post(f"/runs/{run}/cancel", reason="Again.").status_code == 409
    events = desk.as_("lena").get("/v1/events", params={"run": run, "limit": 200}).json()["items"]
    (ended,) = [event["body"] for event in events if event["type"] == "run.ended"]
    assert (ended["by"], ended["reason"]) == ("ona", "Paid by hand.")


async def test_who_may_not_is_told_by_which_rule(desk: Served, as_: As) -> None:
    """No button that will be refused is offered, and a form sent all the same is; who may sends
    the run on, with a reason that is recorded."""
    run = start(desk)
    store = Store(desk.data / "runtime.db", SystemClock())
    await store.write(
        "default", lambda s: s.runs.move(run, "needs_attention", "The line was dead.")
    )
    store.close()
    page = as_("lena").page(f"/runs/{run}")
    assert "You may not resume it (" in page
    assert "The line was dead." in page
    assert as_("lena").post(f"/runs/{run}/resume", reason="Go.").status_code == 403
    assert as_("ona").post(f"/runs/{run}/resume", reason="The ledger is back.").status_code == 303
    desk.reached({"id": run}, "paused")
    assert "The ledger is back." in as_("lena").page(f"/runs/{run}/history")
    assert as_("ona").post(f"/runs/{run}/resume", reason="Again.").status_code == 409


async def test_a_lost_call_is_settled_by_whoever_looked(desk: Served, as_: As) -> None:
    """What became of it is chosen, never assumed."""
    account = desk.account("50.00")
    desk.bank.put(account, outage="lost")
    body = {"workflow": "ledger", "input": {"account": account}}
    found = desk.as_("desk").post("/v1/runs", json=body).json()
    run = desk.reached(found, "outcome_unknown")["id"]
    assert "unclear what happened" in as_("ona").page(f"/runs/{run}")
    assert "outcome not known" in as_("ona").page(f"/runs/{run}/steps/pay_out/1/journal")
    assert as_("ona").post(f"/runs/{run}/settle", how="perhaps").status_code == 422
    assert as_("ona").post(f"/runs/{run}/settle", how="happened").status_code == 303
    desk.reached({"id": run}, "completed")


async def test_a_form_needs_its_token(desk: Served, as_: As) -> None:
    """A page of another site can send nothing in somebody's name."""
    run = start(desk)
    as_("ona").http.post(f"/runs/{run}/cancel", data={"reason": "x"})
    assert desk.as_("lena").get(f"/v1/runs/{run}").json()["state"] == "paused"


@pytest.mark.parametrize(
    "path", ["", "/input", "/history", "/steps/pay_out/1", "/steps/pay_out/1/context"]
)
async def test_texts_stay_texts(desk: Served, as_: As, path: str) -> None:
    """Markup is shown as it was written, and what turns the direction of text as its number."""
    page = as_().page(f"/runs/{start(desk, EVIL)}{path}")
    assert "<script>alert" not in page
    assert "\u202e" not in page
    if path in ("/input", "/steps/pay_out/1/context"):
        assert "&lt;script&gt;alert(1)" in page
        assert "U+202E" in page


async def test_large_texts_are_cut_with_a_count(desk: Served, as_: As) -> None:
    """A hundred kilobytes of message make no page that cannot be read."""
    run = start(desk, "word " * 20_000)
    page = as_().page(f"/runs/{run}/steps/pay_out/1/envelope")
    assert len(page) < 60_000
    assert len(as_().page(f"/runs/{run}")) < 60_000


async def test_a_workflow_is_tried_with_a_form(desk: Served, as_: As) -> None:
    """What is wrong is said beside its field, what was typed is kept, two presses are one run."""
    page = as_("both").page("/workflows/ledger/try")
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key is not None
    fields = {"key": key[1], "input.customer": "mara", "input.account": desk.account("50.00")}
    long = as_("both").post("/workflows/ledger/try", **fields, **{"input.nonsense": "x"})
    assert long.status_code == 303
    again = as_("both").post("/workflows/ledger/try", **fields)
    assert again.headers["location"] == long.headers["location"]
    run = desk.as_("lena").get(f"/v1{long.headers['location']}").json()
    assert run["trigger"]["owner"] == "both"
    other = {**fields, "input.customer": "liam <b>"}
    conflict = as_("both").post("/workflows/ledger/try", **other)
    assert conflict.status_code in (409, 422)


async def test_who_may_not_start_is_told(as_: As) -> None:
    """The form says so, and sending it is refused."""
    assert "You may not start it" in as_("carl").page("/workflows/ledger/try")
    assert as_("carl").post("/workflows/ledger/try").status_code in (403, 422)


async def test_a_workflow_shows_what_it_may(as_: As) -> None:
    """Drawing, scopes, input, rules in words with their source."""
    page = as_().page("/workflows/ledger")
    for words in ("<svg", "idempotency key", "account", "ask-lead", "needs a yes from 1 of “lead”"):
        assert words in page
    assert "permit (principal, action == Action::&#34;request:pay&#34;" in page
    assert "ledger" in as_().page("/workflows")
    as_().page("/workflows/nope", 404)


async def test_the_drawing_is_served_as_an_image(desk: Served) -> None:
    """The same drawing, for whoever asks the API."""
    answer = desk.as_("lena").get("/v1/workflows/ledger/drawing", params={"form": "svg"})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')


async def test_a_policy_says_what_would_happen(as_: As) -> None:
    """Arguments, facts and an operator; the answer names the rules and whose yes counts."""
    asked = {
        "tool": "pay",
        "input.account": "a1",
        "input.amount": "500",
        "facts.owner": "mara",
        "facts.amount": "500",
        "facts.status": "open",
        "facts.version": "1",
        "facts.paid": "0",
        "subject": "mara",
        "operator": "lena",
        "roles": "lead",
    }
    answer = as_().post("/policies/ledger/explain", **asked)
    assert answer.status_code == 200, answer.text
    assert "People would be asked" in answer.text
    assert "ask-lead" in answer.text
    assert "lena</bdi> would count" in answer.text
    held = as_().post("/policies/ledger/explain", **{**asked, "facts.status": "held"})
    assert "It would be denied" in held.text
    assert "held-account" in held.text
    wrong = as_().post("/policies/ledger/explain", **{**asked, "facts.amount": "much"})
    assert wrong.status_code == 422
    assert 'value="much"' in wrong.text
    page = as_().page("/policies/ledger/explain")
    assert "Facts on record" in page
    as_().page("/policies/ledger/explain?case=nothing", 404)


async def test_a_change_is_put_in_force_by_somebody_else(desk: Served, as_: As) -> None:
    """Its proposer finds no button; another policy owner does."""
    reason = f"Rehearsed {secrets.token_hex(4)}"
    assert as_("petra").post("/policies/ledger/propose", reason=reason).status_code == 303
    page = as_("petra").page("/policies")
    assert reason in page
    stored = desk.as_("petra").get("/v1/policies/changes").json()["items"][0]
    change, seen = stored["id"], {"rehearsal": stored["report"]}
    assert f"{change}/activate" not in page
    assert as_("petra").post(f"/policies/changes/{change}/activate").status_code == 403
    assert f"{change}/activate" in as_("paul").page("/policies")
    assert as_("paul").post(f"/policies/changes/{change}/activate", **seen).status_code == 303
    assert as_("paul").post(f"/policies/changes/{change}/activate", **seen).status_code == 409
    assert as_("petra").post("/policies/ledger/propose", reason="").status_code == 422
    broken = as_("petra").post("/policies/ledger/propose", reason="x", text="permit nothing;")
    assert broken.status_code == 422
    assert "permit nothing;" in broken.text


async def test_a_run_that_stopped_goes_on_with_another_input(desk: Served, as_: As) -> None:
    """Whoever may resume it chooses from where; as long as nobody relied on its input, that can
    be corrected."""
    other, later = desk.account("20.00"), datetime.now(UTC) + timedelta(hours=1)
    given = {"account": desk.account("500.00"), "message": "Please pay me out."}
    body = {"workflow": "ledger", "input": given, "at": later.isoformat()}
    run = str(desk.as_("desk").post("/v1/runs", json=body).json()["id"])
    store = Store(desk.data / "runtime.db", SystemClock())
    await store.write("default", lambda s: s.runs.move(run, "needs_attention", "No such account."))
    store.close()
    page = as_("ona").page(f"/runs/{run}")
    assert "From the start, with its input corrected" in page
    typed = {"way": "input", "step": "pay_out", "input.account": given["account"]}
    path = f"/runs/{run}/resume"
    same = as_("ona").post(path, reason="A typo.", **typed)
    assert (same.status_code, "is as it was" in same.text) == (422, True)
    assert as_("ona").post(path, **{**typed, "input.account": other}).status_code == 422
    corrected = as_("ona").post(path, reason="A typo.", **{**typed, "input.account": other})
    assert corrected.status_code == 303
    assert desk.reached({"id": run}, "completed")["input"]["account"] == other
