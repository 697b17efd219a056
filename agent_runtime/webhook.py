"""Webhooks: a notice as a signed POST, to an address that may be reached."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import httpx

from agent_runtime.errors import AddressRefused
from agent_runtime.notice import Outcome
from agent_runtime.outbound import CheckedTransport, Gate
from agent_runtime.settings import NoticeSettings

CONNECT = 5.0
TOTAL = 15.0
"""Seconds for the connection, and for all of it."""

GONE = 410
"""The receiver says that it wants no more of these."""


class Webhook:
    """Posts messages. Nothing of an answer but its status is read, however much there is of it."""

    def __init__(self, settings: NoticeSettings) -> None:
        self._gate = Gate.of(settings.notice_networks)
        self._context = ssl.create_default_context()
        if settings.notice_ca is not None:
            self._context.load_verify_locations(settings.notice_ca)

    async def send(self, to: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Post one message."""
        # A client for each: none of a receiver's cookies reaches the next.
        client = httpx.AsyncClient(
            transport=CheckedTransport(self._gate, self._context),
            timeout=httpx.Timeout(TOTAL, connect=CONNECT),
            headers={"user-agent": "agent-runtime", "accept-encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )
        try:
            async with (
                asyncio.timeout(TOTAL),
                client,
                client.stream("POST", to, content=body, headers=headers) as answer,
            ):
                return _outcome(answer.status_code)
        except AddressRefused:
            return Outcome("its address may not be reached", final=True)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome("no answer in time")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            return Outcome(f"no connection ({type(error).__name__})")


def _outcome(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome()
    return Outcome(f"status {status}", final=status == GONE)
