"""Diagnostics: one file, made when asked for, sent where the CSMS wants it, every step told.

Spec: OCPP 1.6 ed. 2 §4.4, §5.9, §7.24 with errata 3.50.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Final

from simulator.clock import Moment
from simulator.moves import advance
from simulator.outputs import CancelTransfer, TransferEnd, Upload
from simulator.progress import IDLE, Attempts, StatusFeed
from simulator.wire import Wire

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint

CHUNK_BYTES: Final = 65_536
LOG_STEP: Final = timedelta(seconds=10)  # between two lines of the log
LOG_KEPT: Final = timedelta(days=1)


class Phase(Enum):
    """How far the sending of diagnostics is."""

    IDLE = auto()
    UPLOADING = auto()
    RETRYING = auto()  # an upload failed, the next is due later


class Step(Enum):
    """What moves it."""

    ORDERED = auto()
    DUE = auto()
    UPLOADED = auto()
    FAILED = auto()
    GIVEN_UP = auto()
    INTERRUPTED = auto()


_P, _S = Phase, Step

# Every legal move; a pair that is absent is an error.
TRANSITIONS: Final[dict[tuple[Phase, Step], Phase]] = {
    (_P.IDLE, _S.ORDERED): _P.UPLOADING,
    (_P.RETRYING, _S.ORDERED): _P.UPLOADING,
    (_P.RETRYING, _S.DUE): _P.UPLOADING,
    (_P.UPLOADING, _S.UPLOADED): _P.IDLE,
    (_P.UPLOADING, _S.FAILED): _P.RETRYING,
    (_P.UPLOADING, _S.GIVEN_UP): _P.IDLE,
    (_P.UPLOADING, _S.INTERRUPTED): _P.RETRYING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticsFile:
    """What is sent.

    Attributes:
        head: what is known of the charge point, as text.
        since: time of the first line of the log.
        size_bytes: the log is as long as the file has room.
    """

    name: str
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What GetDiagnostics asked for, and the file made for it."""

    directory: str
    file: DiagnosticsFile
    retries: int
    retry_interval_s: int


class Diagnostics:
    """The diagnostics of one charge point, and their upload.

    Attributes:
        failing_uploads: how many of the next uploads fail.
    """

    def __init__(
        self, wire: Wire, *, make: Callable[[Moment], DiagnosticsFile], numbers: Iterator[int]
    ) -> None:
        """Begin without an upload.

        Args:
            make: writes the file.
            numbers: a fresh one for every transfer.
        """
        self.failing_uploads = 0
        self.feed = StatusFeed(wire, "DiagnosticsStatusNotification")
        self.phase = Phase.IDLE
        self._wire = wire
        self._make = make
        self._numbers = numbers
        self._order: Order | None = None
        self._attempts = Attempts(retries=0, retry_interval_s=0)
        self._transfer = 0
        self._last_status = IDLE

    @property
    def status(self) -> str:
        """What a triggered DiagnosticsStatusNotification says."""
        return self._last_status

    def file(
        self, start_at: datetime | None, stop_at: datetime | None, now: Moment
    ) -> DiagnosticsFile | None:
        """Return what there is for the time asked for, None where there is nothing."""
        local = self._wire.local_time(now)
        if start_at is not None and (start_at > local or (stop_at or local) < start_at):
            return None
        made = self._make(now)
        if start_at is not None and start_at > made.since:
            made = DiagnosticsFile(
                name=made.name, head=made.head, since=start_at, size_bytes=made.size_bytes
            )
        return None if stop_at is not None and stop_at < made.since else made

    def begin(self, order: Order, now: Moment) -> None:
        """Take an order; it ends the one before, if that is still under way."""
        if self.phase is Phase.UPLOADING:
            self._break_off()
            self._tell("UploadFailed")
            self._end(Step.GIVEN_UP)
        self._order = order
        self._attempts = Attempts(retries=order.retries, retry_interval_s=order.retry_interval_s)
        self._upload(Step.ORDERED, now)

    def resume(self, now: Moment) -> None:
        """Go on after an accepted boot."""
        if self.phase is Phase.RETRYING and "diagnostics" not in self._wire.timers:
            self._upload(Step.DUE, now)
        self.feed.pump()

    def ended(self, number: int, end: TransferEnd, now: Moment) -> None:
        """Take note of how an upload went."""
        if number != self._transfer or self.phase is not Phase.UPLOADING:
            return
        self._transfer = 0
        if end.problem:
            self._failed(end.problem, now)
        else:
            self._tell("Uploaded")
            self._end(Step.UPLOADED)

    def go_down(self) -> None:
        """Lose what a restart or a loss of power takes away: the upload begins anew after it."""
        if self.phase is Phase.UPLOADING:
            self._break_off()
            self._attempts.made -= 1  # nothing failed
            self._move(Step.INTERRUPTED)

    def _upload(self, step: Step, now: Moment) -> None:
        if self._order is None:
            return
        self._wire.timers.cancel("diagnostics")
        self._move(step)
        self._attempts.made += 1
        self._tell("Uploading")
        if self.failing_uploads:
            self.failing_uploads -= 1
            self._failed("as somebody arranged", now)
            return
        self._transfer = next(self._numbers)
        file = self._order.file
        self._wire.outputs.append(
            Upload(self._transfer, self._order.directory, file.name, file.size_bytes, file.content)
        )

    def _failed(self, problem: str, now: Moment) -> None:
        self._wire.notice(f"Diagnostics: upload failed: {problem}")
        self._tell("UploadFailed")
        if self._attempts.is_over:
            self._end(Step.GIVEN_UP)
            return
        self._move(Step.FAILED)
        again = partial(self._upload, Step.DUE)
        self._wire.timers.set("diagnostics", now.s + self._attempts.retry_interval_s, again)

    def _break_off(self) -> None:
        if self._transfer:
            self._wire.outputs.append(CancelTransfer(self._transfer))
        self._transfer = 0

    def _end(self, step: Step) -> None:
        self._move(step)
        self._order = None
        self._last_status = IDLE

    def _move(self, step: Step) -> None:
        self.phase = advance(TRANSITIONS, self.phase, step)

    def _tell(self, status: str) -> None:
        self._last_status = status
        self.feed.put(status)


def write_file(station: ChargePoint, size_bytes: int, now: Moment) -> DiagnosticsFile:
    """Write down what a technician would want to know; the log is made up."""
    at = station.wire.local_time(now)
    lines = [
        f"{station.vendor} {station.model} {station.identity} {station.serial_number}",
        f"firmware {station.firmware.version}, made {station.wire.stamp(now)}",
        f"registration {station.registration.name}, {station.queued_messages} queued messages",
    ]
    lines += [
        f"connector {connector.id}: {connector.report.status} {connector.report.error_code}"
        f" {connector.meter.register_wh(now.s)} Wh"
        for connector in station.connectors.values()
    ]
    lines += [f"{key.name} = {key.value}" for key in station.keys.report()[0]]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", station.identity)
    return DiagnosticsFile(
        name=f"{name}-{at:%Y%m%dT%H%M%SZ}.log",
        head="\n".join(lines) + "\n",
        since=at - LOG_KEPT,
        size_bytes=size_bytes,
    )
