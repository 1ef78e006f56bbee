"""The one place where commands to charge points leave.

Strict out: a command is checked against schema and state before anything is sent. Each charge
point has one CALL open at most; the others wait in the order they came (CS-RPC-05).
"""

import asyncio
from typing import Any, Final
from uuid import uuid4

from csms.domain.model import RegistrationStatus
from csms.ocppj import command_rules
from csms.ocppj.command_rules import Problem
from csms.ocppj.outcomes import (
    Answered,
    CommandOutcome,
    Disconnected,
    Malformed,
    Offline,
    QueueFull,
    Refused,
    TimedOut,
)
from csms.ocppj.registry import Registry
from csms.ocppj.schemas import FROM_CENTRAL_SYSTEM
from csms.ocppj.session import Command, Session

__all__ = [
    "ACTIONS",
    "Answered",
    "CommandNotAllowed",
    "CommandOutcome",
    "Commands",
    "Disconnected",
    "InvalidCommand",
    "Malformed",
    "Offline",
    "Problem",
    "QueueFull",
    "Refused",
    "TimedOut",
    "UnknownAction",
]

ACTIONS: Final = FROM_CENTRAL_SYSTEM


class InvalidCommand(ValueError):
    """The command must not be sent as it is.

    Attributes:
        problems: what is wrong, at least one; no message repeats a value.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(
            "; ".join(f"{one.field or 'the payload'}: {one.message}" for one in problems)
        )
        self.problems = problems


class UnknownAction(InvalidCommand):
    """No Central System sends this action."""


class CommandNotAllowed(InvalidCommand):
    """A sound command, but the charge point's state forbids it now."""


class Commands:
    """Sends CALLs to connected charge points and tells how they ended."""

    def __init__(self, registry: Registry, *, response_timeout_s: float) -> None:
        self._registry = registry
        self._response_timeout_s = response_timeout_s

    async def send(
        self,
        identity: str,
        action: str,
        payload: dict[str, Any],
        *,
        timeout_s: float | None = None,
    ) -> CommandOutcome:
        """Send a command as soon as it is its turn, and wait until it ended.

        A caller that is cancelled stops waiting: what was not sent is never sent, and the answer
        to what was is ignored.

        Args:
            identity: whom to command.
            action: one of `ACTIONS`.
            payload: as OCPP has it; times are brought to UTC, nothing else is changed.
            timeout_s: how long to wait for the answer once the CALL is sent; the setting if None.

        Raises:
            InvalidCommand: the payload breaks the schema or a rule (UnknownAction: the action
                does; CommandNotAllowed: the charge point's state does). Nothing was sent.
        """
        if action not in ACTIONS:
            raise UnknownAction((Problem("", f"{action} is no action of a Central System"),))
        problems = command_rules.problems(action, payload)
        if problems:
            raise InvalidCommand(problems)
        session = self._registry.get(identity)
        if session is None:
            return Offline()
        _check_state(session, action, payload)
        command = Command(
            message_id=str(uuid4()),  # never repeats, over all connections (CS-RPC-04)
            action=action,
            payload=command_rules.with_our_times(payload, action),
            timeout_s=self._response_timeout_s if timeout_s is None else timeout_s,
            outcome=asyncio.get_running_loop().create_future(),
        )
        if not session.submit(command):
            return QueueFull()
        return await command.outcome


def _check_state(session: Session, action: str, payload: dict[str, Any]) -> None:
    """Refuse what a charge point in this state must not get (CS-CALL-01)."""
    reason = None
    match session.registration, action:
        case RegistrationStatus.REJECTED, _:  # CS-BOOT-07
            reason = "the charge point is Rejected and must not answer"
        case RegistrationStatus.PENDING, "RemoteStartTransaction" | "RemoteStopTransaction":
            reason = "not while the charge point is Pending"  # CS-BOOT-06
        case _, "TriggerMessage" | "ExtendedTriggerMessage" if (
            session.is_accepted and payload["requestedMessage"] == "BootNotification"
        ):
            reason = "BootNotification must not be triggered once it was Accepted"  # CS-BOOT-11
    if reason is not None:
        raise CommandNotAllowed((Problem("", reason),))
