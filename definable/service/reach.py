"""Where webhooks may be sent: never to an address that only this network can reach, unless we are alone here.

Who may name an address could otherwise have the service ask machines behind the firewall.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

import httpx

from definable.errors import UsageError
from definable.toolkits.where import is_loopback

LONGEST = 2000

NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: the URL as it was given, and the address that its host was found to have."""

    url: httpx.URL
    address: str

    @property
    def connected(self) -> httpx.URL:
        """The URL with the address in it: what was looked at is what is connected to."""
        return self.url.copy_with(host=self.address)


def read(text: str, local: bool) -> httpx.URL:
    """Return a URL that may be sent to, as far as its text tells. UsageError when it may not."""
    try:
        url = httpx.URL(text)
        here = is_loopback(url.host)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise UsageError(f"{text[:200]!r} is no URL: {error}") from error
    if url.userinfo or url.fragment or len(text) > LONGEST or not 0 < (url.port or 443) < 65_536:
        raise UsageError(f"{text[:200]!r} has a user, a fragment, an odd port or too many characters")
    if not url.host or url.scheme not in (("http", "https") if here and local else ("https",)):
        raise UsageError(
            f"{text[:200]!r} is not an https URL",
            hint="webhooks go by https; to this machine, http will do",
        )
    return url


async def found(text: str, local: bool) -> Target:
    """Return where a URL leads now. UsageError when its host is not known, or is none of the public ones."""
    url = read(text, local)
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        got = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"the host {url.host!r} is not known: {why}") from error
    addresses = [str(each[4][0]) for each in got]
    for each in addresses:
        if not (local or public(ipaddress.ip_address(each.partition("%")[0]))):
            raise UsageError(
                f"the host {url.host!r} is {each}, an address of a private network",
                hint="name one that the internet reaches",
            )
    return Target(url, addresses[0])


def public(address: Address) -> bool:
    """Whether an address is one of the internet, and so is what it stands for."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return public(inner)
    return address.is_global and not address.is_multicast
