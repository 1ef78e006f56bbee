"""Whom a run may be pointed at without saying so twice: this machine and private networks.

Every address a file names counts: endpoints, the driver's, what is asked whether the program is
ready. A driver of one's own that knows its address by itself cannot be looked into.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from harness.drivers.http_spec import CallbackSpec
from harness.sut import SystemUnderTest

OPTION: Final = "--i-may-test-this"

_RESOLVE_S: Final = 10.0
_SCHEMES: Final = ("http://", "https://", "ws://", "wss://")
# RFC 1122 §3.2.1.3, RFC 1918, RFC 3927; RFC 4291 §2.5, RFC 4193. Shared address space (RFC 6598)
# is a provider's, not one's own.
_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("0.0.0.0/32", "::/128", "::1/128", "fe80::/10", "fc00::/7"),
    )
)

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotOurs(Exception):
    """The run is pointed at a place that may be somebody else's; the message names the remedy."""


async def guard(sut: SystemUnderTest) -> None:
    """See that all addresses of a system are loopback or private.

    Raises:
        NotOurs: one is not, or nobody can say.
    """
    places: dict[str, list[str]] = {}
    for place, host in hosts(sut):
        places.setdefault(host, []).append(place)
    answers = await asyncio.gather(*map(_resolve, places))
    for (host, where), found in zip(places.items(), answers, strict=True):
        named = f"{host} ({', '.join(dict.fromkeys(where))})"
        if not found:
            raise NotOurs(
                f"{named} cannot be resolved, so nobody can say whose it is; correct it, or, "
                f"if you may test what is behind it, use {OPTION}"
            )
        public = [str(one) for one in found if not is_private(one)]
        if public:
            is_name = public != [host]
            address = f", which is {', '.join(public)}," * is_name
            raise NotOurs(
                f"{named}{address} is neither this machine nor a private network; a test can "
                f"disturb a Central System and its charge points. If you may test it, use {OPTION}"
            )


def hosts(sut: SystemUnderTest) -> Iterator[tuple[str, str]]:
    """Yield where a host stands in the file, and the host. Pure."""
    yield "ocpp_url", _host(sut.ocpp_url)
    for profile, url in sut.access.endpoints.items():
        yield f"endpoints.{profile}", _host(url)
    if sut.start is not None and sut.start.ready_http:
        yield "start.ready", _host(sut.start.ready_http)
    if sut.start is not None and sut.start.ready_tcp:
        yield "start.ready", _host(f"ws://{sut.start.ready_tcp}")
    for url in _urls(sut.driver):
        yield "driver", _host(url)


def is_private(address: Address) -> bool:
    """Whether an address is this machine's or a private network's, IPv4 in IPv6 too. Pure."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == one.version and address in one for one in _PRIVATE)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _urls(value: object) -> Iterator[str]:
    """Yield every address in what a file says about its driver; not where the CSMS calls us."""
    if isinstance(value, str):
        if value.lower().startswith(_SCHEMES):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _urls(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _urls(item)
    elif is_dataclass(value) and not isinstance(value, CallbackSpec | type):
        for member in fields(value):
            yield from _urls(getattr(value, member.name))


async def _resolve(host: str) -> list[Address]:
    """Return all addresses of a host, none where it has none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
        return [ipaddress.ip_address(text) for text in texts]
    except (OSError, TimeoutError, ValueError):
        return []
