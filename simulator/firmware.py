"""Firmware updates: wait, download, install, restart, and tell every step.

Spec: OCPP 1.6 ed. 2 §4.5, §5.19, §7.25; security white paper ed. 3, L01 for signed updates. Running
sessions end first; connectors nobody uses are out of service from the end of the download until the
restart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote, urlsplit

from cryptography import x509

from simulator.certificates import is_signature_right
from simulator.clock import Moment
from simulator.connector import Connector
from simulator.errors import LocalProtocolError
from simulator.moves import advance
from simulator.outputs import CancelTransfer, Download, TransferEnd
from simulator.progress import IDLE, Attempts, StatusFeed
from simulator.security_events import SecurityEvents
from simulator.wire import Wire

INSTALL_S: Final = 1.0  # what an installation takes, unless somebody says otherwise
MAX_VERSION: Final = 50  # characters of firmwareVersion, §6.1


class Phase(Enum):
    """How far an update is."""

    IDLE = auto()
    SCHEDULED = auto()  # not before its date, and not before the CSMS accepted this start
    DOWNLOADING = auto()
    PAUSED = auto()  # somebody broke the download off, and will let it go on
    RETRYING = auto()  # a download failed, the next is due later
    POSTPONED = auto()  # signed, verified, not to be installed before its date
    WAITING = auto()  # for running sessions to end
    INSTALLING = auto()
    RESTARTING = auto()  # how it went is told after the boot


class Step(Enum):
    """What moves an update."""

    ORDERED = auto()
    DUE = auto()
    PAUSED = auto()
    DOWNLOADED = auto()
    VERIFIED = auto()  # before the date of installation
    FAILED = auto()
    GIVEN_UP = auto()
    INTERRUPTED = auto()  # a restart or power loss came between
    FREE = auto()  # nobody charges any more
    WRITTEN = auto()
    TOLD = auto()


_P, _S = Phase, Step

# Every legal move; a pair that is absent is an error.
TRANSITIONS: Final[dict[tuple[Phase, Step], Phase]] = {
    (_P.IDLE, _S.ORDERED): _P.SCHEDULED,
    # The newest order counts until an installation begins.
    (_P.SCHEDULED, _S.ORDERED): _P.SCHEDULED,
    (_P.DOWNLOADING, _S.ORDERED): _P.SCHEDULED,
    (_P.PAUSED, _S.ORDERED): _P.SCHEDULED,
    (_P.RETRYING, _S.ORDERED): _P.SCHEDULED,
    (_P.POSTPONED, _S.ORDERED): _P.SCHEDULED,
    (_P.WAITING, _S.ORDERED): _P.SCHEDULED,
    (_P.SCHEDULED, _S.DUE): _P.DOWNLOADING,
    (_P.PAUSED, _S.DUE): _P.DOWNLOADING,
    (_P.RETRYING, _S.DUE): _P.DOWNLOADING,
    (_P.POSTPONED, _S.DUE): _P.WAITING,
    (_P.DOWNLOADING, _S.PAUSED): _P.PAUSED,
    (_P.DOWNLOADING, _S.VERIFIED): _P.POSTPONED,
    (_P.DOWNLOADING, _S.DOWNLOADED): _P.WAITING,
    (_P.DOWNLOADING, _S.FAILED): _P.RETRYING,
    (_P.DOWNLOADING, _S.GIVEN_UP): _P.IDLE,
    (_P.DOWNLOADING, _S.INTERRUPTED): _P.SCHEDULED,
    (_P.PAUSED, _S.INTERRUPTED): _P.SCHEDULED,
    (_P.RETRYING, _S.INTERRUPTED): _P.SCHEDULED,
    (_P.WAITING, _S.FREE): _P.INSTALLING,
    (_P.WAITING, _S.GIVEN_UP): _P.IDLE,
    (_P.INSTALLING, _S.GIVEN_UP): _P.IDLE,
    (_P.INSTALLING, _S.WRITTEN): _P.RESTARTING,
    (_P.INSTALLING, _S.INTERRUPTED): _P.RESTARTING,
    (_P.RESTARTING, _S.TOLD): _P.IDLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What SignedUpdateFirmware says beyond UpdateFirmware.

    Attributes:
        certificate: of the one who signed, already checked.
        signature: in Base64.
        install_at: not before; None for at once.
    """

    request_id: int
    certificate: x509.Certificate
    signature: str
    install_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What UpdateFirmware or SignedUpdateFirmware asked for."""

    url: str
    retrieve_at: datetime
    retries: int
    retry_interval_s: int
    signed: Signed | None = None


def version_in(url: str) -> str:
    """Return the version a firmware file's name tells: a dotted number, else the name itself."""
    name = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    dotted = re.findall(r"\d+(?:\.\d+)+", name)
    stem = name.rpartition(".")[0] or name
    return (dotted[-1] if dotted else stem)[:MAX_VERSION]


class Firmware:
    """The firmware of one charge point, and the update that is under way.

    Attributes:
        version: what BootNotification says.
        failing_downloads: how many of the next downloads fail.
        fails_installation: the next installation fails.
        fails_verification: the next signed firmware turns out unusable before its installation.
    """

    def __init__(
        self,
        wire: Wire,
        connectors: Mapping[int, Connector],
        events: SecurityEvents,
        *,
        version: str,
        refresh: Callable[[Connector, Moment], None],
        numbers: Iterator[int],
        install_s: float = INSTALL_S,
    ) -> None:
        """Begin without an update.

        Args:
            install_s: what an installation takes.
            refresh: lets a connector's status follow after its inputs changed.
            numbers: a fresh one for every transfer.
        """
        self.version = version
        self.failing_downloads = 0
        self.fails_installation = False
        self.fails_verification = False
        self._feed = StatusFeed(wire, "FirmwareStatusNotification")
        self._signed_feed = StatusFeed(wire, "SignedFirmwareStatusNotification")
        self.phase = Phase.IDLE
        self._wire = wire
        self._connectors = connectors
        self._events = events
        self._refresh = refresh
        self._numbers = numbers
        self._install_s = install_s
        self._order: Order | None = None
        self._next_order: Order | None = None
        self._attempts = Attempts(retries=0, retry_interval_s=0)
        self._transfer = 0
        self._job = 0
        self._is_unusable = False
        self._is_written = False
        self._is_restart_told = False
        self._last_status = IDLE
        self._last_signed: tuple[str, int] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether an update has not come to its end."""
        return self.phase is not Phase.IDLE

    @property
    def is_installing(self) -> bool:
        """Whether it is too late to cancel the update."""
        return self.phase in (Phase.INSTALLING, Phase.RESTARTING)

    def pump(self) -> None:
        """Tell what waits, if there is somebody to tell it to."""
        self._feed.pump()
        self._signed_feed.pump()

    def answer_trigger(self) -> None:
        """Tell how a plain update goes because the CSMS asked."""
        self._feed.answer_trigger(self._last_status)

    def answer_signed_trigger(self) -> None:
        """Tell how a signed update goes: the last status, Idle once it is installed (L01.FR.25)."""
        status, request_id = self._last_signed or ("Installed", 0)
        if status == "Installed":
            self._signed_feed.answer_trigger(IDLE)
        else:
            self._signed_feed.answer_trigger(status, request_id)

    def begin(self, order: Order, now: Moment) -> None:
        """Take an order; while another is being installed it waits for its end."""
        if self.is_installing:
            self._next_order = order
            return
        if self.phase is Phase.DOWNLOADING:
            self._break_off()
            # The answer to a signed order says that the earlier one was cancelled.
            if order.signed is None:
                self._tell("DownloadFailed")
        self._wire.timers.cancel("firmware")
        self._hold_connectors(False, now)
        self._move(Step.ORDERED)
        self._order = order
        self._job = next(self._numbers)
        self._attempts = Attempts(retries=order.retries, retry_interval_s=order.retry_interval_s)
        self._last_status = IDLE
        if order.signed is not None and self._wait_s(order.retrieve_at, now) > 0:
            self._tell("DownloadScheduled")
        self.resume(now)

    def booted(self, now: Moment) -> None:
        """Note the security event that belongs to a restart with new firmware."""
        if self.phase is Phase.RESTARTING and not self._is_unusable and self._order is not None:
            is_signed = self._order.signed is not None
            self._events.note("FirmwareUpdated", now, self.version, is_pushed=is_signed)

    def resume(self, now: Moment) -> None:
        """Go on with what waits for its time; called after each accepted boot as well."""
        if self.phase is Phase.RESTARTING:
            self._tell("InstallationFailed" if self._is_unusable else "Installed")
            self._end()
            if self._next_order is not None:
                order, self._next_order = self._next_order, None
                self.begin(order, now)
        elif self.phase is Phase.SCHEDULED and self._order is not None:
            wait_s = self._wait_s(self._order.retrieve_at, now)
            if wait_s <= 0:
                self._download(now)
            else:
                self._wire.timers.set("firmware", now.s + wait_s, self.resume)
        elif self.phase is Phase.POSTPONED and self._order is not None:
            signed = self._order.signed
            wait_s = self._wait_s(None if signed is None else signed.install_at, now)
            self._wire.timers.set("firmware", now.s + max(0.0, wait_s), self._install_due)
        elif self.phase is Phase.WAITING:
            self._hold_connectors(True, now)
        self.pump()

    def ended(self, number: int, end: TransferEnd, now: Moment) -> None:
        """Take note of how a download went."""
        if number != self._transfer or self.phase is not Phase.DOWNLOADING:
            return
        self._transfer = 0
        if end.problem:
            self._download_failed(end.problem, now)
            return
        self._wire.notice(f"Firmware: {end.size_bytes} bytes, SHA-256 {end.sha256}")
        # An image without content cannot be installed.
        self._is_unusable = self.fails_installation or end.size_bytes == 0
        self.fails_installation = False
        self._tell("Downloaded")
        signed = self._order.signed if self._order is not None else None
        if signed is not None:
            if not is_signature_right(signed.certificate, signed.signature, end.sha256):
                self._tell("InvalidSignature")
                self._events.note("InvalidFirmwareSignature", now, is_pushed=True)
                self._give_up(now)
                return
            self._tell("SignatureVerified")
            if self._wait_s(signed.install_at, now) > 0:
                self._tell("InstallScheduled")
                self._move(Step.VERIFIED)
                self.resume(now)
                return
        self._move(Step.DOWNLOADED)
        self._hold_connectors(True, now)

    def pause(self) -> None:
        """Break the download off, to let it go on later.

        Raises:
            LocalProtocolError: nothing is being downloaded.
        """
        self._move(Step.PAUSED)
        self._break_off()
        self._attempts.made -= 1  # nothing failed
        if self._order is not None and self._order.signed is not None:
            self._tell("DownloadPaused")

    def go_on_downloading(self, now: Moment) -> None:
        """Let a paused download go on.

        Raises:
            LocalProtocolError: none is paused.
        """
        if self.phase is not Phase.PAUSED:
            raise LocalProtocolError("no download is paused")
        self._download(now)

    def go_on(self, now: Moment) -> bool:
        """Install once nobody charges any more; say whether to restart now."""
        if self.phase is Phase.WAITING:
            self._install_if_free(now)
            return False
        if self.phase is not Phase.INSTALLING or not self._is_written:
            return False
        is_signed = self._order is not None and self._order.signed is not None
        if is_signed and self._is_unusable:
            self._tell("InstallationFailed")
            self._give_up(now)
            return False
        if is_signed and not self._is_restart_told:
            self._is_restart_told = True
            self._tell("InstallRebooting")
        is_told = self._feed.is_delivered and self._signed_feed.is_delivered
        if self._wire.is_online and not is_told:
            return False
        self._move(Step.WRITTEN)
        if not self._is_unusable and self._order is not None:
            self.version = version_in(self._order.url)
        return True

    def _install_if_free(self, now: Moment) -> None:
        others = [one for one in self._connectors.values() if one.id > 0]
        if not self._wire.is_registered or not all(one.inputs.is_updating for one in others):
            return
        if self._order is not None and self._order.signed is not None and self.fails_verification:
            self.fails_verification = False
            self._tell("InstallVerificationFailed")
            self._give_up(now)
            return
        whole = self._connectors[0]
        whole.change(is_updating=True)
        self._refresh(whole, now)
        self._move(Step.FREE)
        self._is_written = self._is_restart_told = False
        self._tell("Installing")
        self._wire.timers.set("firmware", now.s + self._install_s, self._written)

    def go_down(self, now: Moment) -> None:
        """Lose what a restart or a loss of power takes away."""
        if self.phase is Phase.DOWNLOADING:
            self._break_off()
            self._attempts.made -= 1  # nothing failed
            self._move(Step.INTERRUPTED)
        elif self.phase in (Phase.RETRYING, Phase.PAUSED):
            self._move(Step.INTERRUPTED)
        elif self.phase is Phase.INSTALLING:
            self._is_unusable = True
            self._move(Step.INTERRUPTED)
        if self.phase is Phase.RESTARTING:
            self._hold_connectors(False, now)

    def _download(self, now: Moment) -> None:
        if self._order is None:
            return
        self._move(Step.DUE)
        self._attempts.made += 1
        self._tell("Downloading")
        if self.failing_downloads:
            self.failing_downloads -= 1
            self._download_failed("as somebody arranged", now)
            return
        self._transfer = next(self._numbers)
        self._wire.outputs.append(Download(self._transfer, self._job, self._order.url))

    def _download_failed(self, problem: str, now: Moment) -> None:
        self._wire.notice(f"Firmware: download failed: {problem}")
        self._tell("DownloadFailed")
        if self._attempts.is_over:
            self._move(Step.GIVEN_UP)
            self._end()
            return
        self._move(Step.FAILED)
        due_s = now.s + self._attempts.retry_interval_s
        self._wire.timers.set("firmware", due_s, self._download)

    def _install_due(self, now: Moment) -> None:
        self._move(Step.DUE)
        self._hold_connectors(True, now)

    def _wait_s(self, until: datetime | None, now: Moment) -> float:
        """Return how long to wait for a time, by the charge point's own clock."""
        return 0.0 if until is None else (until - self._wire.local_time(now)).total_seconds()

    def _written(self, _: Moment) -> None:
        self._is_written = True

    def _hold_connectors(self, is_held: bool, now: Moment) -> None:
        """Take connectors out of service as soon as nobody uses them, or give them back."""
        for connector in sorted(self._connectors.values(), key=lambda one: (one.id == 0, one.id)):
            if connector.id > 0:
                connector.update_scheduled = is_held and not connector.inputs.is_updating
            if not is_held:
                connector.change(is_updating=False)
            self._refresh(connector, now)

    def _break_off(self) -> None:
        if self._transfer:
            self._wire.outputs.append(CancelTransfer(self._transfer))
        self._transfer = 0

    def _give_up(self, now: Moment) -> None:
        """End the update without a restart."""
        self._move(Step.GIVEN_UP)
        self._end()
        self._hold_connectors(False, now)
        if self._next_order is not None:
            order, self._next_order = self._next_order, None
            self.begin(order, now)

    def _end(self) -> None:
        if self.phase is Phase.RESTARTING:
            self._move(Step.TOLD)
        self._order = None
        self._last_status = IDLE
        self._wire.timers.cancel("firmware")

    def _move(self, step: Step) -> None:
        self.phase = advance(TRANSITIONS, self.phase, step)

    def _tell(self, status: str) -> None:
        signed = self._order.signed if self._order is not None else None
        if signed is None:
            self._last_status = status
            self._feed.put(status)
        else:
            self._last_signed = (status, signed.request_id)
            self._signed_feed.put(status, signed.request_id)
