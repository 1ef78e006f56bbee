"""Errors the simulator raises on purpose.

SimulatorError
├── LocalProtocolError    our caller asked for something the charge point cannot or may not do
├── CannotOffer           our own side cannot open the connection that is wanted; nothing left
├── RemoteProtocolError   the peer broke OCPP; carries the CALLERROR code that says so
└── HandshakeRefused      no WebSocket came about; carries how, when, and the HTTP status
"""

from __future__ import annotations

from enum import StrEnum


class RefusalKind(StrEnum):
    """How a connection did not come about."""

    HTTP = "http"  # an HTTP answer that opens no WebSocket; 101 where it came but is unusable
    ALERT = "alert"  # the server sent a TLS alert
    EOF = "eof"  # the server closed the TCP connection without an answer
    RESET = "reset"  # it reset the TCP connection
    TIMEOUT = "timeout"  # nothing came in time
    CLOSED_PORT = "closed_port"  # the TCP port takes no connections
    UNREACHABLE = "unreachable"  # no way there: unknown name, no route, no such address
    NOT_TRUSTED = "not_trusted"  # we refused the server's certificate
    NOT_TLS = "not_tls"  # what came is no TLS, or none that our side could go on with
    NOT_HTTP = "not_http"  # what came is no HTTP


class Phase(StrEnum):
    """How far a connection got."""

    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"


class SimulatorError(Exception):
    """Anything the simulator raises on purpose."""


class LocalProtocolError(SimulatorError):
    """Our caller asked for something that this charge point cannot or may not do now."""


class CannotOffer(SimulatorError):
    """Our own TLS cannot offer what is wanted; no byte of it left, so no server refused it."""


class RemoteProtocolError(SimulatorError):
    """The CSMS sent a request that this charge point answers with a CALLERROR.

    Attributes:
        code: the error code, in the spelling of OCPP-J 1.6 §4.2.3.
        description: what is wrong, for people.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class HandshakeRefused(SimulatorError):
    """No WebSocket came about.

    Attributes:
        reason: what happened, for people.
        kind: what happened.
        phase: how far it got.
        status: HTTP status of the answer, None where none came.
        alert: name of the TLS alert (RFC 8446 §6), empty where none came.
    """

    def __init__(
        self,
        reason: str,
        *,
        kind: RefusalKind,
        phase: Phase,
        status: int | None = None,
        alert: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.phase = phase
        self.status = status
        self.alert = alert
