"""Reservations in the database: which one a transaction, a status, an id means (CS-RES)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from csms.domain.model import IdTag
from csms.domain.reservations import CancellationStatus, Reservation, ReservationState, ReserveNow
from csms.domain.transactions import read_start
from csms.storage import id_tags, reservations, transactions
from csms.storage.store import Store

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
State = ReservationState


async def _hold(
    store: Store,
    reservation_id: int = 1,
    *,
    id_tag: str = "A",
    connector_id: int = 1,
    state: ReservationState = State.ACCEPTED,
    identity: str = "CP1",
) -> int:
    wish = ReserveNow(reservation_id, connector_id, id_tag, None, AT + HOUR)
    record_id = await store.write(
        partial(reservations.request, identity=identity, wish=wish, at=AT)
    )
    if state is not State.REQUESTED:
        await store.write(partial(reservations.settle, record_id=record_id, state=state, at=AT))
    return record_id


async def _start(store: Store, *, received_at: datetime = AT, **fields: Any) -> int:
    payload = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": AT.isoformat()}
    begun = read_start("CP1", payload | fields, received_at=received_at)
    started = await store.write(partial(transactions.start, begun=begun, allow_concurrent=True))
    return started.transaction_id


async def _states(store: Store, at: datetime = AT) -> dict[int, ReservationState]:
    page = await store.read(partial(reservations.page, at=at))
    return {one.record_id: one.state for one in page}


async def _get(store: Store, record_id: int, at: datetime = AT) -> Reservation:
    found = await store.read(partial(reservations.get_record, record_id=record_id, at=at))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "state",
    [
        State.REQUESTED,
        State.ACCEPTED,
        State.UNKNOWN,
        State.EXPIRED,
        State.CANCELLED,
        State.TERMINATED,
    ],
)
async def test_named_reservation_is_used_whatever_we_thought(
    store: Store, state: ReservationState
) -> None:
    """The charge point knows; a queued start may come late. Its tag is checked elsewhere."""
    record_id = await _hold(store, state=state)

    transaction_id = await _start(store, reservationId=1, idTag="OTHER")

    found = await _get(store, record_id)
    assert (found.state, found.transaction_id) == (State.IN_USE, transaction_id)


async def test_refused_reservation_is_not_used(store: Store) -> None:
    """The charge point never held it; the transaction keeps the number."""
    record_id = await _hold(store, state=State.REFUSED)

    await _start(store, reservationId=1)

    assert (await _get(store, record_id)).state is State.REFUSED


async def test_reservation_is_used_once(store: Store) -> None:
    """A second transaction with the number does not take it from the first."""
    record_id = await _hold(store)
    first = await _start(store, reservationId=1)

    await _start(store, reservationId=1, connectorId=2)

    assert (await _get(store, record_id)).transaction_id == first


async def test_repeated_start_uses_no_second_reservation(store: Store) -> None:
    """A retry is the same start (CS-START-05)."""
    await _hold(store, 1)
    await _start(store)
    second = await _hold(store, 2)

    await _start(store)

    assert (await _get(store, second)).state is State.ACCEPTED


async def test_foreign_and_unknown_numbers_use_nothing(store: Store) -> None:
    """Other charge points have their own numbers; an unknown one is no reason to refuse."""
    record_id = await _hold(store, 5, identity="CP2")

    assert await _start(store, reservationId=5) > 0
    assert (await _get(store, record_id)).state is State.ACCEPTED


async def test_refused_start_without_a_number_uses_nothing(store: Store) -> None:
    """An unknown tag charges nothing, so the reservation may go on."""
    record_id = await _hold(store)

    await _start(store)  # nobody issued A

    assert (await _get(store, record_id)).state is State.ACCEPTED


async def test_own_connector_comes_before_any(store: Store) -> None:
    """A tag may hold both; the start ends the one of its connector."""
    await store.write(partial(id_tags.put, tag=IdTag("A")))
    own = await _hold(store, 1, connector_id=1)
    any_ = await _hold(store, 2, connector_id=0)

    await _start(store)

    assert await _states(store) == {own: State.IN_USE, any_: State.ACCEPTED}


async def test_use_before_the_answer_was_processed_stays(store: Store) -> None:
    """The start may overtake the processing of the ReserveNow.conf."""
    record_id = await _hold(store, state=State.REQUESTED)
    await _start(store, reservationId=1)

    await store.write(
        partial(reservations.settle, record_id=record_id, state=State.ACCEPTED, at=AT)
    )

    assert (await _get(store, record_id)).state is State.IN_USE


async def test_open_replacement_goes_to_the_tag_that_starts(store: Store) -> None:
    """Of two that may hold, the one whose tag it is was held."""
    old = await _hold(store, 1, id_tag="A")
    new = await _hold(store, 1, id_tag="B", state=State.UNKNOWN)

    await _start(store, reservationId=1, idTag="a")

    assert await _states(store) == {old: State.IN_USE, new: State.UNKNOWN}


async def test_cancellation_of_what_is_over_changes_nothing(store: Store) -> None:
    """An id nobody holds any more, or never did."""
    record_id = await _hold(store, state=State.REFUSED)

    about = await store.write(
        partial(reservations.request_cancellation, identity="CP1", reservation_id=1, at=AT)
    )

    assert about is None
    assert (await _get(store, record_id)).cancellation is None


async def test_cancelled_while_it_ran_out_stays_expired(store: Store) -> None:
    """Expiry is by its date; a late Accepted does not rewrite it."""
    record_id = await _hold(store)
    await store.write(
        partial(reservations.request_cancellation, identity="CP1", reservation_id=1, at=AT)
    )
    await store.write(partial(reservations.expire, at=AT + HOUR))

    await store.write(
        partial(
            reservations.settle_cancellation,
            record_id=record_id,
            status=CancellationStatus.ACCEPTED,
            at=AT + HOUR,
        )
    )

    found = await _get(store, record_id, AT + HOUR)
    assert (found.state, found.changed_at) == (State.EXPIRED, AT + HOUR)


async def test_next_expiry_is_that_of_the_earliest_held(store: Store) -> None:
    """Of those whose answer is out the answer comes first."""
    await _hold(store, 1, state=State.REQUESTED)
    assert await store.read(reservations.next_expiry) is None
    await _hold(store, 2)

    assert await store.read(reservations.next_expiry) == AT + HOUR
    assert await store.write(partial(reservations.expire, at=AT + HOUR)) is None


async def test_lists_can_be_cut(store: Store) -> None:
    """By charge point, by whether they hold, and in pages."""
    first = await _hold(store, 1)
    second = await _hold(store, 2, state=State.REFUSED)
    other = await _hold(store, 3, identity="CP2")

    async def ids(**by: Any) -> list[int]:
        page = await store.read(partial(reservations.page, at=AT, **by))
        return [one.record_id for one in page]

    assert await ids() == [other, second, first]
    assert await ids(identity="CP1") == [second, first]
    assert await ids(is_active=True) == [other, first]
    assert await ids(is_active=False) == [second]
    assert await ids(before_id=second, limit=1) == [first]
