"""Changing a charge point's AuthorizationKey by command, so that nobody is locked out.

From `Accepted` on the new key is right and the old one is not; with any refusal the old one
stays; when the answer is lost nobody knows, and both are right until the charge point connects
with the new one (OCPP-J 1.6 §6.2.2, whitepaper A01.FR.02-05, CS-WS-12). Both are right while the
command is under way, too: the charge point may be back before its answer is processed.
"""

import asyncio
import logging
from functools import partial
from typing import Any, Final

from csms import credentials
from csms.credentials import CredentialChecker, CredentialError
from csms.ocppj.commands import InvalidCommand, Problem
from csms.ocppj.outcomes import Answered, CommandOutcome, Disconnected, TimedOut
from csms.storage import charge_points
from csms.storage.errors import StorageError
from csms.storage.store import Store
from csms.web.services import Services, known_charge_point

_logger: Final = logging.getLogger(__name__)


def is_change(action: str, payload: dict[str, Any]) -> bool:
    """Tell whether the command sets a new AuthorizationKey; key names ignore case (§7.28)."""
    key = payload.get("key")
    return (
        action == "ChangeConfiguration"
        and isinstance(key, str)
        and key.casefold() == "authorizationkey"
        and isinstance(payload.get("value"), str)
    )


async def change(services: Services, identity: str, payload: dict[str, Any]) -> CommandOutcome:
    """Send the new key, and make right what is right after the answer.

    Raises:
        InvalidCommand: the value is no key, or the command cannot be sent.
    """
    try:
        new = credentials.for_key(payload["value"])
    except CredentialError as error:
        raise InvalidCommand((Problem("value", str(error)),)) from None
    async with services.lock(identity):
        charge_point = await known_charge_point(services, identity)
        old = charge_point.credential
        # An open station stays open until it says that it has the key.
        either = None if old is None else credentials.both(old, new)
        await _set(services, identity, either)
        settled = old
        try:
            outcome = await services.ocpp.commands.send(identity, "ChangeConfiguration", payload)
            match outcome:
                case Answered({"status": "Accepted"}):
                    settled = new
                case Answered({"status": "RebootRequired"}) | TimedOut() | Disconnected():
                    settled = either
        except asyncio.CancelledError:  # the CSMS ends while the command is under way
            settled = either
            raise
        finally:
            if settled != either:
                await _set(services, identity, settled)
    return outcome


async def _set(services: Services, identity: str, credential: str | None) -> None:
    await services.store.write(
        partial(
            charge_points.change,
            identity=identity,
            credential=credential,
            at=services.now(),
        )
    )


class SettlingChecker:
    """Checks credentials at the door, and settles an open change once the new key is proven.

    A proven old key settles nothing: the charge point may still take the new one.
    """

    def __init__(self, checker: CredentialChecker, store: Store) -> None:
        self._checker = checker
        self._store = store

    async def check(self, verifier: str, password: bytes) -> bool:
        """Tell whether the password is the right one."""
        newest = credentials.newest(verifier)
        if newest == verifier or not await self._checker.check(newest, password):
            return await self._checker.check(verifier, password)
        try:
            await self._store.write(
                partial(charge_points.settle_credential, either=verifier, proven=newest)
            )
        except StorageError as error:  # the next connect settles it
            _logger.warning("a changed key could not be settled: %s", error)
        return True
