"""Which job a report means, how long a location is open, what a boot tells."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.file_jobs import (
    FINAL,
    IDLE,
    MAX_EXTENSION,
    CommandState,
    Job,
    JobKind,
    given_up,
    is_canceling,
    is_refusal,
    location_of,
    meant_by,
    notes_boot,
    open_until,
    wants_file,
    with_location,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def job(job_id: int = 1, **changes: Any) -> Job:
    """Return a job of ours that was answered."""
    made = Job(
        job_id=job_id,
        identity="CP1",
        kind=JobKind.FIRMWARE,
        request_id=None,
        token="ab" * 20,
        location="http://127.0.0.1/files/firmware/x",
        protocol="http",
        password_digest=None,
        order={},
        requested_at=NOW,
        until_at=NOW + HOUR,
        command=CommandState.ANSWERED,
        answered_at=NOW,
        answer={},
        status=None,
        status_at=None,
        firmware=None,
        version_before=None,
        booted_version=None,
        booted_at=None,
        closed_at=None,
        canceled_at=None,
        canceled_by=None,
    )
    return replace(made, **changes)


def test_a_report_without_any_job_belongs_to_none() -> None:
    """Stations report what nobody asked for."""
    assert meant_by("Downloading", []) is None


@pytest.mark.parametrize(
    ("status", "newest", "older", "expected"),
    [
        # The newest has begun: everything is about it.
        ("Installed", "Installing", "Downloading", 2),
        ("Downloaded", "Downloading", "Downloading", 2),
        # It has not: what starts a run starts it.
        ("Downloading", None, "Downloading", 2),
        ("Downloading", None, "Installed", 2),
        # What continues the older run belongs to that.
        ("Downloaded", None, "Downloading", 1),
        ("DownloadFailed", None, "Downloading", 1),
        ("Installing", None, "Downloaded", 1),
        ("Installed", None, "Installing", 1),
        # The older run has ended, or could not go on like this.
        ("DownloadFailed", None, "Installed", 2),
        ("Installed", None, "Downloading", 2),
        ("DownloadFailed", None, None, 2),
        ("Nonsense", None, "Downloading", 2),
    ],
)
def test_a_report_belongs_to_the_run_it_continues(
    status: str, newest: str | None, older: str | None, expected: int
) -> None:
    """OCPP 1.6 has no request id; order and content have to do."""
    meant = meant_by(status, [job(2, status=newest), job(1, status=older)])

    assert meant is not None
    assert meant.job_id == expected


def test_a_silent_job_between_does_not_hide_the_run_under_way() -> None:
    """Two orders in a row while the first update still installs."""
    jobs = [job(3), job(2), job(1, status="Installing")]

    meant = meant_by("Installed", jobs)

    assert meant is not None
    assert meant.job_id == 1


@pytest.mark.parametrize(
    ("status", "status_at", "booted_at", "is_noted"),
    [
        (None, None, None, True),
        ("Installing", NOW, NOW - HOUR, True),
        ("Installed", NOW, None, True),
        ("Installed", NOW, NOW - HOUR, True),  # restarted to install; the next boot tells as well
        ("Installed", NOW, NOW + HOUR, False),
        ("InstallationFailed", NOW, NOW + HOUR, False),
    ],
)
def test_boots_are_noted_until_the_first_after_the_end(
    status: str | None, status_at: datetime | None, booted_at: datetime | None, is_noted: bool
) -> None:
    """Later boots may come from other updates."""
    assert notes_boot(job(status=status, status_at=status_at, booted_at=booted_at)) is is_noted


def test_the_state_is_the_last_report_or_what_became_of_the_command() -> None:
    """A report is evidence even where the answer was lost."""
    unknown = job(command=CommandState.UNKNOWN)

    assert unknown.state == "Unknown"
    assert replace(unknown, status="Downloading").state == "Downloading"


@pytest.mark.parametrize("command", CommandState)
def test_a_file_is_wanted_while_the_charge_point_may_send_it(command: CommandState) -> None:
    """Refused and never sent are the only commands that surely lead to nothing."""
    surely_not = {CommandState.REFUSED, CommandState.NOT_SENT}

    wanted = wants_file(job(command=command), has_whole=False, now=NOW)

    assert wanted is (command not in surely_not)


def test_a_file_is_wanted_once_in_time_by_us_until_given_up() -> None:
    """Everything that ends the wait ends it."""
    assert wants_file(job(), has_whole=False, now=NOW + HOUR - timedelta(seconds=1))
    assert not wants_file(job(), has_whole=False, now=NOW + HOUR)
    assert not wants_file(job(), has_whole=True, now=NOW)
    assert not wants_file(job(closed_at=NOW), has_whole=False, now=NOW)
    assert not wants_file(job(token=None), has_whole=False, now=NOW)


def test_retries_lengthen_the_time_a_location_is_open() -> None:
    """Three further tries ten minutes apart need half an hour more."""
    order = {"retries": 3, "retryInterval": 600}

    assert open_until(order, requested_at=NOW, window=HOUR) == NOW + 1.5 * HOUR


@given(st.integers(-(2**31), 2**31), st.integers(-(2**31), 2**31))
def test_no_order_keeps_a_location_open_for_ever(retries: int, interval_s: int) -> None:
    """Numbers are 32 bit, their product is centuries."""
    order = {"retries": retries, "retryInterval": interval_s}

    until = open_until(order, requested_at=NOW, window=HOUR)

    assert NOW + HOUR <= until <= NOW + HOUR + MAX_EXTENSION


def test_the_end_of_the_calendar_is_no_defect() -> None:
    """A retrieveDate may be any time."""
    last = datetime.max.replace(tzinfo=UTC)

    assert open_until({}, requested_at=last, window=HOUR) == last


def test_final_statuses_are_those_of_the_standard() -> None:
    """Each action ends well or badly, nothing else ends (§4.4, §4.5; whitepaper §5.9, §5.13)."""
    ends = {
        f"{what}{how}" for what, how in product(("Download", "Installation", "Upload"), ("Failed",))
    }
    signed = {"InvalidSignature", "InstallVerificationFailed"}
    log = {"UploadFailure", "BadMessage", "PermissionDenied", "NotSupportedOperation"}

    assert ends | signed | log | {"Installed", "Uploaded"} == FINAL


def test_kinds_know_their_way_and_their_ids() -> None:
    """Firmware goes there, logs come here; the security extension numbers its requests."""
    assert [kind for kind in JobKind if kind.is_firmware] == [
        JobKind.FIRMWARE,
        JobKind.SIGNED_FIRMWARE,
    ]
    assert [kind for kind in JobKind if kind.has_request_id] == [
        JobKind.SIGNED_FIRMWARE,
        JobKind.LOG,
    ]


ORDERS: dict[JobKind, dict[str, Any]] = {
    JobKind.FIRMWARE: {"location": "a", "retries": 1},
    JobKind.DIAGNOSTICS: {"location": "a"},
    JobKind.SIGNED_FIRMWARE: {"requestId": 1, "firmware": {"location": "a", "signature": "s"}},
    JobKind.LOG: {"requestId": 1, "log": {"remoteLocation": "a"}},
}


@pytest.mark.parametrize("kind", JobKind)
def test_location_of_an_order_can_be_read_and_changed(kind: JobKind) -> None:
    """Nothing else changes, and the order given stays as it was."""
    before = str(ORDERS[kind])
    changed = with_location(kind, ORDERS[kind], "b")

    assert (location_of(kind, ORDERS[kind]), location_of(kind, changed)) == ("a", "b")
    assert str(ORDERS[kind]) == before
    assert with_location(kind, changed, "a") == ORDERS[kind]
    assert location_of(kind, with_location(kind, {}, "c")) == "c"


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize(
    "order", [{}, {"location": 5}, {"firmware": [], "log": "x"}, {"firmware": {}, "log": {}}]
)
def test_order_without_a_location_has_none(kind: JobKind, order: dict[str, Any]) -> None:
    """It will be refused by the schema."""
    assert location_of(kind, order) is None


@pytest.mark.parametrize(
    ("answer", "refuses", "cancels"),
    [
        ({"status": "Accepted"}, False, False),
        ({"status": "AcceptedCanceled"}, False, True),
        ({"status": "Rejected"}, True, False),
        ({"status": "InvalidCertificate"}, True, False),
        ({"status": "RevokedCertificate"}, True, False),
        ({"status": ["Rejected"]}, False, False),
        ({}, False, False),
        (None, False, False),
        ({"code": "NotSupported", "description": "Rejected", "details": {}}, False, False),
    ],
)
def test_answer_tells_what_will_be_done(answer: Any, refuses: bool, cancels: bool) -> None:
    """Only in those messages whose answers have a status."""
    assert is_refusal(JobKind.LOG, answer) is refuses
    assert is_canceling(JobKind.SIGNED_FIRMWARE, answer) is cancels
    assert not is_refusal(JobKind.DIAGNOSTICS, answer)
    assert not is_canceling(JobKind.FIRMWARE, answer)


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ([], []),
        ([job(3, status="Uploading"), job(2, status="Uploaded")], [3]),
        ([job(3)], [3]),
        ([job(3, status="Uploaded"), job(2, status="Uploading")], []),
        ([job(3, canceled_at=NOW), job(2)], []),
        ([job(3, command=CommandState.UNKNOWN), job(2, status="Uploading")], [3, 2]),
    ],
)
def test_jobs_up_to_the_last_that_ended_are_given_up(
    earlier: list[Job], expected: list[int]
) -> None:
    """A charge point works on one at a time."""
    assert [one.job_id for one in given_up(earlier)] == expected


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "Answered"),
        ({"status": "Uploading"}, "Uploading"),
        ({"canceled_at": NOW}, "Canceled"),
        ({"canceled_at": NOW, "status": "Uploading"}, "Canceled"),
        ({"canceled_at": NOW, "status": "Uploaded"}, "Uploaded"),
        (
            {"command": CommandState.REFUSED, "answer": {"status": "RevokedCertificate"}},
            "RevokedCertificate",
        ),
        ({"command": CommandState.REFUSED, "answer": {"code": "NotSupported"}}, "Refused"),
    ],
)
def test_state_is_the_last_that_is_known(changes: dict[str, Any], state: str) -> None:
    """What was reported comes before what was answered."""
    assert job(kind=JobKind.LOG, **changes).state == state


def test_canceled_request_wants_no_file() -> None:
    """Its location is closed."""
    waiting = job(kind=JobKind.LOG)

    assert wants_file(waiting, has_whole=False, now=NOW)
    assert not wants_file(replace(waiting, canceled_at=NOW), has_whole=False, now=NOW)


def test_idle_ends_nothing() -> None:
    """It is no status of a job."""
    assert IDLE not in FINAL
