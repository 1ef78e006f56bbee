"""An operator's HTTP interface on a real socket: remembers requests, answers as it is told."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from harness.drivers.driver import Driver
from harness.drivers.http import HttpDriver
from harness.drivers.http_spec import HttpDriverSpec
from harness.drivers.kinds import DriverSpec
from harness.masking import Masker
from harness.model import Json
from harness.sut import load


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]  # names in small letters
    content: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def body(self) -> Any:
        """The JSON in it."""
        return json.loads(self.content) if self.content else None


@dataclass(frozen=True)
class Reply:
    """What to answer."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


Handler: TypeAlias = Callable[[Asked], "Reply | Awaitable[Reply]"]


class Interface:
    """Answers every path as `replies` says, 200 {} otherwise."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.replies: dict[str, Reply | Handler] = {}
        self.url = ""

    @property
    def paths(self) -> list[str]:
        return [one.target for one in self.requests]

    @property
    def bodies(self) -> list[Any]:
        return [one.body for one in self.requests]

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Interface]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _request(reader)
            self.requests.append(asked)
            reply = self.replies.get(asked.path, Reply())
            if callable(reply):
                made = reply(asked)
                reply = made if isinstance(made, Reply) else await made
            content = (
                reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            )
            head = [f"HTTP/1.1 {reply.status} Words", f"Content-Length: {len(content)}"]
            head += [f"{name}: {value}" for name, value in reply.headers.items()]
            writer.write("\r\n".join([*head, "Connection: close", "", ""]).encode() + content)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it went away
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in head[1:] if line)
    }
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, target, headers, content)


async def post(url: str, content: bytes, *, method: str = "POST") -> int:
    """Bring something to a URL, and return the status."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        head = (
            f"{method} {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        await writer.drain()
        status = await reader.readline()
        return int(status.split()[1])
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def read(
    directory: Path, section: Mapping[str, Json], *, environment: Mapping[str, str] | None = None
) -> DriverSpec:
    """Return the driver that a file with this section describes."""
    roles = ("valid", "valid_2", "parent", "expired", "blocked")
    content = {
        "name": "x",
        "ocpp_url": "ws://127.0.0.1:1",
        "identities": [{"identity": "CP1"}],
        "id_tags": {role: [f"{role}-1"] for role in roles},
        "driver": section,
    }
    path = directory / "sut.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    found = load(path, run_dir=directory, environment=environment or {}).driver
    assert found is not None
    return found


@asynccontextmanager
async def http_driver(
    directory: Path,
    interface: Interface,
    section: Mapping[str, Json] | None = None,
    *,
    timeout_s: float = 5.0,
    environment: Mapping[str, str] | None = None,
    masker: Masker | None = None,
) -> AsyncIterator[HttpDriver]:
    """Give the http driver of a file with this section; by default any path will do."""
    whole: dict[str, Json] = {"kind": "http", "base_url": interface.url, **(section or {})}
    if "actions" not in whole:
        whole.setdefault("command", {"path": "/c"})
    spec = read(directory, whole, environment=environment)
    assert isinstance(spec, HttpDriverSpec)
    driver = HttpDriver(spec, timeout_s=timeout_s, masker=masker)
    checked: Driver = driver  # is one
    try:
        yield driver
    finally:
        await checked.close()
