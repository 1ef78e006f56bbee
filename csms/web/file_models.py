"""The shapes of firmware, logs and the jobs that move them."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from csms.domain.file_jobs import CommandState, Job, JobKind, JobStatus, Transfer
from csms.web.models import Body, Time, View

MAX_INT32 = 2**31


def _ascii(text: str) -> str:
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise ValueError("is not printable ASCII")
    return text


Version = Annotated[
    str, StringConstraints(min_length=1, max_length=50), AfterValidator(_ascii)
]  # as long as firmwareVersion, OCPP 1.6 ed. 2 §6.3
Count = Annotated[int | None, Field(strict=True, ge=0, lt=MAX_INT32)]


class FirmwareView(View):
    """A file of the firmware repository."""

    name: str
    version: str
    size: int = Field(validation_alias="size_bytes")
    sha256: str
    uploaded_at: Time
    signature: str | None = Field(description="Base64; null while the file is not signed.")
    signing_certificate: str | None = Field(description="PEM.")
    signature_algorithm: str | None = Field(description="With which the signature was right.")


class SignatureBody(Body):
    """The manufacturer's signature of a firmware file."""

    signature: str = Field(
        description="Base64, of the whole file with SHA-256: RSA (PKCS #1 v1.5 or PSS) or ECDSA.",
        max_length=2000,
    )
    signing_certificate: str = Field(
        description="PEM; its issuers may follow it. In all 5500 characters at most.",
        max_length=20_000,
    )


class FirmwareUpdateBody(Body):
    """What a charge point shall install, and how."""

    firmware: str = Field(description="A name in the repository.", max_length=100)
    retrieve_date: Time | None = Field(None, description="Not before this time; now if left out.")
    retries: Count = None
    retry_interval: Count = Field(None, description="Seconds.")


class SignedFirmwareUpdateBody(FirmwareUpdateBody):
    """What a charge point shall install once it checked the signature, and how."""

    install_date: Time | None = Field(None, description="Not installed before this time.")


class LogBody(Body):
    """Which log a charge point shall send, and how."""

    log_type: Literal["DiagnosticsLog", "SecurityLog"]
    protocol: Literal["http", "ftp"] = "http"
    oldest_timestamp: Time | None = Field(None, description="Entries from this time on.")
    latest_timestamp: Time | None = Field(None, description="Entries up to this time.")
    retries: Count = None
    retry_interval: Count = Field(None, description="Seconds.")


class DiagnosticsBody(Body):
    """What a charge point shall send, and how."""

    protocol: Literal["http", "ftp"] = "http"
    start_time: Time | None = Field(None, description="Logs from this time on.")
    stop_time: Time | None = Field(None, description="Logs up to this time.")
    retries: Count = None
    retry_interval: Count = Field(None, description="Seconds.")


class JobStatusView(View):
    """One status notification as it came."""

    status: str
    received_at: Time
    flags: list[str]


class FileStatusView(JobStatusView):
    """One status notification with what it was taken for."""

    id: int = Field(validation_alias="record_id")
    kind: JobKind
    job_id: int | None = Field(description="Null where no job is known.")
    request_id: int | None


class TransferView(View):
    """One try to move the file, as our own server saw it."""

    protocol: str
    name: str = Field(description="What the charge point called the file.")
    started_at: Time
    ended_at: Time | None = Field(description="Null while it runs.")
    first_byte: int
    size: int = Field(validation_alias="size_bytes")
    is_whole: bool = Field(description="It reached the end of the file in good order.")
    sha256: str | None
    detail: str = Field(description="Why it is not whole.")


class JobView(View):
    """A firmware update or a request for a log."""

    id: int
    charge_point: str
    state: str = Field(description="`status`, or `command` while there is none.")
    command: CommandState
    answer: Any = Field(description="The answer's payload, or code and description of a refusal.")
    requested_at: Time
    answered_at: Time | None
    until: Time = Field(description="How long our location is open.")
    location: str
    order: dict[str, Any] = Field(description="The command's payload.")
    status: str | None = Field(description="The last one reported but Idle.")
    status_at: Time | None


class FirmwareUpdateView(JobView):
    """A firmware update."""

    firmware: dict[str, Any] | None = Field(description="The file as it was when it was ordered.")
    version_before: str | None
    booted_version: str | None = Field(description="firmwareVersion of the newest boot since.")
    booted_at: Time | None


class RequestView(JobView):
    """A job whose reports carry the id of the request."""

    request_id: int
    canceled_at: Time | None = Field(description="When the charge point gave it up.")
    canceled_by: int | None = Field(description="The later job for which it did.")


class SignedFirmwareUpdateView(FirmwareUpdateView, RequestView):
    """A signed firmware update."""


class ReceivedFileView(View):
    """What came of a request for a log."""

    name: str
    size: int
    sha256: str | None
    received_at: Time
    is_whole: bool


class UploadView(JobView):
    """A job whose file comes from the charge point."""

    file_name: str | None = Field(description="As the charge point answered.")
    file: ReceivedFileView | None
    wants_file: bool


class DiagnosticsView(UploadView):
    """A diagnostics request."""


class LogView(UploadView, RequestView):
    """A request for a log."""

    log_type: str


class _Details(View):
    statuses: list[JobStatusView] = Field(description="In the order they came.")
    transfers: list[TransferView] = Field(description="In the order they began.")


class FirmwareUpdateDetailView(FirmwareUpdateView, _Details):
    """A firmware update with all that happened."""


class SignedFirmwareUpdateDetailView(SignedFirmwareUpdateView, _Details):
    """A signed firmware update with all that happened."""


class DiagnosticsDetailView(DiagnosticsView, _Details):
    """A diagnostics request with all that happened."""


class LogDetailView(LogView, _Details):
    """A request for a log with all that happened."""


def job_fields(job: Job) -> dict[str, Any]:
    """Return what all views of a job show."""
    return {
        "id": job.job_id,
        "charge_point": job.identity,
        "state": job.state,
        "command": job.command,
        "answer": job.answer,
        "requested_at": job.requested_at,
        "answered_at": job.answered_at,
        "until": job.until_at,
        "location": job.location,
        "order": job.order,
        "status": job.status,
        "status_at": job.status_at,
        "request_id": job.request_id,
        "canceled_at": job.canceled_at,
        "canceled_by": job.canceled_by,
    }


def firmware_fields(job: Job) -> dict[str, Any]:
    """Return what the views of an update show."""
    return job_fields(job) | {
        "firmware": job.firmware,
        "version_before": job.version_before,
        "booted_version": job.booted_version,
        "booted_at": job.booted_at,
    }


def upload_fields(job: Job, file: Transfer | None, *, wants_file: bool) -> dict[str, Any]:
    """Return what the views of a request for a log show."""
    answer = job.answer if isinstance(job.answer, dict) else {}
    file_name = answer.get("filename" if job.kind is JobKind.LOG else "fileName")
    shown = file is not None and file.stored_as is not None
    return job_fields(job) | {
        "file_name": file_name if isinstance(file_name, str) else None,
        "wants_file": wants_file,
        "log_type": job.order.get("logType"),
        "file": {
            "name": file.name,
            "size": file.size_bytes,
            "sha256": file.sha256,
            "received_at": file.ended_at,
            "is_whole": file.is_whole,
        }
        if file is not None and shown
        else None,
    }


def detail_fields(statuses: list[JobStatus], transfers: list[Transfer]) -> dict[str, Any]:
    """Return what only the view of a single job shows."""
    return {
        "statuses": [JobStatusView.model_validate(one) for one in statuses],
        "transfers": [TransferView.model_validate(one) for one in transfers],
    }
