"""The client: what a server's API offers, from Python. `Client(url, token)` is all there is."""

from __future__ import annotations

from agent_runtime.client.client import Client

__all__ = ["Client"]
