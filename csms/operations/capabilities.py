"""Learning a charge point's limits from a GetConfiguration that somebody ordered."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from csms.ocppj.outcomes import Answered, CommandOutcome
from csms.operations.commanding import Order, Send
from csms.storage import capabilities
from csms.storage.store import Store


class GetConfigurationEffect:
    """Keeps what a GetConfiguration.conf tells of keys that nobody can change."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send the order and read its answer."""
        outcome = await send()
        if isinstance(outcome, Answered):
            await self._store.write(
                partial(
                    capabilities.record,
                    identity=order.identity,
                    answer=outcome.payload,
                    at=self._now(),
                )
            )
        return outcome
