"""The way of our own security events into the database: nobody waits, and floods stay small.

Whoever notices one (a door, a certificate check) says so and goes on. Equal events within a minute
are one record with a count; what strangers can cause is bounded (`csms.domain.security_events`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from csms.domain.security_events import Coalescing, EventKey
from csms.storage import security_events
from csms.storage.errors import StorageError
from csms.storage.security_events import Count
from csms.storage.store import Store

PAUSE_S: Final = 1.0  # between two writes: counts gather meanwhile

_logger: Final = logging.getLogger(__name__)


class SecurityEvents:
    """Takes events of ours; belongs to one event loop."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._coalescing = Coalescing()
        self._writing = asyncio.Lock()
        self._writer: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def note(self, identity: str | None, type: str, detail: str, address: str | None) -> None:
        """Write an event down, soon; never waits and never fails.

        Args:
            identity: of the charge point it is about, or that somebody claimed to be.
            type: a short name, such as those of the whitepaper.
            detail: what happened, for a person; no secrets. Of equal events the first one's stays.
            address: where it came from, without the port.
        """
        if self._closing.is_set():
            return
        self._coalescing.note(EventKey(identity, type, address), detail, at=self._now())
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="security-events")

    async def flush(self) -> None:
        """Write what is not in the database yet, as far as it lets us."""
        async with self._writing:
            noticed = self._coalescing.unwritten()
            if not noticed:
                return
            counts = [
                Count(one.record_id, one.key, one.detail, one.first_at, one.last_at, one.times)
                for one in noticed
            ]
            try:
                records = await self._store.write(partial(security_events.count, counts=counts))
            except StorageError as error:
                _logger.error("%d security events are not stored yet: %s", len(counts), error)
                return
            for one, count, record_id in zip(noticed, counts, records, strict=True):
                one.record_id, one.written = record_id, count.times

    async def close(self) -> None:
        """Write the last ones and take no more."""
        self._closing.set()
        if self._writer is not None:
            await self._writer
        await self.flush()

    async def _write(self) -> None:
        while self._coalescing.unwritten() and not self._closing.is_set():
            await self.flush()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), PAUSE_S)
