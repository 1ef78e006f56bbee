"""The hand-computed stacks, read for our forecast."""

from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from csms.domain.charging_profiles import RateUnit, read_profile
from csms.domain.composite_schedule import CompositePeriod, Stack
from csms.domain.times import parse_time

PATH: Final = Path(__file__).parents[2] / "data" / "composite_stacks.yaml"
STACKS: Final[list[dict[str, Any]]] = YAML(typ="safe").load(PATH.read_text("utf-8"))


def stack_of(described: dict[str, Any]) -> Stack:
    """Return the inputs of one stack."""
    transaction = described["transaction"]
    if transaction is not None and transaction["connectorId"] != described["connectorId"]:
        transaction = None
    now = parse_time(described["now"])
    began = parse_time(transaction["start"]) if transaction else None
    assert now is not None
    return Stack(
        profiles=tuple(
            read_profile(one["connectorId"], one["csChargingProfiles"])
            for one in described["profiles"]
        ),
        connector_id=described["connectorId"],
        at=now.at,
        duration_s=described["duration"],
        unit=RateUnit(described["unit"]),
        transaction_id=transaction["transactionId"] if transaction else None,
        transaction_start_at=began.at if began else None,
    )


def periods_of(described: dict[str, Any]) -> tuple[CompositePeriod, ...]:
    """Return what was computed by hand."""
    return tuple(
        CompositePeriod(
            one["startPeriod"],
            None if one["limit"] is None else Decimal(str(one["limit"])),
            one.get("numberPhases", 3),
        )
        for one in described["periods"]
    )
