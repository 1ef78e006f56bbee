"""The barest charge point that also answers: it takes every request and writes it down."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


class ChargePoint:
    """One connection; `answers` gives the answer to an action, `Accepted` where it has none.

    Attributes:
        asked: action and payload of every request that came.
        answers: by action; an instance of `str` is the code of a CALLERROR.
        is_mute: answers nothing.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = count(1)
        self._waiting: dict[str, asyncio.Future[list[Any]]] = {}
        self._news = asyncio.Event()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, dict[str, Any] | str] = {}
        self.is_mute = False

    async def call(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """Send a CALL and return the frame that answers it."""
        message_id = str(next(self._ids))
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = future
        await self._socket.send(json.dumps([2, message_id, action, payload]))
        return await future

    async def boot(self) -> str:
        """Register; return the status."""
        payload = {"chargePointVendor": "Preflight", "chargePointModel": "Bare"}
        frame = await self.call("BootNotification", payload)
        return str(frame[2]["status"])

    async def authorize(self, id_tag: str) -> dict[str, Any]:
        """Show a card; return its IdTagInfo."""
        info: dict[str, Any] = (await self.call("Authorize", {"idTag": id_tag}))[2]["idTagInfo"]
        return info

    async def was_asked(self, times: int) -> None:
        """Wait until so many requests came."""
        while len(self.asked) < times:
            self._news.clear()
            await self._news.wait()

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self._socket:
                await self._take(json.loads(text))

    async def _take(self, frame: list[Any]) -> None:
        if frame[0] != 2:
            self._waiting.pop(frame[1]).set_result(frame)
            return
        self.asked.append((frame[2], frame[3]))
        self._news.set()
        if self.is_mute:
            return
        answer = self.answers.get(frame[2], {"status": "Accepted"})
        reply = [4, frame[1], answer, "as told", {}] if isinstance(answer, str) else None
        await self._socket.send(json.dumps(reply or [3, frame[1], answer]))


@contextlib.asynccontextmanager
async def charge_point(
    url: str, identity: str, *, headers: dict[str, str] | None = None
) -> AsyncIterator[ChargePoint]:
    """Connect a charge point, and let it go at the end."""
    async with connect(
        f"{url}/{identity}",
        subprotocols=["ocpp1.6"],  # type: ignore[list-item]  # plain text to a NewType
        compression=None,
        proxy=None,
        ping_interval=None,
        additional_headers=headers,
    ) as socket:
        one = ChargePoint(socket)
        reading = asyncio.create_task(one._read())
        try:
            async with asyncio.timeout(10):
                yield one
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
