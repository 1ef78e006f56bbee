"""Reservations: what answers, kills and the clock make of them (CS-RES)."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from csms.domain.reservations import Reservation, ReservationState, ReserveNow
from csms.domain.times import format_time
from csms.ocppj.commands import InvalidCommand
from csms.ocppj.outcomes import (
    Answered,
    CommandOutcome,
    Disconnected,
    Malformed,
    Offline,
    Refused,
    TimedOut,
)
from csms.operations.locks import Locks
from csms.operations.reservations import (
    CancelReservationEffect,
    ReservationExpiry,
    Reservations,
    ReserveNowEffect,
)
from csms.storage import reservations
from csms.storage.store import Store
from tests.csms.operations.rig import ACCEPTED, AT, Clock, Rig

HOUR = timedelta(hours=1)
REJECTED = Answered({"status": "Rejected"})
State = ReservationState


@pytest.fixture
def desk(rig: Rig) -> Reservations:
    """Reservations over the rig, whose clock stands."""
    locks = Locks()
    expiry = ReservationExpiry(rig.store, rig.now)
    rig.effects["ReserveNow"] = ReserveNowEffect(rig.store, locks, expiry, rig.now)
    rig.effects["CancelReservation"] = CancelReservationEffect(rig.store, locks, rig.now)
    return Reservations(rig.store, rig.commanding, rig.now)


def _wish(reservation_id: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "reservationId": reservation_id,
        "connectorId": 1,
        "idTag": "A",
        "expiryDate": format_time(AT + HOUR),
    } | fields


async def _get(rig: Rig, reservation_id: int = 1) -> Reservation | None:
    return await rig.store.read(
        partial(reservations.get, identity="CP1", reservation_id=reservation_id, at=rig.now())
    )


async def _state(rig: Rig, reservation_id: int = 1) -> ReservationState | None:
    found = await _get(rig, reservation_id)
    return None if found is None else found.state


@pytest.mark.parametrize(
    ("outcome", "state", "refusal"),
    [
        (ACCEPTED, State.ACCEPTED, None),
        (Answered({"status": "Occupied"}), State.REFUSED, "Occupied"),
        (Refused("NotSupported", "", {}), State.REFUSED, "NotSupported"),
        (Answered({"status": "Perhaps"}), State.UNKNOWN, None),
        (Answered({"status": ["Accepted"]}), State.UNKNOWN, None),
        (Answered({}), State.UNKNOWN, None),
        (Malformed("?"), State.UNKNOWN, None),
        (TimedOut(30.0), State.UNKNOWN, None),
        (Disconnected(), State.UNKNOWN, None),
    ],
)
async def test_answer_decides(
    rig: Rig,
    desk: Reservations,
    outcome: CommandOutcome,
    state: ReservationState,
    refusal: str | None,
) -> None:
    """Only a clear word makes it accepted or refused."""
    rig.wire.outcomes = [outcome]

    assert await rig.send("ReserveNow", _wish()) == outcome

    found = await _get(rig)
    assert found is not None
    assert (found.state, found.refusal) == (state, refusal)


async def test_nothing_sent_is_nothing_kept(rig: Rig, desk: Reservations) -> None:
    """Offline or forbidden: there is no reservation."""
    rig.wire.outcomes = [Offline()]

    await rig.send("ReserveNow", _wish(1))
    with pytest.raises(InvalidCommand):
        await rig.send("ReserveNow", _wish(2, idTag="x" * 21))

    assert [await _state(rig, number) for number in (1, 2)] == [None, None]


async def test_cancelled_caller_leaves_it_unknown(rig: Rig, desk: Reservations) -> None:
    """The CSMS ends while the command is under way."""
    rig.wire.outcomes = [asyncio.CancelledError()]

    with pytest.raises(asyncio.CancelledError):
        await rig.send("ReserveNow", _wish())

    assert await _state(rig) is State.UNKNOWN


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (ACCEPTED, State.CANCELLED),
        (REJECTED, State.ACCEPTED),
        (Refused("InternalError", "", {}), State.ACCEPTED),
        (Offline(), State.ACCEPTED),
        (Answered({"status": "Perhaps"}), State.UNKNOWN),
        (TimedOut(30.0), State.UNKNOWN),
        (Disconnected(), State.UNKNOWN),
    ],
)
async def test_only_an_accepted_cancellation_ends_it(
    rig: Rig, desk: Reservations, outcome: CommandOutcome, state: ReservationState
) -> None:
    """A refusal leaves it as it was, a lost answer unknown."""
    await rig.send("ReserveNow", _wish())
    rig.wire.outcomes = [outcome]

    await rig.send("CancelReservation", {"reservationId": 1})

    assert await _state(rig) is state


async def test_refusal_after_a_lost_cancellation_settles_it(rig: Rig, desk: Reservations) -> None:
    """The last word counts."""
    await rig.send("ReserveNow", _wish())
    rig.wire.outcomes = [TimedOut(1.0), REJECTED]

    for _ in range(2):
        await rig.send("CancelReservation", {"reservationId": 1})

    assert await _state(rig) is State.ACCEPTED


async def test_kill_at_any_point_of_a_reservation(rig: Rig, desk: Reservations) -> None:
    """Nothing, unknown, accepted; unknown, cancelled: never something false."""
    seen: list[ReservationState | None] = []

    async def look() -> None:
        found = await rig.after_kill(
            partial(reservations.get, identity="CP1", reservation_id=1, at=rig.now())
        )
        seen.append(None if found is None else found.state)

    await look()
    rig.wire.meanwhile = look
    await rig.send("ReserveNow", _wish())
    await look()
    await rig.send("CancelReservation", {"reservationId": 1})
    await look()

    assert seen == [None, State.UNKNOWN, State.ACCEPTED, State.UNKNOWN, State.CANCELLED]


async def test_kill_during_a_replacement_makes_the_old_one_unknown(
    rig: Rig, desk: Reservations
) -> None:
    """Either of the two holds; nobody knows which."""
    await rig.send("ReserveNow", _wish(1))

    def states(connection: Any) -> list[ReservationState]:
        return [one.state for one in reservations.page(connection, at=rig.now())]

    seen: list[list[ReservationState]] = []

    async def look() -> None:
        seen.append(await rig.after_kill(states))

    rig.wire.meanwhile = look
    await rig.send("ReserveNow", _wish(1, connectorId=2))
    await look()

    assert seen == [[State.UNKNOWN, State.UNKNOWN], [State.ACCEPTED, State.REPLACED]]


async def test_expiry_is_by_the_clock_whatever_was_written(rig: Rig, desk: Reservations) -> None:
    """Right after a restart, with no timer yet: times are compared."""
    await rig.send("ReserveNow", _wish())

    rig.now.move(HOUR - timedelta(milliseconds=1))
    before = await _state(rig)
    rig.now.move(timedelta(milliseconds=1))

    assert before is State.ACCEPTED
    assert await _state(rig) is State.EXPIRED
    active = await rig.store.read(partial(reservations.page, at=rig.now(), is_active=True))
    assert active == []


async def test_ids_are_free_even_when_the_last_was_given(rig: Rig, desk: Reservations) -> None:
    """Somebody chose the largest number there is; ours stay within 32 bit and apart."""
    await rig.send("ReserveNow", _wish(2**31 - 1))
    await rig.send("ReserveNow", _wish(3))

    wishes = {"connector_id": 1, "id_tag": "A", "parent_id_tag": None, "expires_at": AT + HOUR}
    made = await asyncio.gather(*(desk.reserve("CP1", **wishes) for _ in range(3)))  # type: ignore[arg-type]

    ids = [one.reservation_id for _, one in made if one is not None]
    assert len(set(ids)) == 3
    assert set(ids).isdisjoint({3, 2**31 - 1})
    assert all(0 < one < 2**31 for one in ids)


async def _accepted(store: Store, reservation_id: int, expires_at: datetime, at: datetime) -> None:
    def write(connection: Any) -> None:
        wish = ReserveNow(reservation_id, 1, "A", None, expires_at)
        record_id = reservations.request(connection, "CP1", wish=wish, at=at)
        reservations.settle(connection, record_id, state=State.ACCEPTED, at=at)

    await store.write(write)


class _Watched(ReservationExpiry):
    """A timer that tells when it rang and wrote."""

    def __init__(self, store: Store, now: Clock) -> None:
        super().__init__(store, now)
        self.rang = asyncio.Queue[datetime | None]()

    async def _expire(self) -> None:
        await super()._expire()
        self.rang.put_nowait(self._next_at)


async def _stored(store: Store) -> list[str]:
    def read(connection: Any) -> list[str]:
        rows = connection.exec_driver_sql("SELECT state FROM reservations ORDER BY id")
        return [row[0] for row in rows]

    return await store.read(read)


async def test_one_timer_expires_one_after_the_other(rig: Rig) -> None:
    """It rings when the next is due, writes that down and waits for the one after."""
    for number, wait in enumerate((2 * HOUR, timedelta(milliseconds=20), HOUR)):
        await _accepted(rig.store, number, AT + wait, AT)
    timer = _Watched(rig.store, rig.now)

    await timer.start()
    rig.now.move(timedelta(milliseconds=20))
    async with asyncio.timeout(5):
        assert await timer.rang.get() == AT + HOUR
    await timer.close()

    assert await _stored(rig.store) == ["Accepted", "Expired", "Accepted"]


async def test_start_writes_down_what_expired_meanwhile(rig: Rig) -> None:
    """What ran out while the CSMS was down is over at once."""
    await _accepted(rig.store, 1, AT + HOUR, AT)
    rig.now.move(2 * HOUR)
    timer = ReservationExpiry(rig.store, rig.now)

    await timer.start()
    await timer.close()

    assert await _stored(rig.store) == ["Expired"]


async def test_earlier_expiry_is_not_missed(rig: Rig) -> None:
    """The timer of a later one is set back for a reservation that ends before."""
    timer = _Watched(rig.store, rig.now)
    await timer.start()
    timer.expect(AT + HOUR)
    await _accepted(rig.store, 1, AT + timedelta(milliseconds=20), AT)

    timer.expect(AT + timedelta(milliseconds=20))
    rig.now.move(timedelta(seconds=1))

    async with asyncio.timeout(5):
        await timer.rang.get()
    await timer.close()
    assert await _stored(rig.store) == ["Expired"]


async def test_timer_that_rings_early_waits_again(rig: Rig) -> None:
    """Clocks are set back; nothing expires before its time."""
    await _accepted(rig.store, 1, AT + timedelta(milliseconds=10), AT)
    timer = _Watched(rig.store, rig.now)
    await timer.start()

    async with asyncio.timeout(5):
        assert await timer.rang.get() == AT + timedelta(milliseconds=10)
    assert await _stored(rig.store) == ["Accepted"]
    rig.now.move(HOUR)
    async with asyncio.timeout(5):
        while await timer.rang.get() is not None:
            pass
    await timer.close()

    assert await _stored(rig.store) == ["Expired"]
