"""HTTP connections that cannot be had for nothing: who asks for nothing, or reads nothing, goes.

uvicorn waits without end for the head of a request, for a body nobody wants any more, and for
somebody to read an answer. Each such connection takes a file descriptor from charge points.
"""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_WITHIN_S: Final = 10.0  # from its first byte, or from the connection, to the end of the head
READ_WITHIN_S: Final = 120.0  # some of an answer that is ready
MAX_WAITING: Final = 1024  # connections without a request under way


class Waiting:
    """Connections without a request under way; of too many, the one that waits longest is ended."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        self._connections: dict[BoundedProtocol, None] = {}

    def add(self, connection: "BoundedProtocol") -> None:
        """Count a connection, as the newest."""
        self._connections.pop(connection, None)
        self._connections[connection] = None
        if len(self._connections) > self._limit:
            oldest = next(iter(self._connections))
            self.discard(oldest)
            oldest.transport.abort()

    def discard(self, connection: "BoundedProtocol") -> None:
        """Count a connection no more."""
        self._connections.pop(connection, None)


class BoundedProtocol(H11Protocol):
    """A connection of which every state that a stranger can hold ends.

    Args:
        waiting: shared by all connections of a server.
        head_within_s: for the head of a request.
        read_within_s: for a client to read on.
        given: what uvicorn gives.
    """

    def __init__(
        self,
        waiting: Waiting,
        head_within_s: float = HEAD_WITHIN_S,
        read_within_s: float = READ_WITHIN_S,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self._waiting = waiting
        self._head_within_s = head_within_s
        self._read_within_s = read_within_s
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    @property
    def _is_waiting(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._want_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.discard(self)
        self._stop_head_timer()
        self._stop_read_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_waiting:
            self._want_head()
        else:
            self._waiting.discard(self)
            self._stop_head_timer()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_waiting:  # the next request was here already
            return
        is_unread = self.conn.their_state is h11.SEND_BODY  # it was answered all the same
        if is_unread or self.conn.trailing_data[0]:  # or half of the next head is here
            self._want_head()
        else:  # uvicorn's keep-alive timer runs
            self._waiting.add(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_read_timer()
        self._read_timer = self.loop.call_later(self._read_within_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_read_timer()
        super().resume_writing()

    def _want_head(self) -> None:
        """Wait for a whole head from now on; more of it grants no more time."""
        if self._head_timer is None and not self.transport.is_closing():
            self._waiting.add(self)
            self._head_timer = self.loop.call_later(self._head_within_s, self.transport.abort)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
