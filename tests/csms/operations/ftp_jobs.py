"""Jobs by FTP, and whether somebody listens for them."""

import asyncio
import socket
from typing import Any

import httpx

from tests.csms.web.diagnostics_jobs import ordered
from tests.csms.web.stations import Station


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Tell whether somebody does."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def until_deaf(port: int) -> None:
    """Wait until nobody does."""
    async with asyncio.timeout(5):
        while await asyncio.to_thread(listens, port):
            pass


async def ftp_job(system: Any, api: httpx.AsyncClient, **body: Any) -> tuple[Station, str, str]:
    """Return a station, the path of its job, and the location as it was sent."""

    def connect(identity: str) -> Station:
        return Station(f"{system.ocpp_url}/", identity, password=None)

    return await ordered(api, connect, "CP", protocol="ftp", **body)
