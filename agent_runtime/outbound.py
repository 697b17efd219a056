"""The way out: which addresses a webhook may reach, and a transport that reaches no other.

A name is resolved once, every address that it has is checked, and the connection goes to one that
was checked: a name that answers differently a moment later leads nowhere else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx

from agent_runtime.errors import AddressRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_TUNNELS = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32", "64:ff9b:1::/48")))
"""6to4, Teredo and local NAT64: an address of another network is hidden inside."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(address in tunnel for tunnel in _TUNNELS):
            return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special


@dataclass(frozen=True)
class Gate:
    """Lets public addresses through, and those of `allowed` networks. Without TLS it lets through
    this machine's own only, and only where they are allowed."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[str]) -> Gate:
        """From texts such as 10.0.0.0/8; raises ValueError."""
        return cls(tuple(ipaddress.ip_network(text) for text in networks))

    def check(self, scheme: str, addresses: Sequence[Address]) -> Sequence[Address]:
        """The addresses to connect to; raises AddressRefused unless every one of them may be."""
        plain = [getattr(address, "ipv4_mapped", None) or address for address in addresses]
        if scheme == "https":
            fits = all(self._allows(address) or is_public(address) for address in plain)
        else:
            fits = all(self._allows(address) and address.is_loopback for address in plain)
        if not addresses or not fits:
            raise AddressRefused
        return plain

    def _allows(self, address: Address) -> bool:
        return any(address in network for network in self.allowed)


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to addresses that the gate lets through, under the name that was asked for: TLS
    verifies that name. No proxy, no redirect, no retry."""

    def __init__(self, gate: Gate, context: ssl.SSLContext) -> None:
        self._gate = gate
        self._plain = httpx.AsyncHTTPTransport(verify=context, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it; raises AddressRefused, or httpx.ConnectError for a name that is none."""
        url = request.url
        name = url.raw_host.decode("ascii").strip("[]")
        addresses = self._gate.check(url.scheme, await _resolve(name))
        for last, address in enumerate(addresses, start=1 - len(addresses)):
            pinned = httpx.Request(
                request.method,
                url.copy_with(host=str(address)),
                headers=request.headers,  # with the name as Host
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": name},
            )
            try:
                return await self._plain.handle_async_request(pinned)
            except httpx.ConnectError:
                if last == 0:
                    raise
        raise AddressRefused

    async def aclose(self) -> None:
        """Close its connections."""
        await self._plain.aclose()


async def _resolve(name: str) -> list[Address]:
    """All addresses of a name, in the system's order."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError("the name is not known") from error
    return [ipaddress.ip_address(address[0]) for *_, address in found]
