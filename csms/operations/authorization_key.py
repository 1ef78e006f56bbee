"""Changing a charge point's AuthorizationKey by command, so that nobody is locked out.

From `Accepted` on the new key is right and the old one is not; with any refusal the old one
stays; when the answer is lost nobody knows, and both are right until the charge point connects
with the new one (OCPP-J 1.6 §6.2.2, whitepaper A01.FR.02-05, CS-WS-12). Both are right while the
command is under way, too: the charge point may be back before its answer is processed.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from csms import credentials
from csms.credentials import CredentialChecker, CredentialError
from csms.ocppj.commands import InvalidCommand, Problem
from csms.ocppj.outcomes import Answered, CommandOutcome, Disconnected, Offline, TimedOut
from csms.operations.commanding import Order, Send
from csms.operations.locks import Locks
from csms.storage import charge_points
from csms.storage.errors import StorageError
from csms.storage.store import Store

_logger: Final = logging.getLogger(__name__)


class AuthorizationKeyEffect:
    """What a ChangeConfiguration of the AuthorizationKey makes true of a charge point's credential.

    `locks` are the locks under which credentials are changed, one for each identity.
    """

    def __init__(self, store: Store, locks: Locks, now: Callable[[], datetime]) -> None:
        self._store = store
        self._locks = locks
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send the new key, and make right what is right after the answer.

        Raises:
            InvalidCommand: the value is no key, or the command cannot be sent.
        """
        try:
            new = credentials.for_key(order.payload["value"])
        except CredentialError as error:
            raise InvalidCommand((Problem("value", str(error)),)) from None
        async with self._locks.of(order.identity):
            charge_point = await self._store.read(
                partial(charge_points.get, identity=order.identity)
            )
            if charge_point is None:  # nobody registered it, so it cannot be connected
                return Offline()
            old = charge_point.credential
            # An open station stays open until it uses the key (`csms.domain.admission`).
            either = None if old is None else credentials.both(old, new)
            await self._set(order.identity, either)
            settled = old
            try:
                outcome = await send()
                match outcome:
                    case Answered({"status": "Accepted"}):
                        settled = new
                    case Answered({"status": "RebootRequired"}) | TimedOut() | Disconnected():
                        settled = new if either is None else either
            except asyncio.CancelledError:  # the CSMS ends while the command is under way
                settled = new if either is None else either
                raise
            finally:
                if settled != either:
                    await self._set(order.identity, settled)
        return outcome

    async def _set(self, identity: str, credential: str | None) -> None:
        await self._store.write(
            partial(charge_points.change, identity=identity, credential=credential, at=self._now())
        )


class SettlingChecker:
    """Checks credentials at the door, and settles an open change once the new key is proven.

    A proven old key settles nothing: the charge point may still take the new one.
    """

    def __init__(self, checker: CredentialChecker, store: Store) -> None:
        self._checker = checker
        self._store = store

    async def check(self, verifier: str, password: bytes, *, address: str) -> bool:
        """Tell whether the password is the right one."""
        newest = credentials.newest(verifier)
        if newest == verifier or not await self._checker.check(newest, password, address=address):
            return await self._checker.check(verifier, password, address=address)
        try:
            await self._store.write(
                partial(charge_points.settle_credential, either=verifier, proven=newest)
            )
        except StorageError as error:  # the next connect settles it
            _logger.warning("a changed key could not be settled: %s", error)
        return True
