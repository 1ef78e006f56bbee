"""The OCPP-J listener: handshakes, connections, life and death of sockets.

Everything OCPP says about messages is in `session`; here are only WebSockets. The transport is
`websockets.asyncio`; three of its defaults do not fit and are replaced: compression (off), the
keepalive task of each connection (one task for all; any traffic proves life), and waiting for a
peer that does not read (it is closed as soon as more than the send buffer waits for it).
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Literal, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from csms.domain.model import ChargePoint, LoggedMessage, RegistrationStatus
from csms.domain.registration import last_told, stricter
from csms.ocppj.commands import Commands
from csms.ocppj.connection import READ_BYTES, Connection
from csms.ocppj.door import ClientCertificates, Credentials, Door, Refusal, SecurityEvents
from csms.ocppj.handshake import SUBPROTOCOL, identity_of
from csms.ocppj.registry import Registry
from csms.ocppj.session import CallHandlers, Session
from csms.storage import charge_points, quarantine
from csms.storage.errors import StorageError
from csms.storage.store import Store

BACKLOG: Final = 4096  # a fleet that comes back at once; a dropped SYN costs 1, 3, 7 s
MAX_QUEUED_FRAMES: Final = 8  # received, not yet read; then TCP holds the peer back
FRAMES_PER_TURN: Final = 8  # of one charge point; then others have their turn
LARGE_FRAME: Final = 65_536  # characters; larger ones are paced
LARGE_FRAME_RATE: Final = 524_288  # bytes of large frames per second and charge point
FLOOD_PAUSE_S: Final = 0.01  # for who has dozens of CALLs waiting; a sane charge point has three
USELESS_PAUSE_S: Final = 0.001  # after what nobody can answer or match, or while UNREAD_BYTES wait
UNREAD_BYTES: Final = 65_536  # of answers that a charge point does not read
MAX_CLOSE_REASON: Final = 100  # characters; RFC 6455 §5.5 has room for 123 bytes

_logger: Final = logging.getLogger(__name__)
# The library logs frames and headers, secrets included, and stack traces for broken handshakes.
_transport_logger: Final = logging.getLogger(f"{__name__}.transport")
_transport_logger.setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OcppSettings:
    """How the listener behaves.

    Attributes:
        port: 0 takes any free one.
        unknown_charge_points: None refuses an identity nobody registered (HTTP 404), else it is
            registered with this status.
        tls_port: None for no TLS listener.
        lowest_security_profile: charge points with a lower one are refused.
        subprotocol_mismatch: ``reject`` answers HTTP 400, as the newest official test case wants;
            ``close`` completes the handshake and closes, as OCPP-J 1.6 §3.2 says.
        ping_interval_s: silence after which a ping is sent; 0 for no pings.
        command_queue_size: commands of one charge point that may wait.
    """

    host: str = "127.0.0.1"
    port: int = 0
    unknown_charge_points: RegistrationStatus | None = None
    tls_host: str = "127.0.0.1"
    tls_port: int | None = None
    lowest_security_profile: int = 0
    subprotocol_mismatch: Literal["reject", "close"] = "reject"
    max_frame_bytes: int = 1_048_576
    send_buffer_bytes: int = 1_048_576
    ping_interval_s: float = 0.0
    ping_timeout_s: float = 20.0
    response_timeout_s: float = 30.0
    handshake_timeout_s: float = 10.0
    close_timeout_s: float = 2.0
    command_queue_size: int = 16


class OcppServer:
    """Serves charge points. Create and use it inside one running event loop."""

    def __init__(
        self,
        *,
        settings: OcppSettings,
        store: Store,
        handlers: CallHandlers,
        credentials: Credentials,
        now: Callable[[], datetime],
        tls: ssl.SSLContext | None = None,
        certificates: ClientCertificates | None = None,
        events: SecurityEvents | None = None,
    ) -> None:
        self.registry = Registry()
        self.commands = Commands(self.registry, response_timeout_s=settings.response_timeout_s)
        self.handlers = handlers
        self.now = now
        self.log_message: Callable[[LoggedMessage], None] = store.log_message
        self._settings = settings
        self._store = store
        self._door = Door(
            store=store,
            credentials=credentials,
            now=now,
            unknown=settings.unknown_charge_points,
            lowest=settings.lowest_security_profile,
            certificates=certificates,
            events=events,
        )
        self._decisions = 0  # of operators; a handshake that saw fewer looks again
        self._tls = tls
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._plain_server: Server | None = None
        self._tls_server: Server | None = None
        self._connections: set[Connection] = set()
        self._silent: dict[Connection, None] = {}  # in the order they came
        self._tasks: set[asyncio.Task[None]] = set()
        self._keepalive: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen without TLS.

        Raises:
            OSError: the address cannot be used.
        """
        settings = self._settings
        self._plain_server = await self._listen(settings.host, settings.port, None)
        if settings.ping_interval_s > 0:
            self._keepalive = asyncio.create_task(self._keep_alive())

    async def start_tls(self) -> None:
        """Begin to listen over TLS, where that is wanted.

        Raises:
            OSError: the address cannot be used.
        """
        settings = self._settings
        if self._tls is not None and settings.tls_port is not None:
            self._tls_server = await self._listen(settings.tls_host, settings.tls_port, self._tls)

    async def _listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> Server:
        settings = self._settings
        reject = settings.subprotocol_mismatch == "reject"
        timeouts: dict[str, Any] = {}
        if tls is not None:
            timeouts["ssl_handshake_timeout"] = settings.handshake_timeout_s
            timeouts["ssl_shutdown_timeout"] = settings.close_timeout_s
        return await serve(
            cast(Callable[[ServerConnection], Awaitable[None]], self._serve),
            host,
            port,
            backlog=BACKLOG,
            ssl=tls,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            select_subprotocol=None if reject else _offered,
            compression=None,
            process_request=self._admit,
            process_response=self._welcome,
            server_header=None,
            open_timeout=settings.handshake_timeout_s,
            ping_interval=None,
            close_timeout=settings.close_timeout_s,
            max_size=settings.max_frame_bytes,
            max_queue=MAX_QUEUED_FRAMES,
            write_limit=settings.send_buffer_bytes,
            logger=_transport_logger,
            create_connection=partial(  # type: ignore[arg-type]  # asks for a class
                Connection, self._connections, self._silent, self._buffer
            ),
            **timeouts,
        )

    @property
    def port(self) -> int:
        """The port we listen on without TLS."""
        return _port_of(self._plain_server)

    @property
    def tls_port(self) -> int:
        """The port we listen on over TLS."""
        return _port_of(self._tls_server)

    @property
    def is_serving(self) -> bool:
        """Whether charge points can connect."""
        servers = [self._plain_server, *([self._tls_server] if self.has_tls else [])]
        return all(one is not None and one.is_serving() for one in servers)

    async def close(self) -> None:
        """Close every connection with 1001 and stop, within `close_timeout_s` and a second."""
        servers = [one for one in (self._plain_server, self._tls_server) if one is not None]
        if not servers:
            return
        if self._keepalive is not None:
            self._keepalive.cancel()
        for server in servers:
            server.close(code=CloseCode.GOING_AWAY, reason="the Central System ends")
        for connection in list(self._connections):
            if connection.state is State.CONNECTING:
                connection.transport.abort()
        closed = [asyncio.ensure_future(server.wait_closed()) for server in servers]
        await asyncio.wait(closed, timeout=self._settings.close_timeout_s + 0.5)
        for connection in list(self._connections):
            connection.transport.abort()
        await asyncio.wait([*closed, *self._tasks], timeout=0.5)
        for task in (*closed, *self._tasks):
            task.cancel()

    def set_registration(self, identity: str, status: RegistrationStatus) -> None:
        """Tell a live session what the operator decided, after that was stored."""
        self._decisions += 1
        session = self.registry.get(identity)
        if session is not None:
            session.decide(status)

    @property
    def has_tls(self) -> bool:
        """Whether charge points can connect over TLS."""
        return self._tls is not None and self._settings.tls_port is not None

    @property
    def lowest_security_profile(self) -> int:
        """The lowest security profile let in."""
        return self._settings.lowest_security_profile

    def hold_to_profile(self, charge_point: ChargePoint) -> None:
        """Let what an operator decided and stored count at the door and for a live connection.

        One that has another security profile is closed; failed attempts are forgotten.
        """
        self._door.forgive(charge_point.identity)
        self._end_other_profiles(charge_point, "another security profile was decided")

    def _end_other_profiles(self, charge_point: ChargePoint, reason: str) -> None:
        self._decisions += 1
        session = self.registry.get(charge_point.identity)
        if session is not None and session.security_profile not in (
            charge_point.security_profile,
            charge_point.target_security_profile,
        ):
            self.disconnect(charge_point.identity, reason)

    def disconnect(self, identity: str, reason: str = "") -> bool:
        """Close a charge point's connection; False when there is none."""
        self._decisions += 1
        session = self.registry.get(identity)
        if session is None:
            return False
        self.registry.remove(session)
        session.close(CloseCode.POLICY_VIOLATION, reason[:MAX_CLOSE_REASON])
        return True

    # --- what sessions need ------------------------------------------------------------------

    async def quarantine(
        self, *, identity: str, action: str, text: str, reason: str, at: datetime
    ) -> None:
        """Keep a transaction message that is refused."""
        await self._store.write(
            partial(
                quarantine.add, identity=identity, action=action, text=text, reason=reason, at=at
            )
        )

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Hold on to a task until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- handshake ---------------------------------------------------------------------------

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let in who proves to be a charge point we know, before the upgrade."""
        ours = cast(Connection, connection)
        ours.has_asked()
        identity = identity_of(request.path)
        if identity is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "no charge point identity\n")
        ours.decisions = self._decisions
        visitor = ours.visitor(identity, request.headers.get_all("Authorization"))
        admitted = await self._door.admit(visitor)
        if isinstance(admitted, Refusal):
            return _refused(connection, admitted)
        ours.admitted = admitted
        return None

    async def _welcome(
        self, connection: ServerConnection, request: Request, response: Response
    ) -> Response | None:
        """Write down what the admission means, once the handshake is known to be sound."""
        ours = cast(Connection, connection)
        if ours.admitted is None or "Sec-WebSocket-Protocol" not in response.headers:
            return None
        admitted = await self._door.welcome(ours.admitted)
        if isinstance(admitted, Refusal):
            return _refused(connection, admitted)
        if admitted is not ours.admitted and admitted.charge_point is not None:
            # Raised: the old profile is refused from now on, also to who has come in with it.
            self._end_other_profiles(admitted.charge_point, "its security profile was raised")
        ours.admitted = admitted
        return None

    # --- connections -------------------------------------------------------------------------

    async def _serve(self, connection: Connection) -> None:
        """Serve one connection from handshake to end."""
        session = await self._begin(connection)
        if session is None:
            return
        try:
            await self._read(connection, session)
        except ConnectionClosed:
            pass
        finally:
            self.registry.remove(session)
            session.end()
            self._record(session.identity, "closed", connection.how_it_ended())

    async def _begin(self, connection: Connection) -> Session | None:
        """Make the session of a connection that was let in; None where it has to be closed."""
        admitted, connection.admitted = connection.admitted, None
        if connection.subprotocol is None or admitted is None or admitted.charge_point is None:
            await connection.close(CloseCode.PROTOCOL_ERROR, "no common subprotocol")
            return None
        charge_point = admitted.charge_point
        identity = charge_point.identity
        while connection.decisions != self._decisions:  # an operator decided during the handshake
            connection.decisions = self._decisions
            found = await self._store.read(partial(charge_points.get, identity=identity))
            if found is None:
                await connection.close(CloseCode.POLICY_VIOLATION, "not known any more")
                return None
            if not await self._door.is_still_right(admitted, found):
                await connection.close(CloseCode.POLICY_VIOLATION, "not let in any more")
                return None
            charge_point = found
        connection.forget_handshake()
        told = last_told(charge_point)
        registration = stricter(charge_point.registration, told or charge_point.registration)
        session = Session(
            identity,
            wire=connection,
            services=self,
            registration=registration,
            is_accepted=told is registration is RegistrationStatus.ACCEPTED,
            told=told,
            max_commands=self._settings.command_queue_size,
            remote_address=connection.address,
            security_profile=admitted.profile,
        )
        connection.session = session
        replaced = self.registry.add(session)
        if replaced is not None:
            _logger.warning("%s: a newer connection takes over", identity)
            self._record(identity, "replaced", f"by {session.remote_address}")
            replaced.close(CloseCode.NORMAL_CLOSURE, "replaced by a newer connection")
        detail = f"from {session.remote_address}, security profile {admitted.profile}"
        self._record(identity, "connected", detail)
        return session

    async def _read(self, connection: Connection, session: Session) -> None:
        """Take messages in until the session ends, at a pace that is fair to the others."""
        count = 0
        while not session.is_ended:
            # Undecoded: one letter in a wrong encoding must not cost the connection (CS-WS-19).
            # DEVIATION: RFC 6455 §8.1 closes with 1007 then. Binary frames are read like text.
            data = await connection.recv(decode=False)
            if session.is_ended:
                return
            try:
                is_useful = session.receive(data.decode())
            except UnicodeDecodeError:
                is_useful = session.receive(data.decode(errors="replace"), is_utf8=False)
            if session.is_full:
                await session.room()
                await asyncio.sleep(FLOOD_PAUSE_S)
            elif not is_useful or connection.transport.get_write_buffer_size() > UNREAD_BYTES:
                await asyncio.sleep(USELESS_PAUSE_S)
            if len(data) > LARGE_FRAME:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(len(data) / LARGE_FRAME_RATE):
                        await connection.wait_closed()
            count += 1
            if count % FRAMES_PER_TURN == 0:
                await asyncio.sleep(0)

    def _record(self, identity: str, event: str, detail: str) -> None:
        """Note an event of a connection, soon; nobody waits for it."""
        self.keep(asyncio.create_task(self._write_event(identity, event, self.now(), detail)))

    async def _write_event(self, identity: str, event: str, at: datetime, detail: str) -> None:
        try:
            await self._store.write(
                partial(
                    charge_points.record_connection,
                    identity=identity,
                    event=event,
                    at=at,
                    detail=detail,
                )
            )
        except StorageError as error:
            _logger.error("%s: event %r was not kept: %s", identity, event, error)

    async def _keep_alive(self) -> None:
        """Ping who is silent; close who stays silent."""
        settings = self._settings
        turn_s = max(0.05, min(settings.ping_interval_s, settings.ping_timeout_s, 20.0) / 4)
        while True:
            await asyncio.sleep(turn_s)
            now_s = asyncio.get_running_loop().time()
            for connection in list(self._connections):
                if connection.state is not State.OPEN:
                    continue
                try:
                    connection.check_life(
                        now_s,
                        interval_s=settings.ping_interval_s,
                        timeout_s=settings.ping_timeout_s,
                    )
                except Exception as error:  # one socket must not end the care for all
                    _logger.error("%s: ping failed: %s", connection.remote_address, error)
                    connection.transport.abort()


def _offered(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None


def _port_of(server: Server | None) -> int:
    if server is None:
        raise RuntimeError("the listener was not started")
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


def _refused(connection: ServerConnection, refusal: Refusal) -> Response:
    response = connection.respond(refusal.status, f"{refusal.reason}\n")
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
    if refusal.retry_after_s is not None:
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    return response
