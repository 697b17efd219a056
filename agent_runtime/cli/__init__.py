"""The command line. Nothing heavy is imported before the first line of output."""

from __future__ import annotations

from agent_runtime.cli.main import main

__all__ = ["main"]
