"""uvicorn as a part of our event loop: it neither handles signals nor ends the program."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp

from csms.web.http_protocol import HEAD_WITHIN_S, READ_WITHIN_S, BoundedProtocol, Waiting

BACKLOG: Final = 512
KEEP_ALIVE_S: Final = 30
GRACE_S: Final = 1  # for requests under way when we end
TLS_HANDSHAKE_WITHIN_S: Final = 10.0
TLS_SHUTDOWN_WITHIN_S: Final = 2.0

# It warns of every request that is none: whoever likes could fill a disk with that.
logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, and with a word when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()
        self.ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen as uvicorn does, but let nobody take a minute for a TLS handshake."""
        loop, config = asyncio.get_running_loop(), self.config
        make = partial(
            cast(type[BoundedProtocol], config.http_protocol_class),
            config=config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        of_tls: dict[str, Any] = {}
        if config.ssl is not None:
            of_tls = {
                "ssl": config.ssl,
                "ssl_handshake_timeout": TLS_HANDSHAKE_WITHIN_S,
                "ssl_shutdown_timeout": TLS_SHUTDOWN_WITHIN_S,
            }
        self.servers = [
            await loop.create_server(make, sock=one, backlog=BACKLOG, **of_tls)
            for one in sockets or []
        ]
        self.started = True
        self.serving.set()

    async def main_loop(self) -> None:
        """Keep the Date header current, and end at once when told, not at the next tick."""
        while not self.ending.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), 1.0)


class HttpServer:
    """Serves an ASGI application on one address."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        waiting: Waiting | None = None,
        head_within_s: float = HEAD_WITHIN_S,
        read_within_s: float = READ_WITHIN_S,
    ) -> None:
        protocol = partial(
            BoundedProtocol,
            waiting or Waiting(),
            head_within_s=head_within_s,
            read_within_s=read_within_s,
        )
        self._address = (host, port)
        self._sockets: list[socket.socket] = []
        self._task: asyncio.Task[None] | None = None
        self._server = _Server(
            uvicorn.Config(
                app,
                http=cast(type[asyncio.Protocol], protocol),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                ssl_context_factory=None if tls is None else lambda config, default: tls,
            )
        )

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be used.
        """
        self._sockets = await _listening_sockets(*self._address)
        self._task = asyncio.create_task(self._server.serve(self._sockets), name="http")
        serving = asyncio.create_task(self._server.serving.wait())
        await asyncio.wait((self._task, serving), return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        if self._task.done():
            await self._task

    @property
    def port(self) -> int:
        """The port listened on, also where 0 was asked for."""
        number: int = self._sockets[0].getsockname()[1]
        return number

    async def close(self) -> None:
        """Stop accepting, give requests under way a moment, close."""
        if self._task is not None:
            self._server.ending.set()
            await self._task
            self._task = None


async def _listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of the host that this machine has, all at the same port.

    Raises:
        OSError: an address is taken, or the machine has none of them.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, _, protocol, _, address in dict.fromkeys(found):
            if port == 0 and sockets:
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            try:
                sockets.append(_listening_socket(family, protocol, address))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                absent = error  # such as ::1 of localhost where IPv6 is off
        if not sockets and absent is not None:
            raise absent
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _listening_socket(family: int, protocol: int, address: tuple[Any, ...]) -> socket.socket:
    # With the protocol named, asyncio switches Nagle's algorithm off for what it accepts;
    # socket.create_server does not name it, and each answer would take 40 ms longer.
    one = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(BACKLOG)
    except OSError:
        one.close()
        raise
    return one
