"""Like EVtivity CSMS: bearer tokens, stations that must be approved, commands that wait.

After each boot it sets what it wants to be set, and it allows so many messages a second.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import count
from typing import Any, Final

from cryptography import x509

from tests.miniatures import Frames, Incoming, Link
from tests.secure_miniature import SecureBend, Station
from tests.stand_ins.stand_in import Card, Done, StandIn, Told, Trouble, needed
from tests.stand_ins.web import Reply, Request

_NAMES: Final = (
    "CancelReservation ChangeAvailability ChangeConfiguration ClearCache ClearChargingProfile "
    "DataTransfer GetCompositeSchedule GetConfiguration GetDiagnostics GetLocalListVersion "
    "RemoteStartTransaction RemoteStopTransaction ReserveNow Reset SendLocalList "
    "SetChargingProfile TriggerMessage UnlockConnector UpdateFirmware "
    "CertificateSigned DeleteCertificate ExtendedTriggerMessage GetInstalledCertificateIds GetLog "
    "InstallCertificate SignedUpdateFirmware"
)
OPERATIONS: Final = frozenset(_NAMES.split())

EMAIL: Final = "operator@example.org"
PASSWORD: Final = "right password"

# Which keys the product sets is not known, only that there are five.
SETTINGS: Final = (
    ("HeartbeatInterval", "300"),
    ("ConnectionTimeOut", "120"),
    ("ClockAlignedDataInterval", "0"),
    ("WebSocketPingInterval", "30"),
    ("MinimumStatusDuration", "0"),
)


class Evtivity(StandIn):
    """The stand-in.

    Attributes:
        expires_at_command: the number of a command, from 0, at which all login tokens given so
            far are over; None for never.
        messages_per_second: of one station; what is beyond gets a CALLERROR.
        settings: keys and values that it sets after each boot, asked or not.
        logins: how often somebody logged in.
    """

    def __init__(
        self,
        *,
        email: str = EMAIL,
        password: str = PASSWORD,
        client_roots: Sequence[x509.Certificate] = (),
    ) -> None:
        super().__init__(bend=_Habits(self), client_roots=client_roots)
        self.expires_at_command: int | None = None
        self.messages_per_second = 50
        self.settings: tuple[tuple[str, str], ...] = SETTINGS
        self.logins = 0
        self.approved: set[str] = set()
        self._account = (email, password)
        self._tokens: set[str] = set()
        self._keys: set[str] = set()
        self._ids = count(1)
        self._station_of: dict[str, str] = {}  # by the id that the API gives it
        self._card_of: dict[str, str] = {}
        self._commands = count()
        self._queued: defaultdict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)

    async def handle(self, request: Request) -> Reply:
        """Answer a request of the API."""
        if request.parts[0] != "v1":
            return _error(404, "NOT_FOUND")
        path = request.parts[1:]
        if (request.method, path) == ("POST", ("auth", "login")):
            return self._login(request)
        command = path[:3] == ("ocpp", "commands", "v16") and len(path) == 4
        if command and next(self._commands) == self.expires_at_command:
            self._tokens.clear()
        if request.headers.get("authorization") not in {
            f"Bearer {token}" for token in self._tokens | self._keys
        }:
            return _error(401, "UNAUTHORIZED")
        if command and request.method == "POST":
            return await self._command(path[3], request.fields)
        match request.method, path:
            case "POST", ("api-keys",):
                needed(request.fields, "permissions")
                key = f"key-{needed(request.fields, 'name')}-{next(self._ids)}"
                self._keys.add(key)
                return Reply(201, {"id": next(self._ids), "rawToken": key})
            case "POST", ("stations",):
                return self._add_station(request)
            case "POST", ("stations", station, "approve"):
                if station not in self._station_of:
                    return _error(404, "STATION_NOT_FOUND")
                self.approved.add(self._station_of[station])
                return Reply(200, {"id": station, "onboardingStatus": "accepted"})
            case "POST", ("tokens",):
                return self._add_token(request)
            case "PATCH", ("tokens", token):
                return self._change_token(token, request)
        return _error(404, "NOT_FOUND")

    def _login(self, request: Request) -> Reply:
        if (request.fields.get("email"), request.fields.get("password")) != self._account:
            return _error(401, "INVALID_CREDENTIALS")
        self.logins += 1
        token = f"session-{next(self._ids)}"
        self._tokens.add(token)
        return Reply(200, {"token": token})

    def _add_station(self, request: Request) -> Reply:
        fields = request.fields
        identity = needed(fields, "stationId")
        if identity in self._station_of.values():
            return _error(409, "DUPLICATE_STATION")
        if needed(fields, "ocppProtocol") != "ocpp1.6":
            return _error(400, "VALIDATION_ERROR")
        profile, password = fields.get("securityProfile", 0), fields.get("password")
        if profile not in range(4) or (profile in (1, 2) and not password):
            return _error(400, "VALIDATION_ERROR")
        self.ocpp.stations[identity] = Station(
            profile=profile, password=password.encode() if password else None
        )
        self._station_of[number := f"sta_{next(self._ids)}"] = identity
        return Reply(201, {"id": number, "stationId": identity, "onboardingStatus": "pending"})

    def _add_token(self, request: Request) -> Reply:
        needed(request.fields, "tokenType")
        id_tag = needed(request.fields, "idToken")
        self.add_card(id_tag)
        self._card_of[number := f"dtk_{next(self._ids)}"] = id_tag
        return Reply(201, {"id": number, "idToken": id_tag, "isActive": True})

    def _change_token(self, number: str, request: Request) -> Reply:
        """Switch a card off or on; one that is off is Expired if its own name says so."""
        if number not in self._card_of:
            return _error(404, "TOKEN_NOT_FOUND")
        id_tag, is_active = self._card_of[number], needed(request.fields, "isActive")
        off = "Expired" if "EXPIRED" in id_tag.upper() else "Blocked"
        self.add_card(id_tag, Card("Accepted" if is_active else off))
        return Reply(200, {"id": number, "idToken": id_tag, "isActive": is_active})

    async def _command(self, action: str, fields: dict[str, Any]) -> Reply:
        if action not in OPERATIONS:
            return _error(404, "NOT_FOUND")
        identity = needed(fields, "stationId")
        if identity not in self._station_of.values():
            return _error(404, "STATION_NOT_FOUND")
        payload = {name: value for name, value in fields.items() if name != "stationId"}
        done = await self.order(identity, action, payload)
        if done.told is Told.OFFLINE and self.trouble is not Trouble.OFFLINE:
            self._queued[identity].append((action, payload))
        return _told(identity, action, done)

    async def after_boot(self, identity: str) -> None:
        """Set what is to be set, then send what was ordered while it was not there."""
        for key, value in self.settings:
            await self.send(identity, "ChangeConfiguration", {"key": key, "value": value})
        for action, payload in self._queued.pop(identity, ()):
            await self.send(identity, action, payload)


class _Habits(SecureBend):
    """What it does to every charge point."""

    def __init__(self, stand_in: Evtivity) -> None:
        self._stand_in = stand_in
        self._seen: defaultdict[str, deque[float]] = defaultdict(deque)

    async def answers(self, link: Link, call: Incoming, frame: str) -> Frames:
        if self._is_too_much(link.identity):
            return [json.dumps([4, call.message_id, "InternalError", "Rate limit exceeded", {}])]
        if link.identity in self._stand_in.approved:
            return [frame]
        if call.action == "BootNotification":
            boot = json.loads(frame)[2] | {"status": "Pending", "interval": 60}
            return [json.dumps([3, call.message_id, boot])]
        return [json.dumps([4, call.message_id, "SecurityError", "Not accepted yet", {}])]

    async def answered(self, link: Link, call: Incoming) -> None:
        if call.action == "BootNotification" and link.identity in self._stand_in.approved:
            self._stand_in.begin(self._stand_in.after_boot(link.identity))

    def _is_too_much(self, identity: str) -> bool:
        seen, now_s = self._seen[identity], time.monotonic()
        seen.append(now_s)
        while seen[0] <= now_s - 1:
            seen.popleft()
        return len(seen) > self._stand_in.messages_per_second


def _error(status: int, code: str) -> Reply:
    return Reply(status, {"error": code.replace("_", " ").capitalize(), "code": code})


def _told(identity: str, action: str, done: Done) -> Reply:
    about = {"stationId": identity, "action": action}
    match done.told:
        case Told.ANSWERED:
            return Reply(200, {"status": "accepted", **about, "response": done.payload})
        case Told.OFFLINE:
            return Reply(202, {"status": "queued", "code": "COMMAND_QUEUED", **about})
        case Told.TIMED_OUT:
            return Reply(504, {"status": "timeout", "code": "COMMAND_TIMEOUT", **about})
        case _:
            error = ": ".join(done.payload or ["InternalError"])
            return Reply(502, {"status": "error", "code": "COMMAND_ERROR", "error": error, **about})
