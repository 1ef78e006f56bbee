"""TLS of our listeners: which versions and suites, whose certificates, and when files change.

Spec: security whitepaper ed. 3, A00 (CS-SEC-04). Exactly the four mandatory suites of TLS 1.2, for
which an RSA and an elliptic certificate stand side by side, and TLS 1.3; nothing below, nothing
else. Certificates, keys and trust anchors are read again when their files change: the next
handshakes use the new ones, connections that are there go on.
"""

import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

# TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
# TLS_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_256_GCM_SHA384 as OpenSSL calls them.
SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
)
# People and programs get modern ones; the last two are for files that charge points fetch.
WEB_SUITES: Final = ("ECDHE+AESGCM", "ECDHE+CHACHA20", "AES128-GCM-SHA256", "AES256-GCM-SHA384")
STRENGTH: Final = "@SECLEVEL=2"  # RSA from 2048 bits, curves from 224, no SHA-1 (A00.FR.502)

_logger: Final = logging.getLogger(__name__)


class TlsError(Exception):
    """A file cannot be used; the message is for an operator and repeats no secret."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate with its chain, leaf first, and its private key; both PEM."""

    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a listener needs.

    Attributes:
        certificates: at most one of each kind of key.
        trusted: CA certificates for charge points; a file that is not there trusts nobody.
    """

    certificates: tuple[CertificateFiles, ...]
    trusted: tuple[Path, ...] = ()

    def paths(self) -> tuple[Path, ...]:
        """Return all of them."""
        pairs = [path for one in self.certificates for path in (one.chain, one.key)]
        return (*pairs, *self.trusted)


def charge_point_context(files: TlsFiles) -> ssl.SSLContext:
    """Return how charge points are served; who shows a certificate is checked.

    Raises:
        TlsError: a file cannot be used.
    """
    context = _context(files, SUITES)
    # Whoever shows none may be of profile 2; that is decided when the identity is known.
    context.verify_mode = ssl.CERT_OPTIONAL
    for path in files.trusted:
        _trust(context, path)
    return context


def web_context(files: TlsFiles) -> ssl.SSLContext:
    """Return how the HTTP API is served.

    Raises:
        TlsError: a file cannot be used.
    """
    return _context(files, WEB_SUITES)


class LiveContext:
    """A context whose handshakes use the files as they are now.

    Python cannot take a trust anchor out of a context, nor give a listener another one, so the
    listener gets one that lets the newest do each handshake. That also ends the sessions of before:
    one that is resumed brings its verdict on the client certificate along, and a new context cannot
    read the tickets of an older one. The files are looked at every time: a charge point may come
    with its new certificate milliseconds after the root above it was made, and some stat calls are
    nothing beside the handshake.

    Attributes:
        context: for the listener.
    """

    def __init__(self, files: TlsFiles, build: Callable[[TlsFiles], ssl.SSLContext]) -> None:
        self._files = files
        self._build = build
        self._seen = _stamps(files.paths())
        self._newest = build(files)
        listening = _Delegating(ssl.PROTOCOL_TLS_SERVER)
        listening.current = self._current
        self.context: ssl.SSLContext = listening

    def _current(self) -> ssl.SSLContext:
        self._look()
        return self._newest

    def _look(self) -> None:
        stamps = _stamps(self._files.paths())
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            self._newest = self._build(self._files)
        except TlsError as error:  # perhaps half of them are written; the rest is a change, too
            _logger.error("changed TLS files are not used: %s", error)
        else:
            _logger.info("TLS files have changed and are used from now on")


class _Delegating(ssl.SSLContext):
    """Has each handshake of an event loop done by the context that is current."""

    current: Callable[[], ssl.SSLContext]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return self.current().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _context(files: TlsFiles, suites: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join((*suites, STRENGTH)))
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # Resuming spares the check of the chain, while the door looks at the certificate all the same.
    # TLS 1.2 keeps its tickets: without them the library would hold the sessions in our memory.
    context.num_tickets = 0
    kinds = set()
    for one in files.certificates:
        kind = _load(context, one)
        if kind in kinds:
            raise TlsError(f"{one.chain}: there is another {kind} certificate already")
        kinds.add(kind)
    return context


def _load(context: ssl.SSLContext, files: CertificateFiles) -> str:
    """Add a certificate and return the kind of its key."""
    try:
        files.key.read_bytes()  # else nobody is told which of the two is missing
        leaf = x509.load_pem_x509_certificates(files.chain.read_bytes())[0]
        context.load_cert_chain(files.chain, files.key, password=_no_password)
    except ssl.SSLError as error:
        raise TlsError(
            f"{files.key} is not the key of the certificate in {files.chain}: {error.reason}"
        ) from None
    except OSError as error:
        raise TlsError(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise TlsError(f"{files.chain}: no usable certificate: {error}") from None
    return type(leaf.public_key()).__name__.removesuffix("PublicKey")


def _no_password() -> str:
    raise ValueError("the key is encrypted, and nobody is there to type a password")


def _trust(context: ssl.SSLContext, path: Path) -> None:
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        return
    except OSError as error:
        raise TlsError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TlsError(f"{path} is not PEM") from None
    try:
        if text.strip():
            context.load_verify_locations(cadata=text)
    except ssl.SSLError as error:
        raise TlsError(f"{path} holds no usable CA certificates: {error.reason}") from None


def _stamps(paths: Sequence[Path]) -> list[tuple[int, int, int] | None]:
    return [_stamp(path) for path in paths]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
