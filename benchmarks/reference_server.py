"""The Central System that the `ocpp` package documents: its ChargePoint class on `websockets`.

It answers everything a charging session needs and stores nothing. As in the package's example it
logs at INFO, which shows every frame; `--silent` leaves that out. Its port goes to standard output.
"""

import contextlib
import itertools
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import uvloop
import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import Action, AuthorizationStatus, RegistrationStatus
from websockets.asyncio.server import ServerConnection

ACCEPTED = IdTagInfo(status=AuthorizationStatus.accepted)

OCPP16 = websockets.Subprotocol("ocpp1.6")

transaction_ids = itertools.count(1)


class CentralSystem(ChargePoint):
    """Accepts whatever one charge point sends."""

    @on(Action.boot_notification)
    def on_boot_notification(self, **_: Any) -> call_result.BootNotification:
        """Accept the charge point."""
        return call_result.BootNotification(
            current_time=datetime.now(UTC).isoformat(),
            interval=300,
            status=RegistrationStatus.accepted,
        )

    @on(Action.heartbeat)
    def on_heartbeat(self) -> call_result.Heartbeat:
        """Tell the time."""
        return call_result.Heartbeat(current_time=datetime.now(UTC).isoformat())

    @on(Action.authorize)
    def on_authorize(self, **_: Any) -> call_result.Authorize:
        """Accept every id tag."""
        return call_result.Authorize(id_tag_info=ACCEPTED)

    @on(Action.status_notification)
    def on_status_notification(self, **_: Any) -> call_result.StatusNotification:
        """Take note of nothing."""
        return call_result.StatusNotification()

    @on(Action.start_transaction)
    def on_start_transaction(self, **_: Any) -> call_result.StartTransaction:
        """Give out the next transaction id."""
        return call_result.StartTransaction(
            transaction_id=next(transaction_ids), id_tag_info=ACCEPTED
        )

    @on(Action.meter_values)
    def on_meter_values(self, **_: Any) -> call_result.MeterValues:
        """Take note of nothing."""
        return call_result.MeterValues()

    @on(Action.stop_transaction)
    def on_stop_transaction(self, **_: Any) -> call_result.StopTransaction:
        """Accept the end of a transaction."""
        return call_result.StopTransaction(id_tag_info=ACCEPTED)


async def on_connect(connection: ServerConnection) -> None:
    """Serve one charge point until it goes."""
    assert connection.request is not None
    charge_point = CentralSystem(connection.request.path.rpartition("/")[2], connection)
    with contextlib.suppress(websockets.ConnectionClosed):
        await charge_point.start()


async def main() -> None:
    """Serve on a free port of the loopback interface until terminated."""
    async with websockets.serve(on_connect, "127.0.0.1", 0, subprotocols=[OCPP16]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR if "--silent" in sys.argv else logging.INFO)
    uvloop.run(main())
