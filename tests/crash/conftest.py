"""The server that children are forked from knows all families of them."""

from __future__ import annotations

from benchmarks.crash.child import PRELOAD
from tests.processes import CONTEXT, FAMILIES

CONTEXT.set_forkserver_preload([*FAMILIES, "tests.crash.batching", PRELOAD])
