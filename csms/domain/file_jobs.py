"""Firmware updates and requests for logs as jobs with a life of their own. Pure.

What a charge point reports of an UpdateFirmware or GetDiagnostics belongs to the job it most likely
means; of a SignedUpdateFirmware or GetLog, which have request ids, to the job with that id or to
none. Every report is kept as it came. Facts stay apart: what became of the command, what the charge
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
    """What a job moves: firmware to the charge point, or diagnostics and logs from it."""

    FIRMWARE = "firmware"
    SIGNED_FIRMWARE = "signedFirmware"
    DIAGNOSTICS = "diagnostics"
    LOG = "log"

    @property
    def is_firmware(self) -> bool:
        """Whether the file goes to the charge point."""
        return self in (JobKind.FIRMWARE, JobKind.SIGNED_FIRMWARE)

    @property
    def has_request_id(self) -> bool:
        """Whether orders and reports carry the id of the request."""
        return self in (JobKind.SIGNED_FIRMWARE, JobKind.LOG)


class CommandState(StrEnum):
    """What became of the job's command.

    `REFUSED`: by a CALLERROR, or an answer that says so. `UNKNOWN`: it was, or may have been, sent,
    and no answer is known.
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
    {
        *("Installed", "InstallationFailed", "DownloadFailed"),
        *("InvalidSignature", "InstallVerificationFailed"),
        *("Uploaded", "UploadFailed"),
        *("UploadFailure", "BadMessage", "PermissionDenied", "NotSupportedOperation"),
    }
)
_REFUSALS: Final = frozenset({"Rejected", "InvalidCertificate", "RevokedCertificate"})
CANCELING: Final = "AcceptedCanceled"  # an answer: taken, and the job before it given up
CANCELED: Final = "Canceled"
NO_REQUEST_ID: Final = "requestId: missing"  # a flag: only Idle may lack it (CS-SEC-13, 15)
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
        signature: in Base64, as it goes to charge points; None for an unsigned file.
        signing_certificate: PEM, its issuers behind it if any.
        signature_algorithm: with which the signature was found right.
    """

    name: str
    version: str
    size_bytes: int
    sha256: str
    stored_as: str
    uploaded_at: datetime
    signature: str | None = None
    signing_certificate: str | None = None
    signature_algorithm: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A firmware update or a request for a log.

    Attributes:
        request_id: as sent, where the command has one.
        token: the secret part of our location; None where the location is not ours.
        location: as sent, without secrets.
        protocol: ``http`` or ``ftp`` where the location is ours.
        password_digest: of the password of an FTP job.
        order: the command's payload, without secrets.
        until_at: how long our location is open.
        answer: the CALLRESULT's payload, or code, description and details of a CALLERROR.
        status: the last one reported but `Idle`; None before the first.
        status_at: when it was first reported in this row of equal reports.
        firmware: name, version and SHA-256 of the file that was ordered.
        version_before: firmwareVersion of the BootNotification before the command.
        booted_version: that of the newest boot, up to the first after a final status.
        closed_at: when the operator stopped waiting for it.
        canceled_at: when the charge point said that it gave it up for a later one.
        canceled_by: that later job.
    """

    job_id: int
    identity: str
    kind: JobKind
    request_id: int | None
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
    canceled_at: datetime | None
    canceled_by: int | None

    @property
    def state(self) -> str:
        """The last reported status, or what became of the command before there is one.

        `Canceled` where a later job took its place before it ended.
        """
        if self.canceled_at is not None and self.status not in FINAL:
            return CANCELED
        if self.status is None and is_refusal(self.kind, self.answer):
            return str(self.answer["status"])
        return self.status or self.command.value


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One status notification as it came; `job_id` is None where no job is known."""

    record_id: int
    identity: str
    job_id: int | None
    kind: JobKind
    request_id: int | None
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


_LOCATION: Final[dict[JobKind, tuple[str, ...]]] = {
    JobKind.FIRMWARE: ("location",),
    JobKind.SIGNED_FIRMWARE: ("firmware", "location"),
    JobKind.DIAGNOSTICS: ("location",),
    JobKind.LOG: ("log", "remoteLocation"),
}


def location_of(kind: JobKind, order: dict[str, Any]) -> str | None:
    """Return where an order says the file is or goes; None in an order that is not sound."""
    place: Any = order
    for name in _LOCATION[kind]:
        place = place.get(name) if isinstance(place, dict) else None
    return place if isinstance(place, str) else None


def with_location(kind: JobKind, order: dict[str, Any], location: str) -> dict[str, Any]:
    """Return an order for another location."""
    *outer, name = _LOCATION[kind]
    if not outer:
        return {**order, name: location}
    return {**order, outer[0]: {**order.get(outer[0], {}), name: location}}


def retrieved_from(kind: JobKind, order: dict[str, Any]) -> object:
    """Return the time from which a sound order lets the charge point fetch, as it is written."""
    if kind is JobKind.SIGNED_FIRMWARE:
        return order["firmware"].get("retrieveDateTime")
    return order.get("retrieveDate")


def is_refusal(kind: JobKind, answer: Any) -> bool:
    """Tell whether an answer's payload says that nothing will be done."""
    return _status_of(kind, answer) in _REFUSALS


def is_canceling(kind: JobKind, answer: Any) -> bool:
    """Tell whether an answer's payload says that the job before was given up."""
    return _status_of(kind, answer) == CANCELING


def _status_of(kind: JobKind, answer: Any) -> str | None:
    status = answer.get("status") if kind.has_request_id and isinstance(answer, dict) else None
    return status if isinstance(status, str) else None


def given_up(earlier: Sequence[Job]) -> list[Job]:
    """Return the jobs that are no longer worked on once a charge point says it canceled one.

    It works on one at a time. Of some nobody knows whether they ever arrived, so these are all up
    to the last that ended.

    Args:
        earlier: those of one kind and one charge point that may have arrived, newest first.
    """
    found = []
    for job in earlier:
        if job.status in FINAL or job.canceled_at is not None:
            break
        found.append(job)
    return found


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
    """Tell whether a request for a log still waits for its file."""
    return (
        job.token is not None
        and job.command.may_have_arrived
        and job.closed_at is None
        and job.canceled_at is None
        and not has_whole
        and now < job.until_at
    )
