"""Firmware updates and requests for logs: the jobs, what was reported of them, what moved."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, exists, insert, select, update

from csms.domain.file_jobs import (
    IDLE,
    NO_REQUEST_ID,
    CommandState,
    Job,
    JobKind,
    JobStatus,
    Transfer,
    given_up,
    is_canceling,
    meant_by,
    notes_boot,
)
from csms.storage import charge_points, history
from csms.storage.database import new_id
from csms.storage.tables import file_job_statuses, file_jobs, file_transfers

LOOKED_BACK: Final = 20  # jobs among which the meaning of a status is sought

_MAY_HAVE_ARRIVED: Final = [state.value for state in CommandState if state.may_have_arrived]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job about to be commanded; see `csms.domain.file_jobs.Job`."""

    identity: str
    kind: JobKind
    location: str
    order: dict[str, Any]
    requested_at: datetime
    until_at: datetime
    request_id: int | None = None
    token: str | None = None
    protocol: str | None = None
    password_digest: str | None = None
    firmware: dict[str, Any] | None = field(default=None)


def add(connection: Connection, job: NewJob) -> int:
    """Keep a job whose command is about to be sent; return its id."""
    charge_point = charge_points.get(connection, job.identity)
    version = charge_point.boot.firmware_version if charge_point else None
    row = asdict(job) | {
        "kind": job.kind.value,
        "command": CommandState.REQUESTED.value,
        "version_before": version if job.kind.is_firmware else None,
    }
    return new_id(connection.execute(insert(file_jobs), row))


def settle(
    connection: Connection, job_id: int, *, command: CommandState, answer: Any, at: datetime
) -> None:
    """Write down what became of a job's command.

    What was reported meanwhile belongs to an older job where the charge point refused this one. It
    may have given up an older one for it.
    """
    connection.execute(
        update(file_jobs)
        .where(file_jobs.c.id == job_id)
        .values(command=command.value, answer=answer, answered_at=at)
    )
    job = get(connection, job_id)
    if job is None:
        return
    if not command.may_have_arrived:
        _hand_back(connection, job)
    elif is_canceling(job.kind, answer):
        _cancel_before(connection, job, at=at)


def settle_interrupted(connection: Connection, *, at: datetime) -> None:
    """After a start: nobody knows what became of what was under way when the CSMS ended."""
    connection.execute(
        update(file_jobs)
        .where(file_jobs.c.command == CommandState.REQUESTED.value)
        .values(command=CommandState.UNKNOWN.value)
    )
    connection.execute(
        update(file_transfers)
        .where(file_transfers.c.ended_at.is_(None))
        .values(ended_at=at, stored_as=None, detail="the CSMS ended during the transfer")
    )


def record_status(
    connection: Connection,
    identity: str,
    *,
    kind: JobKind,
    status: str,
    at: datetime,
    request_id: int | None = None,
    flags: tuple[str, ...] = (),
) -> None:
    """Keep a status notification with the job it belongs to, if any.

    That is the one with the request id, where the kind has ids; nothing is guessed then.
    """
    if kind.has_request_id:
        jobs = [] if request_id is None else _arrived(connection, identity, kind, request_id)
        job = jobs[0] if jobs else None
        if request_id is None and status != IDLE:
            flags = (*flags, NO_REQUEST_ID)
    else:
        job = meant_by(status, _arrived(connection, identity, kind))
    row = {
        "identity": identity,
        "job_id": job.job_id if job else None,
        "kind": kind.value,
        "request_id": request_id,
        "status": status,
        "received_at": at,
        "flags": list(flags),
    }
    history.record(connection, file_job_statuses, row)
    if job is not None:
        _report(connection, job, status=status, at=at)


def record_boot(
    connection: Connection, identity: str, *, version: str | None, at: datetime
) -> None:
    """Show the firmware version of a boot beside the update it may come from."""
    jobs = [
        job
        for kind in JobKind
        if kind.is_firmware
        for job in _arrived(connection, identity, kind, limit=1)
    ]
    newest = max(jobs, key=lambda job: job.job_id, default=None)
    if newest is not None and notes_boot(newest):
        connection.execute(
            update(file_jobs)
            .where(file_jobs.c.id == newest.job_id)
            .values(booted_version=version, booted_at=at)
        )


def close(connection: Connection, job_id: int, *, at: datetime) -> None:
    """Stop waiting for a job's file."""
    connection.execute(
        update(file_jobs)
        .where(file_jobs.c.id == job_id, file_jobs.c.closed_at.is_(None))
        .values(closed_at=at)
    )


def get(connection: Connection, job_id: int) -> Job | None:
    """Return a job."""
    row = connection.execute(select(file_jobs).where(file_jobs.c.id == job_id)).one_or_none()
    return None if row is None else _job(row)


def by_token(connection: Connection, token: str) -> Job | None:
    """Return the job that owns a location of ours."""
    row = connection.execute(select(file_jobs).where(file_jobs.c.token == token)).one_or_none()
    return None if row is None else _job(row)


def page(
    connection: Connection,
    identity: str,
    *,
    kind: JobKind,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Job]:
    """Return a charge point's jobs of one kind, newest first."""
    query = (
        select(file_jobs)
        .where(file_jobs.c.identity == identity, file_jobs.c.kind == kind.value)
        .order_by(file_jobs.c.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(file_jobs.c.id < before_id)
    return [_job(row) for row in connection.execute(query)]


def waiting_by_ftp(connection: Connection, *, now: datetime) -> list[Job]:
    """Return the jobs for whose file an FTP server is needed."""
    query = select(file_jobs).where(
        file_jobs.c.protocol == "ftp",
        file_jobs.c.until_at > now,
        file_jobs.c.closed_at.is_(None),
        file_jobs.c.canceled_at.is_(None),
        file_jobs.c.command.in_(_MAY_HAVE_ARRIVED),
        ~exists().where(
            file_transfers.c.job_id == file_jobs.c.id, file_transfers.c.is_whole.is_(True)
        ),
    )
    return [_job(row) for row in connection.execute(query)]


def statuses_of(connection: Connection, job_id: int, *, limit: int = 1000) -> list[JobStatus]:
    """Return what was reported of a job in the order it came; the newest `limit`."""
    query = (
        select(file_job_statuses)
        .where(file_job_statuses.c.job_id == job_id)
        .order_by(file_job_statuses.c.id.desc())
        .limit(limit)
    )
    return [_status(row) for row in reversed(connection.execute(query).all())]


def statuses_page(
    connection: Connection, identity: str, *, before_id: int | None = None, limit: int = 100
) -> list[JobStatus]:
    """Return all a charge point reported, also without a job, newest first."""
    query = (
        select(file_job_statuses)
        .where(file_job_statuses.c.identity == identity)
        .order_by(file_job_statuses.c.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(file_job_statuses.c.id < before_id)
    return [_status(row) for row in connection.execute(query)]


def begin_transfer(
    connection: Connection,
    job: Job,
    *,
    protocol: str,
    name: str,
    at: datetime,
    first_byte: int = 0,
    sha256: str | None = None,
    stored_as: str | None = None,
) -> int:
    """Write down that a file began to move; return the transfer's id."""
    row = {
        "identity": job.identity,
        "job_id": job.job_id,
        "protocol": protocol,
        "name": name,
        "started_at": at,
        "first_byte": first_byte,
        "size_bytes": 0,
        "is_whole": False,
        "sha256": sha256,
        "stored_as": stored_as,
        "detail": "",
    }
    return history.record(connection, file_transfers, row)


def end_download(
    connection: Connection,
    transfer_id: int,
    *,
    size_bytes: int,
    is_whole: bool,
    at: datetime,
    detail: str = "",
) -> None:
    """Write down how a download ended."""
    connection.execute(
        update(file_transfers)
        .where(file_transfers.c.id == transfer_id)
        .values(size_bytes=size_bytes, is_whole=is_whole, ended_at=at, detail=detail)
    )


def end_upload(
    connection: Connection,
    transfer_id: int,
    *,
    size_bytes: int,
    sha256: str,
    is_whole: bool,
    at: datetime,
    detail: str = "",
) -> tuple[bool, list[str]]:
    """Write down how an upload ended; tell whether it is the job's file.

    It is not, where another whole file came first, or nobody wants it any more.

    Returns:
        That, and the names on disk of the files that are superfluous now: but for the whole
        file, only the newest part is kept.
    """
    mine = file_transfers.c.id == transfer_id
    job_id = connection.execute(select(file_transfers.c.job_id).where(mine)).scalar_one()
    job = get(connection, job_id)
    has_other = has_whole(connection, job_id)
    is_closed = job is None or job.closed_at is not None
    if is_whole and (has_other or is_closed):
        is_whole, detail = False, "the file was no longer wanted"
    connection.execute(
        update(file_transfers)
        .where(mine)
        .values(size_bytes=size_bytes, sha256=sha256, is_whole=is_whole, ended_at=at, detail=detail)
    )
    superfluous = [
        file_transfers.c.job_id == job_id,
        file_transfers.c.is_whole.is_(False),
        file_transfers.c.ended_at.is_not(None),
        file_transfers.c.stored_as.is_not(None),
    ]
    if not is_closed and not has_other and not is_whole:
        superfluous.append(file_transfers.c.id < transfer_id)
    return is_whole, _forget_files(connection, *superfluous)


def forget_files(connection: Connection, job_id: int) -> list[str]:
    """Let go of a job's files; return their names on disk."""
    return _forget_files(
        connection, file_transfers.c.job_id == job_id, file_transfers.c.stored_as.is_not(None)
    )


def transfers_of(connection: Connection, job_id: int, *, limit: int = 1000) -> list[Transfer]:
    """Return a job's transfers in the order they began; the newest `limit`."""
    query = (
        select(file_transfers)
        .where(file_transfers.c.job_id == job_id)
        .order_by(file_transfers.c.id.desc())
        .limit(limit)
    )
    return [_transfer(row) for row in reversed(connection.execute(query).all())]


def received_file(connection: Connection, job_id: int) -> Transfer | None:
    """Return the whole file a job received, else the newest part of it; None without either."""
    query = (
        select(file_transfers)
        .where(file_transfers.c.job_id == job_id, file_transfers.c.ended_at.is_not(None))
        .order_by(file_transfers.c.is_whole.desc(), file_transfers.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _transfer(row)


def has_whole(connection: Connection, job_id: int) -> bool:
    """Tell whether a job's file came as a whole, also where it was deleted since."""
    query = select(file_transfers.c.id).where(
        file_transfers.c.job_id == job_id, file_transfers.c.is_whole.is_(True)
    )
    return connection.execute(query.limit(1)).first() is not None


def stored_names(connection: Connection) -> set[str]:
    """Return the names on disk of all files received."""
    query = select(file_transfers.c.stored_as).where(file_transfers.c.stored_as.is_not(None))
    return set(connection.execute(query).scalars())


def _arrived(
    connection: Connection,
    identity: str,
    kind: JobKind,
    request_id: int | None = None,
    *,
    before_id: int | None = None,
    limit: int = LOOKED_BACK,
) -> list[Job]:
    """Return jobs that may have arrived, newest first."""
    query = (
        select(file_jobs)
        .where(
            file_jobs.c.identity == identity,
            file_jobs.c.kind == kind.value,
            file_jobs.c.command.in_(_MAY_HAVE_ARRIVED),
        )
        .order_by(file_jobs.c.id.desc())
        .limit(limit)
    )
    if request_id is not None:
        query = query.where(file_jobs.c.request_id == request_id)
    if before_id is not None:
        query = query.where(file_jobs.c.id < before_id)
    return [_job(row) for row in connection.execute(query)]


def _report(connection: Connection, job: Job, *, status: str, at: datetime) -> None:
    if status not in (IDLE, job.status):
        connection.execute(
            update(file_jobs)
            .where(file_jobs.c.id == job.job_id)
            .values(status=status, status_at=at)
        )


def _cancel_before(connection: Connection, job: Job, *, at: datetime) -> None:
    """Write down that the charge point gave up the job before this one."""
    before = _arrived(connection, job.identity, job.kind, before_id=job.job_id)
    for one in given_up(before):
        connection.execute(
            update(file_jobs)
            .where(file_jobs.c.id == one.job_id)
            .values(canceled_at=at, canceled_by=job.job_id)
        )


def _hand_back(connection: Connection, job: Job) -> None:
    """Give what was reported since a refused command to the job before, if there is one."""
    reported = statuses_of(connection, job.job_id)
    if not reported:
        return
    before = _arrived(
        connection, job.identity, job.kind, job.request_id, before_id=job.job_id, limit=1
    )
    older = before[0] if before else None
    connection.execute(
        update(file_job_statuses)
        .where(file_job_statuses.c.job_id == job.job_id)
        .values(job_id=older.job_id if older else None)
    )
    connection.execute(
        update(file_jobs).where(file_jobs.c.id == job.job_id).values(status=None, status_at=None)
    )
    if older is not None:
        for one in reported:
            _report(connection, older, status=one.status, at=one.received_at)


def _forget_files(connection: Connection, *which: Any) -> list[str]:
    names = list(connection.execute(select(file_transfers.c.stored_as).where(*which)).scalars())
    connection.execute(update(file_transfers).where(*which).values(stored_as=None))
    return names


def _job(row: Row[Any]) -> Job:
    values = dict(row._mapping)
    return Job(
        job_id=values.pop("id"),
        kind=JobKind(values.pop("kind")),
        command=CommandState(values.pop("command")),
        **values,
    )


def _status(row: Row[Any]) -> JobStatus:
    return JobStatus(
        record_id=row.id,
        identity=row.identity,
        job_id=row.job_id,
        kind=JobKind(row.kind),
        request_id=row.request_id,
        status=row.status,
        received_at=row.received_at,
        flags=tuple(row.flags),
    )


def _transfer(row: Row[Any]) -> Transfer:
    values = dict(row._mapping)
    return Transfer(record_id=values.pop("id"), **values)
