"""Firmware updates: wait, download, install, restart, and tell every step.

Spec: OCPP 1.6 ed. 2 §4.5, §5.19, §7.25. Running sessions end first; connectors nobody uses are out
of service from the end of the download until the restart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote, urlsplit

from simulator.clock import Moment
from simulator.connector import Connector
from simulator.moves import advance
from simulator.outputs import CancelTransfer, Download, TransferEnd
from simulator.progress import IDLE, Attempts, StatusFeed
from simulator.wire import Wire

INSTALL_S: Final = 1.0  # what an installation takes, unless somebody says otherwise
MAX_VERSION: Final = 50  # characters of firmwareVersion, §6.1


class Phase(Enum):
    """How far an update is."""

    IDLE = auto()
    SCHEDULED = auto()  # not before its date, and not before the CSMS accepted this start
    DOWNLOADING = auto()
    RETRYING = auto()  # a download failed, the next is due later
    WAITING = auto()  # for running sessions to end
    INSTALLING = auto()
    RESTARTING = auto()  # how it went is told after the boot


class Step(Enum):
    """What moves an update."""

    ORDERED = auto()
    DUE = auto()
    DOWNLOADED = auto()
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
    (_P.RETRYING, _S.ORDERED): _P.SCHEDULED,
    (_P.WAITING, _S.ORDERED): _P.SCHEDULED,
    (_P.SCHEDULED, _S.DUE): _P.DOWNLOADING,
    (_P.RETRYING, _S.DUE): _P.DOWNLOADING,
    (_P.DOWNLOADING, _S.DOWNLOADED): _P.WAITING,
    (_P.DOWNLOADING, _S.FAILED): _P.RETRYING,
    (_P.DOWNLOADING, _S.GIVEN_UP): _P.IDLE,
    (_P.DOWNLOADING, _S.INTERRUPTED): _P.SCHEDULED,
    (_P.RETRYING, _S.INTERRUPTED): _P.SCHEDULED,
    (_P.WAITING, _S.FREE): _P.INSTALLING,
    (_P.INSTALLING, _S.WRITTEN): _P.RESTARTING,
    (_P.INSTALLING, _S.INTERRUPTED): _P.RESTARTING,
    (_P.RESTARTING, _S.TOLD): _P.IDLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What UpdateFirmware asked for."""

    url: str
    retrieve_at: datetime
    retries: int
    retry_interval_s: int


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
    """

    def __init__(
        self,
        wire: Wire,
        connectors: Mapping[int, Connector],
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
        self.feed = StatusFeed(wire, "FirmwareStatusNotification")
        self.phase = Phase.IDLE
        self._wire = wire
        self._connectors = connectors
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
        self._last_status = IDLE

    @property
    def status(self) -> str:
        """What a triggered FirmwareStatusNotification says."""
        return self._last_status

    def begin(self, order: Order, now: Moment) -> None:
        """Take an order; while another is being installed it waits for its end."""
        if self.phase in (Phase.INSTALLING, Phase.RESTARTING):
            self._next_order = order
            return
        if self.phase is Phase.DOWNLOADING:
            self._break_off()
            self._tell("DownloadFailed")
        self._hold_connectors(False, now)
        self._move(Step.ORDERED)
        self._order = order
        self._job = next(self._numbers)
        self._attempts = Attempts(retries=order.retries, retry_interval_s=order.retry_interval_s)
        self._last_status = IDLE
        self.resume(now)

    def resume(self, now: Moment) -> None:
        """Go on with what waits for its time; called after each accepted boot as well."""
        if self.phase is Phase.RESTARTING:
            self._tell("InstallationFailed" if self._is_unusable else "Installed")
            self._end()
            if self._next_order is not None:
                order, self._next_order = self._next_order, None
                self.begin(order, now)
        elif self.phase is Phase.SCHEDULED and self._order is not None:
            wait = self._order.retrieve_at - self._wire.local_time(now)
            if wait.total_seconds() <= 0:
                self._download(now)
            else:
                self._wire.timers.set("firmware", now.s + wait.total_seconds(), self.resume)
        elif self.phase is Phase.WAITING:
            self._hold_connectors(True, now)
        self.feed.pump()

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
        self._move(Step.DOWNLOADED)
        self._tell("Downloaded")
        self._hold_connectors(True, now)

    def go_on(self, now: Moment) -> bool:
        """Install once nobody charges any more; say whether to restart now."""
        if self.phase is Phase.WAITING:
            others = [one for one in self._connectors.values() if one.id > 0]
            whole = self._connectors[0]
            if self._wire.is_registered and all(one.inputs.is_updating for one in others):
                whole.change(is_updating=True)
                self._refresh(whole, now)
                self._move(Step.FREE)
                self._is_written = False
                self._tell("Installing")
                self._wire.timers.set("firmware", now.s + self._install_s, self._written)
            return False
        is_told = self.feed.is_delivered or not self._wire.is_online
        if self.phase is not Phase.INSTALLING or not self._is_written or not is_told:
            return False
        self._move(Step.WRITTEN)
        if not self._is_unusable and self._order is not None:
            self.version = version_in(self._order.url)
        return True

    def go_down(self, now: Moment) -> None:
        """Lose what a restart or a loss of power takes away."""
        if self.phase is Phase.DOWNLOADING:
            self._break_off()
            self._attempts.made -= 1  # nothing failed
            self._move(Step.INTERRUPTED)
        elif self.phase is Phase.RETRYING:
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

    def _end(self) -> None:
        if self.phase is Phase.RESTARTING:
            self._move(Step.TOLD)
        self._order = None
        self._last_status = IDLE
        self._wire.timers.cancel("firmware")

    def _move(self, step: Step) -> None:
        self.phase = advance(TRANSITIONS, self.phase, step)

    def _tell(self, status: str) -> None:
        self._last_status = status
        self.feed.put(status)
