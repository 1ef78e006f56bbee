"""A proxy between charge points and a Central System that bends what the latter says.

    python -m tests.bending_proxy PORT OCPP_URL FAULT,FAULT… -- COMMAND…

starts the Central System as COMMAND and, in front of it, listens for charge points: a run against
PORT meets the real product with exactly the faults named.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.miniatures import read_message

Payload = dict[str, Any]


def _accept_the_unknown(asked: Payload, answer: Payload) -> None:
    if str(asked.get("idTag", "")).startswith("INVALID"):
        answer["idTagInfo"] = {"status": "Accepted"}


def _no_zone(_: Payload, answer: Payload) -> None:
    answer["currentTime"] = answer["currentTime"].removesuffix("Z")


def _add_a_field(_: Payload, answer: Payload) -> None:
    answer["receipt"] = "4711"


def _misspell(_: Payload, answer: Payload) -> None:
    answer["status"] = "unknownVendor"


def _negative_interval(_: Payload, answer: Payload) -> None:
    answer["interval"] = -1


# By name: the action whose answer is bent, and how. A bend of None is no answer at all.
ANSWERS: Final[Mapping[str, tuple[str, Callable[[Payload, Payload], None] | None]]] = {
    "unknown-card-accepted": ("Authorize", _accept_the_unknown),
    "heartbeat-without-zone": ("Heartbeat", _no_zone),
    "field-too-many": ("StopTransaction", _add_a_field),
    "misspelt-status": ("DataTransfer", _misspell),
    "negative-interval": ("BootNotification", _negative_interval),
    "firmware-status-unanswered": ("FirmwareStatusNotification", None),
}
# By name: the request that is answered in the charge point's place, and never reaches it.
SWALLOWED: Final[Mapping[str, tuple[str, Payload]]] = {
    "trigger-never-sent": ("TriggerMessage", {"status": "Accepted"}),
}
# By name: the request that nobody asked for, sent after each accepted boot.
UNASKED: Final[Mapping[str, tuple[str, Payload]]] = {
    "configuration-asked-after-boot": ("GetConfiguration", {}),
}


class Bending:
    """One connection of a charge point, with its faults."""

    def __init__(self, down: ServerConnection, faults: frozenset[str]) -> None:
        self._down = down
        self._asked: dict[str, tuple[str, Payload]] = {}
        self._answers = {ANSWERS[name][0]: ANSWERS[name][1] for name in faults & ANSWERS.keys()}
        self._swallowed = dict(SWALLOWED[name] for name in faults & SWALLOWED.keys())
        self._unasked = [UNASKED[name] for name in faults & UNASKED.keys()]
        self._ours: set[str] = set()

    async def up(self, text: str | bytes, send: Callable[[str | bytes], Any]) -> None:
        """Pass on what the charge point says, and remember what it asked."""
        match read_message(text):
            case [2, str(message_id), str(action), dict(payload)]:
                self._asked[message_id] = (action, payload)
            case [3 | 4, str(message_id), *_] if message_id in self._ours:
                return
        await send(text)

    async def down(self, text: str, answer: Callable[[str], Any]) -> None:
        """Pass on what the Central System says, bent where a fault is planted."""
        frame = read_message(text)
        if frame[0] == 2 and frame[2] in self._swallowed:
            await answer(json.dumps([3, frame[1], self._swallowed[frame[2]]]))
            return
        action, asked = self._asked.pop(frame[1], ("", {})) if frame[0] == 3 else ("", {})
        if action in self._answers:
            bend = self._answers[action]
            if bend is None:
                return
            bend(asked, frame[2])
            text = json.dumps(frame)
        await self._down.send(text)
        if action == "BootNotification":
            for name, payload in self._unasked:
                message_id = f"unasked-{name}"
                self._ours.add(message_id)
                await self._down.send(json.dumps([2, message_id, name, payload]))


async def relay(down: ServerConnection, upstream: str, faults: frozenset[str]) -> None:
    """Serve one charge point until either side ends the connection."""
    assert down.request is not None
    identity = down.request.path.rsplit("/", 1)[-1]
    headers = {
        name: down.request.headers[name]
        for name in ("Authorization",)
        if name in down.request.headers
    }
    try:
        up = await connect(
            f"{upstream}/{identity}",
            subprotocols=["ocpp1.6"],  # type: ignore[list-item]  # plain text to a NewType
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            proxy=None,
        )
    except InvalidHandshake:
        await down.close(1011, "refused")
        return
    bending = Bending(down, faults)

    async def upwards() -> None:
        async for text in down:
            await bending.up(text, up.send)
        await up.close()

    async def downwards() -> None:
        async for text in up:
            await bending.down(str(text), up.send)
        await down.close()

    with contextlib.suppress(ConnectionClosed):
        await asyncio.gather(upwards(), downwards())
    await up.close()


async def main(port: int, upstream: str, faults: frozenset[str], command: list[str]) -> int:
    """Run the Central System behind the proxy until it ends, or until we are asked to."""
    program = await asyncio.create_subprocess_exec(*command)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, program.terminate)

    async def serve_one(down: ServerConnection) -> None:
        await relay(down, upstream, faults)

    async with serve(
        serve_one,
        "127.0.0.1",
        port,
        subprotocols=["ocpp1.6"],  # type: ignore[list-item]  # plain text to a NewType
        compression=None,
        ping_interval=None,
        close_timeout=1,
    ):
        return await program.wait()


if __name__ == "__main__":
    listen, to, names, _, *words = sys.argv[1:]
    sys.exit(asyncio.run(main(int(listen), to, frozenset(names.split(",")), words)))
