"""The way out: a webhook reaches public addresses and what is allowed, and nothing else, whatever
names resolve to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent_runtime.errors import AddressRefused
from agent_runtime.notice import Outcome
from agent_runtime.outbound import Gate, is_public
from agent_runtime.settings import NoticeSettings
from agent_runtime.webhook import Webhook
from tests.notices.receiver import Receiver, certify, receiving

INSIDE = (
    "127.0.0.1", "127.255.0.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.254",  # noqa: S104 — nothing is bound
    "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1",
    "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "2002:7f00:1::1", "2001:0:7f00:1::1", "2001:db8::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8")


@pytest.mark.parametrize("address", INSIDE)
def test_an_inside_address_is_refused(address: str) -> None:
    """Also wrapped in another, and beside a public one."""
    inside, outside = ipaddress.ip_address(address), ipaddress.ip_address("1.1.1.1")
    assert not is_public(inside)
    for addresses in ([inside], [outside, inside]):
        with pytest.raises(AddressRefused):
            Gate().check("https", addresses)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_reached_with_tls_only(address: str) -> None:
    """Even where everything is allowed."""
    found = ipaddress.ip_address(address)
    assert Gate().check("https", [found])
    with pytest.raises(AddressRefused):
        Gate.of(["0.0.0.0/0", "::/0"]).check("http", [found])


def test_an_allowed_network_is_reached(tmp_path: Path) -> None:
    """Private ones with TLS, this machine also without."""
    gate = Gate.of(["10.0.0.0/8", "127.0.0.1/32"])
    private, local = ipaddress.ip_address("10.1.2.3"), ipaddress.ip_address("127.0.0.1")
    assert gate.check("https", [private])
    assert gate.check("http", [local])
    with pytest.raises(AddressRefused):
        gate.check("http", [private])
    with pytest.raises(AddressRefused):
        gate.check("http", [ipaddress.ip_address("127.0.0.2")])


def webhook(**fields: Any) -> Webhook:
    return Webhook(NoticeSettings.model_validate(fields))


async def post(hook: Webhook, to: str) -> Outcome:
    return await hook.send(to, {"content-type": "application/json"}, b"{}")


SPELLINGS = ("127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]")


@pytest.mark.parametrize("host", SPELLINGS)
async def test_this_machine_is_not_reached_however_it_is_spelled(
    receiver: Receiver, host: str
) -> None:
    """Refused before a byte is sent, and for good."""
    for scheme in ("http", "https"):
        url = receiver.url.replace("http://127.0.0.1", f"{scheme}://{host}")
        assert await post(webhook(), url) == Outcome("its address may not be reached", final=True)
    assert receiver.got == []


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to; of a list with more than one, each look-up takes the first away."""
    known: dict[str, list[str]] = {}

    async def resolve(self: Any, host: str, *_: Any, **__: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror("unknown")
        found = known[host]
        address = found.pop(0) if len(found) > 1 else found[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    return known


async def test_the_address_that_was_checked_is_connected_to(
    receiver: Receiver, names: dict[str, list[str]]
) -> None:
    """The name is looked up once: what it says the second time does not count."""
    names["hooks.example.com"] = ["127.0.0.1", "127.0.0.9"]
    port = receiver.url.split(":")[2]
    hook = webhook(notice_networks=("127.0.0.1/32",))
    assert (await post(hook, f"http://hooks.example.com:{port}")).delivered
    ((headers, _),) = receiver.got
    assert headers["host"] == f"hooks.example.com:{port.split('/')[0]}"
    assert names["hooks.example.com"] == ["127.0.0.9"]


@pytest.mark.parametrize(
    ("named", "delivered"), [("hooks.example.com", True), ("other.test", False)]
)
async def test_tls_verifies_the_name_and_not_the_address(
    tmp_path: Path, names: dict[str, list[str]], named: str, delivered: bool
) -> None:
    """A certificate for another name is no delivery, and nothing is sent."""
    names["hooks.example.com"] = ["127.0.0.1"]
    file = certify(tmp_path, named)
    with receiving(file) as receiver:
        port = receiver.url.split(":")[2]
        hook = webhook(notice_networks=("127.0.0.0/8",), notice_ca=str(file))
        outcome = await post(hook, f"https://hooks.example.com:{port}")
    assert (outcome.delivered, len(receiver.got)) == (delivered, int(delivered))
    assert outcome.why == ("" if delivered else "no connection (ConnectError)")


async def test_a_certificate_of_nobody_we_know_is_no_delivery(
    tmp_path: Path, names: dict[str, list[str]]
) -> None:
    """Unless the settings name who vouches for it."""
    names["hooks.example.com"] = ["127.0.0.1"]
    with receiving(certify(tmp_path, "hooks.example.com")) as receiver:
        port = receiver.url.split(":")[2]
        hook = webhook(notice_networks=("127.0.0.0/8",))
        assert not (await post(hook, f"https://hooks.example.com:{port}")).delivered
    assert receiver.got == []


async def test_a_name_that_is_none_may_come_to_be(names: dict[str, list[str]]) -> None:
    """It is tried again."""
    assert await post(webhook(), "https://gone.example.com/") == Outcome(
        "no connection (ConnectError)"
    )


def test_a_network_that_is_none_is_refused() -> None:
    """When the settings are read."""
    with pytest.raises(ValidationError, match="has host bits set"):
        NoticeSettings.model_validate({"notice_networks": ("10.0.0.1/8",)})
