"""The smallest Central System that is right, and the hooks that make it wrong in one way.

It shares no code with our CSMS or with the harness: standard library and `websockets` only. A
`Bend` sees every frame before it leaves and returns what shall leave instead, so that a test plants
exactly one fault, or one oddity that is allowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeAlias
from urllib.parse import unquote
from uuid import uuid4

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

# Messages to send; one that is a list goes out in that many WebSocket fragments.
Frames: TypeAlias = Sequence[str | bytes | list[str]]

# How a card stands is told by the first letters of its id tag.
STANDINGS = {"INVALID": "Invalid", "EXPIRED": "Expired", "BLOCKED": "Blocked"}
MEMBER = re.compile(r"(?:VALID|SECOND)(\d+)")  # two cards with the same number form a group


def utc_now() -> str:
    """Return the present in the form OCPP prefers."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def standing(id_tag: str) -> dict[str, str]:
    """Return the IdTagInfo of a card."""
    for prefix, status in STANDINGS.items():
        if id_tag.upper().startswith(prefix):
            return {"status": status}
    if found := MEMBER.fullmatch(id_tag.upper()):
        return {"status": "Accepted", "parentIdTag": f"GROUP{found[1]}"}
    return {"status": "Accepted"}


def read_message(text: str | bytes) -> list[Any]:
    """Return a message as a list; `[None]` where it is none."""
    try:
        frame = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        frame = None
    return frame if isinstance(frame, list) and frame and frame[0] is not True else [None]


# The required fields of CALLs that scenarios send without, or with a wrong type.
_REQUIRED: dict[str, dict[str, type]] = {
    "Authorize": {"idTag": str},
    "BootNotification": {"chargePointVendor": str, "chargePointModel": str},
    "MeterValues": {"connectorId": int, "meterValue": list},
    "SecurityEventNotification": {"type": str, "timestamp": str},
    "SignCertificate": {"csr": str},
    "StatusNotification": {"connectorId": int, "errorCode": str, "status": str},
}
_OTHER_ACTIONS = {
    "DataTransfer",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "SignedFirmwareStatusNotification",
    "StartTransaction",
    "StopTransaction",
}


def fault_of(frame: list[Any]) -> str:
    """Return the error code that a CALL deserves, empty for none."""
    if len(frame) != 4 or not isinstance(frame[2], str):
        return "FormationViolation"
    action, payload = frame[2], {} if frame[3] is None else frame[3]
    if action not in _REQUIRED and action not in _OTHER_ACTIONS:
        return "NotImplemented"
    if not isinstance(payload, dict):
        return "FormationViolation"
    for name, wanted in _REQUIRED.get(action, {}).items():
        if name not in payload:
            return "ProtocolError"
        if not isinstance(payload[name], wanted):
            return "TypeConstraintViolation"
    return ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A CALL of the charge point: the how-many-th of this identity, from 0."""

    number: int
    identity: str
    message_id: str
    action: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """A command the operator gave: the how-many-th for this identity, from 0."""

    number: int
    identity: str
    action: str
    payload: dict[str, Any]


class Link:
    """One connection of a charge point, as the miniature sees it."""

    def __init__(self, socket: ServerConnection, identity: str, bend: Bend) -> None:
        self.socket = socket
        self.identity = identity
        self.bend = bend
        self.pending: dict[str, asyncio.Future[list[Any]]] = {}

    async def send(self, frames: Frames) -> None:
        """Send frames as they are; a connection that has gone is nobody's fault here."""
        with contextlib.suppress(ConnectionClosed):
            for frame in frames:
                await self.socket.send(frame)

    def expect(self, message_id: str) -> asyncio.Future[list[Any]]:
        """Return a future of the frame that answers this message id."""
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.pending[message_id] = future
        return future

    async def request(self, action: str, payload: dict[str, Any]) -> None:
        """Send a CALL of our own that nobody ordered."""
        await self.send([json.dumps([2, str(uuid4()), action, payload])])


class Bend:
    """What the miniature does differently; this one changes nothing."""

    async def opened(self, link: Link) -> None:
        """Act right after a charge point connected."""

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        """Return the frames that leave instead of the answer `frame`."""
        return [frame]

    async def requests(self, link: Link, order: Order, frame: str) -> Frames:
        """Return the frames that leave instead of the request `frame`."""
        return [frame]

    async def answered(self, link: Link, call: Incoming) -> None:
        """Act right after the answer to `call` left."""

    async def replied(self, link: Link, frame: list[Any]) -> None:
        """Act right after the charge point answered, whoever asked."""

    async def strange(self, link: Link, text: str | bytes) -> Frames:
        """Return what leaves upon a message that is neither a CALL nor an answer."""
        return []


@dataclass
class Miniature:
    """A Central System on a free port of the loopback interface.

    Attributes:
        bend: what it does differently for every charge point that `bends` does not name.
        refuse: HTTP status for every handshake, None to accept.
        accept_tag: which IdTagInfo an id tag gets.
    """

    bend: Bend = field(default_factory=Bend)
    bends: dict[str, Bend] = field(default_factory=dict)
    subprotocols: Sequence[str] | None = ("ocpp1.6",)
    refuse: HTTPStatus | None = None
    refuse_body: str = "no"
    accept_tag: Callable[[str], dict[str, str]] = standing
    first_transaction_id: int = 1
    serve_options: dict[str, Any] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    calls: list[Incoming] = field(default_factory=list)
    open_transactions: dict[int, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._transaction_ids = count(self.first_transaction_id)
        self._starts: dict[tuple[str, str], int] = {}
        self._call_numbers: dict[str, count[int]] = {}
        self._order_numbers: dict[str, count[int]] = {}
        self._commands = await asyncio.start_server(self._serve_http, "127.0.0.1", 0)
        self._server: Server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            **self._serve_settings(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._commands.close()
        self._server.close()
        await self._server.wait_closed()

    def _serve_settings(self) -> dict[str, Any]:
        return {
            "subprotocols": self.subprotocols,
            "process_request": self._admit,
            "compression": None,
            "ping_interval": None,
            "close_timeout": 1,
            **self.serve_options,
        }

    @property
    def url(self) -> str:
        """The endpoint, without an identity."""
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ocpp"

    @property
    def command_url(self) -> str:
        """Where an operator's program posts commands: `/<identity>/<action>`, body = payload."""
        return f"http://127.0.0.1:{self._commands.sockets[0].getsockname()[1]}"

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.refuse is None:
            return None
        return connection.respond(self.refuse, self.refuse_body)

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        identity = unquote(socket.request.path.rsplit("/", 1)[-1])
        link = self.links[identity] = Link(socket, identity, self.bends.get(identity, self.bend))
        numbers = self._call_numbers.setdefault(identity, count())
        await link.bend.opened(link)
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                await self._take(link, text, numbers)
        for future in link.pending.values():
            if not future.done():  # who ordered may have stopped waiting
                error = ConnectionAbortedError(f"the connection of {identity} ended")
                future.set_exception(error)

    async def _take(self, link: Link, text: str | bytes, numbers: count[int]) -> None:
        frame = read_message(text)
        if frame[0] != 2:
            if frame[0] in (3, 4) and isinstance(frame[1], str):
                future = link.pending.pop(frame[1], None)
                if future is not None and not future.done():
                    future.set_result(frame)
                await link.bend.replied(link, frame)
            else:
                await link.send(await link.bend.strange(link, text))
            return
        fault = fault_of(frame)
        message_id, action, payload = [*frame[1:4], None, None, None][:3]
        call = Incoming(
            next(numbers),
            link.identity,
            message_id,
            action if isinstance(action, str) else "",
            payload if isinstance(payload, dict) else {},
        )
        self.calls.append(call)
        if not isinstance(message_id, str):
            # There is nothing that an answer could be addressed to.
            await link.send(await link.bend.strange(link, text))
            return
        answer = [4, message_id, fault, "", {}] if fault else [3, message_id, self._answer(call)]
        await link.send(await link.bend.answers(link, call, json.dumps(answer)))
        await self._answered(link, call)

    async def _answered(self, link: Link, call: Incoming) -> None:
        await link.bend.answered(link, call)

    def _answer(self, call: Incoming) -> dict[str, Any]:
        payload = call.payload
        match call.action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": utc_now(), "interval": 300}
            case "Heartbeat":
                return {"currentTime": utc_now()}
            case "Authorize":
                return {"idTagInfo": self.accept_tag(str(payload.get("idTag")))}
            case "StartTransaction":
                key = (call.identity, json.dumps(payload, sort_keys=True))
                if key not in self._starts:  # one that comes again is the same transaction
                    self._starts[key] = next(self._transaction_ids)
                transaction_id = self._starts[key]
                self.open_transactions[transaction_id] = call.identity
                return {
                    "transactionId": transaction_id,
                    "idTagInfo": self.accept_tag(payload["idTag"]),
                }
            case "StopTransaction":
                self.open_transactions.pop(payload["transactionId"], None)
                if "idTag" in payload:
                    return {"idTagInfo": self.accept_tag(payload["idTag"])}
                return {}
            case "DataTransfer":
                return {"status": "UnknownVendorId"}
            case _:
                return {}

    async def command(self, identity: str, action: str, payload: dict[str, Any]) -> list[Any]:
        """Send a request on an operator's order and return the charge point's answering frame.

        Raises:
            LookupError: that charge point is not connected.
            ConnectionAbortedError: its connection ended before it answered.
        """
        link = self.links[identity]
        numbers = self._order_numbers.setdefault(identity, count())
        order = Order(next(numbers), identity, action, payload)
        message_id = str(uuid4())
        frame = json.dumps([2, message_id, action, payload])
        future = link.expect(message_id)
        frames = await link.bend.requests(link, order, frame)
        if not frames:  # a Central System that claims to have acted
            del link.pending[message_id]
            return [3, message_id, {"status": "Accepted"}]
        await link.send(frames)
        return await future

    async def _serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one command per connection: just enough HTTP for a driver's POST."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            path = head[0].split(" ")[1]
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            identity, action = (unquote(part) for part in path.strip("/").split("/"))
            status, answer = await self._obey(identity, action, json.loads(body or b"{}"))
            data = json.dumps(answer).encode()
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode()
                + data
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the driver gave up waiting; that is its right
        finally:
            writer.close()

    async def _obey(self, identity: str, action: str, payload: dict[str, Any]) -> tuple[int, Any]:
        try:
            frame = await self.command(identity, action, payload)
        except LookupError:
            return 404, {"detail": f"{identity} is not connected"}
        except ConnectionAbortedError as error:
            return 409, {"detail": str(error)}
        return (200, frame[2]) if frame[0] == 3 else (502, {"detail": frame[2:]})
