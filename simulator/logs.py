"""The files a charge point can send: diagnostics, and the log of security events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final

from simulator.clock import Moment
from simulator.uploads import UploadFile

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint

CHUNK_BYTES: Final = 65_536
LOG_STEP: Final = timedelta(seconds=10)  # between two lines of the diagnostics
LOG_KEPT: Final = timedelta(days=1)
_EVER: Final = datetime.min.replace(tzinfo=UTC)


class LogType(StrEnum):
    """What GetLog can ask for, security white paper §6.14; GetDiagnostics asks for the first."""

    DIAGNOSTICS = "DiagnosticsLog"
    SECURITY = "SecurityLog"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Diagnostics:
    """Text about the charge point, then a log that fills the file.

    Attributes:
        since: time of the first line of the log.
    """

    head: str
    since: datetime
    size_bytes: int

    def content(self) -> Iterator[bytes]:
        """Make the file, piece by piece."""
        left, waiting = self.size_bytes, bytearray(self.head.encode())
        at = self.since
        while left > 0:
            while len(waiting) < min(CHUNK_BYTES, left):
                waiting += f"{at.isoformat()} all is well\n".encode()
                at += LOG_STEP
            piece = bytes(waiting[: min(CHUNK_BYTES, left)])
            del waiting[: len(piece)]
            left -= len(piece)
            yield piece


def write_file(
    station: ChargePoint,
    kind: LogType,
    start_at: datetime | None,
    stop_at: datetime | None,
    now: Moment,
) -> UploadFile | None:
    """Return what there is for a time, None where there is nothing: logs are kept for a day."""
    local = station.wire.local_time(now)
    since = local - LOG_KEPT
    if start_at is not None and (start_at > local or (stop_at or local) < start_at):
        return None
    if stop_at is not None and stop_at < since:
        return None
    identity = re.sub(r"[^A-Za-z0-9._-]", "_", station.identity)
    name = f"{identity}-{local:%Y%m%dT%H%M%SZ}.log"
    head = _head(station, now)
    if kind is LogType.SECURITY:
        lines = station.security.events.lines(start_at or _EVER, stop_at or local)
        text = "\n".join([*head, *lines, ""]).encode()
        content = partial(_pieces, text)
        return UploadFile(name=f"security-{name}", size_bytes=len(text), content=content)
    text_head = "\n".join([*head, *_details(station, now), ""])
    size_bytes = station.diagnostics_bytes
    file = _Diagnostics(head=text_head, since=max(since, start_at or since), size_bytes=size_bytes)
    return UploadFile(name=name, size_bytes=size_bytes, content=file.content)


def _pieces(text: bytes) -> Iterator[bytes]:
    for begin in range(0, len(text), CHUNK_BYTES):
        yield text[begin : begin + CHUNK_BYTES]


def _head(station: ChargePoint, now: Moment) -> list[str]:
    return [
        f"{station.vendor} {station.model} {station.identity} {station.serial_number}",
        f"firmware {station.firmware.version}, made {station.wire.stamp(now)}",
    ]


def _details(station: ChargePoint, now: Moment) -> list[str]:
    """Write down what a technician would want to know."""
    lines = [f"registration {station.registration.name}, {station.queued_messages} queued messages"]
    lines += [
        f"connector {connector.id}: {connector.report.status} {connector.report.error_code}"
        f" {connector.meter.register_wh(now.s)} Wh"
        for connector in station.connectors.values()
    ]
    return lines + [f"{key.name} = {key.value}" for key in station.keys.report()[0]]
