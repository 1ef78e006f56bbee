"""What a transaction remembers for its StopTransaction."""

from __future__ import annotations

from simulator.meter import MeterValue
from simulator.transactions import NO_ID, Transaction


def values(*names: str) -> list[MeterValue]:
    """Return values told apart by their time."""
    return [MeterValue(timestamp=name, sampledValue=[]) for name in names]


def transaction(*middle: str) -> Transaction:
    """Return a transaction with these values between begin and end."""
    return Transaction(
        connector_id=1,
        id_tag="A",
        parent_id_tag=None,
        meter_start_wh=0,
        started_s=0.0,
        begin=values("b"),
        middle=values(*middle),
        end=values("e"),
    )


def test_data_in_order() -> None:
    """Begin, everything between, end."""
    one = transaction("1", "2")

    assert [value["timestamp"] for value in one.data(100)] == ["b", "1", "2", "e"]


def test_data_are_thinned_out_evenly() -> None:
    """Above the limit intermediates go, evenly, and never begin and end (errata 3.14, 3.89)."""
    one = transaction(*map(str, range(100)))
    times = [value["timestamp"] for value in one.data(12)]

    assert times == ["b", *map(str, range(0, 100, 10)), "e"]
    assert [value["timestamp"] for value in one.data(1)] == ["b", "e"]


def test_unknown_id_is_minus_one() -> None:
    """Before the CSMS answered, messages say -1 (errata 3.18)."""
    one = transaction()

    assert one.id_on_the_wire == NO_ID == -1
    one.transaction_id = 0
    assert one.id_on_the_wire == 0
