"""An endpoint that is dead, slow or refuses: runs are as they are without it."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from agent_runtime.telemetry import CLOSE, Telemetry
from agent_runtime.telemetry.export import QUEUE, Patient
from agent_runtime.telemetry.whole import Whole
from agent_runtime.testing.otlp import receiving
from tests.ledger import make_app, make_pay, pay_workflow
from tests.office import opened

APP = make_app(pay_workflow(make_pay()))


@contextmanager
def dead() -> Iterator[str]:
    with receiving() as receiver:
        url = receiver.url
    yield url


@contextmanager
def slow() -> Iterator[str]:
    """It takes what comes, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


@contextmanager
def refusing() -> Iterator[str]:
    with receiving() as receiver:
        receiver.status = 500
        yield receiver.url


@pytest.mark.parametrize("trouble", [dead, slow, refusing])
async def test_a_run_ends_as_ever_and_its_program_too(
    trouble: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A span that waited for its answer would take five seconds, and a run has a dozen of them."""
    assert callable(trouble)
    with trouble() as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        began = time.monotonic()
        async with opened(APP, tmp_path / "d", telemetry=Telemetry()) as office:
            office.bank.put("a1", amount="500.00")
            run = await office.parked()
            await office.answer(run, "lena", "approve")
            assert (await office.drive(office.read(run.run_id))).state == "completed"
            worked = time.monotonic() - began
    assert worked < 30
    assert time.monotonic() - began < worked + CLOSE + 18


class Failing:
    """An exporter that cannot, for as long as it is told so."""

    failing = True

    def export(self, _: object) -> SpanExportResult:
        return SpanExportResult.FAILURE if self.failing else SpanExportResult.SUCCESS


def test_trouble_is_told_once_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("agent_runtime").addHandler(caplog.handler)
    inner = Failing()
    patient = Patient(inner)  # type: ignore[arg-type]  # as much of an exporter as is asked
    for _ in range(5):
        patient.export([])
    inner.failing = False
    patient.export([])
    inner.failing = True
    patient.export([])
    logging.getLogger("agent_runtime").removeHandler(caplog.handler)
    assert len({id(one) for one in caplog.records}) == 2


class Raising:
    """An exporter that raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def export(self, _: object) -> SpanExportResult:
        raise self._error


@pytest.mark.parametrize("error", [OSError("no route"), ValueError("no URL"), RuntimeError("shut")])
def test_whatever_an_exporter_raises_is_a_failure_of_the_export_alone(error: Exception) -> None:
    patient = Patient(Raising(error))  # type: ignore[arg-type]  # as above
    assert patient.export([]) is SpanExportResult.FAILURE


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is more is dropped; a span is some hundred bytes."""
    with dead() as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        telemetry = Telemetry()
        (whole,) = telemetry._provider._active_span_processor._span_processors
        assert isinstance(whole, Whole)
        assert isinstance(whole._onward, BatchSpanProcessor)
        assert whole._onward._batch_processor._queue.maxlen == QUEUE <= 10_000
        telemetry.close()
