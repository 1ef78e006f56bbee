"""Ends what a case began, so that the next one finds the Central System as it was.

Open transactions are stopped and connectors reported Available. What cannot be undone is a
warning of the case; the Central System is not judged by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from harness.expressions import format_time
from harness.leftovers import OpenTransaction
from harness.model import Json
from harness.results import Finding, Severity
from harness.wire import Wire
from simulator.client import HandshakeRefused, Station
from simulator.errors import CannotOffer


class _GaveUp(Exception):
    """The Central System does not do its part."""


async def clean_up(
    station: Station,
    wire: Wire,
    *,
    milliseconds: bool,
    answer_timeout_s: float,
    time_s: float,
) -> list[Finding]:
    """End what is open on a charge point; return warnings for what could not be ended.

    Args:
        answer_timeout_s: how long each answer may take.
        time_s: how long all of it may take.
    """
    ledger = wire.ledger
    busy = [number for number, status in sorted(ledger.statuses.items()) if status != "Available"]
    if not ledger.open and not busy:
        return []
    cleaning = _Cleaning(station, milliseconds=milliseconds, answer_timeout_s=answer_timeout_s)
    try:
        async with asyncio.timeout(time_s):
            if not wire.is_open:
                if not wire.has_answers:
                    return []  # it never took part: there is nothing to undo
                await station.wait_closed()
                await station.connect()
            for transaction in list(ledger.open.values()):
                await cleaning.stop(transaction)
                if transaction.connector_id not in busy:
                    busy.append(transaction.connector_id)
            for number in busy:
                await cleaning.report(number, "Available")
    except (_GaveUp, CannotOffer, HandshakeRefused, TimeoutError) as error:
        reason = str(error) or f"no answer within {time_s:g} s"
        what = [f"transaction {number} open" for number in ledger.open]
        what += [f"connector {n} {s}" for n, s in ledger.statuses.items() if s != "Available"]
        left = f" Left behind: {', '.join(what)}." if what else ""
        message = f"The case could not be cleaned up: {reason}.{left}"
        return [Finding("cleanup.incomplete", Severity.WARNING, message)]
    return []


async def stop_leftover(
    station: Station, transaction: OpenTransaction, *, milliseconds: bool, answer_timeout_s: float
) -> str:
    """Stop a transaction that a dead run left open; return why it could not be, or ""."""
    cleaning = _Cleaning(station, milliseconds=milliseconds, answer_timeout_s=answer_timeout_s)
    try:
        await station.connect()
        await cleaning.stop(transaction)
        await cleaning.report(transaction.connector_id, "Available")
    except (_GaveUp, HandshakeRefused) as error:
        return str(error)
    finally:
        await station.shut_down()
    return ""


class _Cleaning:
    """The frames of a clean-up."""

    def __init__(self, station: Station, *, milliseconds: bool, answer_timeout_s: float) -> None:
        self._station = station
        self._milliseconds = milliseconds
        self._answer_timeout_s = answer_timeout_s

    async def stop(self, transaction: OpenTransaction) -> None:
        payload: dict[str, Json] = {
            "transactionId": transaction.transaction_id,
            "meterStop": transaction.meter_start,
            "timestamp": format_time(datetime.now(UTC), milliseconds=self._milliseconds),
            "reason": "Other",
        }
        if transaction.id_tag:
            payload["idTag"] = transaction.id_tag
        await self._call("StopTransaction", payload)
        await self.report(transaction.connector_id, "Finishing")

    async def report(self, connector_id: int, status: str) -> None:
        payload: dict[str, Json] = {
            "connectorId": connector_id,
            "errorCode": "NoError",
            "status": status,
        }
        await self._call("StatusNotification", payload)

    async def _call(self, action: str, payload: Mapping[str, Json]) -> None:
        answer = await self._station.call(action, payload, timeout_s=self._answer_timeout_s)
        if answer.result is not None:
            return
        if answer.error is not None:
            raise _GaveUp(f"{action} was answered with CALLERROR {answer.error.code}")
        if answer.timed_out:
            raise _GaveUp(f"{action} was not answered within {self._answer_timeout_s:g} s")
        raise _GaveUp(f"the connection ended before {action} was answered")
