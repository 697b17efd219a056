"""The server that children are forked from knows all families of them."""

from __future__ import annotations

from benchmarks.crash.child import PRELOAD
from tests.processes import CONTEXT

CONTEXT.set_forkserver_preload(["tests.processes", "tests.crash.batching", PRELOAD])
