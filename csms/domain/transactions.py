"""Charging sessions: reading their messages, recognising them again, naming what is odd.

Spec: OCPP 1.6 ed. 2 §3.7.1, §4.8, §4.10; errata v4.0 3.18, 3.54 (CS-START, CS-STOP). Nothing a
charge point reports about a session is refused here: it happened, so it is kept, with flags.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from csms.domain.authorization import fold, is_same_group
from csms.domain.model import IdTag, Transaction
from csms.domain.numbers import INT32_MAX, whole_number
from csms.domain.times import parse_time

DEFAULT_REASON: Final = "Local"  # OCPP 1.6 ed. 2 §4.10

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
OCPP_1_6_PUBLISHED_AT: Final = datetime(2015, 10, 8, tzinfo=UTC)


class Flag(StrEnum):
    """What is odd about a transaction message; field quirks come beside these."""

    TIME_NAIVE = "time_naive"  # no offset: read as UTC
    TIME_UNREADABLE = "time_unreadable"  # the time of receipt stands in
    TIME_IN_FUTURE = "time_in_future"
    TIME_IMPLAUSIBLE = "time_implausible"  # before OCPP 1.6 existed: a clock never set
    CONNECTOR_UNUSABLE = "connector_unusable"  # not a positive 32 bit integer
    CONNECTOR_BUSY = "connector_busy"  # another transaction was still open there
    METER_UNUSABLE = "meter_unusable"  # no number, or not a sane one
    METER_GAP = "meter_gap"  # more than the previous session's end: energy is missing
    METER_WENT_BACK = "meter_went_back"  # less than a reading before it
    STOP_BEFORE_START = "stop_before_start"
    OTHER_TAG = "other_tag"  # stopped by a tag of another group
    STARTED_AGAIN = "started_again"  # the same start came again after the stop


class OrphanCause(StrEnum):
    """Why a StopTransaction closes nothing."""

    UNKNOWN = "unknown"  # -1, 0, or an id that was never given
    FOREIGN = "foreign"  # another charge point's transaction
    ALREADY_STOPPED = "already_stopped"  # with another content


@dataclass(frozen=True, slots=True)
class Start:
    """A StartTransaction as far as it can be understood.

    Attributes:
        key: equal for every copy of the same start, whatever its message id (CS-START-05).
    """

    identity: str
    connector_id: int | None
    id_tag: str
    meter_start_wh: int | None
    reservation_id: int | None
    started_at: datetime
    received_at: datetime
    key: str
    payload: dict[str, Any]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """A StopTransaction as far as it can be understood.

    Attributes:
        transaction_id: None where the number cannot be one of ours.
        claimed_transaction_id: the number as text, whatever its size.
        id_tag: None where none was sent.
        key: equal for every copy of the same stop.
    """

    identity: str
    transaction_id: int | None
    claimed_transaction_id: str
    id_tag: str | None
    meter_stop_wh: int | None
    reason: str
    stopped_at: datetime
    received_at: datetime
    key: str
    payload: dict[str, Any]
    flags: tuple[str, ...]


def read_start(
    identity: str, payload: dict[str, Any], *, received_at: datetime, quirks: Iterable[str] = ()
) -> Start:
    """Read a StartTransaction.req."""
    started_at, time_key, flags = _read_time(payload.get("timestamp"), received_at)
    connector_id = whole_number(payload.get("connectorId"), maximum=INT32_MAX)
    if connector_id is None or connector_id < 1:
        flags.append(Flag.CONNECTOR_UNUSABLE)
    meter_start_wh = _read_meter(payload.get("meterStart"), flags)
    id_tag = _text(payload.get("idTag")) or ""
    raw = (payload.get(name) for name in ("connectorId", "meterStart", "reservationId"))
    return Start(
        identity=identity,
        connector_id=connector_id,
        id_tag=id_tag,
        meter_start_wh=meter_start_wh,
        reservation_id=whole_number(payload.get("reservationId")),
        started_at=started_at,
        received_at=received_at,
        key=json.dumps([identity, fold(id_tag), time_key, *raw]),
        payload=payload,
        flags=(*flags, *quirks),
    )


def read_stop(
    identity: str, payload: dict[str, Any], *, received_at: datetime, quirks: Iterable[str] = ()
) -> Stop:
    """Read a StopTransaction.req."""
    stopped_at, time_key, flags = _read_time(payload.get("timestamp"), received_at)
    claimed = payload.get("transactionId")
    transaction_id = whole_number(claimed, maximum=INT32_MAX)
    meter_stop_wh = _read_meter(payload.get("meterStop"), flags)
    id_tag = _text(payload.get("idTag"))
    reason = _text(payload.get("reason")) or DEFAULT_REASON
    key = [identity, claimed, id_tag and fold(id_tag), time_key, payload.get("meterStop"), reason]
    return Stop(
        identity=identity,
        transaction_id=transaction_id if transaction_id and transaction_id > 0 else None,
        claimed_transaction_id=str(claimed),
        id_tag=id_tag,
        meter_stop_wh=meter_stop_wh,
        reason=reason,
        stopped_at=stopped_at,
        received_at=received_at,
        key=json.dumps(key),
        payload=payload,
        flags=(*flags, *quirks),
    )


def start_flags(
    start: Start, *, previous_meter_stop_wh: int | None, is_connector_busy: bool
) -> tuple[str, ...]:
    """Return all flags of a new transaction, given what the connector did before.

    A meter that restarts at 0 with every session is legal (errata v4.0 3.9) and no oddity.
    """
    flags = list(start.flags)
    if is_connector_busy:
        flags.append(Flag.CONNECTOR_BUSY)
    if start.meter_start_wh is not None and previous_meter_stop_wh is not None:
        if start.meter_start_wh > previous_meter_stop_wh:
            flags.append(Flag.METER_GAP)
        elif 0 < start.meter_start_wh < previous_meter_stop_wh:
            flags.append(Flag.METER_WENT_BACK)
    return unique(flags)


def stop_flags(
    transaction: Transaction, stop: Stop, *, start_tag: IdTag | None, stop_tag: IdTag | None
) -> tuple[str, ...]:
    """Return all flags of a transaction once this stop has closed it (CS-STOP-07)."""
    flags = [*transaction.flags, *stop.flags]
    if stop.stopped_at < transaction.started_at:
        flags.append(Flag.STOP_BEFORE_START)
    started_with, stopped_with = transaction.meter_start_wh, stop.meter_stop_wh
    if started_with is not None and stopped_with is not None and stopped_with < started_with:
        flags.append(Flag.METER_WENT_BACK)
    is_other = stop.id_tag is not None and fold(stop.id_tag) != fold(transaction.id_tag)
    if is_other and not is_same_group(start_tag, stop_tag):
        flags.append(Flag.OTHER_TAG)
    return unique(flags)


def unique(flags: Iterable[str]) -> tuple[str, ...]:
    """Return flags in order of appearance, as plain text, each once."""
    return tuple(dict.fromkeys(str(flag) for flag in flags))


def _read_time(value: object, received_at: datetime) -> tuple[datetime, str, list[str]]:
    """Return the time, its part in a content key, and flags."""
    parsed = parse_time(value)
    if parsed is None:
        return received_at, repr(value), [Flag.TIME_UNREADABLE]
    flags: list[str] = []
    if parsed.is_naive:
        flags.append(Flag.TIME_NAIVE)
    if parsed.at > received_at + FUTURE_TOLERANCE:
        flags.append(Flag.TIME_IN_FUTURE)
    elif parsed.at < OCPP_1_6_PUBLISHED_AT:
        flags.append(Flag.TIME_IMPLAUSIBLE)
    return parsed.at, parsed.at.isoformat(), flags


def _read_meter(value: object, flags: list[str]) -> int | None:
    meter_wh = whole_number(value)
    if meter_wh is None or meter_wh < 0:
        flags.append(Flag.METER_UNUSABLE)
    return meter_wh


def _text(value: object) -> str | None:
    return None if value is None else str(value)
