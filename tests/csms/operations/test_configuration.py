"""A ChangeConfiguration meets the effect of its key, and no other."""

from typing import Any

import pytest

from csms.ocppj.outcomes import Answered, CommandOutcome
from csms.operations.commanding import Order, Send
from csms.operations.configuration import ChangeConfigurationEffect

SENT = Answered({"status": "Accepted"})


class Noting:
    """An effect that notes what it was asked for."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        self.orders.append(order)
        return await send()


async def send() -> CommandOutcome:
    """Stand in for the wire."""
    return SENT


@pytest.mark.parametrize(
    ("payload", "met"),
    [
        ({"key": "SecurityProfile", "value": "2"}, "SecurityProfile"),
        ({"key": "SECURITYPROFILE", "value": "2"}, "SecurityProfile"),
        ({"key": "authorizationkey", "value": "aa"}, "AuthorizationKey"),
        ({"key": "HeartbeatInterval", "value": "60"}, None),
        ({"key": "SecurityProfile"}, None),
        ({"key": "SecurityProfile", "value": 2}, None),
        ({"key": 5, "value": "2"}, None),
        ({}, None),
    ],
)
async def test_key_chooses_the_effect(payload: dict[str, Any], met: str | None) -> None:
    """Names of keys ignore case (§7.28); what is no such change is sent, or refused, as it is."""
    effects = {"SecurityProfile": Noting(), "AuthorizationKey": Noting()}
    order = Order("CP1", "ChangeConfiguration", payload)

    assert await ChangeConfigurationEffect(effects).carry_out(order, send) == SENT

    assert {name for name, effect in effects.items() if effect.orders == [order]} == (
        {met} if met else set()
    )
    assert sum(len(effect.orders) for effect in effects.values()) == (met is not None)
