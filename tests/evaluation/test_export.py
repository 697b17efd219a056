"""What leaves to be learned from: whole, redacted, and as its manifest says."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.errors import InvalidInput, StoreError
from agent_runtime.evaluation.example import Example
from agent_runtime.evaluation.export import (
    FORMATS,
    Exported,
    Format,
    Wanted,
    collect,
    is_held_out,
    verify,
    write,
)
from agent_runtime.quality import Quality
from tests.office import NOON, Office

CANARIES = ("canary-7f3a@example.com", "DE89370400440532013000", "+49 30 901820")
"""What a customer may write of themselves: an address, an account, a number to call."""
HEAD = {"number": 1, "hash": "sha256:0"}


def redact(text: str) -> str:
    """Stands for what the installation redacts with: addresses of mail are enough here."""
    return re.sub(r"[\w.-]+@[\w.-]+", "[mail]", text)


@pytest.fixture
async def decided(asking: Office) -> Office:
    """Runs of three customers: one yes, one edit, one no."""
    for customer, kind in (("mara", "approve"), ("Noa Lind", "edit"), ("ole", "reject")):
        fields: dict[str, Any] = {
            "customer": customer,
            "message": f"{customer}: {', '.join(CANARIES)}",
        }
        asking.bank.put("a1", owner=customer)
        asked = await asking.parked(**fields)
        more = {"arguments": {"account": "a1", "amount": "20.00"}} if kind == "edit" else {}
        await asking.answer(asked, "lena", kind, **more)  # type: ignore[arg-type]  # one of them
        await asking.drive(asking.read(asked.run_id))
    return asking


def export(office: Office, folder: Path, form: Format, **more: Any) -> Exported:
    wanted = Wanted(form, **more)
    session, runtime = office.runtime.store.read("default"), office.runtime
    found = collect(session, runtime.app.workflows, wanted)
    return write(folder, found, wanted, HEAD, office.clock.now())


def named(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for name in ("train.jsonl", "held_out.jsonl")
        for line in (folder / name).read_text().splitlines()
    ]


async def test_supervised_pairs_end_with_the_envelope_that_people_let_pass(
    decided: Office, tmp_path: Path
) -> None:
    export(decided, tmp_path / "out", "supervised")
    answers = []
    for line in lines(tmp_path / "out"):
        assert set(line) == {"messages"}
        roles = [message["role"] for message in line["messages"]]
        assert roles == ["system", "user", "assistant"]
        answers.append(json.loads(line["messages"][-1]["content"]))
    amounts = [
        a["proposed_action"]["arguments"]["amount"]
        for a in answers
        if a["status"] != "insufficient"
    ]
    assert sorted(amounts) == ["20.00", "50.00"]
    (refused,) = [a for a in answers if a["status"] == "insufficient"]
    assert refused["reason"] == "Not before the audit."


async def test_preference_pairs_hold_what_was_edited_or_rejected_and_nothing_else(
    decided: Office, tmp_path: Path
) -> None:
    export(decided, tmp_path / "out", "preference")
    found = lines(tmp_path / "out")
    assert len(found) == 2
    for line in found:
        assert set(line) == {"input", "preferred_output", "non_preferred_output"}
        assert line["preferred_output"] != line["non_preferred_output"]


@pytest.mark.parametrize("form", FORMATS)
async def test_no_canary_and_no_customer_leaves(
    decided: Office, tmp_path: Path, form: Format
) -> None:
    export(decided, tmp_path / "out", form)
    for file in (tmp_path / "out").iterdir():
        text = file.read_text().lower()
        assert not [canary for canary in CANARIES if canary.lower() in text]
        assert "mara" not in text
        assert not re.search(r"noa.lind", text)


async def test_a_manifest_verifies_until_a_byte_is_changed(decided: Office, tmp_path: Path) -> None:
    made = export(decided, tmp_path / "out", "supervised")
    assert verify(made.folder) == []
    (changed,) = [f for f in ("train.jsonl", "held_out.jsonl") if made.counts[f]][:1]
    file = made.folder / changed
    file.write_text(file.read_text().replace("assistant", "Assistant", 1))
    assert f"{changed}: sha256 differs" in verify(made.folder)


async def test_an_export_over_nothing_says_so_and_writes_nothing(
    asking: Office, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="no decided proposal fits"):
        export(asking, tmp_path / "out", "preference")
    with pytest.raises(InvalidInput, match="no decided proposal fits"):
        export(asking, tmp_path / "some" / "where", "preference")
    assert not {"out", "some"} & set(named(tmp_path))


async def test_a_folder_that_is_there_is_never_written_into(
    decided: Office, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidInput, match="is there already"):
        export(decided, tmp_path / "out", "supervised")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("since", "until", "why"), [(1, None, "in the future"), (-1, -1, "before"), (-1, -2, "before")]
)
async def test_times_that_no_run_can_be_between_are_told(
    decided: Office, tmp_path: Path, since: int, until: int | None, why: str
) -> None:
    """Not that nothing was found between them."""
    days = {"since": since, "until": until}
    times = {name: at and decided.clock.now() + timedelta(days=at) for name, at in days.items()}
    with pytest.raises(InvalidInput, match=f"--since: .*{why}"):
        export(decided, tmp_path / "out", "supervised", **times)
    assert "out" not in named(tmp_path)


async def test_where_nothing_can_be_written_is_told_with_a_remedy(
    decided: Office, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=r"cannot be written.*Name a new folder") as told:
        export(decided, tmp_path / "file" / "out", "supervised")
    assert told.value.exit_code == 6
    assert (tmp_path / "file").read_text() == "mine"


async def test_what_breaks_in_the_middle_leaves_nothing_there(
    decided: Office, tmp_path: Path
) -> None:
    """Neither the folder nor its parts; what another export is writing beside it stays."""
    (tmp_path / ".out.other").mkdir()

    def breaking() -> Iterator[Example]:
        yield EXAMPLE
        raise OSError(28, "No space left on device")

    before = named(tmp_path)
    with pytest.raises(StoreError, match="No space left"):
        write(tmp_path / "out", breaking(), Wanted("supervised"), HEAD, NOON)
    assert named(tmp_path) == before


async def test_only_what_the_filters_ask_for_leaves(decided: Office, tmp_path: Path) -> None:
    decided.clock.move(timedelta(days=1))
    with pytest.raises(InvalidInput, match="no decided proposal"):
        export(decided, tmp_path / "out", "supervised", since=decided.clock.now())
    with pytest.raises(InvalidInput, match="no decided proposal"):
        export(decided, tmp_path / "out", "supervised", consented=True)  # nobody was asked


async def test_every_page_of_runs_is_looked_at_and_no_other_s(
    decided: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_runtime.evaluation.export.PAGE", 2)
    session, apps = decided.runtime.store.read("default"), decided.runtime.app.workflows
    assert len(list(collect(session, apps, Wanted("supervised")))) == 3
    assert list(collect(session, apps, Wanted("supervised", workflow="other"))) == []
    before = decided.clock.now() - timedelta(days=1)
    assert list(collect(session, apps, Wanted("supervised", until=before))) == []


async def test_a_manifest_names_what_was_asked_for_and_where_history_stood(
    decided: Office, tmp_path: Path
) -> None:
    since = decided.clock.now() - timedelta(days=1)
    made = export(decided, tmp_path / "out", "preference", workflow="ledger", since=since)
    manifest = json.loads((made.folder / "manifest.json").read_text())
    assert manifest["history"] == HEAD
    assert manifest["filters"] == {
        "workflow": "ledger",
        "since": since.isoformat(),
        "until": None,
        "consented": False,
    }
    assert (manifest["format"], manifest["verdicts"]) == (
        "preference",
        {"edited": 1, "rejected": 1},
    )
    assert made.manifest == hashlib.sha256((made.folder / "manifest.json").read_bytes()).hexdigest()


def test_a_manifest_that_tells_of_other_consents_does_not_verify(tmp_path: Path) -> None:
    made = write(tmp_path / "out", [EXAMPLE] * 3, Wanted("evaluation"), HEAD, NOON)
    manifest = made.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"given": 3', '"given": 4'))
    assert verify(made.folder) == ["consent: differs from the records"]


async def test_only_a_plain_yes_is_a_consent(decided: Office) -> None:
    """What anything else in the declared field means, nobody has to guess."""
    session, ledger = decided.runtime.store.read("default"), decided.runtime.app.workflow("ledger")
    declared = {"ledger": replace(ledger, quality=Quality(consent="message"))}
    assert [one.consent for one in collect(session, declared, Wanted("supervised"))] == [
        "refused"
    ] * 3
    assert list(collect(session, declared, Wanted("supervised", consented=True))) == []


def test_all_of_a_customer_is_on_one_side_of_the_split() -> None:
    sides = [is_held_out(f"customer-{number}") for number in range(1_000)]
    assert 0.15 < sum(sides) / len(sides) < 0.25


def test_no_customer_is_both_trained_on_and_held_out(tmp_path: Path) -> None:
    """However many runs they had."""
    found = [
        replace(EXAMPLE, run_id=f"{customer} run {number}", subject=f"customer-{customer}")
        for customer in range(60)
        for number in range(5)
    ]
    made = write(tmp_path / "out", found, Wanted("evaluation"), HEAD, NOON)
    lines = (made.folder / "records.jsonl").read_text().splitlines()
    sides = {(record["run"].split()[0], record["file"]) for record in map(json.loads, lines)}
    assert len(sides) == 60
    assert {file for _, file in sides} == {"train.jsonl", "held_out.jsonl"}


def test_a_line_that_was_exchanged_is_found_though_the_manifest_was_mended(tmp_path: Path) -> None:
    made = write(tmp_path / "out", [EXAMPLE] * 3, Wanted("evaluation"), HEAD, NOON)
    (name,) = [name for name in ("train.jsonl", "held_out.jsonl") if made.counts[name]]
    file, manifest = made.folder / name, made.folder / "manifest.json"
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_text(file.read_text().replace("approved", "rejected", 1))
    after = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest.write_text(manifest.read_text().replace(before, after))
    assert verify(made.folder) == [f"{name}, line 1: its hash differs"]


EXAMPLE = Example(
    run_id="run-1",
    workflow="w",
    step="s",
    visit=1,
    subject="x",
    verdict="approved",
    messages=[{"role": "user", "content": "ünï"}],
    proposed={"step": "s"},
    decided={"step": "s"},
    reason="",
    consent="given",
)


def test_nothing_of_an_example_is_lost_on_the_way(tmp_path: Path) -> None:
    made = write(tmp_path / "out", [EXAMPLE] * 3, Wanted("evaluation"), HEAD, NOON)
    assert sum(made.counts[name] for name in ("train.jsonl", "held_out.jsonl")) == 3
    assert json.loads((made.folder / "manifest.json").read_text())["consent"] == {"given": 3}


async def test_nobody_else_on_the_machine_reads_an_export(decided: Office, tmp_path: Path) -> None:
    made = export(decided, tmp_path / "out", "supervised")
    assert made.folder.stat().st_mode & 0o077 == 0
    assert {modes & 0o077 for modes in modes_of(made.folder)} == {0}


def modes_of(folder: Path) -> list[int]:
    return [file.stat().st_mode for file in folder.iterdir()]
