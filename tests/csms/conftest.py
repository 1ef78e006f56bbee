"""A real Central System on free ports, its API and its charge points."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from csms.app import CentralSystem, central_system
from csms.config import Settings
from tests.csms.web.stations import Connect, Station

TOKEN = "test-token-0123456789"

_numbers = itertools.count(1)


def _settings(directory: Path) -> Settings:
    return Settings(
        ocpp_port=0,
        http_port=0,
        database=f"sqlite:///{directory / 'csms.sqlite3'}",
        api_token=TOKEN,
        response_timeout_s=5.0,
        ftp_port=0,
    )


@contextlib.asynccontextmanager
async def client_of(system: CentralSystem) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a Central System's HTTP API that has the token."""
    async with httpx.AsyncClient(
        base_url=f"{system.http_url}/api/v1",
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
    ) as client:
        yield client


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a Central System nobody else uses."""
    return _settings(tmp_path)


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[CentralSystem]:
    """A running Central System."""
    async with central_system(settings) as running:
        yield running


@pytest.fixture
async def api(system: CentralSystem) -> AsyncIterator[httpx.AsyncClient]:
    """A client of its HTTP API that has the token."""
    async with client_of(system) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_system(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[CentralSystem]:
    """One Central System for those tests of a module that keep out of each other's way."""
    async with central_system(_settings(tmp_path_factory.mktemp("shared"))) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_api(shared_system: CentralSystem) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the shared HTTP API that has the token."""
    async with client_of(shared_system) as client:
        yield client


@contextlib.asynccontextmanager
async def _connector(system: CentralSystem) -> AsyncIterator[Connect]:
    stations: list[Station] = []

    def make(identity: str, *, password: bytes | None = None) -> Station:
        station = Station(f"{system.ocpp_url}/", identity, password=password)
        stations.append(station)
        return station

    yield make
    for station in stations:
        await station.close()


@pytest.fixture
async def connect(system: CentralSystem) -> AsyncIterator[Connect]:
    """Connects charge points, and ends them after the test."""
    async with _connector(system) as make:
        yield make


@pytest_asyncio.fixture(loop_scope="module")
async def shared_connect(shared_system: CentralSystem) -> AsyncIterator[Connect]:
    """Connects charge points to the shared system, and ends them after the test."""
    async with _connector(shared_system) as make:
        yield make


@pytest.fixture
def identity() -> str:
    """An identity no other test uses."""
    return f"CP-{next(_numbers)}"
