"""ChangeConfiguration: which key is changed decides what the answer makes true."""

from collections.abc import Mapping

from csms.ocppj.outcomes import CommandOutcome
from csms.operations.commanding import Effect, Order, Send


class ChangeConfigurationEffect:
    """Hands a change to the effect of its key; names of keys ignore case (OCPP 1.6 ed. 2 §7.28)."""

    def __init__(self, effects: Mapping[str, Effect]) -> None:
        self._effects = {name.casefold(): effect for name, effect in effects.items()}

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send the order, with what belongs to it.

        Raises:
            InvalidCommand: it must not be sent.
        """
        key = order.payload.get("key")
        effect = self._effects.get(key.casefold()) if isinstance(key, str) else None
        if effect is None or not isinstance(order.payload.get("value"), str):
            return await send()
        return await effect.carry_out(order, send)
