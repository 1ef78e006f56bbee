"""Reading transaction messages and naming what is odd."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.model import AuthorizationStatus, IdTag, IdTagInfo, Transaction
from csms.domain.transactions import (
    Flag,
    Start,
    Stop,
    read_start,
    read_stop,
    start_flags,
    stop_flags,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

START = {"connectorId": 1, "idTag": "Tag", "meterStart": 100, "timestamp": "2026-01-31T11:00:00Z"}
STOP = {"transactionId": 7, "meterStop": 900, "timestamp": "2026-01-31T11:30:00Z"}

TRANSACTION = Transaction(
    transaction_id=7,
    identity="CP1",
    connector_id=1,
    id_tag="Tag",
    authorization=IdTagInfo(AuthorizationStatus.ACCEPTED),
    meter_start_wh=100,
    started_at=NOW - timedelta(hours=1),
    start_received_at=NOW,
    reservation_id=None,
    meter_stop_wh=None,
    stopped_at=None,
    stop_received_at=None,
    stop_reason=None,
    stop_id_tag=None,
    transaction_data=[],
    flags=(),
)


def start(identity: str = "CP1", **fields: Any) -> Start:
    """Read an ordinary start with some fields changed."""
    return read_start(identity, START | fields, received_at=NOW)


def stop(identity: str = "CP1", **fields: Any) -> Stop:
    """Read an ordinary stop with some fields changed."""
    return read_stop(identity, STOP | fields, received_at=NOW)


def test_start_is_read() -> None:
    """All fields of a good start, no flags."""
    read = start(reservationId=3)

    assert (read.connector_id, read.id_tag, read.meter_start_wh) == (1, "Tag", 100)
    assert (read.reservation_id, read.started_at) == (3, NOW - timedelta(hours=1))
    assert read.flags == ()


def test_same_content_has_the_same_key() -> None:
    """Case of the tag and form of the time make no other start (CS-START-05)."""
    again = start(idTag="TAG", timestamp="2026-01-31T12:00:00.000+01:00", extra="field")

    assert again.key == start().key


@pytest.mark.parametrize(
    "fields",
    [
        {"connectorId": 2},
        {"idTag": "Other"},
        {"meterStart": 101},
        {"timestamp": "2026-01-31T11:00:00.001Z"},
        {"reservationId": 3},
    ],
)
def test_other_content_has_another_key(fields: dict[str, Any]) -> None:
    """Each part of the key counts."""
    assert start(**fields).key != start().key


def test_other_charge_point_has_another_key() -> None:
    """Two stations may start the same thing at the same time."""
    assert start("CP2").key != start("CP1").key
    assert stop("CP2").key != stop("CP1").key


def test_unreadable_times_still_tell_starts_apart() -> None:
    """The text itself takes the place of the time."""
    one, other = start(timestamp="morning"), start(timestamp="evening")

    assert one.key != other.key
    assert (one.started_at, one.flags) == (NOW, (Flag.TIME_UNREADABLE,))


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"timestamp": "2026-01-31T11:00:00"}, Flag.TIME_NAIVE),
        ({"timestamp": "2026-01-31T12:10:00Z"}, Flag.TIME_IN_FUTURE),
        ({"timestamp": "1970-01-01T00:01:00Z"}, Flag.TIME_IMPLAUSIBLE),
        ({"connectorId": 0}, Flag.CONNECTOR_UNUSABLE),
        ({"connectorId": 2**40}, Flag.CONNECTOR_UNUSABLE),
        ({"meterStart": -1}, Flag.METER_UNUSABLE),
        ({"meterStart": 1e30}, Flag.METER_UNUSABLE),
    ],
)
def test_odd_start_is_read_and_flagged(fields: dict[str, Any], flag: Flag) -> None:
    """Sanity checks never suppress anything (CS-START-03)."""
    assert start(**fields).flags == (flag,)


def test_reason_defaults_to_local() -> None:
    """A stop without a reason was made at the station (CS-STOP-05)."""
    assert (stop().reason, stop(reason="Remote").reason) == ("Local", "Remote")


@pytest.mark.parametrize("claimed", [-1, 0, 2**31, 2**63 - 1, 10**30, 1e30])
def test_ids_never_given_are_kept_as_text(claimed: float) -> None:
    """Any number is read, and none of these is one of ours (errata v4.0 3.18, 3.54)."""
    read = stop(transactionId=claimed)

    assert (read.transaction_id, read.claimed_transaction_id) == (None, str(claimed))


@pytest.mark.parametrize(
    ("meter_start_wh", "previous_wh", "flags"),
    [
        (100, None, ()),
        (100, 100, ()),
        (101, 100, (Flag.METER_GAP,)),
        (99, 100, (Flag.METER_WENT_BACK,)),
        (0, 100, ()),  # a meter that restarts with every session is legal
    ],
)
def test_start_is_compared_with_the_stop_before(
    meter_start_wh: int, previous_wh: int | None, flags: tuple[Flag, ...]
) -> None:
    """Missing energy between two sessions is flagged (CS-START-11)."""
    read = start(meterStart=meter_start_wh)

    assert start_flags(read, previous_meter_stop_wh=previous_wh, is_connector_busy=False) == flags


def test_start_on_a_busy_connector_is_flagged() -> None:
    """Both transactions are kept (CS-START-10)."""
    flags = start_flags(start(), previous_meter_stop_wh=None, is_connector_busy=True)

    assert flags == (Flag.CONNECTOR_BUSY,)


def test_good_stop_has_no_flags() -> None:
    """Same tag in another case, later, with more on the meter."""
    assert stop_flags(TRANSACTION, stop(idTag="TAG"), start_tag=None, stop_tag=None) == ()


def test_stop_before_the_start_is_flagged() -> None:
    """Time went backwards, the stop counts all the same."""
    early = stop(timestamp="2026-01-31T10:00:00Z")

    assert stop_flags(TRANSACTION, early, start_tag=None, stop_tag=None) == (
        Flag.STOP_BEFORE_START,
    )


def test_stop_with_less_on_the_meter_is_flagged() -> None:
    """A register never decreases (CS-METER-08)."""
    assert stop_flags(TRANSACTION, stop(meterStop=99), start_tag=None, stop_tag=None) == (
        Flag.METER_WENT_BACK,
    )


def test_stop_by_a_stranger_is_flagged() -> None:
    """Another tag may stop only within its group (CS-STOP-07)."""
    start_tag = IdTag("Tag", parent_id_tag="P")
    other = stop(idTag="Other")

    def flags(stop_tag: IdTag | None) -> tuple[str, ...]:
        return stop_flags(TRANSACTION, other, start_tag=start_tag, stop_tag=stop_tag)

    assert flags(IdTag("Other", parent_id_tag="p")) == ()
    assert flags(IdTag("Other", parent_id_tag="Q")) == (Flag.OTHER_TAG,)
    assert flags(None) == (Flag.OTHER_TAG,)


def test_stop_without_a_tag_is_no_stranger() -> None:
    """Reset, power loss and the car's side stop without a tag."""
    assert stop_flags(TRANSACTION, stop(), start_tag=None, stop_tag=None) == ()


def test_flags_of_start_and_stop_come_together_once() -> None:
    """The transaction tells its whole story."""
    transaction = replace(TRANSACTION, flags=("time_naive", "meterStart"))
    naive_stop = read_stop(
        "CP1", STOP | {"timestamp": "2026-01-31T11:30:00"}, received_at=NOW, quirks=("meterStop",)
    )

    assert stop_flags(transaction, naive_stop, start_tag=None, stop_tag=None) == (
        "time_naive",
        "meterStart",
        "meterStop",
    )


@pytest.mark.parametrize(
    ("meter_start_wh", "meter_stop_wh", "energy_wh"),
    [(100, 900, 800), (100, 100, 0), (100, 99, None), (100, None, None), (None, 900, None)],
)
def test_energy_is_what_the_meter_gained(
    meter_start_wh: int | None, meter_stop_wh: int | None, energy_wh: int | None
) -> None:
    """Nothing is computed from readings that make no sense."""
    transaction = replace(TRANSACTION, meter_start_wh=meter_start_wh, meter_stop_wh=meter_stop_wh)

    assert transaction.energy_wh == energy_wh


def test_samples_of_the_stop_are_normalised() -> None:
    """transactionData is read like MeterValues (CS-STOP-08)."""
    reading = {"timestamp": "2026-01-31T11:30:00Z", "sampledValue": [{"value": "2", "unit": "kWh"}]}
    [sample] = replace(TRANSACTION, transaction_data=[reading]).samples

    assert (sample.value, sample.unit) == (Decimal(2000), "Wh")


json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)


@given(st.dictionaries(st.sampled_from([*START, *STOP, "reservationId", "reason"]), json_values))
def test_reading_never_raises(payload: dict[str, Any]) -> None:
    """Whatever passed validation can be read, and its key is text."""
    assert read_start("CP1", payload, received_at=NOW).key
    assert read_stop("CP1", payload, received_at=NOW).key
