"""What asking models needs of a segment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from agent_runtime.clock import Clock
from agent_runtime.run import Run
from agent_runtime.store import Session
from agent_runtime.telemetry import Telemetry

T = TypeVar("T")


class Claim(Protocol):
    """What the executor needs of a segment: whose run it is, and where to write."""

    @property
    def run(self) -> Run:
        """The claimed run."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def telemetry(self) -> Telemetry:
        """Where spans go."""

    @property
    def grace(self) -> int:
        """How often a person resumed the run."""

    def post(self, work: Callable[[Session], object]) -> None:
        """Commit without waiting."""

    async def write(self, work: Callable[[Session], T]) -> T:
        """Commit and wait."""

    def read(self) -> Session:
        """What is committed."""
