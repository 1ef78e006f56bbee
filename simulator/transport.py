"""The WebSocket of one charge point: the only place that opens sockets.

Every message is noted with the monotonic time right before it is written or right after it was
read. Text is never re-serialised. Pings are explicit, compression and proxies are off.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from simulator.clock import Moment
from simulator.errors import HandshakeRefused, LocalProtocolError, Phase, RefusalKind
from simulator.tls import TlsFacts, TlsOffer, TlsProblem
from simulator.tls_stream import TlsStream
from simulator.trace import Direction, Event, EventKind

MAX_MESSAGE_BYTES = 16 * 2**20
CLOSE_TIMEOUT_S = 1.0
# RFC 9112 §4, generously: HTTP/1.0 and a status without words are met, too. 101 is not for here.
_REFUSAL = re.compile(rb"HTTP/1\.[01] +(?!101)([1-5][0-9]{2})(?: +([^\r\n]*))?\r?\n")
_LONGEST_STATUS_LINE = 8192
_WORDLESS = frozenset({RefusalKind.ALERT, RefusalKind.EOF, RefusalKind.RESET})

T = TypeVar("T")

# websockets logs every refused handshake and broken frame; all of that is in the trace.
_logger = logging.getLogger("simulator.websocket")
_logger.setLevel(logging.CRITICAL + 1)


def read_clock() -> Moment:
    """Return this moment on both clocks."""
    monotonic_s = time.monotonic()
    return Moment(datetime.now(UTC), monotonic_s)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and as whom a charge point connects.

    Attributes:
        url: endpoint without the identity, which is appended percent-encoded (OCPP-J 1.6 §3.1.1).
        password: raw bytes for Basic authentication, None for none (§6.2.2).
        subprotocols: what is offered, in order of preference; empty offers nothing.
        tls: how a ``wss`` address is connected to; None: as `TlsOffer` does by itself.
    """

    url: str
    identity: str
    password: bytes | None = field(default=None, repr=False)
    subprotocols: tuple[str, ...] = ("ocpp1.6",)
    tls: TlsOffer | None = None

    @property
    def full_url(self) -> str:
        """The address that is opened."""
        return f"{self.url.rstrip('/')}/{quote(self.identity, safe='')}"

    def headers(self) -> dict[str, str]:
        """Return the extra headers of the handshake."""
        if self.password is None:
            return {}
        credentials = self.identity.encode() + b":" + self.password
        return {"Authorization": f"Basic {b64encode(credentials).decode()}"}


class Connection:
    """One open WebSocket and the record of what crosses it."""

    def __init__(
        self,
        socket: ClientConnection,
        *,
        identity: str,
        number: int,
        record: Callable[[Event], None],
    ) -> None:
        self._socket = socket
        self._identity = identity
        self._number = number
        self._record = record
        self._is_dropped = False

    async def send(
        self, message: str | bytes, note: Callable[[Event], None] | None = None
    ) -> Event | None:
        """Write one message; return its event, or None where the connection is gone.

        `note` is told of the event before anything is written: the answer may be quicker than we.
        """
        if not self._is_open:
            return None
        if isinstance(message, bytes):
            data, kind, text = message, EventKind.BINARY, message.hex()
        else:
            # A script may write lone surrogates: they become the broken UTF-8 they stand for.
            data, kind, text = message.encode(errors="surrogatepass"), EventKind.FRAME, message
        event = self._event(kind, direction=Direction.SENT, text=text)
        self._record(event)
        if note is not None:
            note(event)
        with suppress(ConnectionClosed):  # the reader tells; the bytes may or may not have left
            await self._socket.send(data, text=kind is EventKind.FRAME)
        return event

    async def receive(self) -> tuple[str, Event] | None:
        """Return the next text message, None once the connection ended (CLOSED is then recorded).

        Binary messages are recorded and passed over: OCPP-J uses text alone.
        """
        while True:
            try:
                data = await self._socket.recv()
            except ConnectionClosed as exc:
                self._record_closed(exc)
                return None
            if isinstance(data, str):
                event = self._event(EventKind.FRAME, direction=Direction.RECEIVED, text=data)
                self._record(event)
                return data, event
            self._record(
                self._event(EventKind.BINARY, direction=Direction.RECEIVED, text=data.hex())
            )

    async def ping(self, payload: str, *, timeout_s: float) -> float | None:
        """Send a WebSocket ping; return seconds until its pong, None where none came."""
        started = self._event(EventKind.PING, detail={"payload": payload})
        try:
            pong = await self._socket.ping(payload)
            self._record(started)
            async with asyncio.timeout(timeout_s):
                await pong
        except (ConnectionClosed, TimeoutError):
            return None
        now = read_clock()
        round_trip_s = now.s - started.monotonic_s
        detail: dict[str, object] = {"payload": payload, "round_trip_s": round_trip_s}
        self._record(self._event(EventKind.PONG, now=now, detail=detail))
        return round_trip_s

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close in order and wait until the peer agreed or its time is over."""
        await self._socket.close(code, reason)

    def drop(self) -> None:
        """Cut the transport without a close frame."""
        self._is_dropped = True
        self._socket.transport.abort()

    @property
    def _is_open(self) -> bool:
        return self._socket.state.name == "OPEN" and not self._is_dropped

    def _record_closed(self, exc: ConnectionClosed) -> None:
        if self._is_dropped:
            code, reason, by = 1006, "", "dropped"
        elif exc.rcvd is not None and (exc.sent is None or exc.rcvd_then_sent):
            code, reason, by = exc.rcvd.code, exc.rcvd.reason, "csms"
        elif exc.sent is not None:
            code, reason, by = exc.sent.code, exc.sent.reason, "charge_point"
        else:
            code, reason, by = 1006, str(exc.__cause__ or ""), "lost"
        detail: dict[str, object] = {"code": int(code), "reason": reason, "by": by}
        self._record(self._event(EventKind.CLOSED, detail=detail))

    def _event(
        self,
        kind: EventKind,
        *,
        now: Moment | None = None,
        direction: Direction | None = None,
        text: str = "",
        detail: dict[str, object] | None = None,
    ) -> Event:
        now = now or read_clock()
        return Event(
            kind, self._identity, self._number, now.at, now.s, direction, text, detail or {}
        )


class _Socket(ClientConnection):
    """A WebSocket that remembers how its transport ended.

    Of a refusal the status line alone is read. What follows it may be an endless page, one that
    never ends, a coding or a version of HTTP that is unknown here: refused is refused.
    """

    lost_by: Exception | None = None
    _line: bytes | None = b""  # None: it has been read

    def data_received(self, data: bytes) -> None:
        """Wait for the status line, and make of a refusal one that can be read."""
        if self._line is not None:
            self._line = data = self._line + data
            if b"\n" not in data and len(data) < _LONGEST_STATUS_LINE:
                return
            self._line = None
            refusal = _REFUSAL.match(data)
            if refusal is not None:
                status, phrase = refusal.groups(b"")
                data = b"HTTP/1.1 %b %b\r\nContent-Length: 0\r\n\r\n" % (status, phrase)
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why; None is an end in order."""
        self.lost_by = exc
        super().connection_lost(exc)


class _Attempt:
    """One try to get through to a server, step by step, so that its end can be told exactly."""

    def __init__(self, url: str, offer: TlsOffer | None) -> None:
        self._url = url
        self._offer = offer
        self._transport: asyncio.BaseTransport | None = None
        self._stream: TlsStream | None = None
        self._socket: _Socket | None = None
        self._phase = Phase.TCP

    @property
    def facts(self) -> TlsFacts | None:
        """What TLS agreed on, where it did."""
        return None if self._stream is None else self._stream.engine.facts

    @property
    def shows_certificate(self) -> bool:
        """Whether our certificate went to the server."""
        return self._stream is not None and self._stream.engine.shows_certificate

    async def look(self, timeout_s: float) -> None:
        """Go as far as the end of the TLS handshake, and say farewell.

        Raises:
            CannotOffer: our own TLS cannot offer what is wanted.
            HandshakeRefused: the handshake failed.
        """
        stream = await self._run(self._open_tls, timeout_s)
        stream.close()

    async def open(self, endpoint: Endpoint, timeout_s: float) -> ClientConnection:
        """Return the open WebSocket.

        Raises:
            CannotOffer: our own TLS cannot offer what the endpoint wants.
            HandshakeRefused: no WebSocket came about.
        """
        return await self._run(partial(self._open, endpoint), timeout_s)

    async def _run(self, step: Callable[[WebSocketURI], Awaitable[T]], timeout_s: float) -> T:
        try:
            async with asyncio.timeout(timeout_s):
                return await step(parse_uri(self._url))
        except BaseException as exc:
            if isinstance(self._transport, asyncio.Transport):
                self._transport.abort()
            if isinstance(exc, (OSError, EOFError, ValueError, WebSocketException)):
                raise self._told(self._refusal(exc, timeout_s)) from exc
            raise

    async def _open(self, endpoint: Endpoint, uri: WebSocketURI) -> ClientConnection:
        protocol = ClientProtocol(
            uri,
            subprotocols=[Subprotocol(name) for name in endpoint.subprotocols] or None,
            max_size=MAX_MESSAGE_BYTES,
            logger=_logger,
        )
        stream = await self._open_tls(uri) if uri.secure else None
        socket = _Socket(protocol, ping_interval=None, close_timeout=CLOSE_TIMEOUT_S)
        self._socket = socket
        if stream is not None:
            stream.start(socket)
        else:
            await self._open_tcp(uri, socket)
        self._phase = Phase.HTTP
        await socket.handshake(endpoint.headers())
        return socket

    async def _open_tls(self, uri: WebSocketURI) -> TlsStream:
        self._stream = TlsStream(self._offer or TlsOffer(), uri.host)
        await self._open_tcp(uri, self._stream)
        self._phase = Phase.TLS
        await self._stream.shake_hands()
        return self._stream

    async def _open_tcp(self, uri: WebSocketURI, protocol: asyncio.Protocol) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: protocol, uri.host, uri.port)

    def _refusal(self, exc: Exception, timeout_s: float) -> HandshakeRefused:
        """Say in words for people why nothing came about."""
        if isinstance(exc, TimeoutError):
            reason = f"timeout: no answer within {timeout_s:g} s from {self._url}"
            return HandshakeRefused(reason, kind=RefusalKind.TIMEOUT, phase=self._phase)
        if isinstance(exc, TlsProblem):
            return _tls_refusal(exc)
        if self._phase is Phase.TCP:
            return self._tcp_refusal(exc)
        return self._http_refusal(exc)

    def _told(self, refused: HandshakeRefused) -> HandshakeRefused:
        """Add what a server that said nothing, or little, may have been displeased with."""
        if self._stream is None or refused.kind not in _WORDLESS:
            return refused
        if self._stream.engine.shows_certificate:
            words = "after it was shown the charge point's certificate"
        elif self._stream.engine.lacks_certificate:
            words = "after it asked for a client certificate and got none"
        else:
            return refused
        return HandshakeRefused(
            f"{refused.reason}, {words}",
            kind=refused.kind,
            phase=refused.phase,
            status=refused.status,
            alert=refused.alert,
        )

    def _tcp_refusal(self, exc: Exception) -> HandshakeRefused:
        kind = RefusalKind.UNREACHABLE
        if not isinstance(exc, OSError):
            reason = f"not a WebSocket address: {exc}"
        elif _is_refused(exc):
            kind = RefusalKind.CLOSED_PORT
            reason = f"unreachable: nothing listens at {self._url}"
        elif isinstance(exc, ConnectionResetError):
            kind, reason = RefusalKind.RESET, "reset: the connection was cut as it was made"
        else:
            reason = f"unreachable: {exc}"
        return HandshakeRefused(reason, kind=kind, phase=Phase.TCP)

    def _http_refusal(self, exc: Exception) -> HandshakeRefused:
        lost_by = self._socket.lost_by if self._socket is not None else None
        status = None
        if isinstance(lost_by, TlsProblem):
            return _tls_refusal(lost_by)
        if isinstance(exc, InvalidStatus):
            status = exc.response.status_code
            phrase = f"HTTP {status} {exc.response.reason_phrase}".rstrip()
            kind, reason = RefusalKind.HTTP, f"the server answered {phrase}"
        elif isinstance(exc, InvalidMessage) and not isinstance(exc.__cause__, EOFError):
            kind = RefusalKind.NOT_HTTP
            reason = f"the answer is no HTTP: {exc.__cause__ or exc}"
        elif isinstance(exc, InvalidHandshake) and not isinstance(exc, InvalidMessage):
            kind, status = RefusalKind.HTTP, 101
            reason = f"the server answered HTTP 101, but {exc}"
        elif lost_by is None:
            kind = RefusalKind.EOF
            reason = "EOF: the server closed the connection without an answer"
        else:
            kind = RefusalKind.RESET
            reason = "reset: the connection was cut during the handshake"
        return HandshakeRefused(reason, kind=kind, phase=Phase.HTTP, status=status)


def _tls_refusal(problem: TlsProblem) -> HandshakeRefused:
    return HandshakeRefused(problem.reason, kind=problem.kind, phase=Phase.TLS, alert=problem.alert)


def _is_refused(exc: OSError) -> bool:
    """Whether every address of the server refused; asyncio makes one text of several errors."""
    codes = set(re.findall(r"\[Errno (\d+)\]", str(exc)))
    return isinstance(exc, ConnectionRefusedError) or codes == {str(errno.ECONNREFUSED)}


async def open_connection(
    endpoint: Endpoint,
    *,
    number: int,
    record: Callable[[Event], None],
    timeout_s: float,
) -> Connection:
    """Open the WebSocket and record OPENED, or REFUSED with the reason.

    A 101 answer without subprotocol opens the connection (`subprotocol` is then None): what it
    means is for the judge.

    Raises:
        CannotOffer: our own TLS cannot offer what the endpoint wants; nothing is recorded.
        HandshakeRefused: an HTTP answer other than 101, or none, or an unusable one.
        LocalProtocolError: the endpoint does not look at the server's certificate.
    """
    if endpoint.tls is not None and not endpoint.tls.checks_server:
        raise LocalProtocolError("nothing is said to a server whose certificate is not checked")
    url = endpoint.full_url
    attempt = _Attempt(url, endpoint.tls)

    def note(kind: EventKind, detail: dict[str, object]) -> None:
        now = read_clock()
        tls = None if attempt.facts is None else attempt.facts.as_detail()
        detail = {**detail, "url": url, "tls": tls}
        record(Event(kind, endpoint.identity, number, now.at, now.s, detail=detail))

    try:
        socket = await attempt.open(endpoint, timeout_s)
    except HandshakeRefused as refused:
        note(
            EventKind.REFUSED,
            {
                "reason": refused.reason,
                "kind": refused.kind.value,
                "phase": refused.phase.value,
                "status": refused.status,
                "alert": refused.alert,
                "shows_certificate": attempt.shows_certificate,
            },
        )
        raise
    note(EventKind.OPENED, {"status": 101, "subprotocol": socket.subprotocol})
    return Connection(socket, identity=endpoint.identity, number=number, record=record)


@dataclass(frozen=True, slots=True)
class TlsProbe:
    """How one TLS handshake ended.

    Attributes:
        facts: what was agreed on, None where nothing was. In TLS 1.3 that says nothing of our own
            certificate: a server refuses it after the handshake.
        refusal: why it failed, None where it did not.
    """

    facts: TlsFacts | None
    refusal: HandshakeRefused | None


async def probe_tls(url: str, offer: TlsOffer, *, timeout_s: float) -> TlsProbe:
    """Make one TLS handshake with the server of a ``wss`` address, and hang up.

    Raises:
        CannotOffer: our own TLS cannot offer this.
    """
    attempt = _Attempt(url, offer)
    try:
        await attempt.look(timeout_s)
    except HandshakeRefused as refusal:
        return TlsProbe(attempt.facts, refusal)
    return TlsProbe(attempt.facts, None)
