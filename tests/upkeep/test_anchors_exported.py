"""Anchors: where heads go, and what happens when they cannot go there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent_runtime.anchor import AnchorFile
from agent_runtime.errors import SettingsError
from agent_runtime.settings import Settings
from tests.conftest import OpenOffice
from tests.office import OFFLINE, Office
from tests.upkeep.conftest import anchors


class Receiver(ThreadingHTTPServer):
    """A real server that keeps what it is sent, unless it is told to fail."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.fails = False
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/anchor"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if not self.server.fails:
            self.server.bodies.append(body)
        self.send_response(503 if self.server.fails else 204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base class's
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def anchored_at(where: str) -> Settings:
    return Settings.model_validate({**OFFLINE, "anchor": where})


async def test_the_file_can_be_elsewhere(open_office: OpenOffice, tmp_path: Path) -> None:
    """AGENT_RUNTIME_ANCHOR names another file."""
    office = await open_office(settings=anchored_at(str(tmp_path / "worm.jsonl")))
    await office.flow()
    assert anchors(office) == tmp_path / "worm.jsonl"
    assert office.runtime.audit().anchor == str(tmp_path / "worm.jsonl")
    assert not (office.data / "anchors.jsonl").exists()


async def test_a_webhook_gets_the_same_lines(open_office: OpenOffice, receiver: Receiver) -> None:
    """What it has kept is a file of anchors that verifies by itself."""
    office = await open_office(settings=anchored_at(receiver.url))
    for _ in range(2):
        await office.flow()
        path = anchors(office)
    assert "".join(receiver.bodies) == path.read_text()
    kept = path.with_name("kept.jsonl")
    kept.write_text("".join(receiver.bodies))
    lines, problem = AnchorFile(kept).read()
    assert (len(lines) >= 2, problem) == (True, "")


async def test_a_webhook_that_fails_gets_the_lines_later(
    open_office: OpenOffice, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Runs go on with one warning; nothing that was anchored meanwhile is lost."""
    office = await open_office(settings=anchored_at(receiver.url))
    receiver.fails = True
    for _ in range(2):
        record = await office.flow()
        anchors(office)
        assert record.run.state == "completed"
    assert [r.levelname for r in caplog.records if "not anchored" in r.message] == ["WARNING"]
    assert receiver.url not in caplog.text
    receiver.fails = False
    await office.flow()
    path = anchors(office)
    assert "".join(receiver.bodies) == path.read_text()
    assert not office.runtime.anchor.unsent.exists()


async def test_an_anchor_that_cannot_be_written_stops_nothing(
    open_office: OpenOffice, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Runs go on with one warning, and the next line covers what was missed."""
    place = tmp_path / "blocked"
    place.mkdir()
    office = await open_office(settings=anchored_at(str(place)))
    for _ in range(2):
        assert (await office.flow()).run.state == "completed"
        office.runtime.anchor.flush()
    assert [r.levelname for r in caplog.records if "not anchored" in r.message] == ["WARNING"]
    place.rmdir()
    await office.flow()
    found = office.runtime.audit()
    assert (found.holds, found.unanchored, found.notes) == (True, 0, ())


async def test_many_commits_share_a_line(office: Office) -> None:
    """Under load a line stands for all that came within a quarter of a second."""
    for _ in range(5):
        await office.flow()
    lines = anchors(office).read_text().splitlines()
    assert len(lines) < len(office.runtime.store.read("default").events.find()) / 5


@pytest.mark.parametrize("where", ["http://example.org/anchor", "ftp://localhost/anchor"])
async def test_history_is_not_sent_in_the_clear(open_office: OpenOffice, where: str) -> None:
    """Only https leaves this machine."""
    with pytest.raises(SettingsError, match="AGENT_RUNTIME_ANCHOR"):
        await open_office(settings=anchored_at(where))
