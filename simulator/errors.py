"""Errors the simulator raises on purpose.

SimulatorError
├── LocalProtocolError    our caller asked for something the charge point cannot or may not do
├── RemoteProtocolError   the peer broke OCPP; carries the CALLERROR code that says so
└── HandshakeRefused      no WebSocket came about; carries the HTTP status where one came
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Anything the simulator raises on purpose."""


class LocalProtocolError(SimulatorError):
    """Our caller asked for something that this charge point cannot or may not do now."""


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
    """The WebSocket handshake did not succeed.

    Attributes:
        status: HTTP status of the answer, None where none came.
        reason: what happened, for people.
    """

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
