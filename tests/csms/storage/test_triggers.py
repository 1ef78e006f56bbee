"""Triggers and what followed, in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from csms.domain.triggers import FollowingMessage, TriggerStatus
from csms.storage import triggers
from csms.storage.store import Store

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


async def _request(store: Store, identity: str = "CP1") -> int:
    return await store.write(
        partial(
            triggers.request,
            identity=identity,
            requested_message="StatusNotification",
            connector_id=None,
            at=AT,
        )
    )


async def test_messages_follow_in_their_order(store: Store) -> None:
    """Each with its id, connector and time."""
    record_id = await _request(store)
    messages = tuple(FollowingMessage(str(number), number, AT) for number in range(2))

    for message in messages:
        await store.write(partial(triggers.follow, record_id=record_id, message=message))

    found = await store.read(partial(triggers.get, identity="CP1", record_id=record_id))
    assert found is not None
    assert found.followed_by == messages


async def test_trigger_belongs_to_its_charge_point(store: Store) -> None:
    """Numbers of others lead nowhere; lists have the newest first."""
    ids = [await _request(store), await _request(store), await _request(store, "CP2")]

    assert await store.read(partial(triggers.get, identity="CP1", record_id=ids[2])) is None
    page = await store.read(partial(triggers.page, identity="CP1"))
    assert [one.record_id for one in page] == [ids[1], ids[0]]
    older = await store.read(partial(triggers.page, identity="CP1", before_id=ids[1]))
    assert [one.record_id for one in older] == [ids[0]]


async def test_message_of_a_withdrawn_trigger_is_nothing(store: Store) -> None:
    """The trigger is gone; the message itself is stored elsewhere."""
    record_id = await _request(store)
    await store.write(partial(triggers.withdraw, record_id=record_id))

    message = FollowingMessage("1", None, AT)
    await store.write(partial(triggers.follow, record_id=record_id, message=message))

    assert await store.read(partial(triggers.page, identity="CP1")) == []


async def test_interrupted_trigger_has_no_answer(store: Store) -> None:
    """A settled one stays as it was."""
    settled, open_ = await _request(store), await _request(store)
    await store.write(
        partial(triggers.settle, record_id=settled, status=TriggerStatus.REJECTED, at=AT)
    )

    await store.write(triggers.settle_interrupted)

    page = await store.read(partial(triggers.page, identity="CP1"))
    assert {one.record_id: (one.status, one.answered_at) for one in page} == {
        settled: (TriggerStatus.REJECTED, AT),
        open_: (TriggerStatus.UNKNOWN, None),
    }
