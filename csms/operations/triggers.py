"""Triggering messages, and seeing what follows (CS-TRG)."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

from csms.domain.triggers import (
    REFUSALS,
    WINDOW,
    Expectation,
    Trigger,
    TriggerStatus,
    awaited_action,
    read_status,
)
from csms.ocppj import command_rules
from csms.ocppj.outcomes import Answered, CommandOutcome, Refused
from csms.ocppj.trigger_watch import TriggerWatch
from csms.operations.commanding import Commanding, Order, Send
from csms.operations.recording import send_recorded
from csms.storage import triggers
from csms.storage.store import Store

EXTENDED: Final = "ExtendedTriggerMessage"


class TriggerMessageEffect:
    """Waits for the message that a trigger asks for, once it is not refused.

    It serves TriggerMessage and ExtendedTriggerMessage alike.

    The answer always comes before the message (CS-TRG-03), and waiting begins before another
    frame can be looked at.
    """

    def __init__(self, store: Store, watch: TriggerWatch, now: Callable[[], datetime]) -> None:
        self._store = store
        self._watch = watch
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Write the trigger down, send it, settle it; nothing here waits for the message."""
        if command_rules.problems(order.action, order.payload):
            return await send()  # which refuses it
        identity = order.identity
        requested_message = order.payload["requestedMessage"]
        is_extended = order.action == EXTENDED
        connector_id = order.payload.get("connectorId")
        record_id = await self._store.write(
            partial(
                triggers.request,
                identity=identity,
                requested_message=requested_message,
                is_extended=is_extended,
                connector_id=connector_id,
                at=self._now(),
            )
        )
        order.on_recorded(record_id)

        async def withdraw() -> None:
            await self._store.write(partial(triggers.withdraw, record_id=record_id))

        async def settle(outcome: CommandOutcome | None) -> None:
            status, at = _status(outcome), self._now()
            if status not in REFUSALS:
                expectation = Expectation(
                    record_id,
                    awaited_action(requested_message, is_extended=is_extended),
                    connector_id,
                    until=at + WINDOW,
                    is_accepted=status is TriggerStatus.ACCEPTED,
                )
                self._watch.expect(identity, expectation)
            await self._store.write(
                partial(triggers.settle, record_id=record_id, status=status, at=at)
            )

        return await send_recorded(send, withdraw=withdraw, settle=settle)


def _status(outcome: CommandOutcome | None) -> TriggerStatus:
    match outcome:
        case Answered(payload):
            return read_status(payload)
        case Refused():
            return TriggerStatus.REFUSED
    return TriggerStatus.UNKNOWN


async def trigger(
    commanding: Commanding,
    store: Store,
    identity: str,
    *,
    requested_message: str,
    connector_id: int | None,
    is_extended: bool = False,
) -> tuple[CommandOutcome, Trigger | None]:
    """Ask a charge point for a message; it comes later, if at all.

    Returns:
        How that ended, and the trigger as it stands now; none where nothing was sent.

    Raises:
        InvalidCommand: it must not be sent; nothing was.
    """
    payload: dict[str, Any] = {"requestedMessage": requested_message}
    if connector_id is not None:
        payload["connectorId"] = connector_id
    recorded: list[int] = []
    outcome = await commanding.send(
        identity,
        EXTENDED if is_extended else "TriggerMessage",
        payload,
        on_recorded=recorded.append,
    )
    if not recorded:
        return outcome, None
    found = await store.read(partial(triggers.get, identity=identity, record_id=recorded[0]))
    return outcome, found
