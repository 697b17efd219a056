"""Webhooks: a notice as a signed POST, to an address that may be reached."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx

from agent_runtime.errors import AddressRefused
from agent_runtime.notice import Outcome
from agent_runtime.outbound import CheckedTransport, Gate
from agent_runtime.settings import NoticeSettings

CONNECT = 5.0
TOTAL = 15.0
"""Seconds for the connection, and for all of it."""

BUSY = frozenset({429, 503})
"""The receiver may say when to come back."""

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
                return _outcome(answer.status_code, answer.headers)
        except AddressRefused:
            return Outcome("its address may not be reached", final=True)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome("no answer in time")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            return Outcome(f"no connection ({type(error).__name__})")


def _outcome(status: int, headers: httpx.Headers) -> Outcome:
    if 200 <= status < 300:
        return Outcome()
    wait = _asked_to_wait(headers) if status in BUSY else 0.0
    return Outcome(f"status {status}", final=status == GONE, wait=wait)


def _asked_to_wait(headers: httpx.Headers) -> float:
    """The seconds of a Retry-After; 0 without one that can be read. A date is held against the
    receiver's own clock, which may be another than ours."""
    asked = headers.get("retry-after", "")
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        until, now = (parsedate_to_datetime(text) for text in (asked, headers.get("date", "")))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0
