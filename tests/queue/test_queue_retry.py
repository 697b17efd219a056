"""Retrying as values: how long, how often, and after which failures."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime.errors import ModelUnavailable, NotFound, StoreError
from agent_runtime.queue.retry import FIRST_DELAY, LONGEST_DELAY, MAX_TRIES, backoff, is_transient


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 — jitter is no secret


@given(tries=st.integers(1, MAX_TRIES - 1), seed=st.integers())
def test_a_delay_grows_within_its_bounds(tries: int, seed: int) -> None:
    """It doubles with each failure up to the longest, and jitter takes at most half of it."""
    delay = backoff(tries, chance(seed))
    assert delay is not None
    span = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (tries - 1))
    assert span / 2 - 1e-6 <= delay.total_seconds() <= span + 1e-6


@given(tries=st.integers(MAX_TRIES, 10_000), seed=st.integers())
def test_retries_end(tries: int, seed: int) -> None:
    """From the last attempt on there is no delay, however many were counted."""
    assert backoff(tries, chance(seed)) is None


def refused(status: int) -> ModelUnavailable:
    """What the client raises when the provider answers with this status."""
    error = ModelUnavailable("no")
    error.__cause__ = Exception()
    error.__cause__.status_code = status  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ModelUnavailable("The provider did not answer."), True),
        (refused(500), True),
        (refused(429), True),
        (refused(401), False),
        (refused(404), False),
        (StoreError("The database could not commit: database is locked."), True),
        (StoreError("The database is damaged."), False),
        (NotFound("run", "run-1"), False),
        (ValueError("x"), False),
    ],
    ids=str,
)
def test_only_what_passes_by_itself_is_tried_again(error: Exception, passes: bool) -> None:
    """A wrong key or a damaged file stays as it is."""
    assert is_transient(error) is passes
