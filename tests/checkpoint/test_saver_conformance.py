"""LangGraph's own conformance suite, in full."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import ALL_CAPABILITIES

from agent_runtime.checkpoint import Saver
from agent_runtime.store import Store
from tests import conformance

CASES = 81
"""As of langgraph-checkpoint-conformance 0.0.2; a newer suite with more cases is counted anew."""


async def test_the_saver_passes_every_case_of_the_suite(
    store: Store, record_property: Callable[[str, object], None]
) -> None:
    """All eight capabilities are there, nothing is skipped, nothing fails."""

    async def ours() -> AsyncGenerator[BaseCheckpointSaver[Any], None]:
        yield Saver(store, tenant="a", fenced=False)

    report = await validate(checkpointer_test(name="ours")(ours))
    results = report.results.values()
    passed = sum(result.tests_passed for result in results)
    record_property(conformance.CASES, [passed, CASES])
    assert [name for result in results for name in result.failures] == []
    assert set(report.results) == {capability.value for capability in ALL_CAPABILITIES}
    assert sum(result.tests_skipped for result in results) == 0
    assert passed == CASES


@pytest.mark.parametrize(
    "current", ["00000000000000000000000000000002.0.8", "00000002.ffffffffffff"]
)
def test_versions_sort_after_those_before(store: Store, current: str) -> None:
    """As text, which is how LangGraph compares them; also after the stock saver's."""
    saver = Saver(store)
    following = [current]
    for _ in range(20):
        following.append(saver.get_next_version(following[-1], None))
    assert following == sorted(following)


def test_two_branches_of_one_checkpoint_get_different_versions(store: Store) -> None:
    """Else the second one's values would be stored over the first one's."""
    saver = Saver(store)
    assert len({saver.get_next_version("00000002.ffffffffffff", None) for _ in range(100)}) == 100
