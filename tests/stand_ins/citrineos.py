"""Like CitrineOS: a path for each module, "sent" at once, the answer to a callback URL.

Charge points and cards are in its database already; there is nothing to make them by.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import httpx
from cryptography import x509

from tests.stand_ins.stand_in import Done, StandIn, Told, Trouble
from tests.stand_ins.web import NO_TLS, Reply, Request

MODULES: Final = {
    "configuration": (
        "reset getConfiguration changeConfiguration changeAvailability triggerMessage "
        "updateFirmware dataTransfer"
    ),
    "evdriver": "remoteStartTransaction remoteStopTransaction unlockConnector clearCache",
    "reporting": "getDiagnostics",
    "smartcharging": "setChargingProfile clearChargingProfile getCompositeSchedule",
}
OPERATIONS: Final = frozenset(
    (module, action) for module, actions in MODULES.items() for action in actions.split()
)
TENANT: Final = "1"


class Citrineos(StandIn):
    """The stand-in; it needs no login.

    Attributes:
        foreign: JSON bodies that strangers post to the callback before each true answer, below
            addresses that nobody gave them.
        calls_twice: each answer is posted again.
        heard: the statuses that callbacks were answered with; 0 where nobody listened.
    """

    known_troubles = frozenset(
        {
            Trouble.OFFLINE,
            Trouble.REFUSED,
            Trouble.NO_FRAME,
            Trouble.ANSWER_LOST,
            Trouble.ANSWER_FALSE,
        }
    )

    def __init__(self, *, client_roots: Sequence[x509.Certificate] = ()) -> None:
        super().__init__(client_roots=client_roots)
        self.foreign: list[Any] = []
        self.calls_twice = False
        self.heard: list[int] = []

    async def handle(self, request: Request) -> Reply:
        """Answer a request of the API."""
        match request.method, request.parts:
            case "POST", ("ocpp", "1.6", module, action) if (module, action) in OPERATIONS:
                return await self._command(action, request)
        return Reply(404, {"message": f"Route {request.method}:/{'/'.join(request.parts)}"})

    async def _command(self, action: str, request: Request) -> Reply:
        identity, tenant = request.query.get("identifier"), request.query.get("tenantId")
        if not identity or tenant is None or not isinstance(request.body, dict):
            return Reply(400, {"message": "querystring must have what is required"})
        if tenant != TENANT or self.trouble is Trouble.OFFLINE or not self.is_online(identity):
            return _not_sent(f"No connection found for identifier: {tenant}:{identity}")
        if self.trouble is Trouble.REFUSED:
            return _not_sent("Failed sending")
        if self.trouble is not Trouble.NO_FRAME:
            action = action[0].upper() + action[1:]
            callback = request.query.get("callbackUrl", "")
            self.begin(self._send(identity, action, request.body, callback))
        return Reply(200, [{"success": True}])

    async def _send(
        self, identity: str, action: str, payload: dict[str, Any], callback: str
    ) -> None:
        done = await self.order(identity, action, payload)
        if not callback or done.told not in (Told.ANSWERED, Told.ERROR):
            return
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
            for body in self.foreign:
                await self._post(http, f"{callback}x", body)
                await self._post(http, callback.rpartition("/")[0], body)
            for _ in range(2 if self.calls_twice else 1):
                await self._post(http, callback, _told(done))

    async def _post(self, http: httpx.AsyncClient, url: str, body: Any) -> None:
        try:
            response = await http.post(
                url, content=json.dumps(body), headers={"Content-Type": "application/json"}
            )
        except httpx.HTTPError:
            self.heard.append(0)  # nobody listens: that is nobody's business here
        else:
            self.heard.append(response.status_code)


def _not_sent(why: str) -> Reply:
    return Reply(200, [{"success": False, "payload": why}])


def _told(done: Done) -> Any:
    """Return what a callback gets: the answer as it came, or what it makes of a CALLERROR."""
    if done.told is Told.ANSWERED:
        return done.payload
    code, description = done.payload
    return {"name": "OcppError", "_errorCode": code, "_errorDetails": {}, "message": description}
