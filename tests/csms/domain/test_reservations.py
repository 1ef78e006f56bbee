"""Reservations: what holds now, and for whom (CS-RES)."""

from datetime import UTC, datetime, timedelta

import pytest

from csms.domain.reservations import (
    ReservationState,
    ReserveNow,
    is_for,
    read_reserve_now,
    state_now,
)

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
State = ReservationState


def _now(
    stored: ReservationState,
    *,
    left: timedelta = timedelta(seconds=1),
    is_cancelling: bool = False,
    is_being_replaced: bool = False,
    is_transaction_open: bool = False,
) -> ReservationState:
    return state_now(
        stored,
        expires_at=AT + left,
        at=AT,
        is_cancelling=is_cancelling,
        is_being_replaced=is_being_replaced,
        is_transaction_open=is_transaction_open,
    )


@pytest.mark.parametrize("stored", [one for one in State if one is not State.IN_USE])
def test_within_its_time_it_is_as_stored(stored: ReservationState) -> None:
    """Nothing else happened."""
    assert _now(stored) is stored


@pytest.mark.parametrize("stored", State)
@pytest.mark.parametrize("left", [timedelta(0), timedelta(days=-1)])
def test_only_what_may_hold_expires(stored: ReservationState, left: timedelta) -> None:
    """At expiryDate itself it is over; what ended otherwise keeps its end."""
    expires = stored in (State.REQUESTED, State.ACCEPTED, State.UNKNOWN)

    shown = _now(stored, left=left, is_transaction_open=True, is_cancelling=True)

    assert shown is (State.EXPIRED if expires else stored)


@pytest.mark.parametrize("doubt", ["is_cancelling", "is_being_replaced"])
def test_open_command_makes_an_accepted_one_unknown(doubt: str) -> None:
    """And nothing else."""
    assert _now(State.ACCEPTED, **{doubt: True}) is State.UNKNOWN  # type: ignore[arg-type]
    assert _now(State.REPLACED, **{doubt: True}) is State.REPLACED  # type: ignore[arg-type]


@pytest.mark.parametrize(("is_open", "state"), [(True, State.IN_USE), (False, State.USED)])
def test_use_ends_with_the_transaction(is_open: bool, state: ReservationState) -> None:
    """In use is said only while the transaction runs."""
    assert _now(State.IN_USE, is_transaction_open=is_open) is state


@pytest.mark.parametrize(
    ("id_tag", "group", "is_allowed"),
    [
        ("TAG", None, True),
        ("tag", None, True),
        ("OTHER", "family", True),
        ("OTHER", "strangers", False),
        ("OTHER", None, False),
        ("OTHER", "", False),
    ],
)
def test_tag_and_its_group_may_use_it(id_tag: str, group: str | None, is_allowed: bool) -> None:
    """Whatever the letter case (§5.13)."""
    assert is_for("TAG", "FAMILY", id_tag=id_tag, group=group) is is_allowed


def test_reservation_without_a_group_is_for_one_tag() -> None:
    """No group is no group in common."""
    assert not is_for("TAG", None, id_tag="OTHER", group=None)
    assert not is_for("TAG", "", id_tag="OTHER", group="")


def test_wish_is_read_with_its_time_in_utc() -> None:
    """An operator may write any offset."""
    payload = {
        "reservationId": 7,
        "connectorId": 0,
        "idTag": "A",
        "expiryDate": "2026-01-31T13:00:00+01:00",
    }

    assert read_reserve_now(payload) == ReserveNow(7, 0, "A", None, AT)
    with pytest.raises(ValueError, match="expiryDate"):
        read_reserve_now(payload | {"expiryDate": "soon"})
