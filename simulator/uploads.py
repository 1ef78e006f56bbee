"""Files on their way to where the CSMS wants them, every step told.

For GetDiagnostics (OCPP 1.6 ed. 2 §4.4, §5.9 with errata 3.50) and GetLog (security white paper
ed. 3, N01). What is in the files is made in `simulator.logs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Final

from simulator.clock import Moment
from simulator.moves import advance
from simulator.outputs import CancelTransfer, Cause, TransferEnd, Upload
from simulator.progress import IDLE, Attempts, StatusFeed
from simulator.wire import Wire


class Phase(Enum):
    """How far the sending of a file is."""

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
    (_P.RETRYING, _S.GIVEN_UP): _P.IDLE,
    (_P.RETRYING, _S.DUE): _P.UPLOADING,
    (_P.UPLOADING, _S.UPLOADED): _P.IDLE,
    (_P.UPLOADING, _S.FAILED): _P.RETRYING,
    (_P.UPLOADING, _S.GIVEN_UP): _P.IDLE,
    (_P.UPLOADING, _S.INTERRUPTED): _P.RETRYING,
}

# What a failed upload is called, by its cause. In LogStatusNotification (white paper §6.23) …
LOG_FAILURES: Final[dict[Cause, str]] = {
    Cause.OTHER: "UploadFailure",
    Cause.BAD_MESSAGE: "BadMessage",
    Cause.DENIED: "PermissionDenied",
    Cause.NOT_SUPPORTED: "NotSupportedOperation",
}
# … and in DiagnosticsStatusNotification (§7.24).
DIAGNOSTICS_FAILURES: Final[dict[Cause, str]] = dict.fromkeys(Cause, "UploadFailed")


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFile:
    """What is sent.

    Attributes:
        content: makes the file anew, piece by piece.
    """

    name: str
    size_bytes: int
    content: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the CSMS asked for, and the file made for it.

    Attributes:
        request_id: how GetLog names the request.
    """

    directory: str
    file: UploadFile
    retries: int
    retry_interval_s: int
    request_id: int | None = None


@dataclass(slots=True, kw_only=True)
class UploadFaults:
    """What somebody arranged to go wrong, shared by all uploads of a charge point.

    Attributes:
        times: how many of the next uploads fail.
        cause: for which reason.
    """

    times: int = 0
    cause: Cause = Cause.OTHER


class Uploads:
    """The uploads of one kind: one at a time, the newest order counts."""

    def __init__(
        self,
        wire: Wire,
        action: str,
        *,
        failures: Mapping[Cause, str],
        faults: UploadFaults,
        numbers: Iterator[int],
    ) -> None:
        """Begin without an upload.

        Args:
            action: the message that tells how it goes.
            failures: its status for an upload that failed.
            numbers: a fresh one for every transfer.
        """
        self.feed = StatusFeed(wire, action)
        self.phase = Phase.IDLE
        self._wire = wire
        self._timer = action
        self._failures = failures
        self._faults = faults
        self._numbers = numbers
        self._order: Order | None = None
        self._attempts = Attempts(retries=0, retry_interval_s=0)
        self._transfer = 0
        self._last_status = IDLE

    @property
    def is_under_way(self) -> bool:
        """Whether an order has not come to its end."""
        return self.phase is not Phase.IDLE

    def answer_trigger(self) -> None:
        """Tell how it goes because the CSMS asked."""
        request_id = None if self._order is None else self._order.request_id
        self.feed.answer_trigger(self._last_status, request_id)

    def begin(self, order: Order, now: Moment) -> None:
        """Take an order; it ends the one before, if that is still under way."""
        # Unlike the answer to GetLog, that to GetDiagnostics cannot say what it cancels.
        if order.request_id is None and self.phase is Phase.UPLOADING:
            self._tell(self._failures[Cause.OTHER])
        self.cancel()
        self._order = order
        self._attempts = Attempts(retries=order.retries, retry_interval_s=order.retry_interval_s)
        self._upload(Step.ORDERED, now)

    def cancel(self) -> None:
        """End what is under way, without a word."""
        self._wire.timers.cancel(self._timer)
        if self.phase is not Phase.IDLE:
            self._break_off()
            self._end(Step.GIVEN_UP)

    def resume(self, now: Moment) -> None:
        """Go on after an accepted boot."""
        if self.phase is Phase.RETRYING and self._timer not in self._wire.timers:
            self._upload(Step.DUE, now)
        self.feed.pump()

    def ended(self, number: int, end: TransferEnd, now: Moment) -> None:
        """Take note of how an upload went."""
        if number != self._transfer or self.phase is not Phase.UPLOADING:
            return
        self._transfer = 0
        if end.problem:
            self._failed(end.problem, end.cause, now)
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
        self._move(step)
        self._attempts.made += 1
        self._tell("Uploading")
        if self._faults.times:
            self._faults.times -= 1
            self._failed("as somebody arranged", self._faults.cause, now)
            return
        self._transfer = next(self._numbers)
        file = self._order.file
        self._wire.outputs.append(
            Upload(self._transfer, self._order.directory, file.name, file.size_bytes, file.content)
        )

    def _failed(self, problem: str, cause: Cause, now: Moment) -> None:
        self._wire.notice(f"Upload failed: {problem}")
        self._tell(self._failures[cause])
        if self._attempts.is_over:
            self._end(Step.GIVEN_UP)
            return
        self._move(Step.FAILED)
        again = partial(self._upload, Step.DUE)
        self._wire.timers.set(self._timer, now.s + self._attempts.retry_interval_s, again)

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
        self.feed.put(status, None if self._order is None else self._order.request_id)
