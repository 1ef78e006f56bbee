"""Learning a charge point's limits from a GetConfiguration that somebody ordered."""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from csms.ocppj.outcomes import Answered, CommandOutcome
from csms.operations.commanding import Order, Send
from csms.storage import capabilities
from csms.storage.errors import StorageError
from csms.storage.store import Store

_logger: Final = logging.getLogger(__name__)


class GetConfigurationEffect:
    """Keeps what a GetConfiguration.conf tells of keys that nobody can change."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send the order and read its answer."""
        outcome = await send()
        if isinstance(outcome, Answered):
            try:
                await self._store.write(
                    partial(
                        capabilities.record,
                        identity=order.identity,
                        answer=outcome.payload,
                        at=self._now(),
                    )
                )
            except StorageError as error:  # whoever asked has the answer all the same
                _logger.error("%s: limits were not written down: %s", order.identity, error)
        return outcome
