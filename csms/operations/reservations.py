"""Reservations: asked for, cancelled, expired (CS-RES).

Every ReserveNow and CancelReservation is followed here, whoever sent it. Expiry needs no polling:
one timer waits for the next. What holds is decided by times anyway, so a late timer tells no lie.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from csms.domain.reservations import (
    CancellationStatus,
    Reservation,
    ReservationState,
    read_reserve_now,
)
from csms.domain.times import format_time
from csms.ocppj import command_rules
from csms.ocppj.outcomes import Answered, CommandOutcome, Refused
from csms.operations.commanding import Commanding, Order, Send
from csms.operations.locks import Locks
from csms.operations.recording import send_recorded
from csms.storage import reservations
from csms.storage.errors import StorageError
from csms.storage.store import Store

REFUSALS: Final = frozenset({"Faulted", "Occupied", "Rejected", "Unavailable"})  # §7.40
LONGEST_WAIT: Final = timedelta(hours=1)  # clocks are set, machines sleep
RETRY: Final = timedelta(seconds=5)  # after the database could not be written

_logger: Final = logging.getLogger(__name__)


class ReservationExpiry:
    """One timer for the reservation that expires next."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._next_at: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    async def start(self) -> None:
        """Write down what expired meanwhile and wait for the next.

        Raises:
            StorageError: the database cannot be used.
        """
        self.expect(await self._store.write(partial(reservations.expire, at=self._now())))

    def expect(self, expires_at: datetime | None) -> None:
        """Take an expiry into account that may be the next."""
        if expires_at is None or (self._next_at is not None and self._next_at <= expires_at):
            return
        self._next_at = expires_at
        self._arm(expires_at - self._now())

    async def close(self) -> None:
        """Wait for nothing any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _arm(self, wait: timedelta) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._is_closed:
            delay_s = max(0.001, min(wait, LONGEST_WAIT).total_seconds())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._next_at = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._expire())
        else:  # the database is slow
            self.expect(self._now() + RETRY)

    async def _expire(self) -> None:
        try:
            next_at = await self._store.write(partial(reservations.expire, at=self._now()))
        except StorageError as error:
            _logger.error("expired reservations were not written down: %s", error)
            next_at = self._now() + RETRY
        self.expect(next_at)


class ReserveNowEffect:
    """What a ReserveNow makes true of a reservation."""

    def __init__(
        self,
        store: Store,
        locks: Locks,
        expiry: ReservationExpiry,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._locks = locks
        self._expiry = expiry
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Write the reservation down, send the order, settle it."""
        if command_rules.problems(order.action, order.payload):
            return await send()  # which refuses it
        wish = read_reserve_now(order.payload)
        async with self._locks.of(order.identity):
            record_id = await self._store.write(
                partial(reservations.request, identity=order.identity, wish=wish, at=self._now())
            )
            order.on_recorded(record_id)

            async def withdraw() -> None:
                await self._store.write(partial(reservations.withdraw, record_id=record_id))

            async def settle(outcome: CommandOutcome | None) -> None:
                state, refusal = _end_of_reserve_now(outcome)
                await self._store.write(
                    partial(
                        reservations.settle,
                        record_id=record_id,
                        state=state,
                        refusal=refusal,
                        at=self._now(),
                    )
                )
                if state is not ReservationState.REFUSED:
                    self._expiry.expect(wish.expires_at)

            return await send_recorded(send, withdraw=withdraw, settle=settle)


class CancelReservationEffect:
    """What a CancelReservation makes true of a reservation; only Accepted changes it."""

    def __init__(self, store: Store, locks: Locks, now: Callable[[], datetime]) -> None:
        self._store = store
        self._locks = locks
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Write the wish down, send the order, settle it."""
        if command_rules.problems(order.action, order.payload):
            return await send()  # which refuses it
        async with self._locks.of(order.identity):
            record_id = await self._store.write(
                partial(
                    reservations.request_cancellation,
                    identity=order.identity,
                    reservation_id=order.payload["reservationId"],
                    at=self._now(),
                )
            )
            if record_id is None:
                return await send()
            known_id = record_id

            async def settle(outcome: CommandOutcome | None) -> None:
                await self._settle(known_id, _end_of_cancellation(outcome))

            return await send_recorded(
                send, withdraw=lambda: self._settle(known_id, None), settle=settle
            )

    async def _settle(self, record_id: int, status: CancellationStatus | None) -> None:
        await self._store.write(
            partial(
                reservations.settle_cancellation,
                record_id=record_id,
                status=status,
                at=self._now(),
            )
        )


def _end_of_reserve_now(outcome: CommandOutcome | None) -> tuple[ReservationState, str | None]:
    match outcome:
        case Answered({"status": "Accepted"}):
            return ReservationState.ACCEPTED, None
        case Answered({"status": str(status)}) if status in REFUSALS:
            return ReservationState.REFUSED, status
        case Refused(code):
            return ReservationState.REFUSED, code
    return ReservationState.UNKNOWN, None


def _end_of_cancellation(outcome: CommandOutcome | None) -> CancellationStatus:
    match outcome:
        case Answered({"status": "Accepted"}):
            return CancellationStatus.ACCEPTED
        case Answered({"status": "Rejected"}):
            return CancellationStatus.REJECTED
        case Refused():
            return CancellationStatus.REFUSED
    return CancellationStatus.UNKNOWN


class Reservations:
    """Asks charge points for reservations."""

    def __init__(self, store: Store, commanding: Commanding, now: Callable[[], datetime]) -> None:
        self._store = store
        self._commanding = commanding
        self._now = now
        self._numbering = asyncio.Lock()
        self._given: set[int] = set()  # numbers on their way into the database

    async def reserve(
        self,
        identity: str,
        *,
        connector_id: int,
        id_tag: str,
        parent_id_tag: str | None,
        expires_at: datetime,
        reservation_id: int | None = None,
    ) -> tuple[CommandOutcome, Reservation | None]:
        """Ask a charge point for a reservation; its id is free unless one is given.

        Returns:
            How that ended, and the reservation as it stands now; none where nothing was sent.

        Raises:
            InvalidCommand: it must not be sent; nothing was.
        """
        if reservation_id is None:
            async with self._numbering:
                besides = frozenset(self._given)
                number = await self._store.read(partial(reservations.free_id, besides=besides))
                self._given.add(number)
            try:
                return await self._reserve(
                    identity, number, connector_id, id_tag, parent_id_tag, expires_at
                )
            finally:
                self._given.discard(number)
        return await self._reserve(
            identity, reservation_id, connector_id, id_tag, parent_id_tag, expires_at
        )

    async def _reserve(
        self,
        identity: str,
        reservation_id: int,
        connector_id: int,
        id_tag: str,
        parent_id_tag: str | None,
        expires_at: datetime,
    ) -> tuple[CommandOutcome, Reservation | None]:
        payload: dict[str, Any] = {
            "connectorId": connector_id,
            "expiryDate": format_time(expires_at),
            "idTag": id_tag,
            "reservationId": reservation_id,
        }
        if parent_id_tag is not None:
            payload["parentIdTag"] = parent_id_tag
        recorded: list[int] = []
        outcome = await self._commanding.send(
            identity, "ReserveNow", payload, on_recorded=recorded.append
        )
        if not recorded:
            return outcome, None
        found = await self._store.read(
            partial(reservations.get_record, record_id=recorded[0], at=self._now())
        )
        return outcome, found
