"""A command's job is true whatever becomes of the command."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from csms.domain.file_jobs import Job, JobKind
from csms.ocppj.commands import CommandNotAllowed, InvalidCommand, Problem
from csms.ocppj.outcomes import (
    Answered,
    CommandOutcome,
    Disconnected,
    Malformed,
    Offline,
    QueueFull,
    Refused,
    TimedOut,
)
from csms.operations.commanding import Order
from csms.operations.file_jobs import (
    FileJobEffect,
    digest,
    is_password_of,
    new_job,
    new_token,
)
from csms.storage import file_jobs
from csms.storage.store import Store
from tests.csms.domain.test_file_jobs import job as a_job

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAYLOAD = {"location": "http://example/fw", "retrieveDate": "2026-03-01T12:00:00.000Z"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open, empty database."""
    opened = Store.open(f"sqlite:///{tmp_path / 'csms.sqlite3'}")
    yield opened
    await opened.close()


@pytest.fixture
def effect(store: Store) -> FileJobEffect:
    """The effect of UpdateFirmware."""
    return FileJobEffect(store, JobKind.FIRMWARE, window=timedelta(hours=1), now=lambda: NOW)


async def _jobs(store: Store) -> list[Job]:
    return await store.read(partial(file_jobs.page, identity="CP1", kind=JobKind.FIRMWARE))


@pytest.mark.parametrize(
    ("outcome", "state", "answer"),
    [
        (Answered({}), "Answered", {}),
        (Answered({"status": "Rejected"}), "Answered", {"status": "Rejected"}),
        (
            Refused("NotSupported", "no", {}),
            "Refused",
            {"code": "NotSupported", "description": "no", "details": {}},
        ),
        (Malformed("nonsense"), "Unknown", None),
        (TimedOut(30), "Unknown", None),
        (Disconnected(), "Unknown", None),
        (Offline(), "NotSent", None),
        (QueueFull(), "NotSent", None),
    ],
)
async def test_the_outcome_decides_what_is_known(
    store: Store, effect: FileJobEffect, outcome: CommandOutcome, state: str, answer: Any
) -> None:
    """Only an answer makes something true."""

    async def send() -> CommandOutcome:
        (job,) = await _jobs(store)
        assert job.state == "Requested"  # before anything leaves
        return outcome

    assert await effect.carry_out(Order("CP1", "UpdateFirmware", PAYLOAD), send) == outcome

    (job,) = await _jobs(store)
    assert (job.state, job.answer) == (state, answer)


async def test_a_forbidden_command_was_not_sent(store: Store, effect: FileJobEffect) -> None:
    """The charge point is Rejected, say."""

    async def send() -> CommandOutcome:
        raise CommandNotAllowed((Problem("", "not now"),))

    with pytest.raises(CommandNotAllowed):
        await effect.carry_out(Order("CP1", "UpdateFirmware", PAYLOAD), send)

    (job,) = await _jobs(store)
    assert job.state == "NotSent"


async def test_an_invalid_command_is_no_job(store: Store, effect: FileJobEffect) -> None:
    """It is refused as ever, and nothing is written down."""

    async def send() -> CommandOutcome:
        raise InvalidCommand((Problem("location", "missing"),))

    with pytest.raises(InvalidCommand):
        await effect.carry_out(Order("CP1", "UpdateFirmware", {"retrieveDate": 5}), send)

    assert await _jobs(store) == []


async def test_a_cancelled_wait_leaves_the_job_unknown(store: Store, effect: FileJobEffect) -> None:
    """The charge point may act on it."""
    waiting = asyncio.Event()

    async def send() -> CommandOutcome:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(effect.carry_out(Order("CP1", "UpdateFirmware", PAYLOAD), send))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    (job,) = await _jobs(store)
    assert job.state == "Unknown"


async def test_a_prepared_job_takes_the_command_with_its_location_once(
    store: Store, effect: FileJobEffect
) -> None:
    """The same location sent again is another order."""

    async def send() -> CommandOutcome:
        return Answered({})

    job = new_job(
        "CP1",
        JobKind.FIRMWARE,
        PAYLOAD,
        requested_at=NOW,
        window=timedelta(hours=1),
        token=new_token(),
    )
    prepared = await effect.prepare(PAYLOAD["location"], job)
    for _ in range(2):
        await effect.carry_out(Order("CP1", "UpdateFirmware", PAYLOAD), send)

    newest, oldest = await _jobs(store)
    assert oldest.job_id == prepared
    assert (oldest.token is None, newest.token is None) == (False, True)


def test_a_location_is_open_from_the_retrieve_date_on() -> None:
    """An update may be ordered for next month."""
    order = {**PAYLOAD, "retrieveDate": "2026-04-01T12:00:00Z"}

    job = new_job("CP1", JobKind.FIRMWARE, order, requested_at=NOW, window=timedelta(hours=1))

    assert job.until_at == datetime(2026, 4, 1, 13, tzinfo=UTC)


def test_passwords_are_not_kept() -> None:
    """Their digest is."""
    location = "ftp://user:hunter2@host/"
    made = new_job(
        "CP1",
        JobKind.DIAGNOSTICS,
        {"location": location},
        requested_at=NOW,
        window=timedelta(hours=1),
        password="hunter2",
    )

    assert "hunter2" not in str(made)
    assert made.password_digest == digest("hunter2")


def test_a_job_without_password_lets_nobody_in() -> None:
    """Not even with an empty one."""

    assert not is_password_of(a_job(), "")
    assert is_password_of(a_job(password_digest=digest("x")), "x")
    assert not is_password_of(a_job(password_digest=digest("x")), "\udc80")


def test_tokens_cannot_be_guessed() -> None:
    """160 random bits."""
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {40}
