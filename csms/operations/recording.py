"""Writing a command down before it leaves and settling it when it ended.

Between the two it stands in the database as requested: whoever opens that database after a crash
knows that something was asked for, and that its end is not known.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection

from csms.ocppj.commands import InvalidCommand
from csms.ocppj.outcomes import CommandOutcome, Offline, QueueFull
from csms.operations.commanding import Send
from csms.storage import installed_certificates, local_lists, reservations, triggers
from csms.storage.store import Store

Withdraw: TypeAlias = Callable[[], Awaitable[None]]
Settle: TypeAlias = Callable[[CommandOutcome | None], Awaitable[None]]


async def send_recorded(send: Send, *, withdraw: Withdraw, settle: Settle) -> CommandOutcome:
    """Send a command that was written down.

    Args:
        send: sends it.
        withdraw: undoes the record of a command that was never sent.
        settle: writes down how it ended; None where the CSMS itself ends before the answer.

    Raises:
        InvalidCommand: it must not be sent; nothing was.
    """
    try:
        outcome = await send()
    except InvalidCommand:
        await withdraw()
        raise
    except BaseException:  # cancelled: the answer may come, but nobody will read it
        await settle(None)
        raise
    if isinstance(outcome, Offline | QueueFull):
        await withdraw()
    else:
        await settle(outcome)
    return outcome


async def settle_interrupted(store: Store, *, at: datetime) -> None:
    """After a start: the end of what was under way when the program ended is not known.

    Raises:
        StorageError: the database cannot be written.
    """

    def settle(connection: Connection) -> None:
        installed_certificates.settle_interrupted(connection, at=at)
        local_lists.settle_interrupted(connection, at=at)
        reservations.settle_interrupted(connection, at=at)
        triggers.settle_interrupted(connection)

    await store.write(settle)
