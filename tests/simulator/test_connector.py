"""Connector status follows from its inputs, along the table of §4.9."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.connector import (
    TRANSITIONS,
    WHOLE_STATUSES,
    Connector,
    Inputs,
    Report,
    Status,
    check_move,
    status_of,
)
from simulator.errors import LocalProtocolError
from simulator.meter import Meter

# The table of §4.9 written out a second time, by column, so that a slip in the first one shows.
TO = {
    Status.AVAILABLE: "B1 C1 D1 E1 F1 G1 H1 I1",
    Status.PREPARING: "A2 F2 G2 H2 I2",
    Status.CHARGING: "A3 B3 D3 E3 H3 I3",
    Status.SUSPENDED_EV: "A4 B4 C4 E4 H4 I4",
    Status.SUSPENDED_EVSE: "A5 B5 C5 D5 H5 I5",
    Status.FINISHING: "B6 C6 D6 E6 I6",
    Status.RESERVED: "A7 I7",
    Status.UNAVAILABLE: "A8 C8 D8 E8 F8 G8 I8",
    Status.FAULTED: "A9 B9 C9 D9 E9 F9 G9 H9",
}
ROWS = dict(zip("ABCDEFGHI", Status, strict=True))


def test_table_agrees_with_its_second_copy() -> None:
    """Read by columns the table has the same cells."""
    cells = {(ROWS[cell[0]], after): cell for after, row in TO.items() for cell in row.split()}

    assert cells == TRANSITIONS


def test_every_other_move_is_refused() -> None:
    """Every pair not in the table raises, staying included."""
    others = set(product(Status, Status)) - set(TRANSITIONS)

    assert len(others) + len(TRANSITIONS) == 81
    for before, after in others:
        with pytest.raises(LocalProtocolError, match=r"§4\.9"):
            check_move(before, after)


@pytest.mark.parametrize(("move", "cell"), TRANSITIONS.items())
def test_legal_move_has_its_cell(move: tuple[Status, Status], cell: str) -> None:
    """A legal move is known by its cell."""
    assert check_move(*move) == cell


@pytest.mark.parametrize(
    ("inputs", "status"),
    [
        ({}, Status.AVAILABLE),
        ({"is_plugged": True}, Status.PREPARING),
        ({"is_permitted": True}, Status.PREPARING),
        ({"is_plugged": True, "is_done": True}, Status.FINISHING),
        ({"is_done": True}, Status.AVAILABLE),
        ({"has_transaction": True, "is_ev_connected": True, "is_ev_ready": True}, Status.CHARGING),
        ({"has_transaction": True, "is_ev_connected": True}, Status.SUSPENDED_EV),
        ({"has_transaction": True, "is_ev_ready": True}, Status.SUSPENDED_EV),
        ({"has_transaction": True, "is_withheld": True}, Status.SUSPENDED_EVSE),
        (
            {
                "has_transaction": True,
                "is_withheld": True,
                "is_ev_connected": True,
                "is_ev_ready": True,
            },
            Status.SUSPENDED_EVSE,
        ),
        ({"is_reserved": True}, Status.RESERVED),
        ({"is_reserved": True, "is_permitted": True}, Status.PREPARING),
        ({"is_available": False}, Status.UNAVAILABLE),
        ({"is_available": False, "has_transaction": True}, Status.SUSPENDED_EV),
        ({"is_available": False, "is_faulted": True}, Status.FAULTED),
        ({"has_transaction": True, "is_faulted": True}, Status.FAULTED),
    ],
)
def test_status_follows_from_inputs(inputs: dict[str, bool], status: Status) -> None:
    """Faults outrank everything, a transaction outranks the service state, EVSE outranks EV."""
    assert status_of(Inputs(**inputs)) is status


@given(st.builds(Inputs))
def test_clearing_a_fault_gives_the_former_status_back(inputs: Inputs) -> None:
    """A fault hides the other inputs and changes none of them (cells I1-I8)."""
    before = status_of(inputs)
    connector = Connector(id=1, meter=Meter(offered_w=1.0), has_lock=True, inputs=inputs)
    connector.change(is_faulted=True)

    assert status_of(connector.inputs) is Status.FAULTED
    connector.change(is_faulted=inputs.is_faulted)
    assert status_of(connector.inputs) is before
    assert asdict(connector.inputs) == asdict(inputs)


def test_connector_zero_knows_three_statuses() -> None:
    """The charge point as a whole is available, unavailable or faulted, nothing else."""
    whole = Connector(id=0, meter=Meter(offered_w=1.0), has_lock=False)

    assert {Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED} == WHOLE_STATUSES
    whole.change(is_available=False)
    assert whole.current_report() == Report(Status.UNAVAILABLE)
    whole.change(is_available=True, is_plugged=True)
    with pytest.raises(LocalProtocolError, match="connector 0"):
        whole.current_report()


def test_communication_error_shows_only_where_it_may() -> None:
    """EVCommunicationError is told with four statuses alone (§7.6)."""
    connector = Connector(
        id=1, meter=Meter(offered_w=1.0), has_lock=True, error_code="EVCommunicationError"
    )

    assert connector.current_report() == Report(Status.AVAILABLE)
    connector.change(is_plugged=True)
    assert connector.current_report() == Report(Status.PREPARING, "EVCommunicationError")
