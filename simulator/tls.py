"""What a charge point offers in TLS, and one handshake of it without sockets.

The ClientHello is made and read back before anything leaves: where it does not offer what was asked
for, `CannotOffer` is raised, so that nobody takes our own inability for a server's refusal.
"""

from __future__ import annotations

import re
import ssl
import tempfile
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from simulator.client_hello import ClientHello, parse_client_hello
from simulator.errors import CannotOffer, LocalProtocolError, RefusalKind
from simulator.server_certificate import CertificateFacts, names_host, read_certificate
from simulator.tls_names import (
    ALERTS,
    MANDATORY_SUITES,
    NAME_OF_SUITE,
    SUITES,
    TLS_1_3_SUITES,
    TlsVersion,
    received_alert,
    suite_name,
)

__all__ = ["MANDATORY_SUITES", "Engine", "TlsFacts", "TlsOffer", "TlsProblem", "TlsVersion"]

_PYTHON_VERSION: Final = {
    TlsVersion.TLS_1_0: ssl.TLSVersion.TLSv1,
    TlsVersion.TLS_1_1: ssl.TLSVersion.TLSv1_1,
    TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3,
}
_SOURCE_LINE: Final = re.compile(r" \(_ssl\.c:\d+\)$", re.ASCII)
# Below this strength, and without certificates, OpenSSL offers suites at security level 0 alone.
_WEAK_BITS: Final = 112
_READ_BYTES: Final = 65_536

# Records and messages, RFC 8446 §4 and §5.1.
_CHANGE_CIPHER_SPEC: Final = 20
_ALERT: Final = 21
_HANDSHAKE: Final = 22
_APPLICATION_DATA: Final = 23
_RECORD_TYPES: Final = range(20, 25)
_CERTIFICATE: Final = 11
_CERTIFICATE_REQUEST: Final = 13
_FATAL: Final = 2
# What a client hides of its handshake in TLS 1.3: Finished, and an empty certificate where it was
# asked for one and has none; together at most 99 bytes. A certificate and its signature are more.
_MOST_HIDDEN_BYTES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOffer:
    """What a charge point offers and whom it trusts.

    Attributes:
        trust_anchors_pem: certificates that a server's must lead to; None: this machine's own.
        installed_roots_pem: certificates that are trusted besides.
        certificate_chain_pem: the charge point's certificate first, then its issuers; empty: none.
        private_key_pem: key of that certificate, not encrypted.
        min_version: None: TLS 1.2, or as low as `max_version`.
        max_version: None: TLS 1.3, or TLS 1.2 where `suites` are of that alone.
        suites: IANA names of what is offered, nothing else is; empty: all usual ones, the four
            mandatory ones among them. Those of TLS 1.3 go together or not at all: Python's `ssl`
            cannot choose among them.
        server_name: whom the server's certificate must name, in place of the URL's host.
        checks_server: whether the server's certificate must be trusted; without, a handshake may
            look at it, but nothing is said over such a connection.
    """

    trust_anchors_pem: str | None = None
    installed_roots_pem: tuple[str, ...] = ()
    certificate_chain_pem: str = ""
    private_key_pem: str = field(default="", repr=False)
    min_version: TlsVersion | None = None
    max_version: TlsVersion | None = None
    suites: tuple[str, ...] = ()
    server_name: str = ""
    checks_server: bool = True

    def __post_init__(self) -> None:
        unknown = [name for name in self.suites if name not in SUITES]
        if unknown:
            raise LocalProtocolError(f"no cipher suite is called {', '.join(unknown)}")
        if bool(self.certificate_chain_pem) != bool(self.private_key_pem):
            raise LocalProtocolError("a client certificate and its private key go together")

    @property
    def versions(self) -> tuple[TlsVersion, TlsVersion]:
        """The lowest and the highest version that is wanted."""
        old = [name for name in self.suites if name not in TLS_1_3_SUITES]
        highest = self.max_version or (
            TlsVersion.TLS_1_2 if old and len(old) == len(self.suites) else TlsVersion.TLS_1_3
        )
        lowest = self.min_version or (
            TlsVersion.TLS_1_3 if self.suites and not old else TlsVersion.TLS_1_2
        )
        if self.min_version is None and lowest.code > highest.code:
            lowest = highest
        return lowest, highest


class TlsProblem(ConnectionError):
    """A TLS connection did not come about, or ended by an alert.

    Attributes:
        alert: name of the alert, empty where none came.
    """

    def __init__(self, reason: str, kind: RefusalKind, *, alert: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.alert = alert


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """What a TLS handshake came to.

    Attributes:
        version: ``TLSv1.2``.
        suite: its IANA name.
        certificate: the server's own.
        shows_certificate: the server asked for our certificate and got it.
    """

    version: str
    suite: str
    certificate: CertificateFacts
    shows_certificate: bool

    def as_detail(self) -> dict[str, object]:
        """Return the facts as JSON values."""
        return {
            "version": self.version,
            "suite": self.suite,
            "certificate": self.certificate.as_detail(),
            "shows_certificate": self.shows_certificate,
        }


# --- the context ---------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _openssl_suites() -> dict[int, tuple[str, int]]:
    """Return name and strength in bits of every suite this OpenSSL has, by number."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return {
        one["id"] & 0xFFFF: (str(one["name"]), int(one["strength_bits"]))
        for one in context.get_ciphers()
    }


@lru_cache(maxsize=64)
def make_context(offer: TlsOffer) -> ssl.SSLContext:
    """Return a context for this offer. Whether it offers enough shows in the ClientHello.

    Raises:
        CannotOffer: certificates, key or suites cannot be used here.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # `Engine` does: by common name too
    context.verify_mode = ssl.CERT_REQUIRED if offer.checks_server else ssl.CERT_NONE
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a trusted issuer need be no root
    lowest, highest = offer.versions
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are tried on purpose
        context.minimum_version = _PYTHON_VERSION[lowest]
        context.maximum_version = _PYTHON_VERSION[highest]
    _set_suites(context, offer)
    _load_certificates(context, offer)
    return context


def _set_suites(context: ssl.SSLContext, offer: TlsOffer) -> None:
    known = _openssl_suites()
    old = [name for name in offer.suites if name not in TLS_1_3_SUITES]
    missing = [name for name in offer.suites if SUITES[name] not in known]
    if missing:
        raise CannotOffer(f"{ssl.OPENSSL_VERSION} does not have {', '.join(missing)}")
    if len(offer.suites) > len(old) and not set(TLS_1_3_SUITES) <= set(offer.suites):
        raise CannotOffer("the suites of TLS 1.3 can only be offered together")
    if old:
        names = [known[SUITES[name]][0] for name in old]
    elif offer.suites:
        return
    else:  # static RSA is not among OpenSSL's usual ones any more
        names = ["DEFAULT", *(known[SUITES[name]][0] for name in MANDATORY_SUITES)]
    is_weak = any("_anon_" in name or known[SUITES[name]][1] < _WEAK_BITS for name in old)
    if is_weak or offer.versions[0].code < TlsVersion.TLS_1_2.code:
        names.append("@SECLEVEL=0")
    try:
        context.set_ciphers(":".join(names))
    except ssl.SSLError as exc:
        raise CannotOffer(f"OpenSSL does not take {', '.join(names)}: {_words(exc)}") from exc


def _load_certificates(context: ssl.SSLContext, offer: TlsOffer) -> None:
    if offer.trust_anchors_pem is None:
        context.load_default_certs()
    anchors = "\n".join((offer.trust_anchors_pem or "", *offer.installed_roots_pem))
    if anchors.strip():
        try:
            context.load_verify_locations(cadata=anchors)
        except (ssl.SSLError, ValueError, TypeError) as exc:
            raise CannotOffer(f"the trust anchors cannot be read: {_words(exc)}") from exc
    if not offer.certificate_chain_pem:
        return
    # Python reads certificates and keys from files alone: in a private place, for a moment.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "client.pem")
        path.write_bytes(f"{offer.private_key_pem}\n{offer.certificate_chain_pem}".encode())
        try:
            context.load_cert_chain(path, password=_no_password)
        except (ssl.SSLError, ValueError) as exc:
            raise CannotOffer(f"the client certificate cannot be used: {_words(exc)}") from exc


def _no_password() -> str:
    raise ValueError("its private key is encrypted")


def _words(exc: Exception) -> str:
    """Return what is wrong without the line of code that found it."""
    if isinstance(exc, ssl.SSLError) and exc.reason:
        return exc.reason.lower().replace("_", " ")
    return _SOURCE_LINE.sub("", str(exc))


# --- the connection ------------------------------------------------------------------------------


class Engine:
    """The client's end of one TLS connection: bytes in, bytes out.

    Attributes:
        facts: what was agreed on, None before.
        problem: why it is over, None while it is not.
        is_ended: the server said that it has no more to say.
    """

    def __init__(self, offer: TlsOffer, host: str) -> None:
        """Make the ClientHello, and see that it offers what it should.

        Raises:
            CannotOffer: it does not.
        """
        self._offer = offer
        self._name = offer.server_name or host
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._theirs, self._ours = _Records(), _Records()
        self._unsent, self._unwritten = bytearray(), bytearray()
        self.facts: TlsFacts | None = None
        self.problem: TlsProblem | None = None
        self.is_ended = False
        try:
            self._tls = make_context(offer).wrap_bio(
                self._incoming, self._outgoing, server_hostname=self._name
            )
            with suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
        except ssl.SSLError as exc:
            raise CannotOffer(f"our own TLS offers nothing of the kind: {_words(exc)}") from exc
        except ValueError as exc:
            raise CannotOffer(f"{self._name!r} is no server name: {exc}") from exc
        self._gather()
        _check_hello(parse_client_hello(bytes(self._unsent)), offer)

    @property
    def shows_certificate(self) -> bool:
        """Whether our certificate went to the server, because it asked."""
        return self._ours.has_certificate or self._ours.hidden_bytes > _MOST_HIDDEN_BYTES

    @property
    def lacks_certificate(self) -> bool:
        """Whether the server asked for a certificate and got none; TLS 1.2 and before."""
        return self._theirs.asks_for_certificate and not self.shows_certificate

    def receive(self, data: bytes) -> bytes:
        """Take what the server sent; return what it says inside TLS.

        After a `problem` nothing more is taken; `to_send` may still have an alert for the server.
        """
        self._incoming.write(data)
        if self.facts is None:
            self._theirs.feed(data)
            self._shake()
        if self.facts is None or self.problem is not None:
            return b""
        pieces: list[bytes] = []
        try:
            while piece := self._tls.read(_READ_BYTES):
                pieces.append(piece)
            self.is_ended = True
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            self.is_ended = True
        except ssl.SSLError as exc:
            self.problem = self._problem(exc)
        return b"".join(pieces)

    def send(self, data: bytes) -> None:
        """Say something inside TLS; `to_send` then has it."""
        self._unwritten += data
        self._flush()

    def eof(self) -> TlsProblem:
        """Return what it means that nothing more comes during the handshake."""
        if self._theirs.nonsense is not None:
            return self._no_tls()
        reason = "EOF: the server closed the connection during the TLS handshake"
        return TlsProblem(reason, RefusalKind.EOF)

    def close(self) -> None:
        """Say that we have no more to say."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()

    def to_send(self) -> bytes:
        """Return what has to go to the server now."""
        self._gather()
        data = bytes(self._unsent)
        self._unsent.clear()
        return data

    def _gather(self) -> None:
        data = self._outgoing.read()
        if self.facts is None:
            self._ours.feed(data)
        self._unsent += data

    def _flush(self) -> None:
        try:
            while self._unwritten:
                del self._unwritten[: self._tls.write(self._unwritten)]
        except ssl.SSLWantReadError:
            pass  # the server wants new keys first
        except ssl.SSLError:
            self._unwritten.clear()  # it is over; reading tells why

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as exc:
            self.problem = self._problem(exc)
            return
        certificate = read_certificate(self._tls.getpeercert(binary_form=True) or b"")
        is_other = self._offer.checks_server and not names_host(certificate, self._name)
        if is_other:
            self._outgoing.read()  # in TLS 1.3 our certificate is still here: it stays
        self._gather()
        cipher = self._tls.cipher()
        self.facts = TlsFacts(
            version=self._tls.version() or "",
            suite=_iana_name(cipher[0] if cipher else ""),
            certificate=certificate,
            shows_certificate=self.shows_certificate,
        )
        if is_other:
            self.problem = TlsProblem(_other_name(certificate, self._name), RefusalKind.NOT_TRUSTED)

    def _problem(self, exc: ssl.SSLError) -> TlsProblem:
        if isinstance(exc, ssl.SSLCertVerificationError):
            reason = f"the server's certificate is not trusted: {exc.verify_message}"
            return TlsProblem(reason, RefusalKind.NOT_TRUSTED)
        if self._theirs.nonsense is not None:
            return self._no_tls()
        alert = self._theirs.alert or received_alert(str(exc))
        if isinstance(exc, ssl.SSLZeroReturnError):
            alert = ALERTS[0]
        if alert:
            reason = f"the server ended TLS with the alert {alert}"
            return TlsProblem(reason, RefusalKind.ALERT, alert=alert)
        return TlsProblem(f"TLS cannot go on: {_words(exc)}", RefusalKind.NOT_TLS)

    def _no_tls(self) -> TlsProblem:
        line = (self._theirs.nonsense or b"").split(b"\r\n")[0][:60].decode("ascii", "replace")
        return TlsProblem(f"the answer is no TLS but {line!r}", RefusalKind.NOT_TLS)


def _check_hello(hello: ClientHello, offer: TlsOffer) -> None:
    lowest, highest = offer.versions
    if highest not in hello.versions:
        raise CannotOffer(f"our own TLS does not offer {highest}")
    if TlsVersion.TLS_1_3 in hello.versions and lowest not in hello.versions:
        raise CannotOffer(f"our own TLS does not offer {lowest}")
    if not offer.suites:
        return
    wanted = {SUITES[name] for name in offer.suites}
    missing, surplus = wanted - set(hello.suites), set(hello.suites) - wanted
    for codes, words in ((missing, "does not offer"), (surplus, "cannot do without")):
        if codes:
            names = ", ".join(sorted(suite_name(code) for code in codes))
            raise CannotOffer(f"our own TLS {words} {names}")


def _iana_name(openssl_name: str) -> str:
    """Return the IANA name of a suite, OpenSSL's own where we know none."""
    names = {name: code for code, (name, _) in _openssl_suites().items()}
    return NAME_OF_SUITE.get(names.get(openssl_name, 0), openssl_name)


def _other_name(certificate: CertificateFacts, name: str) -> str:
    if certificate.problem:
        return f"the server's certificate cannot be read: {certificate.problem}"
    names = (*certificate.common_names, *certificate.dns_names, *certificate.ip_addresses)
    made_for = ", ".join(dict.fromkeys(names)) or "nobody"
    return f"the server's certificate is not trusted: it is for {made_for}, not for {name}"


class _Records:
    """The outside of the records that went one way, as far as a handshake shows it.

    Attributes:
        alert: name of a fatal alert that was not encrypted.
        nonsense: what came, where it is no record at all.
        has_certificate: a Certificate message that is not empty; TLS 1.2 and before.
        asks_for_certificate: a CertificateRequest message; TLS 1.2 and before.
        hidden_bytes: how much is encrypted, in TLS 1.3.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._messages = bytearray()
        self._is_plain = True
        self.alert = ""
        self.nonsense: bytes | None = None
        self.has_certificate = False
        self.asks_for_certificate = False
        self.hidden_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        buffer = self._buffer
        buffer += data
        while buffer and self.nonsense is None:
            if buffer[0] not in _RECORD_TYPES or bytes(buffer[1:2]) not in (b"", b"\x03"):
                self.nonsense = bytes(buffer)
            size = int.from_bytes(buffer[3:5], "big")
            if len(buffer) < 5 or len(buffer) < 5 + size:
                return
            self._take(buffer[0], bytes(buffer[5 : 5 + size]))
            del buffer[: 5 + size]

    def _take(self, kind: int, content: bytes) -> None:
        if kind == _CHANGE_CIPHER_SPEC:
            self._is_plain = False
        elif kind == _ALERT and len(content) == 2 and content[0] == _FATAL:
            self.alert = ALERTS.get(content[1], str(content[1]))
        elif kind == _APPLICATION_DATA:
            self.hidden_bytes += len(content)
        elif kind == _HANDSHAKE and self._is_plain:
            self._messages += content
            self._look()

    def _look(self) -> None:
        messages = self._messages
        while len(messages) >= 4:
            size = int.from_bytes(messages[1:4], "big")
            if len(messages) < 4 + size:
                return
            # An empty list is three bytes of length.
            self.has_certificate |= messages[0] == _CERTIFICATE and size > 3
            self.asks_for_certificate |= messages[0] == _CERTIFICATE_REQUEST
            del messages[: 4 + size]
