"""Commands and what they make true: whoever sends one, our state follows the charge point's answer.

An effect wraps the sending of the actions it stands for. It may refuse what the standard forbids,
write down what was asked for before the frame leaves, and write down what the answer made true. An
answer that never came makes nothing true: the charge point may have acted or not.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from csms.ocppj.commands import Commands
from csms.ocppj.outcomes import CommandOutcome


def _ignore(record_id: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Order:
    """A command somebody gave.

    Attributes:
        payload: OCPP's, as it will be sent.
        on_recorded: is told the id of what an effect wrote down before sending.
    """

    identity: str
    action: str
    payload: dict[str, Any]
    on_recorded: Callable[[int], None] = _ignore


Send: TypeAlias = Callable[[], Awaitable[CommandOutcome]]


class Effect(Protocol):
    """What belongs to an action besides sending it."""

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Do what comes before, `send` the order (once, or not at all), do what comes after.

        A cancelled `send` is an answer that never came.

        Raises:
            InvalidCommand: the order must not be sent; nothing was.
        """


class Commanding:
    """Sends commands together with their effects; an action has one effect at most."""

    def __init__(self, commands: Commands, effects: Mapping[str, Effect]) -> None:
        self._commands = commands
        self._effects = dict(effects)

    async def send(
        self,
        identity: str,
        action: str,
        payload: dict[str, Any],
        *,
        timeout_s: float | None = None,
        on_recorded: Callable[[int], None] = _ignore,
    ) -> CommandOutcome:
        """Send a command and wait until it ended; see `Commands.send` and `Order`.

        Raises:
            InvalidCommand: it must not be sent; nothing was.
        """

        async def send() -> CommandOutcome:
            return await self._commands.send(identity, action, payload, timeout_s=timeout_s)

        effect = self._effects.get(action)
        if effect is None:
            return await send()
        return await effect.carry_out(Order(identity, action, payload, on_recorded), send)
