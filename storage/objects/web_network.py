"""Connections to hosts that somebody named: to public addresses, and to those that are trusted."""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import cast

import httpcore

TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 behind a translator (RFC 6052): the last four bytes are the address that is reached."""

COMPATIBLE = IPv6Network("::/96")
"""IPv4 as it was written into IPv6 once (RFC 4291, 2.5.5.1)."""
LOCALLY_TRANSLATED = IPv6Network("64:ff9b:1::/48")
"""What a translator of one's own makes of any address (RFC 8215)."""


class PrivateAddressError(Exception):
    """The host's address is not a public one, and the host is not one that is trusted."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address belongs to the public internet, however it is written.

    IPv4 addresses inside of IPv6 ones (mapped, 6to4, translated) count by themselves.
    """
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if inside is None and (address in TRANSLATED or address in COMPATIBLE):
            inside = IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(inside)
        if address.teredo is not None or address.is_site_local or address in LOCALLY_TRANSLATED:
            return False
    return address.is_global and not address.is_multicast


class WebNetwork(httpcore.AsyncNetworkBackend):
    """Looks a host up once, and connects to the very address that was looked at.

    To check a URL and then let a client look its name up again would let a name that changes
    between the two lead to a private address.

    Args:
        hosts: ``*`` for every public host; names, with or without ``:port``, that are trusted
            whatever their address.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        # it is there where anyio is, which httpcore's types cannot tell
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    def allows(self, host: str, port: int) -> bool:
        """Tell whether the host may be asked at all; whether its address may, comes later."""
        return "*" in self._hosts or self._trusts(host, port)

    def _trusts(self, host: str, port: int) -> bool:
        name = host.lower().strip("[]")
        written = f"[{name}]" if ":" in name else name
        return not self._hosts.isdisjoint((name, written, f"{written}:{port}"))

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the host.

        Raises:
            PrivateAddressError: one of its addresses is not public, and it is not trusted.
            httpcore.ConnectError: it cannot be found or reached.
        """
        address = host if self._trusts(host, port) else await _public_address(host, port)
        return await self._network.connect_tcp(
            address, port, timeout, local_address, socket_options
        )

    async def sleep(self, seconds: float) -> None:
        """Wait, between httpcore's tries."""
        await asyncio.sleep(seconds)


async def _public_address(host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host[:100]} was not found: {error}") from None
    addresses = [str(address[4][0]) for address in found]
    # all of them: else it would be chance whether it is refused
    for address in addresses:
        if not is_public(ip_address(address.partition("%")[0])):
            raise PrivateAddressError(f"{host[:100]} is no public host")
    return addresses[0]
