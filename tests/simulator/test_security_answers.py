"""Answers of the security extension that have no test module of their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulator.clock import format_time
from simulator.errors import LocalProtocolError
from simulator.outputs import Cause, Upload
from tests.simulator.rig import Rig

LOCATION = "http://csms.example/logs/"


def ready(**options: Any) -> Rig:
    """Return an idle charge point."""
    rig = Rig(**options)
    rig.dialogue()
    return rig


def ask_log(
    rig: Rig, request_id: int = 1, kind: str = "SecurityLog", **more: Any
) -> dict[str, Any]:
    """Ask for a log; return the answer."""
    names = {"oldestTimestamp", "latestTimestamp"} & set(more)
    log = {"remoteLocation": LOCATION, **{name: more.pop(name) for name in names}}
    answer = rig.ask("GetLog", {"logType": kind, "requestId": request_id, "log": log, **more})
    assert isinstance(answer, dict)
    return answer


def trigger(rig: Rig, message: str, **more: int) -> list[str]:
    """Ask for a message; return the answer and what came after it."""
    rig.dialogue()
    rig.ask("ExtendedTriggerMessage", {"requestedMessage": message, **more})
    return rig.dialogue()


def content(rig: Rig) -> str:
    """Return the file that is being sent."""
    upload = rig.transfers[-1]
    assert isinstance(upload, Upload)
    return b"".join(upload.content()).decode()


# --- ExtendedTriggerMessage ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ("BootNotification", ["conf Rejected"]),
        ("LogStatusNotification", ["conf Accepted", "Log Idle"]),
        ("FirmwareStatusNotification", ["conf Accepted", "Signed Idle"]),
        ("Heartbeat", ["conf Accepted", "Heartbeat"]),
        ("MeterValues", ["conf Accepted", "Meter 1", "Meter 2"]),
        ("SignChargePointCertificate", ["conf Accepted"]),
        (
            "StatusNotification",
            [
                *["conf Accepted", "Status 0 Available", "Status 1 Available"],
                "Status 2 Available",
            ],
        ),
        ("DiagnosticsStatusNotification", ["conf NotImplemented"]),
        ("Nonsense", ["conf NotImplemented"]),
    ],
)
def test_extended_triggers(message: str, lines: list[str]) -> None:
    """Each of its seven messages, and no other; the answer comes first."""
    rig = ready(keys={"CpoName": "Preflight"})
    assert trigger(rig, message) == lines
    assert len(rig.csr_orders) == (message == "SignChargePointCertificate")


def test_extended_trigger_for_one_connector() -> None:
    """As with TriggerMessage."""
    rig = ready()
    assert trigger(rig, "StatusNotification", connectorId=2) == [
        *["conf Accepted", "Status 2 Available"],
    ]
    assert trigger(rig, "MeterValues", connectorId=3) == ["conf Rejected"]


def test_plain_trigger_does_not_know_the_messages_of_the_extension() -> None:
    """Nor does it tell signed statuses."""
    rig = ready()
    for message in ("LogStatusNotification", "SignChargePointCertificate"):
        answer = rig.ask("TriggerMessage", {"requestedMessage": message})
        assert answer == {"status": "NotImplemented"}


# --- GetLog --------------------------------------------------------------------------------------


def test_diagnostics_log_is_the_file_of_get_diagnostics() -> None:
    """Same content, other messages."""
    rig = ready(diagnostics_bytes=3000)
    answer = ask_log(rig, kind="DiagnosticsLog")
    assert answer["filename"].startswith("CP1-")
    assert "registration ACCEPTED" in content(rig)
    assert len(content(rig)) == 3000
    assert rig.dialogue() == ["conf Accepted", "Log Uploading 1"]


def test_security_log_of_a_time() -> None:
    """Only what happened then is in it."""
    rig = ready()
    times = []
    for kind in ("One", "Two", "Three"):
        rig.advance(100)
        times.append(format_time(rig.now.at, milliseconds=True))
        rig.do("security_event", type=kind)
    ask_log(rig, oldestTimestamp=times[1], latestTimestamp=times[1])
    assert [kind for kind in ("One", "Two", "Three") if kind in content(rig)] == ["Two"]
    ask_log(rig, oldestTimestamp=times[1])
    assert [kind for kind in ("One", "Two", "Three") if kind in content(rig)] == ["Two", "Three"]


def test_nothing_for_that_time() -> None:
    """Accepted without a name: no logging information is available, and nothing is sent."""
    rig = ready()
    future = format_time(rig.now.at + timedelta(hours=1), milliseconds=True)
    assert ask_log(rig, oldestTimestamp=future) == {"status": "Accepted"}
    assert rig.dialogue() == ["conf Accepted"]
    assert not rig.transfers


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (Cause.OTHER, "UploadFailure"),
        (Cause.BAD_MESSAGE, "BadMessage"),
        (Cause.DENIED, "PermissionDenied"),
        (Cause.NOT_SUPPORTED, "NotSupportedOperation"),
    ],
)
def test_failures_have_their_names(cause: Cause, status: str) -> None:
    """By what the server said, or by what somebody arranged; with so many retries."""
    rig = ready()
    ask_log(rig, 7, retries=1, retryInterval=5)
    rig.transferred("no", cause=cause)
    rig.do("upload_failure", status=status)
    rig.advance(5)
    rig.advance(100)
    assert rig.story() == ["Log Uploading 7", f"Log {status} 7"] * 2
    assert trigger(rig, "LogStatusNotification") == ["conf Accepted", "Log Idle"]


def test_unknown_status_cannot_be_arranged() -> None:
    """There are four."""
    with pytest.raises(LocalProtocolError, match="PermissionDenied"):
        ready().do("upload_failure", status="Nonsense")


@pytest.mark.parametrize("is_retrying", [True, False])
def test_newer_request_cancels(is_retrying: bool) -> None:
    """AcceptedCanceled, and nothing more is heard of the earlier one."""
    rig = ready()
    ask_log(rig, 1, retries=5, retryInterval=50)
    if is_retrying:
        rig.transferred("lost")
    rig.dialogue()
    assert trigger(rig, "LogStatusNotification")[1] in ("Log Uploading 1", "Log UploadFailure 1")
    assert ask_log(rig, 2)["status"] == "AcceptedCanceled"
    assert rig.dialogue() == ["conf AcceptedCanceled", "Log Uploading 2"]
    rig.transfers = rig.transfers[-1:]
    rig.advance(200)
    rig.transferred()
    assert rig.story() == ["Log Uploaded 2"]
    assert ask_log(rig, 3)["status"] == "Accepted"


def test_newer_request_for_nothing_cancels_too() -> None:
    """Its answer says so, and the earlier upload stops."""
    rig = ready()
    ask_log(rig, 1)
    rig.dialogue()
    number = rig.transfers[0].number
    future = format_time(rig.now.at + timedelta(hours=1), milliseconds=True)
    assert ask_log(rig, 2, oldestTimestamp=future) == {"status": "AcceptedCanceled"}
    assert rig.cancelled == [number]
    rig.transferred()
    assert rig.dialogue() == ["conf AcceptedCanceled"]


def test_log_and_diagnostics_go_side_by_side() -> None:
    """They are different messages, and neither cancels the other."""
    rig = ready()
    ask_log(rig, 1)
    rig.ask("GetDiagnostics", {"location": LOCATION})
    rig.transferred()
    rig.transferred()
    assert [line for line in rig.dialogue() if not line.startswith("conf")] == [
        *["Log Uploading 1", "Diagnostics Uploading", "Log Uploaded 1", "Diagnostics Uploaded"],
    ]


def test_upload_goes_on_after_a_restart() -> None:
    """With the same number."""
    rig = ready()
    ask_log(rig, 4)
    rig.ask("Reset", {"type": "Hard"})
    rig.reconnect_after_hangup()
    assert rig.dialogue()[-1] == "Log Uploading 4"


def test_passive_charge_point_names_the_file() -> None:
    """The rest is the script's."""
    rig = Rig(boots=False)
    rig.charge_point.is_active = False
    rig.connect()
    assert ask_log(rig)["filename"].startswith("security-CP1-")
    assert rig.dialogue() == ["conf Accepted"]
    assert not rig.transfers
