"""Raising a charge point's security profile by command, so that nobody is locked out.

From the moment the command leaves the higher profile is right beside the one there is, and it is
the only one as soon as the charge point connects with it (`csms.ocppj.door`). One that cannot, and
falls back, still gets in. A profile is never lowered over OCPP: that is for a person, by the HTTP
API (whitepaper A05, CS-SEC-02).
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from csms.domain.admission import OVER_TLS, PROFILES, WITH_PASSWORD
from csms.domain.model import ChargePoint
from csms.ocppj.commands import InvalidCommand, Problem
from csms.ocppj.outcomes import Answered, CommandOutcome, Offline, QueueFull, Refused
from csms.operations.commanding import Order, Send
from csms.operations.locks import Locks
from csms.storage import charge_points
from csms.storage.store import Store


class SecurityProfileEffect:
    """What a ChangeConfiguration of the SecurityProfile makes true of how a charge point connects.

    Args:
        locks: those under which credentials and profiles are changed, one for each identity.
        has_tls: whether there is a listener for profiles 2 and 3.
    """

    def __init__(
        self, store: Store, locks: Locks, now: Callable[[], datetime], *, has_tls: bool
    ) -> None:
        self._store = store
        self._locks = locks
        self._now = now
        self._has_tls = has_tls

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send the higher profile, and let it in from now on unless it is refused.

        Raises:
            InvalidCommand: it is no higher profile, the charge point could not connect with it, or
                the command cannot be sent.
        """
        async with self._locks.of(order.identity):
            charge_point = await self._store.read(
                partial(charge_points.get, identity=order.identity)
            )
            if charge_point is None:  # nobody registered it, so it cannot be connected
                return Offline()
            target = self._target(order.payload["value"], charge_point)
            was = charge_point.target_security_profile
            await self._set(order.identity, target)
            try:
                outcome = await send()
            except InvalidCommand:
                await self._take_back(order.identity, target, was)
                raise
            # Whoever gave no answer, or one nobody understands, may have taken it.
            match outcome:
                case (
                    Answered({"status": "Rejected" | "NotSupported"})
                    | Refused()
                    | Offline()
                    | QueueFull()
                ):
                    await self._take_back(order.identity, target, was)
        return outcome

    def _target(self, value: str, charge_point: ChargePoint) -> int:
        text = value.strip()
        if not text.isascii() or not text.isdigit() or int(text[:3]) not in PROFILES:
            raise _invalid("a security profile is a number from 1 to 3")
        target = int(text)
        current, is_open = charge_point.security_profile, charge_point.target_security_profile
        if target <= current:
            raise _invalid(
                f"the charge point has security profile {current}, and it is never lowered over"
                " OCPP; where the charge point was set back by hand, PUT securityProfile"
            )
        if is_open is not None and is_open != target:
            raise _invalid(
                f"an upgrade to {is_open} is open; it ends when the charge point connects so, or"
                " with a PUT of securityProfile"
            )
        if target in WITH_PASSWORD and charge_point.credential is None:
            raise _invalid(f"profile {target} needs an AuthorizationKey; change that first")
        if target in OVER_TLS and not self._has_tls:
            raise _invalid(f"profile {target} needs the TLS listener: set tls_port")
        return target

    async def _set(self, identity: str, target: int | None) -> None:
        await self._store.write(
            partial(
                charge_points.change,
                identity=identity,
                target_security_profile=target,
                at=self._now(),
            )
        )

    async def _take_back(self, identity: str, target: int, was: int | None) -> None:
        """Forget the target, unless the charge point connected with it all the same."""
        await self._store.write(
            partial(charge_points.withdraw_target, identity=identity, target=target, was=was)
        )


def _invalid(message: str) -> InvalidCommand:
    return InvalidCommand((Problem("value", message),))
