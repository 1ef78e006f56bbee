"""Our CSMS as a program of its own, and the barest charge point that talks to it.

For tests of whole programs: real processes, real files, real sockets.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
from websockets.asyncio.client import ClientConnection, connect

TOKEN = "a-token-made-up-for-tests"
CSMS = Path(sys.executable).with_name("csms")


@dataclass
class CsmsProgram:
    """`csms serve` on free ports with a database of its own.

    Attributes:
        directory: where its database lives.
        wrapper: words in front of the command, such as a tracer.
        preexec: run in the child before it becomes the CSMS.
    """

    directory: Path
    arguments: Sequence[str] = ()
    wrapper: Sequence[str] = ()
    preexec: Callable[[], None] | None = None
    ocpp_url: str = ""
    http_url: str = ""
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.directory / "csms.sqlite3"

    @property
    def pid(self) -> int:
        """Process id of the CSMS itself, also behind a wrapper."""
        assert self._process is not None
        if self.wrapper:
            return psutil.Process(self._process.pid).children()[0].pid
        return self._process.pid

    def start(self) -> Self:
        """Start it and return when both of its listeners are up."""
        with (self.directory / "csms.log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    *self.wrapper,
                    str(CSMS),
                    "serve",
                    *("--ocpp-port", "0", "--http-port", "0"),
                    *("--database", f"sqlite:///{self.database}"),
                    *self.arguments,
                ],
                env={**os.environ, "CSMS_API_TOKEN": TOKEN},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=self.preexec,
            )
        assert self._process.stdout is not None
        self.ocpp_url = self.http_url = ""
        for line in self._process.stdout:
            if found := re.search(r"ws://\S+", line):
                self.ocpp_url = found[0]
            if found := re.search(r"http://[^/\s]+", line):
                self.http_url = found[0]
            if self.ocpp_url and self.http_url:
                break
        else:
            said = (self.directory / "csms.log").read_text()
            raise AssertionError(f"csms serve did not start:\n{said}")
        return self

    def kill(self) -> None:
        """End it without a warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        os.kill(self.pid, how)
        code = self._process.wait(timeout=10)
        self._process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def api(self) -> httpx.AsyncClient:
        """Return a client of its HTTP API."""
        return httpx.AsyncClient(
            base_url=f"{self.http_url}/api/v1",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        )


class BareStation:
    """A charge point that sends what it is told and reads what comes, one frame at a time."""

    def __init__(self, socket: ClientConnection, ids: count[int]) -> None:
        self.socket = socket
        self._ids = ids

    @classmethod
    async def connect(cls, url: str, identity: str, *, first_id: int = 1, **options: Any) -> Self:
        """Open a connection of `identity`."""
        socket = await connect(
            f"{url}/{identity}",
            subprotocols=["ocpp1.6"],  # type: ignore[list-item]  # plain text to a NewType
            **{"compression": None, "proxy": None, "ping_interval": None, **options},
        )
        return cls(socket, count(first_id))

    async def call(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """Send a CALL and return the frame that answers it.

        Raises:
            websockets.ConnectionClosed: the connection ended first.
        """
        message_id = str(next(self._ids))
        await self.socket.send(json.dumps([2, message_id, action, payload]))
        while True:
            frame: list[Any] = json.loads(await self.socket.recv())
            if frame[0] in (3, 4) and frame[1] == message_id:
                return frame

    async def boot(self) -> None:
        """Register, and insist on being accepted."""
        payload = {"chargePointVendor": "Preflight", "chargePointModel": "Bare"}
        answer = await self.call("BootNotification", payload)
        assert answer[2]["status"] == "Accepted", answer
