"""Jobs with their reports and transfers in the database."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from csms.domain.file_jobs import CommandState, Job, JobKind
from csms.domain.model import BootInformation
from csms.storage import charge_points, file_jobs
from csms.storage.file_jobs import NewJob
from csms.storage.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Jobs:
    """Shorter words for the operations."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def add(
        self, token: str | None = None, *, kind: JobKind = JobKind.FIRMWARE, **more: Any
    ) -> int:
        new = NewJob(
            identity="CP1",
            kind=kind,
            location="http://x/",
            order={"location": "http://x/"},
            requested_at=NOW,
            until_at=NOW + 60 * MINUTE,
            token=token,
            **more,
        )
        return await self.store.write(partial(file_jobs.add, job=new))

    async def settle(self, job_id: int, command: CommandState, answer: str | None = None) -> None:
        payload = {} if answer is None else {"status": answer}
        await self.store.write(
            partial(file_jobs.settle, job_id=job_id, command=command, answer=payload, at=NOW)
        )

    async def report(
        self,
        *statuses: str,
        kind: JobKind = JobKind.FIRMWARE,
        at: datetime = NOW,
        request_id: int | None = None,
    ) -> None:
        for status in statuses:
            await self.store.write(
                partial(
                    file_jobs.record_status,
                    identity="CP1",
                    kind=kind,
                    status=status,
                    at=at,
                    request_id=request_id,
                )
            )

    async def boot(self, version: str, at: datetime) -> None:
        await self.store.write(
            partial(file_jobs.record_boot, identity="CP1", version=version, at=at)
        )

    async def get(self, job_id: int) -> Job:
        found = await self.store.read(partial(file_jobs.get, job_id=job_id))
        assert found is not None
        return found

    async def history(self, job_id: int) -> list[str]:
        found = await self.store.read(partial(file_jobs.statuses_of, job_id=job_id))
        return [one.status for one in found]

    async def upload(self, job_id: int, name: str) -> int:
        return await self.store.write(
            partial(
                file_jobs.begin_transfer,
                job=await self.get(job_id),
                protocol="ftp",
                name=name,
                at=NOW,
                stored_as=name,
            )
        )

    async def end(self, transfer_id: int, *, is_whole: bool) -> tuple[bool, list[str]]:
        return await self.store.write(
            partial(
                file_jobs.end_upload,
                transfer_id=transfer_id,
                size_bytes=5,
                sha256="ab",
                is_whole=is_whole,
                at=NOW,
                detail="" if is_whole else "broken",
            )
        )


@pytest.fixture
def jobs(store: Store) -> Jobs:
    """Operations on an empty database."""
    return Jobs(store)


async def test_every_report_is_kept_and_the_last_one_shown(jobs: Jobs) -> None:
    """Idle says nothing about the job, and a repetition changes no time."""
    job_id = await jobs.add()
    await jobs.report("Downloading", "DownloadFailed", "Downloading", "Idle", at=NOW)
    await jobs.report("Downloading", at=NOW + MINUTE)

    found = await jobs.get(job_id)

    assert (found.state, found.status_at) == ("Downloading", NOW)
    assert found.command is CommandState.REQUESTED  # stations report before they answer
    assert await jobs.history(job_id) == [
        "Downloading",
        "DownloadFailed",
        "Downloading",
        "Idle",
        "Downloading",
    ]


async def test_reports_without_a_job_are_kept(jobs: Jobs) -> None:
    """And those of one kind do not touch jobs of the other."""
    job_id = await jobs.add(kind=JobKind.DIAGNOSTICS)
    await jobs.report("Installed")

    kept = await jobs.store.read(partial(file_jobs.statuses_page, identity="CP1"))

    assert [(one.status, one.job_id) for one in kept] == [("Installed", None)]
    assert (await jobs.get(job_id)).status is None


@pytest.mark.parametrize("command", [CommandState.REFUSED, CommandState.NOT_SENT])
async def test_reports_return_to_the_older_job_when_a_command_is_refused(
    jobs: Jobs, command: CommandState
) -> None:
    """They can only have meant what was under way."""
    older = await jobs.add()
    await jobs.settle(older, CommandState.ANSWERED)
    refused = await jobs.add()
    await jobs.report("Downloading", "Downloaded")

    await jobs.settle(refused, command)

    assert (await jobs.get(older)).state == "Downloaded"
    assert await jobs.history(older) == ["Downloading", "Downloaded"]
    assert (await jobs.get(refused)).state == command.value
    assert await jobs.history(refused) == []


async def test_reports_of_a_lone_refused_job_belong_to_none(jobs: Jobs) -> None:
    """Nothing false is shown of a command that was never carried out."""
    refused = await jobs.add()
    await jobs.report("Downloading")

    await jobs.settle(refused, CommandState.REFUSED)

    assert (await jobs.get(refused)).state == "Refused"
    kept = await jobs.store.read(partial(file_jobs.statuses_page, identity="CP1"))
    assert [(one.status, one.job_id) for one in kept] == [("Downloading", None)]


async def test_what_was_under_way_at_the_end_is_unknown(jobs: Jobs) -> None:
    """An answer that was written down stays."""
    answered = await jobs.add()
    await jobs.settle(answered, CommandState.ANSWERED)
    open_ = await jobs.add(kind=JobKind.DIAGNOSTICS)
    await jobs.upload(open_, "part")

    await jobs.store.write(partial(file_jobs.settle_interrupted, at=NOW + MINUTE))

    assert (await jobs.get(answered)).command is CommandState.ANSWERED
    assert (await jobs.get(open_)).state == "Unknown"
    (transfer,) = await jobs.store.read(partial(file_jobs.transfers_of, job_id=open_))
    assert (transfer.is_whole, transfer.ended_at) == (False, NOW + MINUTE)
    assert transfer.detail == "the CSMS ended during the transfer"
    assert await jobs.store.read(file_jobs.stored_names) == set()


async def test_the_boot_after_an_update_shows_what_runs(jobs: Jobs) -> None:
    """Beside what the charge point reported, which is believed."""
    await jobs.store.write(partial(charge_points.register, identity="CP1", at=NOW))
    await jobs.store.write(
        partial(
            charge_points.record_boot,
            identity="CP1",
            boot=BootInformation(firmware_version="1.0"),
            at=NOW,
        )
    )
    job_id = await jobs.add()
    await jobs.report("Downloading", "Downloaded", "Installing")
    await jobs.boot("2.0", NOW + MINUTE)
    await jobs.report("Installed", at=NOW + 2 * MINUTE)
    await jobs.boot("2.1", NOW + 3 * MINUTE)
    await jobs.boot("3.0", NOW + 4 * MINUTE)

    found = await jobs.get(job_id)

    assert (found.version_before, found.booted_version) == ("1.0", "2.1")
    assert found.booted_at == NOW + 3 * MINUTE
    assert found.status == "Installed"


async def test_only_the_newest_part_is_kept_until_the_whole_is_there(jobs: Jobs) -> None:
    """Broken tries must not fill the disk."""
    job_id = await jobs.add(kind=JobKind.DIAGNOSTICS)
    first, second, third = [await jobs.upload(job_id, name) for name in ("1", "2", "3")]

    assert await jobs.end(first, is_whole=False) == (False, [])
    assert await jobs.end(second, is_whole=False) == (False, ["1"])
    found = await jobs.store.read(partial(file_jobs.received_file, job_id=job_id))
    assert found is not None
    assert (found.name, found.is_whole) == ("2", False)
    assert await jobs.end(third, is_whole=True) == (True, ["2"])
    found = await jobs.store.read(partial(file_jobs.received_file, job_id=job_id))
    assert found is not None
    assert (found.name, found.is_whole) == ("3", True)


@pytest.mark.parametrize("is_whole", [True, False])
async def test_the_first_whole_file_stays_the_jobs(jobs: Jobs, is_whole: bool) -> None:
    """Nothing overwrites it, not even what began earlier."""
    job_id = await jobs.add(kind=JobKind.DIAGNOSTICS)
    slow, quick = [await jobs.upload(job_id, name) for name in ("slow", "quick")]

    assert await jobs.end(quick, is_whole=True) == (True, [])
    assert await jobs.end(slow, is_whole=is_whole) == (False, ["slow"])

    found = await jobs.store.read(partial(file_jobs.received_file, job_id=job_id))
    assert found is not None
    assert found.name == "quick"


async def test_nothing_is_kept_of_a_job_that_was_given_up(jobs: Jobs) -> None:
    """What was under way ends without a file."""
    job_id = await jobs.add(kind=JobKind.DIAGNOSTICS)
    earlier, late = [await jobs.upload(job_id, name) for name in ("earlier", "late")]
    await jobs.end(earlier, is_whole=False)
    await jobs.store.write(partial(file_jobs.close, job_id=job_id, at=NOW))

    assert await jobs.store.write(partial(file_jobs.forget_files, job_id=job_id)) == [
        "earlier",
        "late",
    ]
    assert await jobs.end(late, is_whole=True) == (False, [])
    assert not await jobs.store.read(partial(file_jobs.has_whole, job_id=job_id))


async def test_ftp_is_needed_while_a_job_waits(jobs: Jobs) -> None:
    """Neither for HTTP nor for what is refused, closed, received or too old."""
    ftp = partial(jobs.add, kind=JobKind.DIAGNOSTICS, protocol="ftp")
    wanted, refused, closed, received = [await ftp(token) for token in "abcd"]
    await jobs.add("e", kind=JobKind.DIAGNOSTICS, protocol="http")
    await jobs.settle(refused, CommandState.REFUSED)
    await jobs.store.write(partial(file_jobs.close, job_id=closed, at=NOW))
    await jobs.end(await jobs.upload(received, "file"), is_whole=True)

    waiting = await jobs.store.read(partial(file_jobs.waiting_by_ftp, now=NOW))
    later = await jobs.store.read(partial(file_jobs.waiting_by_ftp, now=NOW + 61 * MINUTE))

    assert [one.job_id for one in waiting] == [wanted]
    assert later == []


async def test_jobs_are_found_by_token_and_listed_newest_first(jobs: Jobs) -> None:
    """Of one kind and one charge point."""
    first, second = [await jobs.add(token) for token in "ab"]
    await jobs.add("c", kind=JobKind.DIAGNOSTICS)

    by_token = await jobs.store.read(partial(file_jobs.by_token, token="b"))
    listed = partial(file_jobs.page, identity="CP1", kind=JobKind.FIRMWARE)

    assert by_token is not None
    assert by_token.job_id == second
    assert await jobs.store.read(partial(file_jobs.by_token, token="x")) is None
    assert [one.job_id for one in await jobs.store.read(listed)] == [second, first]
    assert [one.job_id for one in await jobs.store.read(partial(listed, before_id=second))] == [
        first
    ]


SIGNED, LOG = JobKind.SIGNED_FIRMWARE, JobKind.LOG


async def test_report_belongs_to_the_request_it_names(jobs: Jobs) -> None:
    """Whichever is the newest, and whatever would follow from what (CS-SEC-13, 15)."""
    old = await jobs.add(kind=SIGNED, request_id=7)
    new = await jobs.add(kind=SIGNED, request_id=8)
    await jobs.report("Downloading", "Downloaded", kind=SIGNED, request_id=7)
    await jobs.report("Downloading", kind=SIGNED, request_id=8)
    await jobs.report("SignatureVerified", kind=SIGNED, request_id=7)

    assert await jobs.history(old) == ["Downloading", "Downloaded", "SignatureVerified"]
    assert await jobs.history(new) == ["Downloading"]
    assert (await jobs.get(old)).status == "SignatureVerified"


@pytest.mark.parametrize(
    ("kind", "request_id", "flags"),
    [
        (SIGNED, 9, ()),  # of nobody
        (SIGNED, None, ("requestId: missing",)),
        (LOG, 7, ()),  # another kind
        (JobKind.FIRMWARE, 7, ()),  # has no ids
    ],
)
async def test_report_of_no_request_is_not_guessed_at(
    jobs: Jobs, kind: JobKind, request_id: int | None, flags: tuple[str, ...]
) -> None:
    """It is kept without a job."""
    job_id = await jobs.add(kind=SIGNED, request_id=7)
    await jobs.report("Downloading", kind=kind, request_id=request_id)

    (kept,) = await jobs.store.read(partial(file_jobs.statuses_page, identity="CP1"))

    assert (kept.job_id, kept.request_id, kept.flags) == (None, request_id, flags)
    assert await jobs.history(job_id) == []


async def test_idle_may_lack_the_request(jobs: Jobs) -> None:
    """It is the answer to a trigger (CS-SEC-15)."""
    await jobs.report("Idle", kind=SIGNED)

    (kept,) = await jobs.store.read(partial(file_jobs.statuses_page, identity="CP1"))

    assert kept.flags == ()


async def test_same_id_of_another_station_is_another_request(jobs: Jobs) -> None:
    """Ids are one charge point's."""
    new = NewJob(
        identity="CP2",
        kind=LOG,
        location="http://x/",
        order={},
        requested_at=NOW,
        until_at=NOW + MINUTE,
        request_id=7,
    )
    other = await jobs.store.write(partial(file_jobs.add, job=new))
    await jobs.report("Uploading", kind=LOG, request_id=7)

    assert await jobs.history(other) == []


@pytest.mark.parametrize("kind", [SIGNED, LOG])
async def test_canceling_answer_ends_the_job_before(jobs: Jobs, kind: JobKind) -> None:
    """And no other: neither an older that ended, nor one of another kind."""
    ended = await jobs.add(kind=kind, request_id=1)
    await jobs.settle(ended, CommandState.ANSWERED, "Accepted")
    await jobs.report("DownloadFailed", kind=kind, request_id=1)
    running = await jobs.add(kind=kind, request_id=2)
    await jobs.settle(running, CommandState.ANSWERED, "Accepted")
    other = await jobs.add(kind=LOG if kind is SIGNED else SIGNED, request_id=2)
    newest = await jobs.add(kind=kind, request_id=3)

    await jobs.settle(newest, CommandState.ANSWERED, "AcceptedCanceled")

    canceled = await jobs.get(running)
    assert (canceled.state, canceled.canceled_at, canceled.canceled_by) == (
        "Canceled",
        NOW,
        newest,
    )
    for job_id in (ended, other, newest):
        assert (await jobs.get(job_id)).canceled_at is None


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (CommandState.ANSWERED, "Accepted"),
        (CommandState.REFUSED, "Rejected"),
        (CommandState.UNKNOWN, None),
        (CommandState.NOT_SENT, None),
    ],
)
async def test_other_answers_cancel_nothing(
    jobs: Jobs, command: CommandState, answer: str | None
) -> None:
    """The job before may go on."""
    running = await jobs.add(kind=LOG, request_id=1)
    newest = await jobs.add(kind=LOG, request_id=2)

    await jobs.settle(newest, command, answer)

    assert (await jobs.get(running)).canceled_at is None


async def test_report_of_a_canceled_request_is_kept_with_it(jobs: Jobs) -> None:
    """It may have been on its way."""
    running = await jobs.add(kind=LOG, request_id=1)
    newest = await jobs.add(kind=LOG, request_id=2)
    await jobs.settle(newest, CommandState.ANSWERED, "AcceptedCanceled")
    await jobs.report("UploadFailure", kind=LOG, request_id=1)

    assert (await jobs.get(running)).state == "UploadFailure"
    assert await jobs.history(newest) == []


async def test_refused_request_hands_back_to_the_one_with_its_id(jobs: Jobs) -> None:
    """An operator who commands by hand may use an id twice."""
    first = await jobs.add(kind=LOG, request_id=5)
    await jobs.settle(first, CommandState.ANSWERED, "Accepted")
    between = await jobs.add(kind=LOG, request_id=6)
    again = await jobs.add(kind=LOG, request_id=5)
    await jobs.report("Uploading", kind=LOG, request_id=5)
    assert await jobs.history(again) == ["Uploading"]

    await jobs.settle(again, CommandState.REFUSED, "Rejected")

    assert await jobs.history(first) == ["Uploading"]
    assert await jobs.history(between) == await jobs.history(again) == []


@pytest.mark.parametrize("kind", [JobKind.FIRMWARE, SIGNED])
async def test_boot_shows_what_runs_after_the_newest_update_of_any_kind(
    jobs: Jobs, kind: JobKind
) -> None:
    """Signed or not."""
    older = await jobs.add(kind=SIGNED if kind is JobKind.FIRMWARE else JobKind.FIRMWARE)
    newer = await jobs.add(kind=kind, request_id=1)
    log = await jobs.add(kind=LOG, request_id=1)

    await jobs.boot("2.0", NOW)

    assert (await jobs.get(newer)).booted_version == "2.0"
    assert (await jobs.get(older)).booted_version is None
    assert (await jobs.get(log)).booted_version is None


async def test_ftp_is_not_needed_for_a_canceled_request(jobs: Jobs) -> None:
    """Nothing is taken for it any more."""
    await jobs.add("t", kind=LOG, request_id=1, protocol="ftp")
    newest = await jobs.add(kind=LOG, request_id=2)
    assert await jobs.store.read(partial(file_jobs.waiting_by_ftp, now=NOW))

    await jobs.settle(newest, CommandState.ANSWERED, "AcceptedCanceled")

    assert not await jobs.store.read(partial(file_jobs.waiting_by_ftp, now=NOW))
