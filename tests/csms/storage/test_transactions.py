"""Transactions in the database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete

from csms.domain.model import AuthorizationStatus, IdTag, IdTagInfo, Transaction
from csms.domain.transactions import Flag, read_start, read_stop
from csms.storage import id_tags, tables, transactions
from csms.storage.store import Store
from csms.storage.transactions import Started, StopOutcome, Stopped

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

START = {"connectorId": 1, "idTag": "Tag", "meterStart": 100, "timestamp": "2026-01-31T10:00:00Z"}
STOP = {"meterStop": 900, "timestamp": "2026-01-31T10:30:00Z"}

Status = AuthorizationStatus


async def issue(store: Store, *tags: IdTag) -> None:
    """Make tags known."""
    for tag in tags:
        await store.write(partial(id_tags.put, tag=tag))


async def start(
    store: Store,
    identity: str = "CP1",
    *,
    at: datetime = NOW,
    allow_concurrent: bool = True,
    **fields: Any,
) -> Started:
    """Record an ordinary start with some fields changed."""
    begun = read_start(identity, START | fields, received_at=at, quirks=())
    return await store.write(
        partial(transactions.start, begun=begun, allow_concurrent=allow_concurrent)
    )


async def stop(store: Store, transaction_id: int, identity: str = "CP1", **fields: Any) -> Stopped:
    """Record an ordinary stop with some fields changed."""
    payload = STOP | {"transactionId": transaction_id} | fields
    ended = read_stop(identity, payload, received_at=NOW)
    return await store.write(partial(transactions.stop, ended=ended))


async def get(store: Store, transaction_id: int) -> Transaction:
    """Return a transaction that must be there."""
    found = await store.read(partial(transactions.get, transaction_id=transaction_id))
    assert found is not None
    return found


async def test_whole_session_is_kept(store: Store) -> None:
    """From start to stop, with both sides' times."""
    await issue(store, IdTag("TAG", parent_id_tag="P"))

    started = await start(store, reservationId=5)
    readings = [{"timestamp": "x", "sampledValue": [{"value": "1"}]}]
    stopped = await stop(
        store, started.transaction_id, idTag="tag", reason="Remote", transactionData=readings
    )

    assert stopped == Stopped(StopOutcome.CLOSED, IdTagInfo(Status.ACCEPTED, None, "P"))
    assert await get(store, started.transaction_id) == Transaction(
        transaction_id=started.transaction_id,
        identity="CP1",
        connector_id=1,
        id_tag="Tag",
        authorization=IdTagInfo(Status.ACCEPTED, None, "P"),
        meter_start_wh=100,
        started_at=NOW - timedelta(hours=2),
        start_received_at=NOW,
        reservation_id=5,
        meter_stop_wh=900,
        stopped_at=NOW - timedelta(hours=1, minutes=30),
        stop_received_at=NOW,
        stop_reason="Remote",
        stop_id_tag="tag",
        transaction_data=readings,
        flags=(),
    )


async def test_refused_start_gets_a_real_id_too(store: Store) -> None:
    """The charge point may carry on and stop with that id (CS-START-01)."""
    started = await start(store, idTag="unknown")

    assert started.id_tag_info == IdTagInfo(Status.INVALID)
    assert started.transaction_id > 0
    stopped = await stop(store, started.transaction_id, reason="DeAuthorized")
    assert stopped == Stopped(StopOutcome.CLOSED, None)


async def test_repeated_start_is_answered_alike_with_one_row(store: Store) -> None:
    """Same content, same id, same answer, whatever the tag's case (CS-START-05)."""
    await issue(store, IdTag("Tag", parent_id_tag="P"))
    first = await start(store)
    await issue(store, IdTag("Tag", Status.BLOCKED))

    again = await start(store, idTag="TAG", allow_concurrent=False)

    assert (again.transaction_id, again.id_tag_info) == (first.transaction_id, first.id_tag_info)
    assert (first.is_repeated, again.is_repeated) == (False, True)
    assert len(await store.read(transactions.page)) == 1


async def test_start_sent_twice_at_once_makes_one_transaction(store: Store) -> None:
    """Two sockets of one station may deliver the same start at the same moment."""
    answers = await asyncio.gather(*(start(store) for _ in range(20)))

    assert {answer.transaction_id for answer in answers} == {answers[0].transaction_id}
    assert sum(not answer.is_repeated for answer in answers) == 1
    assert len(await store.read(transactions.page)) == 1


async def test_repeated_start_is_never_accepted_with_a_past_date(store: Store) -> None:
    """The stored answer ages (CS-AUTH-05)."""
    await issue(store, IdTag("Tag", expires_at=NOW + timedelta(hours=1)))
    first = await start(store)

    again = await start(store, at=NOW + timedelta(hours=2))

    assert first.id_tag_info.status is Status.ACCEPTED
    assert again.id_tag_info.status is Status.EXPIRED
    assert again.transaction_id == first.transaction_id


async def test_start_that_comes_again_after_the_stop_is_the_same(store: Store) -> None:
    """A queue delivered twice after a power cut doubles nothing, and is flagged."""
    first = await start(store)
    await stop(store, first.transaction_id)

    again = await start(store)
    stopped = await stop(store, again.transaction_id)

    assert again.transaction_id == first.transaction_id
    assert stopped.outcome is StopOutcome.REPEATED
    assert (await get(store, first.transaction_id)).flags == (Flag.STARTED_AGAIN,)
    assert await store.read(transactions.orphans) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"connectorId": 2},
        {"idTag": "Other"},
        {"meterStart": 101},
        {"timestamp": "2026-01-31T10:00:01Z"},
        {"reservationId": 1},
    ],
)
async def test_other_content_is_another_transaction(store: Store, fields: dict[str, Any]) -> None:
    """Every part of the content counts."""
    first = await start(store)

    assert (await start(store, **fields)).transaction_id != first.transaction_id


async def test_ids_are_never_given_twice(store: Store) -> None:
    """Not even after deletion (CS-START-04)."""
    first = await start(store)
    await store.write(lambda connection: connection.execute(delete(tables.transactions)).close())

    second = await start(store)

    assert second.transaction_id > first.transaction_id > 0


# --- ConcurrentTx -----------------------------------------------------------------------------


async def test_tag_in_use_elsewhere_is_concurrent(store: Store) -> None:
    """Another station, another connector: both count, where multiples are forbidden."""
    await issue(store, IdTag("Tag"))
    await start(store)

    elsewhere = await start(store, "CP2", idTag="TAG", allow_concurrent=False)
    beside = await start(store, connectorId=2, allow_concurrent=False)
    allowed = await start(store, connectorId=3, allow_concurrent=True)

    assert elsewhere.id_tag_info.status is Status.CONCURRENT_TX
    assert beside.id_tag_info.status is Status.CONCURRENT_TX
    assert allowed.id_tag_info.status is Status.ACCEPTED


async def test_open_transaction_on_the_same_connector_is_no_concurrent_use(store: Store) -> None:
    """Its stop is only late; a connector carries one session at a time (CS-START-10)."""
    await issue(store, IdTag("Tag"))
    await start(store)

    again = await start(store, timestamp="2026-01-31T11:00:00Z", allow_concurrent=False)

    assert again.id_tag_info.status is Status.ACCEPTED
    assert (await get(store, again.transaction_id)).flags == (Flag.CONNECTOR_BUSY,)


async def test_ended_and_refused_transactions_are_no_concurrent_use(store: Store) -> None:
    """Only a session that runs with the tag's blessing counts."""
    refused = await start(store, connectorId=2)
    await issue(store, IdTag("Tag"))
    ended = await start(store, connectorId=3)
    await stop(store, ended.transaction_id)

    started = await start(store, allow_concurrent=False)

    assert refused.id_tag_info.status is Status.INVALID
    assert started.id_tag_info.status is Status.ACCEPTED


# --- stops ------------------------------------------------------------------------------------


@pytest.mark.parametrize("claimed", [-1, 0, 4711, 2**31, 2**63 - 1, 10**25])
async def test_stop_of_an_unknown_transaction_is_kept_apart(store: Store, claimed: int) -> None:
    """Answered like any other, closing nothing (CS-STOP-02)."""
    await issue(store, IdTag("Tag"))
    running = await start(store)

    stopped = await stop(store, claimed, idTag="Tag")

    assert stopped == Stopped(StopOutcome.ORPHANED, IdTagInfo(Status.ACCEPTED))
    assert (await get(store, running.transaction_id)).stopped_at is None
    [orphan] = await store.read(transactions.orphans)
    assert (orphan.claimed_transaction_id, orphan.cause) == (str(claimed), "unknown")
    assert orphan.payload == STOP | {"transactionId": claimed, "idTag": "Tag"}


async def test_stop_of_a_foreign_transaction_closes_nothing(store: Store) -> None:
    """A transaction belongs to the station that started it (CS-STOP-09)."""
    running = await start(store)

    stopped = await stop(store, running.transaction_id, "CP2")

    assert stopped.outcome is StopOutcome.ORPHANED
    assert (await get(store, running.transaction_id)).stopped_at is None
    [orphan] = await store.read(partial(transactions.orphans, identity="CP2"))
    assert orphan.cause == "foreign"


async def test_repeated_stop_changes_nothing(store: Store) -> None:
    """The first record stays (CS-STOP-06)."""
    started = await start(store)
    await stop(store, started.transaction_id)
    first = await get(store, started.transaction_id)

    again = await stop(store, started.transaction_id)

    assert again.outcome is StopOutcome.REPEATED
    assert await get(store, started.transaction_id) == first
    assert await store.read(transactions.orphans) == []


async def test_second_stop_with_other_content_is_kept_apart(store: Store) -> None:
    """Nothing reported is lost, and the first record stays (CS-STOP-06)."""
    started = await start(store)
    await stop(store, started.transaction_id)

    other = await stop(store, started.transaction_id, meterStop=950)
    again = await stop(store, started.transaction_id, meterStop=950)

    assert (other.outcome, again.outcome) == (StopOutcome.ORPHANED, StopOutcome.REPEATED)
    assert (await get(store, started.transaction_id)).meter_stop_wh == 900
    [orphan] = await store.read(transactions.orphans)
    assert (orphan.cause, orphan.payload["meterStop"]) == ("already_stopped", 950)


async def test_stop_says_what_authorize_would_say_now(store: Store) -> None:
    """Not what the start was answered, and never ConcurrentTx (CS-STOP-04, CS-AUTH-03)."""
    await issue(store, IdTag("Tag"))
    started = await start(store)
    await start(store, "CP2")
    await issue(store, IdTag("Tag", Status.BLOCKED))

    stopped = await stop(store, started.transaction_id, idTag="Tag")

    assert stopped.id_tag_info == IdTagInfo(Status.BLOCKED)


async def test_group_member_stops_without_a_flag_and_a_stranger_with_one(store: Store) -> None:
    """Both close (CS-STOP-07)."""
    await issue(store, IdTag("Tag", parent_id_tag="P"), IdTag("Mate", parent_id_tag="p"))
    one, other = await start(store), await start(store, connectorId=2)

    await stop(store, one.transaction_id, idTag="mate")
    await stop(store, other.transaction_id, idTag="Stranger")

    assert (await get(store, one.transaction_id)).flags == ()
    closed = await get(store, other.transaction_id)
    assert (closed.stop_id_tag, closed.flags) == ("Stranger", (Flag.OTHER_TAG,))


async def test_missing_energy_between_sessions_is_flagged(store: Store) -> None:
    """A start above the stop before it tells of a gap (CS-START-11)."""
    first = await start(store)
    await stop(store, first.transaction_id)

    second = await start(store, meterStart=1000, timestamp="2026-01-31T11:00:00Z")
    elsewhere = await start(store, meterStart=1000, connectorId=2)

    assert (await get(store, second.transaction_id)).flags == (Flag.METER_GAP,)
    assert (await get(store, elsewhere.transaction_id)).flags == ()


async def test_numbers_no_column_holds_are_survived(store: Store) -> None:
    """Huge numbers are flagged, and the payload keeps them."""
    started = await start(store, connectorId=10**20, meterStart=10**20, reservationId=10**20)

    kept = await get(store, started.transaction_id)
    assert (kept.connector_id, kept.meter_start_wh, kept.reservation_id) == (None, None, None)
    assert kept.flags == (Flag.CONNECTOR_UNUSABLE, Flag.METER_UNUSABLE)


# --- pages ------------------------------------------------------------------------------------


async def test_pages_are_filtered_and_newest_first(store: Store) -> None:
    """Every filter narrows, the cursor is the last id."""
    one = (await start(store)).transaction_id
    two = (await start(store, "CP2", connectorId=2, idTag="Other")).transaction_id
    three = (await start(store, timestamp="2026-01-31T11:00:00Z")).transaction_id
    await stop(store, one)

    async def ids(**wanted: Any) -> list[int]:
        found = await store.read(partial(transactions.page, **wanted))
        return [transaction.transaction_id for transaction in found]

    at_11 = datetime(2026, 1, 31, 11, tzinfo=UTC)
    assert await ids() == [three, two, one]
    assert await ids(limit=2) == [three, two]
    assert await ids(before_id=two) == [one]
    assert await ids(identity="CP1") == [three, one]
    assert await ids(connector_id=2) == [two]
    assert await ids(id_tag="TAG") == [three, one]
    assert await ids(is_running=True) == [three, two]
    assert await ids(is_running=False) == [one]
    assert await ids(since=at_11) == [three]
    assert await ids(until=at_11) == [two, one]
