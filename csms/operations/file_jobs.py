"""Firmware updates and requests for logs as jobs: whoever sends the command, it is written down.

A job exists before its command leaves, so that nothing a charge point reports, even before it
answers, is without one. A command whose answer is not known leaves the job `Unknown`.
"""

import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from csms.domain.file_jobs import (
    CommandState,
    Job,
    JobKind,
    is_refusal,
    location_of,
    open_until,
    retrieved_from,
    with_location,
)
from csms.domain.secrets import mask_location
from csms.domain.times import parse_time
from csms.files.ftp_server import FtpSettings
from csms.ocppj import command_rules
from csms.ocppj.outcomes import Answered, CommandOutcome, Offline, QueueFull, Refused
from csms.operations.commanding import Order, Send
from csms.storage import file_jobs
from csms.storage.errors import StorageError
from csms.storage.store import Store

EVERYWHERE: Final = ("", "0.0.0.0", "::")  # noqa: S104  # nobody can connect to these

_logger: Final = logging.getLogger(__name__)


class NoAddress(Exception):
    """Charge points cannot be told where our files are; the message says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """What an operator can set about files.

    Attributes:
        public_url: where charge points reach our HTTP server; None for where it listens.
        window: how long a location is open, beside the retries ordered.
    """

    directory: Path
    public_url: str | None
    max_firmware_bytes: int
    max_diagnostics_bytes: int
    window: timedelta
    ftp: FtpSettings


class FileJobEffect:
    """Writes a job down around its command."""

    def __init__(
        self, store: Store, kind: JobKind, *, window: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._kind = kind
        self._window = window
        self._now = now
        self._prepared: dict[str, int] = {}

    async def prepare(self, location: str, job: file_jobs.NewJob) -> int:
        """Write down a job of ours, to which the next command with this location belongs."""
        job_id = await self._store.write(partial(file_jobs.add, job=job))
        self._prepared[location] = job_id
        return job_id

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send the command of a job, and write down what became of it."""
        job_id = self._prepared.pop(location_of(self._kind, order.payload) or "", None)
        if job_id is None:
            if command_rules.problems(order.action, order.payload):
                return await send()  # says so, and sends nothing
            job = new_job(
                order.identity,
                self._kind,
                order.payload,
                requested_at=self._now(),
                window=self._window,
            )
            job_id = await self._store.write(partial(file_jobs.add, job=job))
        command, answer = CommandState.UNKNOWN, None
        try:
            outcome = await send()
            command, answer = _became(outcome)
            if is_refusal(self._kind, answer):
                command = CommandState.REFUSED
        except ValueError:  # InvalidCommand: the charge point's state forbids it
            command = CommandState.NOT_SENT
            raise
        finally:
            await self._settle(job_id, command, answer)
        return outcome

    async def _settle(self, job_id: int, command: CommandState, answer: Any) -> None:
        settle = partial(
            file_jobs.settle, job_id=job_id, command=command, answer=answer, at=self._now()
        )
        try:
            await self._store.write(settle)
        except StorageError as error:  # it stays Requested, and is Unknown after a restart
            _logger.error("job %d: the answer was not stored: %s", job_id, error)


def new_job(
    identity: str,
    kind: JobKind,
    order: dict[str, Any],
    *,
    requested_at: datetime,
    window: timedelta,
    token: str | None = None,
    protocol: str | None = None,
    password: str | None = None,
    firmware: dict[str, Any] | None = None,
) -> file_jobs.NewJob:
    """Return a job for a sound payload; secrets are left out of it."""
    location = mask_location(location_of(kind, order) or "")
    masked = with_location(kind, order, location)
    retrieve = parse_time(retrieved_from(kind, order))
    from_at = max(requested_at, retrieve.at) if retrieve else requested_at
    return file_jobs.NewJob(
        identity=identity,
        kind=kind,
        token=token,
        request_id=order.get("requestId"),
        location=location,
        protocol=protocol,
        password_digest=None if password is None else digest(password),
        order=masked,
        requested_at=requested_at,
        until_at=open_until(masked, requested_at=from_at, window=window),
        firmware=firmware,
    )


def tries(retries: int | None, retry_interval_s: int | None) -> dict[str, Any]:
    """Return how often a charge point shall try again, as far as it is said."""
    given = {"retries": retries, "retryInterval": retry_interval_s}
    return {name: value for name, value in given.items() if value is not None}


def new_request_id() -> int:
    """Return the id of a request; what a charge point says of an older one must not fit it."""
    return secrets.randbelow(2**31 - 1) + 1


def new_token() -> str:
    """Return the secret part of a location: 160 random bits."""
    return secrets.token_hex(20)


def digest(secret: str) -> str:
    """Return what is kept of a random password; it is long, so a plain hash will do."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def is_password_of(job: Job, password: str) -> bool:
    """Tell whether the password is the right one."""
    return job.password_digest is not None and secrets.compare_digest(
        job.password_digest, digest(password)
    )


def _became(outcome: CommandOutcome) -> tuple[CommandState, Any]:
    match outcome:
        case Answered(payload):
            return CommandState.ANSWERED, payload
        case Refused(code, description, details):
            return CommandState.REFUSED, {
                "code": code,
                "description": description,
                "details": details,
            }
        case Offline() | QueueFull():
            return CommandState.NOT_SENT, None
    return CommandState.UNKNOWN, None
