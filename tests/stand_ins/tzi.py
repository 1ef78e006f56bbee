"""The trigger convention of the tzi-OCTT suite: an address for each charge point and action.

The convention says nothing of answers and errors; this one tells them by HTTP status.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509

from tests.stand_ins.evtivity import OPERATIONS
from tests.stand_ins.stand_in import Card, StandIn, Told, needed
from tests.stand_ins.web import Reply, Request

# DataTransfer is the one action that the convention does not name.
ACTIONS: Final = {
    "".join(f"-{one.lower()}" if one.isupper() else one for one in name).lstrip("-"): name
    for name in OPERATIONS - {"DataTransfer"}
}
_STATUS: Final = {
    Told.OFFLINE: 404,
    Told.TIMED_OUT: 504,
    Told.ERROR: 502,
    Told.REFUSED: 500,
}


class Tzi(StandIn):
    """The stand-in; charge points and valid cards are there already."""

    def __init__(self, *, client_roots: Sequence[x509.Certificate] = ()) -> None:
        super().__init__(client_roots=client_roots)

    async def handle(self, request: Request) -> Reply:
        """Answer a request of the API."""
        fields = request.fields
        match request.method, request.parts:
            case "POST", ("api", "octt", "set-basic-auth-password"):
                identity, password = needed(fields, "station_id"), needed(fields, "password")
                self.add_station(identity, profile=1, password=password.encode())
                return Reply(200, {"success": True})
            case "POST", ("api", "octt", "create-token"):
                status = fields.get("status", "Accepted")
                if status not in ("Accepted", "Expired", "Blocked"):
                    return Reply(400, {"error": f"status {status}"})
                self.add_card(needed(fields, "token_id"), Card(status))
                return Reply(200, {"success": True})
            case "POST", ("api", "octt", "1.6", identity, action) if action in ACTIONS:
                done = await self.order(identity, ACTIONS[action], fields)
                if done.told is Told.ANSWERED:
                    return Reply(200, done.payload)
                return Reply(_STATUS[done.told], {"error": done.told.value})
        return Reply(404, {"error": "no such trigger"})
