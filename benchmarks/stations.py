"""The load generator: stations on bare WebSocket frames, each with one CALL open at a time.

It writes and reads frames itself, because a full WebSocket library in the load generator would cost
about as much as the server that is measured. The mask of its frames is zero, which RFC 6455 allows.
"""

import asyncio
import base64
import os
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast
from urllib.parse import quote

from benchmarks.messages import Script, Voice

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
NO_MASK = bytes(4)
PATIENCE_S = 30.0  # no answer may take longer


class LoadError(Exception):
    """The server did not do what every server must: refused, closed, or answered with an error."""


@dataclass(frozen=True, slots=True)
class Account:
    """How one station reaches a server.

    Attributes:
        path: of the URL, without the identity.
        password: for Basic authentication; empty sends none.
        is_key: the password is a key of random bytes, else one that a person chose.
        security_profile: 1, or 2 for Basic authentication within TLS.
    """

    port: int
    path: str
    identity: str
    id_tag: str
    password: bytes = b""
    is_key: bool = True
    security_profile: int = 1


@cache
def any_server() -> ssl.SSLContext:
    """Return a client side that trusts every server: who it is does not change its speed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one masked WebSocket frame (RFC 6455 §5.2)."""
    length = len(payload)
    if length < 126:
        head = bytes((0x80 | opcode, 0x80 | length))
    else:
        head = bytes((0x80 | opcode, 0xFE)) + length.to_bytes(2, "big")
    return head + NO_MASK + payload


class Station(asyncio.Protocol):
    """One charge point: says what its script yields, as soon as the answer before has come."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.voice = Voice(account.id_tag)
        self.answered: Callable[[float, float], None] = lambda sent_s, received_s: None
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_open = False
        self._script: Script | None = None
        self._is_ending = False
        self._sent_s = 0.0
        self._fault: LoadError | None = None

    async def open(self) -> None:
        """Connect and shake hands."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().create_connection(
                lambda: self,
                "127.0.0.1",
                self.account.port,
                ssl=any_server() if self.account.security_profile > 1 else None,
            )
            await self._opened

    def begin(self, script: Script) -> None:
        """Start to follow a script."""
        self._idle.clear()
        self._is_ending = False
        self._script = script
        self._say(next(script))

    def end(self) -> None:
        """Say nothing more once the open CALL is answered."""
        self._is_ending = True

    async def wait_idle(self) -> None:
        """Wait until no CALL is open; raises what went wrong meanwhile."""
        async with asyncio.timeout(PATIENCE_S):
            await self._idle.wait()
        if self._fault is not None:
            raise self._fault

    async def ask(self, text: bytes) -> None:
        """Send one CALL and wait for its answer."""

        def once() -> Script:
            yield text

        self.begin(once())
        await self.wait_idle()

    def close(self) -> None:
        """Say goodbye and hang up."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(CLOSE, b"\x03\xe8"))
            self._transport.close()

    def drop(self) -> None:
        """Hang up without a word."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the opening handshake."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        account = self.account
        key = base64.b64encode(os.urandom(16)).decode()
        request = [
            f"GET {account.path}/{quote(account.identity, safe='')} HTTP/1.1",
            f"Host: 127.0.0.1:{account.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: ocpp1.6",
        ]
        if account.password:
            pair = base64.b64encode(account.identity.encode() + b":" + account.password)
            request.append(f"Authorization: Basic {pair.decode()}")
        transport.write(("\r\n".join(request) + "\r\n\r\n").encode())

    def data_received(self, data: bytes) -> None:
        """Read the handshake's answer, then frames."""
        received_s = time.perf_counter()
        self._buffer += data
        if not self._is_open and not self._read_handshake():
            return
        while (read := self._read_frame()) is not None:
            opcode, payload = read
            if opcode == TEXT:
                self._read_answer(payload, received_s)
            elif opcode == PING:
                assert self._transport is not None
                self._transport.write(frame(PONG, payload))
            elif opcode == CLOSE:
                self._fail(f"closed with {payload!r}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits."""
        self._fail(f"connection lost: {exc}")

    def _read_handshake(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        status = head.split(b"\r\n", 1)[0]
        if b" 101 " not in status + b" ":
            self._fail(f"handshake answered {status.decode()!r}")
            return False
        self._buffer = rest
        self._is_open = True
        self._opened.set_result(None)
        return True

    def _read_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < start + length:
            return None
        payload = bytes(buffer[start : start + length])
        opcode = buffer[0] & 0x0F
        del buffer[: start + length]
        return opcode, payload

    def _read_answer(self, text: bytes, received_s: float) -> None:
        if not text.startswith(b"[3"):
            self._fail(f"expected a CALLRESULT, got {text[:200]!r}")
            return
        self.answered(self._sent_s, received_s)
        if self._script is None:
            self._fail(f"expected nothing, got {text[:200]!r}")
            return
        try:
            call = self._script.send(text)
        except StopIteration:
            self._is_ending = True
        except ValueError as exc:
            self._fail(str(exc))
            return
        if self._is_ending:
            self._script = None
            self._idle.set()
        else:
            self._say(call)

    def _say(self, text: bytes) -> None:
        assert self._transport is not None
        self._sent_s = time.perf_counter()
        self._transport.write(frame(TEXT, text))

    def _fail(self, reason: str) -> None:
        if self._fault is None:
            self._fault = LoadError(f"{self.account.identity}: {reason}")
        self._script = None
        self._idle.set()
        if not self._opened.done():
            self._opened.set_exception(self._fault)


@dataclass(frozen=True, slots=True)
class Window:
    """What was seen in one stretch of steady load.

    Attributes:
        cpu_s: processor time the server used, all threads, user and system.
        latencies_s: of each answer that came within the stretch.
    """

    duration_s: float
    cpu_s: float
    latencies_s: tuple[float, ...]


async def measure(
    stations: Sequence[Station],
    workload: Callable[[Voice], Script],
    *,
    cpu_s: Callable[[], float],
    warm_up_s: float,
    duration_s: float,
) -> Window:
    """Drive all stations with a workload, each one CALL after the other, and time the answers."""
    latencies: list[float] = []

    def keep(sent_s: float, received_s: float) -> None:
        if is_measuring:
            latencies.append(received_s - sent_s)

    is_measuring = False
    for station in stations:
        station.answered = keep
        station.begin(workload(station.voice))
    await asyncio.sleep(warm_up_s)
    is_measuring = True
    cpu_before_s, started_s = cpu_s(), time.perf_counter()
    await asyncio.sleep(duration_s)
    is_measuring = False
    cpu_after_s, ended_s = cpu_s(), time.perf_counter()
    for station in stations:
        station.end()
    for station in stations:
        await station.wait_idle()
    return Window(ended_s - started_s, cpu_after_s - cpu_before_s, tuple(latencies))


async def boot_all(stations: Sequence[Station]) -> list[float]:
    """Connect and boot all stations at once; returns how long each took, in seconds."""

    async def boot(station: Station) -> float:
        started_s = time.perf_counter()
        await station.open()
        await station.ask(station.voice.boot())
        return time.perf_counter() - started_s

    return await asyncio.gather(*(boot(station) for station in stations))
