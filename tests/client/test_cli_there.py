"""The command line with --url: the same words, the same answers, the same exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import PROJECT
from tests.client.conftest import Both

READING = (
    "runs list",
    "runs list --json",
    "runs list --state paused",
    "runs show RUN",
    "runs show RUN --json",
    "approvals list",
    "approvals list --json --sort amount --descending",
    "approvals list --all --min 100 --limit 1",
    "approvals list --rule nothing",
    "approvals list --search 489.00",
    "approvals list --search nothing",
    "approvals list --counts",
    "approvals show APPROVAL",
    "approvals show APPROVAL --json",
    "events tail --last 7",
    "events tail --run RUN --last 3 --json",
    "workflows list",
    "workflows show refund",
    "workflows show refund --json",
    "workflows draw refund --mermaid",
    "workflows draw refund --format svg",
    "schedules list",
    "schedules next",
    "runs evidence RUN",
    "runs evidence RUN 2 --json",
    "runs evidence RUN 99",
    "runs evidence run-nope",
    "knowledge list --json",
    "knowledge search window",
    "knowledge show src-nope",
    "runs show run-nope",
    "runs list --state asleep",
    "approvals show apr-nope",
    "approvals list --min much",
    "approvals list --search much --counts",
    "approvals list --after apr-nope",
    "workflows draw nope",
    "schedules next nope:nope",
    "evaluate --workflow refund --error-rate 0.2",
    "evaluate --until 2199-01-01",
    "evaluate --since yesterday",
    "rollouts list",
    "rollouts list --json",
)


@pytest.mark.parametrize("line", READING)
def test_the_same_is_said_here_and_there(both: Both, line: str) -> None:
    """Output, errors and exit code, for people and for programs."""
    asked = both.here("approvals", "list", "--all", "--json").json[0]
    named = line.replace("RUN", asked["run_id"]).replace("APPROVAL", asked["id"]).split()
    person = ("--as", "lena") if named[0] == "approvals" else ()
    here, there = both.here(*named, *person), both.there(*named)
    if here.code == 0:
        assert there == here
    else:
        assert (there.code, there.err.split("\n")[0]) == (here.code, here.err.split("\n")[0])


@pytest.fixture
def request_file(tmp_path: Path) -> str:
    return write_request(tmp_path, "mia_hart", "order-8821")


def write_request(folder: Path, customer: str, order: str) -> str:
    given = {"customer": customer, "order_id": order, "received_on": "2026-04-02"}
    path = folder / f"{order}.json"
    path.write_text(json.dumps({**given, "message": "Refund, please."}))
    return str(path)


@pytest.fixture
def begin(both: Both, request_file: str) -> Callable[[], str]:
    """Starts a run there; returns the id of the question that it asks."""

    def start() -> str:
        said = both.there("run", "refund", "--input", request_file, "--json", who="desk")
        assert (said.code, said.json["state"]) == (0, "paused"), said
        rows = both.there("approvals", "list", "--json", "--descending").json
        return next(str(row["id"]) for row in rows if row["run_id"] == said.json["id"])

    return start


def test_a_run_is_decided_from_afar(both: Both, begin: Callable[[], str]) -> None:
    """Claimed, held, undone, commented, approved; the run's events are told as it goes on."""
    asked = begin()
    assert "claimed   by lena until" in both.there("approvals", "claim", asked).out
    held = both.there("approvals", "decide", asked, "approve", "--hold", "600")
    assert f"approval {asked} is held by lena" in held.out
    assert f"approval {asked} is open" in both.there("approvals", "undo", asked).out
    assert "is stored" in both.there("approvals", "comment", asked, "Parcel seen.").out
    assert "“Parcel seen.” — lena" in both.there("approvals", "show", asked).out
    done = both.there("approvals", "decide", asked, "approve")
    assert "action    done" in done.out
    assert " is completed" in done.out.splitlines()[-1]
    again = both.there("approvals", "decide", asked, "reject", "--reason", "Late.")
    again.fails(4, "already, by lena", "→ See it with")


def test_a_document_goes_with_a_run_to_the_server(
    both: Both, request_file: str, tmp_path: Path
) -> None:
    """It is evidence there, as it would be here."""
    (tmp_path / "mail.txt").write_text("The parcel was wet.")
    handed = ("--document", str(tmp_path / "mail.txt"))
    said = both.there("run", "refund", "--input", request_file, *handed, "--json", who="desk")
    assert "The parcel was wet." in both.there("runs", "evidence", said.json["id"]).out


def test_a_run_is_looked_back_at_from_afar(both: Both, tmp_path: Path) -> None:
    """Its report, another run beside it and its replay are what they are on the folder itself."""
    given = write_request(tmp_path, "liam_byrne", "order-8825")
    run = both.there("run", "refund", "--input", given, "--json", who="desk").json["id"]
    rows = both.there("approvals", "list", "--json").json
    asked = next(row["id"] for row in rows if row["run_id"] == run)
    assert both.there("approvals", "decide", asked, "approve").code == 0
    explain = f"explain {run}"
    for line in (explain, f"{explain} --no-content --json", f"{explain} --format html",
                 f"compare {run} {run} --json"):  # fmt: skip
        assert both.there("runs", *line.split()) == both.here("runs", *line.split())
    for line in ("explain run-nope", f"compare {run} run-nope", "replay run-nope", "replay"):
        here, there = both.here("runs", *line.split()), both.there("runs", *line.split())
        assert (there.code, there.err) == (here.code, here.err)
    both.there("runs", "explain", run, "--tenant", "other").fails(2, "--tenant", "token")
    played = both.there("runs", "replay", run, "--pinned", "--json")
    assert (played.code, played.json) == (0, {"replayed": 1, "identical": 1, "effects": 0})


def test_what_is_said_of_runs_is_said_from_afar(both: Both, tmp_path: Path) -> None:
    """Outcomes, labels and grades; the same mistakes are told as they are on the folder."""
    given = write_request(tmp_path, "ruth_okafor", "order-8824")
    made = both.there("run", "refund", "--input", given, "--json", who="desk").json
    run = made["id"]
    assert made["state"] == "completed"
    told = both.there("outcomes", "record", run, "customer_satisfied", "yes")
    assert told.out == f"outcome customer_satisfied of run {run} is 1\n"
    assert both.there("grade", run, "--json").json == []
    shown = both.there("labels", "next", "refund", "--json")
    assert shown.json == both.here("labels", "next", "refund", "--json", "--as", "lena").json
    assert "\nYes: the same proposal" in both.there("labels", "next", "refund").out
    assert both.there("labels", "give", run, "same_decision", "no").out.endswith("says lena\n")
    for line in (f"labels give {run} same_decision maybe", f"labels give {run} nice yes",
                 "labels next nope", f"outcomes record {run} customer_satisfied 7",
                 f"outcomes record {run} rich yes", "grade run-nope"):  # fmt: skip
        here, there = both.here(*line.split(), "--as", "lena"), both.there(*line.split())
        assert (there.code, there.err) == (here.code, here.err)
        assert there.code != 0
    both.there("labels", "next", "refund", who="desk").fails(3, "desk may not")


def test_something_is_tried_from_afar(both: Both) -> None:
    """By whom the token lets: of a policy, by another owner than who proposed it."""
    trial = ("rollouts", "start", "refund", "decide", "decide.short")
    both.there(*trial).fails(3, "lena may not propose")
    both.there(*trial, who="petra").fails(2, "decide.short", "refund has: decide")
    both.there(*trial, "--share", "0.9", who="petra").fails(2, "share", "0.9")
    both.there("rollouts", "stop", "rol-nope", who="petra").fails(2, "rol-nope")
    text = (PROJECT / "policies" / "refund.cedar").read_text().replace('"72h"', '"48h"')
    change, digest = propose(both, text)
    policy = ("rollouts", "start", "refund", "refund", change, "--policy")
    both.there(*policy, who="petra").fails(3, "access-activator-proposed-it")
    made = both.there(*policy, "--rehearsal", digest, who="paul")
    rollout = made.out.splitlines()[-1].partition(":")[0].removeprefix("rollout ")
    assert f"{rollout} running" in both.there("rollouts", "list").out
    assert both.there("rollouts", "stop", rollout, who="paul").out.endswith("is stopped\n")


def propose(both: Both, text: str) -> tuple[str, str]:
    """As petra; the change's id, and its report's digest."""
    body = {"text": text, "reason": "Be careful."}
    made = both.shop.as_("petra").post("/v1/policies/refund/propose", json=body).json()
    return made["id"], made["report"]


def test_a_run_is_forked_from_afar(both: Both) -> None:
    """By whom the token lets; rehearsed by whoever may read it, and then nothing is stored."""
    run = both.there("runs", "list", "--json").json[0]["id"]
    fork = ("runs", "fork", run, "--at", "draft_refund_decision")
    before = len(both.there("runs", "list", "--json").json)
    assert f"forked    from {run}/" in both.there(*fork, "--rehearsal").out
    both.there(*fork, "--reason", "Anew.").fails(3, "lena may not", "start")
    assert len(both.there("runs", "list", "--json").json) == before
    made = both.there(*fork, "--reason", "Anew.", "--json", who="olga")
    assert (made.code, made.json["origin"]["run"]) == (0, run), made
    assert made.json["state"] in ("paused", "completed")


def test_a_run_is_cancelled_from_afar(both: Both) -> None:
    """Its state forbids it a second time, with the exit code for that."""
    run = both.there("approvals", "show", both.asked("49.00"), "--json").json["run_id"]
    assert "is cancelled" in both.there("runs", "cancel", run, "--reason", "Moot.").out
    both.there("runs", "cancel", run, "--reason", "Again.").fails(4, "cancelled already")


def test_rights_are_the_tokens(both: Both) -> None:
    """A starter starts, and decides nothing: exit code 3, with the rule."""
    said = both.there("approvals", "decide", both.asked("1250.00"), "approve", who="desk")
    said.fails(3, "desk may not")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENT_RUNTIME_TOKEN", "art_nobody")
        both.say("runs", "list", "--url", both.shop.url).fails(3, "token")


def test_what_only_one_of_them_knows_is_refused(both: Both, request_file: str) -> None:
    """Who one is, and where the data is, is said once."""
    both.there("runs", "list", "--data", str(both.shop.data)).fails(6, "both named")
    both.there("approvals", "claim", "apr-1", "--as", "lena").fails(2, "--as", "token")
    both.there("run", "refund", "--input", request_file, "--trigger", "mail").fails(2, "--trigger")
    both.there("runs", "resume").fails(2, "RUN")
    both.here("approvals", "claim", "apr-1").fails(2, "--as: is missing", "Say who")


def test_a_server_that_is_not_there(both: Both) -> None:
    """One line, exit code 6; a token is never sent to a stranger in clear."""
    both.say("runs", "list", "--url", "http://127.0.0.1:9").fails(6, "does not answer")
    both.say("runs", "list", "--url", "nonsense").fails(6, "no address")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENT_RUNTIME_TOKEN", "art_secret")
        said = both.say("runs", "list", "--url", "http://desk.example")
    said.fails(6, "in clear", "https")
    assert "art_secret" not in said.out + said.err


def test_documents_are_taken_in_found_and_forgotten_there(both: Both, tmp_path: Path) -> None:
    """By whom the token lets; what is refused there is told as it is here."""
    (tmp_path / "a.md").write_text("# Zebras\n\nZebra parcels wait at the gate.")
    (tmp_path / "b.txt").write_bytes(b"PK\x03\x04")
    add = ("knowledge", "add", str(tmp_path), "--label", "zoo", "--version", "7")
    assert both.there(*add).code == 3
    said = both.there(*add, "--json", who="ada")
    states = {one["name"].split("/")[-1]: one["state"] for one in said.json["sources"]}
    assert (said.code, states) == (2, {"a.md": "added", "b.txt": "refused"})
    for words in (("search", "zebra", "--label", "zoo"), ("show", f"{tmp_path.name}/a.md")):
        here, there = (
            both.here("knowledge", *words, "--json"),
            both.there("knowledge", *words, "--json"),
        )
        assert there == here
        assert "Zebra parcels" in there.out
    assert both.there("knowledge", "refresh", who="ada").code == 2
    assert both.there("knowledge", "remove", f"{tmp_path.name}/a.md", who="ada").code == 0
    assert "Zebra" not in both.there("knowledge", "search", "zebra").out
