"""Commands leave together with their effects."""

from csms.ocppj.commands import Commands
from csms.ocppj.outcomes import Answered, CommandOutcome, Offline
from csms.ocppj.registry import Registry
from csms.operations.commanding import Commanding, Order, Send


class Refusing:
    """An effect that does not let its order out."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        self.orders.append(order)
        return Answered({"status": "Rejected"})


def _commands() -> Commands:
    return Commands(Registry(), response_timeout_s=1.0)


async def test_an_effect_stands_between_the_order_and_the_wire() -> None:
    """The effect of an action decides whether and what is sent, and what is told."""
    effect = Refusing()
    commanding = Commanding(_commands(), {"ClearCache": effect})

    outcome = await commanding.send("CP1", "ClearCache", {})

    assert outcome == Answered({"status": "Rejected"})
    assert effect.orders == [Order("CP1", "ClearCache", {})]


async def test_an_action_without_an_effect_is_just_sent() -> None:
    """Nothing stands between an order and the wire where nothing has to."""
    effect = Refusing()
    commanding = Commanding(_commands(), {"ClearCache": effect})

    outcome = await commanding.send("CP1", "Reset", {"type": "Soft"})

    assert outcome == Offline()
    assert effect.orders == []
