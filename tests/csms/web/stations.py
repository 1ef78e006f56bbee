"""A charge point for tests of the HTTP API: boots, and answers commands as it is told."""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Self
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

Answer = Callable[[str, str, dict[str, Any]], list[Any] | None]


def accept(message_id: str, action: str, payload: dict[str, Any]) -> list[Any] | None:
    """Answer every command with Accepted."""
    return [3, message_id, {"status": "Accepted"}]


class Station:
    """One charge point; await it to connect."""

    def __init__(
        self,
        url: str,
        identity: str,
        *,
        password: bytes | None,
        tls: ssl.SSLContext | None = None,
        subprotocol: str = "ocpp1.6",
    ) -> None:
        self._tls = tls
        self._subprotocols = [Subprotocol(subprotocol)]
        self._url = url + quote(identity, safe="")
        self.resource = f"/charge-points/{quote(identity, safe='')}"
        self._headers = {}
        if password is not None:
            secret = base64.b64encode(identity.encode() + b":" + password).decode()
            self._headers["Authorization"] = f"Basic {secret}"
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[str, asyncio.Future[list[Any]]] = {}
        self._count = 0
        self.answer: Answer = accept
        self.commands: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    def __await__(self) -> Generator[Any, None, Self]:
        return self._connect().__await__()

    async def _connect(self) -> Self:
        self._socket = await connect(
            self._url,
            subprotocols=self._subprotocols,
            additional_headers=self._headers,
            compression=None,
            proxy=None,
            ping_interval=None,
            ssl=self._tls,
        )
        self._reader = asyncio.create_task(self._read(self._socket))
        return self

    async def _read(self, socket: ClientConnection) -> None:
        async for text in _until_closed(socket):
            frame = json.loads(text)
            if frame[0] == 2:
                _, message_id, action, payload = frame
                answer = self.answer(message_id, action, payload)
                if answer is not None:
                    await socket.send(json.dumps(answer))
                self.commands.put_nowait((action, payload))
            else:
                self._answers.pop(frame[1]).set_result(frame)

    async def call(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """Send a CALL and return the frame that answers it."""
        assert self._socket is not None
        self._count += 1
        answered = asyncio.get_running_loop().create_future()
        self._answers[str(self._count)] = answered
        await self._socket.send(json.dumps([2, str(self._count), action, payload]))
        return await asyncio.wait_for(answered, 5)

    async def send(self, frame: list[Any]) -> None:
        """Send any frame."""
        assert self._socket is not None
        await self._socket.send(json.dumps(frame))

    async def boot(self) -> dict[str, Any]:
        """Send a BootNotification and return the answer's payload."""
        frame = await self.call(
            "BootNotification", {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
        )
        payload: dict[str, Any] = frame[2]
        return payload

    async def close(self) -> None:
        """Close the connection, if any."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await asyncio.wait((self._reader,))

    async def closed(self) -> tuple[int | None, str]:
        """Wait until the Central System closed the connection; return code and reason."""
        assert self._socket is not None
        await asyncio.wait_for(self._socket.wait_closed(), 5)
        return self._socket.close_code, self._socket.close_reason or ""


async def _until_closed(socket: ClientConnection) -> AsyncIterator[str | bytes]:
    """Yield what comes, however the connection ends."""
    with contextlib.suppress(ConnectionClosed):
        async for text in socket:
            yield text


Connect = Callable[..., Station]
