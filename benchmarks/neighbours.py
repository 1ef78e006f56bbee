"""One station that behaves badly, and what the fifty others notice of it.

The others send MeterValues at a fixed pace, so that their times show the server and not their own
queue. Each kind of bad station runs beside them in turn; what counts is their 99th percentile with
it, divided by the one without, measured right before.
"""

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from benchmarks.messages import begin_transaction
from benchmarks.report import Neighbour, percentile
from benchmarks.stations import Account, Station

OTHERS = 50
PACE_S = 0.05  # each of the others sends so often
FRAMES_PER_S = 500
LARGE_BYTES = 1_048_000  # just within the limit of 1 MiB


async def measure_neighbours(accounts: Sequence[Account], *, duration_s: float) -> list[Neighbour]:
    """Measure each kind of bad station; the last account is the bad one's."""
    stations = [Station(account) for account in accounts[:OTHERS]]
    for station in stations:
        await station.open()
        await station.ask(station.voice.boot())
        await _begin(station)
    results = []
    for kind, misbehave in BAD.items():
        quiet = await paced(stations, duration_s, _meter_values, pace_s=PACE_S)
        bad = asyncio.create_task(_repeat(misbehave, accounts[-1]))
        noisy = await paced(stations, duration_s, _meter_values, pace_s=PACE_S)
        bad.cancel()
        with suppress(asyncio.CancelledError):
            await bad
        results.append(
            Neighbour(
                kind,
                round(percentile(quiet, 0.99) * 1e3, 3),
                round(percentile(noisy, 0.99) * 1e3, 3),
            )
        )
    for station in stations:
        station.close()
    return results


async def _begin(station: Station) -> None:
    script = begin_transaction(station.voice)
    station.begin(script)  # type: ignore[arg-type]  # its return value is kept by the voice
    await station.wait_idle()


def _meter_values(station: Station) -> bytes:
    assert station.voice.transaction_id is not None
    return station.voice.meter_values(station.voice.transaction_id)


async def paced(
    stations: Sequence[Station],
    duration_s: float,
    say: Callable[[Station], bytes],
    *,
    pace_s: float,
) -> list[float]:
    """Let every station speak each `pace_s`, evenly spread; return the times of all answers."""
    latencies: list[float] = []
    for station in stations:
        station.answered = lambda sent_s, received_s: latencies.append(received_s - sent_s)
    started_s = time.perf_counter()

    async def send(station: Station, offset_s: float) -> None:
        due_s = started_s + offset_s
        while due_s < started_s + duration_s:
            await asyncio.sleep(due_s - time.perf_counter())
            await station.ask(say(station))
            due_s += pace_s

    spread = pace_s / len(stations)
    await asyncio.gather(*(send(one, spread * n) for n, one in enumerate(stations)))
    return latencies


Misbehave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _repeat(misbehave: Misbehave, account: Account) -> None:
    """Misbehave until cancelled, again and again where the server ends the connection."""
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            async with _connected(account) as (reader, writer):
                await misbehave(reader, writer)
        await asyncio.sleep(PACE_S)


@asynccontextmanager
async def _connected(
    account: Account,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect and boot on bare sockets: a bad station has its own idea of reading."""
    reader, writer = await asyncio.open_connection("127.0.0.1", account.port)
    try:
        pair = b64encode(account.identity.encode() + b":" + account.password).decode()
        key = b64encode(os.urandom(16)).decode()
        writer.write(
            (
                f"GET {account.path}/{account.identity} HTTP/1.1\r\nHost: bench\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"
                f"Authorization: Basic {pair}\r\n\r\n"
            ).encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            _text(
                b'[2,"boot","BootNotification",'
                b'{"chargePointVendor":"Bench","chargePointModel":"Bad"}]'
            )
        )
        yield reader, writer
    finally:
        writer.close()


def _text(payload: bytes) -> bytes:
    """Return one masked text frame of any size."""
    return b"\x81\xff" + len(payload).to_bytes(8, "big") + bytes(4) + payload


async def _flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send `FRAMES_PER_S` Heartbeats a second, whatever comes back."""
    drain = asyncio.create_task(_swallow(reader))
    try:
        due_s = time.perf_counter()
        for number in range(FRAMES_PER_S * 3600):
            writer.write(_text(b'[2,"%d","Heartbeat",{}]' % number))
            await writer.drain()
            due_s += 1 / FRAMES_PER_S
            await asyncio.sleep(due_s - time.perf_counter())
    finally:
        drain.cancel()


async def _large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one frame of 1 MiB after the other, each as soon as the one before is answered."""
    filler = b"x" * LARGE_BYTES
    number = 0
    while True:
        number += 1
        call = b'[2,"%d","DataTransfer",{"vendorId":"bench","data":"%b"}]' % (number, filler)
        writer.write(_text(call))
        await writer.drain()
        await reader.readuntil(b'"%d"' % number)


async def _deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send as fast as the server takes it, and never read."""
    reader._transport.pause_reading()  # type: ignore[attr-defined]  # asyncio has no public way
    number = 0
    while True:
        number += 1
        writer.write(_text(b'[2,"%d","Heartbeat",{}]' % number) * 50)
        await writer.drain()
        await asyncio.sleep(0)


async def _swallow(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


BAD: dict[str, Misbehave] = {
    f"{FRAMES_PER_S} frames/s": _flood,
    "1 MiB frames": _large,
    "never reading": _deaf,
}
