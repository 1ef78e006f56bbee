"""What the doors cost: fleets that come back at once, and somebody who guesses passwords.

Fleets are measured as a share of the time they may take. The guesser tries wrong passwords against
stations protected by keys and by passwords while others go on authorizing; what counts is their
median with it, divided by the one right before, and what the server's memory grew by.
"""

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import Sequence

from benchmarks.neighbours import paced
from benchmarks.report import Fleet, Guessing, median
from benchmarks.servers import Server
from benchmarks.stations import Account, LoadError, Station, boot_all

BASIC_STATIONS, BASIC_LIMIT_S = 1000, 10.0
TLS_STATIONS, TLS_LIMIT_S = 300, 15.0
OTHERS = 50  # stations that authorize beside the guesser
VICTIMS = 100  # identities whose passwords are guessed
PASSWORDS = 10  # of them protected by a password, whose check is slow on purpose
ATTEMPTS = 10_000
AT_ONCE = 20
PACE_S = 0.1  # each of the others authorizes so often


async def fleets_return(server: Server) -> list[Fleet]:
    """Let the stations of each security profile connect, lose all connections, and come back."""
    fleets = []
    for profile, limit_s in ((1, BASIC_LIMIT_S), (2, TLS_LIMIT_S)):
        accounts = [one for one in server.accounts if one.security_profile == profile]
        await _come(accounts)
        started_s = time.perf_counter()
        stations = await _come(accounts, is_end=False)
        duration_s = time.perf_counter() - started_s
        for station in stations:
            station.close()
        name = f"{len(accounts)} stations, security profile {profile}"
        fleets.append(Fleet(name, round(duration_s, 3), limit_s))
    return fleets


async def _come(accounts: Sequence[Account], *, is_end: bool = True) -> list[Station]:
    """Connect and boot them all; hang up without a word unless they stay."""
    stations = [Station(account) for account in accounts]
    await boot_all(stations)
    for station in stations if is_end else ():
        station.drop()
    return stations


async def guessing(server: Server) -> Guessing:
    """Measure Authorize of the others without and with somebody who guesses passwords.

    Raises:
        LoadError: a guess came in, or a station could not come back afterwards.
    """
    others = [Station(account) for account in server.accounts[:OTHERS]]
    victims = server.accounts[OTHERS : OTHERS + VICTIMS]
    await boot_all(others)
    quiet = await paced(others, 2.0, lambda one: one.voice.authorize(), pace_s=PACE_S)
    await _guess(victims, ATTEMPTS // 10)  # what the first attempts allocate is no leak
    memory, started_s = server.memory_bytes(), time.perf_counter()
    task = asyncio.create_task(_guess(victims, ATTEMPTS))
    noisy: list[float] = []
    while not task.done() or not noisy:
        noisy += await paced(others, 1.0, lambda one: one.voice.authorize(), pace_s=PACE_S)
    await task
    duration_s = time.perf_counter() - started_s
    for station in others:
        station.close()
    returned = await _come(server.accounts[:OTHERS], is_end=False)  # nobody was locked out
    for station in returned:
        station.close()
    return Guessing(
        attempts=ATTEMPTS,
        duration_s=round(duration_s, 3),
        quiet_median_ms=round(median(quiet) * 1e3, 3),
        noisy_median_ms=round(median(noisy) * 1e3, 3),
        memory_growth=round(server.memory_bytes() / memory, 3),
    )


def wrong_password() -> bytes:
    """Return one nobody has."""
    return os.urandom(20)


async def _guess(victims: Sequence[Account], attempts: int) -> None:
    left = iter(range(attempts))

    async def guess() -> None:
        for number in left:
            account = victims[number % len(victims)]
            status = await _attempt(account, password=wrong_password())
            if status not in (401, 429, 503):
                raise LoadError(f"a wrong password for {account.identity} was answered {status}")

    await asyncio.gather(*(guess() for _ in range(AT_ONCE)))


async def _attempt(account: Account, *, password: bytes) -> int:
    """Ask for an upgrade and return the HTTP status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", account.port)
    try:
        pair = b64encode(account.identity.encode() + b":" + password).decode()
        key = b64encode(os.urandom(16)).decode()
        writer.write(
            (
                f"GET {account.path}/{account.identity} HTTP/1.1\r\nHost: bench\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"
                f"Authorization: Basic {pair}\r\n\r\n"
            ).encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1])
    finally:
        writer.close()
