"""Firmware updates and diagnostics requests as jobs with a life of their own. Pure.

OCPP 1.6 knows no request id: what a charge point reports belongs to the job it most likely means,
and every report is kept as it came. Facts stay apart: what became of the command, what the charge
point reports, and what files really moved; one may contradict the other (CS-FW-01, CS-FWM-03).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

IDLE: Final = "Idle"
MAX_EXTENSION: Final = timedelta(days=30)  # what retries may add to the time a job is open


class JobKind(StrEnum):
    """What a job moves: firmware to the charge point, or diagnostics from it."""

    FIRMWARE = "firmware"
    DIAGNOSTICS = "diagnostics"


class CommandState(StrEnum):
    """What became of the job's UpdateFirmware or GetDiagnostics.

    `UNKNOWN`: it was, or may have been, sent, and no answer is known.
    """

    REQUESTED = "Requested"
    ANSWERED = "Answered"
    REFUSED = "Refused"
    NOT_SENT = "NotSent"
    UNKNOWN = "Unknown"

    @property
    def may_have_arrived(self) -> bool:
        """Whether the charge point may be at work on it."""
        return self not in (CommandState.REFUSED, CommandState.NOT_SENT)


# What a run starts with; each retry starts with it again (OCPP 1.6 ed. 2 §4.4, §4.5).
_FIRST: Final = frozenset({"Downloading", "Uploading"})
FINAL: Final = frozenset(
    {"Installed", "InstallationFailed", "DownloadFailed", "Uploaded", "UploadFailed"}
)
_FOLLOWS: Final[dict[str, frozenset[str]]] = {
    "Downloading": frozenset({"Downloading", "Downloaded", "DownloadFailed"}),
    "Downloaded": frozenset({"Downloaded", "Installing", "InstallationFailed", "Installed"}),
    "Installing": frozenset({"Installing", "Installed", "InstallationFailed"}),
    "Uploading": frozenset({"Uploading", "Uploaded", "UploadFailed"}),
}


@dataclass(frozen=True, slots=True)
class FirmwareFile:
    """A file of the firmware repository.

    Attributes:
        stored_as: its name on disk.
        version: what the operator says it contains.
    """

    name: str
    version: str
    size_bytes: int
    sha256: str
    stored_as: str
    uploaded_at: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """A firmware update or a diagnostics request.

    Attributes:
        token: the secret part of our location; None where the location is not ours.
        location: as sent, without a password.
        protocol: ``http`` or ``ftp`` where the location is ours.
        password_digest: of the password of an FTP job.
        order: the command's payload, without a password.
        until_at: how long our location is open.
        answer: the CALLRESULT's payload, or code, description and details of a CALLERROR.
        status: the last one reported but `Idle`; None before the first.
        status_at: when it was first reported in this row of equal reports.
        firmware: name, version and SHA-256 of the file that was ordered.
        version_before: firmwareVersion of the BootNotification before the command.
        booted_version: that of the newest boot, up to the first after a final status.
        closed_at: when the operator stopped waiting for it.
    """

    job_id: int
    identity: str
    kind: JobKind
    token: str | None
    location: str
    protocol: str | None
    password_digest: str | None
    order: dict[str, Any]
    requested_at: datetime
    until_at: datetime
    command: CommandState
    answered_at: datetime | None
    answer: Any
    status: str | None
    status_at: datetime | None
    firmware: dict[str, Any] | None
    version_before: str | None
    booted_version: str | None
    booted_at: datetime | None
    closed_at: datetime | None

    @property
    def state(self) -> str:
        """The last reported status, or what became of the command before there is one."""
        return self.status or self.command.value


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One status notification as it came; `job_id` is None where no job is known."""

    record_id: int
    identity: str
    job_id: int | None
    kind: JobKind
    status: str
    received_at: datetime
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One try to move a job's file, as our own server saw it.

    Attributes:
        name: what the charge point called the file.
        first_byte: where a resumed download began.
        size_bytes: how much was moved.
        is_whole: the transfer reached the file's end in good order.
        sha256: of what was received, or of the whole file that was served.
        stored_as: the received file's name on disk; None once it was deleted.
        ended_at: None while it runs.
        detail: why it is not whole.
    """

    record_id: int
    identity: str
    job_id: int
    protocol: str
    name: str
    started_at: datetime
    ended_at: datetime | None
    first_byte: int
    size_bytes: int
    is_whole: bool
    sha256: str | None
    stored_as: str | None
    detail: str


def open_until(order: dict[str, Any], *, requested_at: datetime, window: timedelta) -> datetime:
    """Return how long the location of a job is open: the window, and the retries ordered.

    Args:
        order: payload with `retries` and `retryInterval` (seconds), if any.
        requested_at: the time of the command, or of a later retrieveDate.
        window: the operator's setting.
    """
    waits_s = int(order.get("retries") or 0) * int(order.get("retryInterval") or 0)
    extension = timedelta(seconds=min(max(waits_s, 0), int(MAX_EXTENSION.total_seconds())))
    try:
        return requested_at + window + extension
    except OverflowError:  # a retrieveDate at the end of the calendar
        return datetime.max.replace(tzinfo=UTC)


def meant_by(status: str, jobs: Sequence[Job]) -> Job | None:
    """Return the job a status belongs to.

    The newest, unless that has not begun yet and the status continues what an older one reported.

    Args:
        status: as reported.
        jobs: those of one kind and one charge point that may have arrived, newest first.
    """
    if not jobs:
        return None
    newest, *older = jobs
    if newest.status is not None or status in _FIRST:
        return newest
    for job in older:
        if job.status is not None:
            return job if status in _FOLLOWS.get(job.status, ()) else newest
    return newest


def notes_boot(job: Job) -> bool:
    """Tell whether the firmware version of a boot is of interest for a job.

    Until the first boot after a final status: a charge point may report `Installed` before or
    after it restarts, and what it reports is believed; the boot shows what runs.
    """
    if job.status not in FINAL:
        return True
    return job.booted_at is None or (job.status_at is not None and job.booted_at < job.status_at)


def wants_file(job: Job, *, has_whole: bool, now: datetime) -> bool:
    """Tell whether a diagnostics job still waits for its file."""
    return (
        job.token is not None
        and job.command.may_have_arrived
        and job.closed_at is None
        and not has_whole
        and now < job.until_at
    )
