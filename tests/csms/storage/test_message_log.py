"""The message log in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from csms.domain.model import LoggedMessage
from csms.storage import message_log
from csms.storage.message_log import ENTRY_BYTES, RECEIVED, SENT, MessageLogLimits
from csms.storage.store import Store

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
BOUNDLESS = MessageLogLimits(timedelta(days=365), 10**9)


def entry(minute: int, *, text: str = "x" * 10, **fields: Any) -> LoggedMessage:
    """Return a frame of some minute."""
    at = NOW + timedelta(minutes=minute)
    frame: dict[str, Any] = {"identity": "CP1", "direction": RECEIVED, "at": at, "text": text}
    return LoggedMessage(**frame | fields)


async def append(store: Store, *entries: LoggedMessage) -> None:
    """Log frames at once."""
    await store.write(partial(message_log.append, entries=entries))


async def texts(store: Store, **wanted: Any) -> list[str]:
    """Return the texts of a page."""
    stored = await store.read(partial(message_log.page, **wanted))
    return [one.message.text for one in stored]


async def prune(store: Store, limits: MessageLogLimits, *, at: datetime, step: int = 100) -> int:
    """Prune once."""
    return await store.write(partial(message_log.prune, limits=limits, at=at, step=step))


async def test_frames_are_found_by_what_they_are(store: Store) -> None:
    """Newest first, every filter narrows."""
    await append(
        store,
        entry(0, text="a", action="Heartbeat", message_id="1"),
        entry(1, text="b", direction=SENT, action="Heartbeat", message_id="1"),
        entry(2, text="c", identity="CP2"),
    )

    assert await texts(store) == ["c", "b", "a"]
    assert await texts(store, identity="CP1") == ["b", "a"]
    assert await texts(store, direction=SENT) == ["b"]
    assert await texts(store, action="Heartbeat") == ["b", "a"]
    assert await texts(store, since=NOW + timedelta(minutes=1)) == ["c", "b"]
    assert await texts(store, until=NOW + timedelta(minutes=1)) == ["a"]
    assert await texts(store, limit=1) == ["c"]
    [newest] = await store.read(partial(message_log.page, limit=1))
    assert await texts(store, before_id=newest.record_id) == ["b", "a"]


async def test_old_frames_are_pruned_by_age(store: Store) -> None:
    """What is as old as the limit stays, older goes."""
    await append(store, *(entry(minute) for minute in range(5)))
    limits = MessageLogLimits(timedelta(minutes=2), 10**9)

    assert await prune(store, limits, at=NOW + timedelta(minutes=4)) == 2
    assert len(await texts(store)) == 3


async def test_oldest_frames_are_pruned_by_size(store: Store) -> None:
    """Only as much text stays as is allowed."""
    await append(store, *(entry(0, text=f"{number:010}") for number in range(5)))

    limits = MessageLogLimits(timedelta(days=1), 3 * (10 + ENTRY_BYTES))
    pruned = await prune(store, limits, at=NOW)

    assert pruned == 2
    assert await texts(store) == [f"{number:010}" for number in (4, 3, 2)]


async def test_size_counts_over_many_writes(store: Store) -> None:
    """The running total goes on where it was."""
    for number in range(5):
        await append(store, entry(0, text=f"{number:010}"))

    limits = MessageLogLimits(timedelta(days=1), 2 * (10 + ENTRY_BYTES))
    assert await prune(store, limits, at=NOW) == 3


async def test_pruning_goes_in_small_steps(store: Store) -> None:
    """No single transaction deletes more than its step."""
    await append(store, *(entry(minute) for minute in range(10)))
    limits = MessageLogLimits(timedelta(minutes=1), 10**9)

    steps = [await prune(store, limits, at=NOW + timedelta(days=1), step=4) for _ in range(4)]

    assert steps == [4, 4, 2, 0]


async def test_nothing_is_pruned_within_the_limits(store: Store) -> None:
    """An empty log and a small one are left alone."""
    assert await prune(store, BOUNDLESS, at=NOW) == 0
    await append(store, entry(0))
    assert await prune(store, BOUNDLESS, at=NOW) == 0


async def test_log_prunes_itself_while_it_is_written(url: str) -> None:
    """A store with a small log never grows beyond it for long."""
    small = Store.open(url, message_log_bytes=100 * (10 + ENTRY_BYTES))
    for _ in range(20):
        for minute in range(10):
            small.log_message(entry(minute))
        await small.flush()

    assert len(await texts(small, limit=1000)) == 100
    await small.close()
