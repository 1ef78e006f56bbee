"""The WebSocket of one charge point: the only place that opens sockets.

Every message is noted with the monotonic time right before it is written or right after it was
read. Text is never re-serialised. Pings are explicit, compression and proxies are off.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    NegotiationError,
)
from websockets.typing import Subprotocol

from simulator.clock import Moment
from simulator.errors import HandshakeRefused
from simulator.trace import Direction, Event, EventKind

MAX_MESSAGE_BYTES = 16 * 2**20
CLOSE_TIMEOUT_S = 1.0

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
    """

    url: str
    identity: str
    password: bytes | None = None
    subprotocols: tuple[str, ...] = ("ocpp1.6",)

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


class _Connect(connect):
    """A handshake that takes a redirect for the answer it is."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Never follow: a charge point's address is what the operator configured."""
        return exc


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
        HandshakeRefused: an HTTP answer other than 101, or none, or an unusable one.
    """
    url = endpoint.full_url

    def note(kind: EventKind, detail: dict[str, object]) -> None:
        now = read_clock()
        record(Event(kind, endpoint.identity, number, now.at, now.s, detail=detail))

    try:
        socket = await _Connect(
            url,
            subprotocols=[Subprotocol(name) for name in endpoint.subprotocols] or None,
            compression=None,
            additional_headers=endpoint.headers(),
            proxy=None,
            open_timeout=timeout_s,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_MESSAGE_BYTES,
            logger=_logger,
        )
    except (OSError, InvalidHandshake, InvalidURI, ValueError, EOFError) as exc:
        refused = _refusal(exc, endpoint=endpoint, timeout_s=timeout_s)
        note(
            EventKind.REFUSED,
            {"reason": refused.reason, "status": refused.status, "url": url},
        )
        raise refused from exc
    note(EventKind.OPENED, {"status": 101, "subprotocol": socket.subprotocol, "url": url})
    return Connection(socket, identity=endpoint.identity, number=number, record=record)


def _refusal(exc: Exception, *, endpoint: Endpoint, timeout_s: float) -> HandshakeRefused:
    """Say in words for people why no WebSocket came about."""
    where = endpoint.url
    if isinstance(exc, InvalidStatus):
        response = exc.response
        phrase = f"HTTP {response.status_code} {response.reason_phrase}".rstrip()
        return HandshakeRefused(f"the server answered {phrase}", status=response.status_code)
    if isinstance(exc, NegotiationError):
        return HandshakeRefused(f"the server answered HTTP 101, but {exc}", status=101)
    if isinstance(exc, TimeoutError):
        return HandshakeRefused(f"timeout: no answer within {timeout_s:g} s from {where}")
    if isinstance(exc, ConnectionRefusedError):
        return HandshakeRefused(f"unreachable: nothing listens at {where}")
    if isinstance(exc, ssl.SSLError):
        return HandshakeRefused(f"TLS failed: {exc.reason or exc}")
    if isinstance(exc, InvalidMessage):
        if isinstance(exc.__cause__, ConnectionResetError):
            return HandshakeRefused("reset: the connection was cut during the handshake")
        if isinstance(exc.__cause__, EOFError):
            return HandshakeRefused("EOF: the server closed the connection without an answer")
        return HandshakeRefused(f"the answer is no HTTP: {exc.__cause__ or exc}")
    if isinstance(exc, ConnectionError):
        return HandshakeRefused("reset: the connection was cut during the handshake")
    if isinstance(exc, InvalidURI | ValueError) and not isinstance(exc, OSError):
        return HandshakeRefused(f"not a WebSocket address: {exc}")
    if isinstance(exc, InvalidHandshake):
        return HandshakeRefused(f"the answer is no WebSocket handshake: {exc}")
    return HandshakeRefused(f"unreachable: {exc}")
