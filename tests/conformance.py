"""The conformance suites' counts, at the end of what pytest prints: each suite is written once,
against an interface, and run on every implementation of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

SUITES = {
    "store": "tests/store/test_store_conformance_",
    "queue": "tests/queue/test_queue_conformance.py",
    "saver": "tests/checkpoint/test_saver_conformance.py::test_the_saver_passes_every_case",
}
"""By what is implemented: how the ids of the suite's tests begin."""

CASES = "conformance_cases"
"""The property of a test that runs a suite from elsewhere: how many cases passed, of how many."""


def counts(reports: Iterable[pytest.TestReport]) -> dict[str, tuple[int, int]]:
    """Passed and all cases of each suite that ran."""
    found: dict[str, tuple[int, int]] = {}
    for report in reports:
        for name, prefix in SUITES.items():
            if report.nodeid.startswith(prefix):
                passed, total = found.get(name, (0, 0))
                given = dict(report.user_properties).get(CASES, (int(report.passed), 1))
                more, of = given if isinstance(given, (tuple, list)) else (0, 1)
                found[name] = (passed + more, total + of)
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line, when any of the suites has run."""
    outcomes = ("passed", "failed", "error", "skipped")
    reports = [r for outcome in outcomes for r in terminalreporter.stats.get(outcome, ())]
    found = counts(reports)
    if found:
        told = (f"{name} {passed}/{total}" for name, (passed, total) in found.items())
        terminalreporter.write_line(f"conformance: {', '.join(told)}")
