"""Setting and clearing charging profiles, so that we know what a charge point holds.

What the standard or the charge point's declared limits forbid is not sent (CS-SC-01 … 05). What is
sent is unknown until it is answered, and stays so where no answer comes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, Final

from csms.domain.charging_profiles import (
    ProfileState,
    Purpose,
    clears,
    is_full,
    limit_problems,
    problems,
    replaces,
)
from csms.ocppj import command_rules
from csms.ocppj.commands import CommandNotAllowed, InvalidCommand, Problem
from csms.ocppj.outcomes import Answered, CommandOutcome, Offline, QueueFull, Refused
from csms.operations.commanding import Order, Send
from csms.operations.locks import Locks
from csms.storage import capabilities, charging_profiles, transactions
from csms.storage.charging_profiles import Asked
from csms.storage.errors import StorageError
from csms.storage.store import Store

ACTIONS: Final = ("ClearChargingProfile", "RemoteStartTransaction", "SetChargingProfile")

# What a charge point says when it does not do it; another word leaves everything open.
_REFUSALS: Final = frozenset({"Rejected", "NotSupported"})

_logger: Final = logging.getLogger(__name__)


class ChargingProfileEffect:
    """What the commands of `ACTIONS` make true of a charge point's profiles."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._locks = Locks()

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Check, send, and write down what the answer made true.

        Raises:
            InvalidCommand: the standard or a declared limit forbids it (CommandNotAllowed: it does
                now). Nothing was sent.
        """
        if command_rules.problems(order.action, order.payload):
            return await send()  # which refuses it, and says why
        match order.action:
            case "SetChargingProfile":
                return await self._set(order, send)
            case "RemoteStartTransaction" if "chargingProfile" in order.payload:
                return await self._remote_start(order, send)
            case "ClearChargingProfile":
                async with self._locks.of(order.identity):
                    asked = await self._store.write(
                        partial(
                            charging_profiles.ask_to_clear,
                            identity=order.identity,
                            clears=partial(clears, order.payload),
                        )
                    )
                    # Unknown: the charge point has none of these (CS-SC-11).
                    return await self._settled(order, send, asked, ("Accepted", "Unknown"))
        return await send()

    async def _set(self, order: Order, send: Send) -> CommandOutcome:
        connector_id: int = order.payload["connectorId"]
        payload: dict[str, Any] = order.payload["csChargingProfiles"]
        await self._check("csChargingProfiles", order.identity, connector_id, payload)
        async with self._locks.of(order.identity):
            transaction_id = None
            if payload["chargingProfilePurpose"] == Purpose.TX:
                transaction_id = await self._transaction(order.identity, connector_id, payload)
            asked = await self._ask(order.identity, connector_id, payload, transaction_id, None)
            return await self._settled(order, send, asked, ("Accepted",))

    async def _remote_start(self, order: Order, send: Send) -> CommandOutcome:
        connector_id: int | None = order.payload.get("connectorId")
        payload: dict[str, Any] = order.payload["chargingProfile"]
        able = await self._check("chargingProfile", order.identity, connector_id, payload)
        profiles = able.get("SupportedFeatureProfiles")
        if profiles is not None and "smartcharging" not in profiles.casefold():
            return await send()  # §5.11: it starts, and ignores the profile
        async with self._locks.of(order.identity):
            id_tag = order.payload["idTag"]
            asked = await self._ask(order.identity, connector_id, payload, None, id_tag)
            return await self._settled(
                order, send, asked, ("Accepted",), state=ProfileState.OFFERED
            )

    async def _check(
        self, field: str, identity: str, connector_id: int | None, payload: dict[str, Any]
    ) -> dict[str, str]:
        """Refuse a profile that must not be sent; return what the charge point can.

        Raises:
            InvalidCommand: see `carry_out`.
        """
        _refuse(field, problems(connector_id, payload))
        able = await self._store.read(partial(capabilities.get, identity=identity))
        _refuse(field, limit_problems(payload, able))
        held = await self._store.read(partial(charging_profiles.held, identity=identity))
        replaced = [one for one in held if replaces(connector_id, payload, one)]
        if is_full(held, replaced, able):
            most = able["MaxChargingProfilesInstalled"]
            raise CommandNotAllowed(
                (Problem(field, f"the charge point has {most} profiles, and takes no more"),)
            )
        return able

    async def _transaction(self, identity: str, connector_id: int, payload: dict[str, Any]) -> int:
        """Return the running transaction a TxProfile is for (CS-SC-01).

        Raises:
            CommandNotAllowed: there is none.
        """
        claimed: int | None = payload.get("transactionId")
        if claimed is None:
            running = await self._store.read(partial(charging_profiles.running, identity=identity))
            found = [one.transaction_id for one in running if one.connector_id == connector_id]
            if found:
                return found[0]
            field, reason = "", f"no transaction runs on connector {connector_id}"
        else:
            one = await self._store.read(partial(transactions.get, transaction_id=claimed))
            is_here = one is not None and one.identity == identity
            if one is not None and is_here and one.connector_id in (None, connector_id):
                if one.stopped_at is None:
                    return claimed
                reason = "this transaction ended"
            elif is_here:
                reason = "this transaction is on another connector"
            else:
                reason = "the charge point has no such transaction"
            field = "csChargingProfiles.transactionId"
        raise CommandNotAllowed((Problem(field, reason),))

    async def _ask(
        self,
        identity: str,
        connector_id: int | None,
        payload: dict[str, Any],
        transaction_id: int | None,
        id_tag: str | None,
    ) -> Asked:
        return await self._store.write(
            partial(
                charging_profiles.ask_to_install,
                identity=identity,
                connector_id=connector_id,
                transaction_id=transaction_id,
                id_tag=id_tag,
                payload=payload,
                replaces=partial(replaces, connector_id, payload),
                at=self._now(),
            )
        )

    async def _settled(
        self,
        order: Order,
        send: Send,
        asked: Asked,
        successes: tuple[str, ...],
        *,
        state: ProfileState = ProfileState.INSTALLED,
    ) -> CommandOutcome:
        """Send, and write down what the answer made true."""
        is_accepted: bool | None = None  # a cancelled wait leaves it so: nobody knows
        try:
            outcome = await send()
            is_accepted = _meaning(outcome, successes)
        except InvalidCommand:
            is_accepted = False
            raise
        finally:
            if is_accepted is not None:
                await self._write_down(order, asked, is_accepted=is_accepted, state=state)
        return outcome

    async def _write_down(
        self, order: Order, asked: Asked, *, is_accepted: bool, state: ProfileState
    ) -> None:
        settle = partial(
            charging_profiles.settle,
            asked=asked,
            is_accepted=is_accepted,
            state=state,
            at=self._now(),
        )
        try:
            await self._store.write(settle)
        except StorageError as error:  # it stays unknown, which is true
            _logger.warning(
                "%s: the answer to %s was lost: %s", order.identity, order.action, error
            )


def _meaning(outcome: CommandOutcome, successes: tuple[str, ...]) -> bool | None:
    """Tell whether the charge point did it; None where nobody knows."""
    match outcome:
        case Answered({"status": status}) if status in successes:
            return True
        case Answered({"status": status}) if status in _REFUSALS:
            return False
        case Refused() | Offline() | QueueFull():
            return False
    return None


def _refuse(field: str, found: Iterable[tuple[str, str]]) -> None:
    """Raise InvalidCommand for the problems found in a profile, if any."""
    wrong = tuple(Problem(f"{field}.{name}" if name else field, text) for name, text in found)
    if wrong:
        raise InvalidCommand(wrong)
