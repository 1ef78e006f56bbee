"""The miniature with doors: credentials, TLS, client certificates, and what is done with them.

It admits a charge point by what the operator knows of it, and a `SecureBend` sees each verdict
before it takes effect. Certificates are signed at once, by the authority of the miniature.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeAlias
from urllib.parse import unquote

from cryptography import x509
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.miniature_pki import Authority, ServerTls, charge_point_ca, common_name, pem
from tests.miniatures import Bend, Incoming, Link, Miniature


class Ending(Enum):
    """How a connection ends that gets no HTTP answer."""

    EOF = "closed"
    RESET = "reset"


Verdict: TypeAlias = HTTPStatus | Ending | None  # None lets the charge point in


@dataclass(frozen=True, slots=True)
class Visit:
    """A handshake of a charge point: the how-many-th of this identity, from 0.

    Attributes:
        profile: the security profile that it shows.
        username: of Basic authentication, like the password.
        offered: the subprotocols that it would speak.
    """

    number: int
    identity: str
    profile: int
    username: bytes | None
    password: bytes | None
    certificate: x509.Certificate | None
    offered: tuple[str, ...]


class SecureBend(Bend):
    """What the miniature does differently at its doors; this one changes nothing."""

    async def admits(self, visit: Visit, verdict: Verdict) -> Verdict:
        """Return what becomes of a handshake instead of `verdict`."""
        return verdict

    def chooses(self, visit: Visit, subprotocol: str | None) -> str | None:
        """Return the subprotocol that is agreed to instead of `subprotocol`."""
        return subprotocol

    def ordered(self, station: Station, key: str, value: str) -> None:
        """Take note of a configuration key that is being sent: the answer may be lost."""
        if key == "AuthorizationKey":
            station.new_password = bytes.fromhex(value)

    def hears(self, station: Station, key: str, value: str, status: str) -> None:
        """Take the charge point's answer to that."""
        if key == "AuthorizationKey":
            station.new_password = None
        if status in ("Accepted", "RebootRequired"):
            self.settles(station, key, value)

    def settles(self, station: Station, key: str, value: str) -> None:
        """Take over a configuration key that the charge point accepted."""
        station.take(key, value)


@dataclass
class Station:
    """What the operator knows of a charge point.

    Attributes:
        profile: its security profile.
        target: the one it was told to raise itself to and has not used yet.
        password: raw bytes, as Basic authentication has them.
        new_password: one that was sent, and nobody knows whether it arrived; both work.
        names: common names that its certificates may have, beside its identity.
        certificates: serial numbers of those that were issued to it here.
    """

    profile: int = 0
    target: int | None = None
    password: bytes | None = None
    new_password: bytes | None = None
    names: frozenset[str] = frozenset()
    certificates: set[int] = field(default_factory=set)

    def came(self, visit: Visit) -> None:
        """Take what the charge point showed for what it has from now on."""
        if visit.profile == self.target:
            self.profile, self.target = visit.profile, None
        if self.new_password is not None and visit.password == self.new_password:
            self.password, self.new_password = self.new_password, None

    def take(self, key: str, value: str) -> None:
        """Let an accepted configuration key have its effect."""
        if key == "AuthorizationKey":
            self.password = bytes.fromhex(value)
        elif key == "SecurityProfile" and int(value) > self.profile:
            self.target = int(value)


@dataclass
class SecureMiniature(Miniature):
    """A Central System with a plain and a TLS listener.

    Attributes:
        tls: how the TLS listener is made.
        ca: signs the certificates of charge points.
        client_roots: what else a charge point may prove itself by.
        stations: by identity; the operator's program adds them by the action `Provision`.
        let_in: identity and number of the visits that became connections.
    """

    tls: ServerTls = field(default_factory=ServerTls)
    ca: Authority = field(default_factory=charge_point_ca)
    client_roots: Sequence[x509.Certificate] = ()
    stations: dict[str, Station] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    let_in: set[tuple[str, int]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._visit_numbers: dict[str, count[int]] = {}
        self._visit_of: dict[ServerConnection, Visit] = {}
        self._signed: dict[tuple[str, str], dict[str, Any]] = {}
        self._signing: set[asyncio.Task[Any]] = set()
        await super().__aenter__()
        self._tls_server: Server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            ssl=self.tls.context([self.ca.root, *self.client_roots]),
            **self._serve_settings(),
        )
        return self

    def _serve_settings(self) -> dict[str, Any]:
        settings = super()._serve_settings()
        return {**settings, "subprotocols": None, "select_subprotocol": self._select}

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._signing:
            task.cancel()
        self._tls_server.close()
        await super().__aexit__(kind, error, trace)
        await self._tls_server.wait_closed()

    @property
    def tls_url(self) -> str:
        """The endpoint for profiles 2 and 3, without an identity."""
        return f"wss://localhost:{self._tls_server.sockets[0].getsockname()[1]}/ocpp"

    def close_plain(self) -> None:
        """Take no new connections without TLS; those that are there stay."""
        self._server.server.close()

    def bend_of(self, identity: str) -> SecureBend:
        """Return what is done differently for a charge point."""
        bend = self.bends.get(identity.removeprefix("nobody-"), self.bend)
        return bend if isinstance(bend, SecureBend) else SecureBend()

    # --- the doors --------------------------------------------------------------------------

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        visit = self._visit(connection, request)
        self.visits.append(visit)
        self._visit_of[connection] = visit
        station = self.stations.get(visit.identity)
        verdict = await self.bend_of(visit.identity).admits(visit, refusal(visit, station))
        if verdict is None:
            if station is not None:
                station.came(visit)
            return None
        if isinstance(verdict, HTTPStatus):
            return connection.respond(verdict, "no")
        if verdict is Ending.RESET:
            raw: socket.socket = connection.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.transport.abort()
        return connection.respond(HTTPStatus.FORBIDDEN, "nobody reads this")

    async def _serve(self, socket: ServerConnection) -> None:
        visit = self._visit_of.pop(socket)
        self.let_in.add((visit.identity, visit.number))
        await super()._serve(socket)

    def _visit(self, connection: ServerConnection, request: Request) -> Visit:
        identity = unquote(request.path.rsplit("/", 1)[-1])
        number = next(self._visit_numbers.setdefault(identity, count()))
        tls: ssl.SSLObject | None = connection.transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        username, password = basic(request.headers.get("Authorization"))
        has_password = password is not None
        return Visit(
            number,
            identity,
            int(has_password) if tls is None else 3 if der else 2,
            username,
            password,
            x509.load_der_x509_certificate(der) if der else None,
            tuple(
                one.strip()
                for header in request.headers.get_all("Sec-WebSocket-Protocol")
                for one in header.split(",")
            ),
        )

    def _select(
        self, connection: ServerConnection, offered: Sequence[Subprotocol]
    ) -> Subprotocol | None:
        visit = self._visit_of[connection]
        known = self.subprotocols or ()
        chosen = next((one for one in known if one in offered), None)
        chosen = self.bend_of(visit.identity).chooses(visit, chosen)
        if chosen is None:
            del self._visit_of[connection]
            raise NegotiationError("none of these")
        return Subprotocol(chosen) if chosen else None

    # --- what it does with certificates and keys --------------------------------------------

    def _answer(self, call: Incoming) -> dict[str, Any]:
        if call.action != "SignCertificate":
            return super()._answer(call)
        station = self.stations.setdefault(call.identity, Station())
        names = {call.identity, *station.names}
        try:
            certificate = self.ca.sign(str(call.payload.get("csr")), names)
        except ValueError:
            return {"status": "Rejected"}
        station.certificates.add(certificate.serial_number)
        chain = pem(certificate, self.ca.root)
        self._signed[call.identity, call.message_id] = {"certificateChain": chain}
        return {"status": "Accepted"}

    async def _answered(self, link: Link, call: Incoming) -> None:
        await super()._answered(link, call)
        payload = self._signed.pop((call.identity, call.message_id), None)
        if payload is not None:
            sending = self.command(call.identity, "CertificateSigned", payload)
            task = asyncio.create_task(self._quietly(sending))
            self._signing.add(task)
            task.add_done_callback(self._signing.discard)

    @staticmethod
    async def _quietly(sending: Any) -> None:
        with contextlib.suppress(ConnectionAbortedError, LookupError):
            await sending

    async def command(self, identity: str, action: str, payload: dict[str, Any]) -> list[Any]:
        """Send a request, and let what the charge point accepts have its effect.

        `Provision` is for this system itself: `{"profile": 2, "password": "<hex>", "names": []}`.
        """
        if action == "Provision":
            password = payload.get("password")
            self.stations[identity] = Station(
                profile=int(payload.get("profile", 0)),
                password=bytes.fromhex(password) if password else None,
                names=frozenset(payload.get("names", ())),
            )
            return [3, "", {}]
        station = self.stations.get(identity)
        if station is None or action != "ChangeConfiguration":
            return await super().command(identity, action, payload)
        bend, key, value = self.bend_of(identity), payload["key"], payload["value"]
        bend.ordered(station, key, value)
        frame = await super().command(identity, action, payload)
        if frame[0] == 3:
            bend.hears(station, key, value, frame[2].get("status"))
        return frame


def basic(header: str | None) -> tuple[bytes | None, bytes | None]:
    """Return username and password of an Authorization header (RFC 7617), None for none."""
    if header is None or not header.startswith("Basic "):
        return None, None
    try:
        username, colon, password = base64.b64decode(header[6:], validate=True).partition(b":")
    except binascii.Error:
        return None, None
    return (username, password) if colon else (None, None)


def refusal(visit: Visit, station: Station | None) -> Verdict:
    """Return why a charge point is not let in, None where it is (security paper A00)."""
    if station is None:
        return HTTPStatus.NOT_FOUND
    if visit.profile not in (station.profile, station.target):
        is_password_owed = station.profile in (1, 2) and visit.password is None
        return HTTPStatus.UNAUTHORIZED if is_password_owed else HTTPStatus.FORBIDDEN
    if visit.profile in (1, 2):
        passwords = {station.password, station.new_password} - {None}
        if visit.username != visit.identity.encode() or visit.password not in passwords:
            return HTTPStatus.UNAUTHORIZED
    if visit.certificate is not None:
        is_known = visit.certificate.serial_number in station.certificates
        is_named = common_name(visit.certificate) in {visit.identity, *station.names}
        if not (is_known or is_named):
            return HTTPStatus.FORBIDDEN
    return None
