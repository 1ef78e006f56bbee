"""What happened on one charge point's wire: the evidence everything else is derived from.

Events are written once, as they happen, and never changed. The text of a frame is the text that
crossed the wire, not a re-serialised form of it. Nothing here opens sockets or reads clocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """What one event on the wire is."""

    OPENED = "opened"  # the WebSocket handshake succeeded; detail: status, subprotocol, url, tls
    REFUSED = "refused"  # it did not; detail: reason, kind, phase, status, alert, tls …
    PROBED = "probed"  # a TLS handshake alone; detail: url, offered, tls, or how it was refused
    FRAME = "frame"  # a text message in `direction`; text: as it was on the wire
    BINARY = "binary"  # a binary message in `direction`; text: hexadecimal
    PING = "ping"  # our ping left; detail: payload
    PONG = "pong"  # its pong came; detail: payload, round_trip_s
    CLOSED = "closed"  # the connection ended; detail: code, reason, by


class Direction(StrEnum):
    """Who sent a message, seen from the charge point."""

    SENT = "sent"  # charge point -> Central System
    RECEIVED = "received"  # Central System -> charge point


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened on the wire.

    Attributes:
        kind: what happened.
        identity: the charge point's identity, decoded.
        connection: which of the identity's connections in this run, counted from 1.
        at: wall-clock time, aware, UTC.
        monotonic_s: the same moment on the monotonic clock; only differences mean anything.
        direction: who sent the message, for FRAME and BINARY.
        text: the raw text of a message; empty for other kinds.
        detail: what the kind says belongs there, JSON values only. `by` of CLOSED is
            ``csms`` (it sent the first close frame), ``charge_point`` (we did), ``lost`` (the
            transport ended without a close handshake) or ``dropped`` (we cut it on purpose).
            `kind` and `phase` of REFUSED are those of `simulator.errors`, `status` is None where no
            HTTP answer came, `alert` empty without one. `tls` is `simulator.tls.TlsFacts` as JSON,
            None where no TLS handshake came to its end; `shows_certificate` of REFUSED says whether
            ours went to the server.
    """

    kind: EventKind
    identity: str
    connection: int
    at: datetime
    monotonic_s: float
    direction: Direction | None = None
    text: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)
