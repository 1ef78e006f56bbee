"""An active charge point as a program of its own; it prints every frame it sends.

Used as ``python -m tests.acceptance.active_station URL IDENTITY DIAGNOSTICS_BYTES``.
"""

from __future__ import annotations

import asyncio
import sys

from simulator.charge_point import ChargePoint
from simulator.client import Station
from simulator.trace import Direction, Event
from simulator.transport import Endpoint


def show(event: Event) -> None:
    """Print what the charge point says."""
    if event.direction is Direction.SENT:
        sys.stdout.write(event.text + "\n")
        sys.stdout.flush()


async def main(url: str, identity: str, diagnostics_bytes: int) -> None:
    """Boot, do as told, and come back after every restart, until killed."""
    charge_point = ChargePoint(identity, diagnostics_bytes=diagnostics_bytes)
    station = Station(charge_point, Endpoint(url, identity), record=show, is_active=True)
    await station.connect()
    await station.apply("power_on")
    while True:
        await station.wait_closed()
        await station.connect()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
