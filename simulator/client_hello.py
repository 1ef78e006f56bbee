"""What a ClientHello offers, read from its bytes. Spec: RFC 5246 §7.4.1.2, RFC 8446 §4.1.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from simulator.tls_names import TlsVersion

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_SUPPORTED_VERSIONS: Final = 43
# Signals that look like suites: TLS_EMPTY_RENEGOTIATION_INFO_SCSV and TLS_FALLBACK_SCSV.
_SIGNALS: Final = (0x00FF, 0x5600)

_VERSION_OF_CODE: Final = {version.code: version for version in TlsVersion}


@dataclass(frozen=True, slots=True)
class ClientHello:
    """An offer as it goes over the wire.

    Attributes:
        versions: all that are named; before TLS 1.3 that is the highest alone.
        suites: their numbers, in order, without signalling values.
        server_name: SNI, empty without.
    """

    versions: tuple[TlsVersion, ...]
    suites: tuple[int, ...]
    server_name: str


class _Bytes:
    """Bytes read one field after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise ValueError("the ClientHello ends too early")
        piece = self._data[self._at : self._at + size]
        self._at += size
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Take what a length of `size` bytes announces."""
        return self.take(self.number(size))

    def __bool__(self) -> bool:
        return self._at < len(self._data)


def parse_client_hello(data: bytes) -> ClientHello:
    """Return what the records in `data` offer.

    Raises:
        ValueError: they are not exactly one ClientHello.
    """
    records, handshake = _Bytes(data), b""
    while records:
        if records.number(1) != _HANDSHAKE:
            raise ValueError("no handshake record")
        records.take(2)
        handshake += records.vector(2)
    message = _Bytes(handshake)
    if message.number(1) != _CLIENT_HELLO:
        raise ValueError("no ClientHello")
    hello = _Bytes(message.vector(3))
    if message:
        raise ValueError("more than a ClientHello")
    codes = [hello.number(2)]
    hello.take(32)  # random
    hello.vector(1)  # session
    suites = _numbers(hello.vector(2))
    hello.vector(1)  # compression
    server_name = ""
    extensions = _Bytes(hello.vector(2) if hello else b"")
    while extensions:
        kind, content = extensions.number(2), _Bytes(extensions.vector(2))
        if kind == _SUPPORTED_VERSIONS:
            codes = _numbers(content.vector(1))
        elif kind == _SERVER_NAME:
            names = _Bytes(content.vector(2))
            names.take(1)  # host_name, the only type there is
            server_name = names.vector(2).decode("ascii", "replace")
    return ClientHello(
        tuple(_VERSION_OF_CODE[code] for code in codes if code in _VERSION_OF_CODE),
        tuple(code for code in suites if code not in _SIGNALS),
        server_name,
    )


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
