"""The model, moved by a driver's hands alone, says what the official cases say it says.

`OFFICIAL` is the order of the case list; `DIFFERENCES` is what this charge point does instead, with
the reason. `docs/reference/model-differences.md` shows the latter to readers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from simulator.clock import format_time
from simulator.outputs import ScriptedAnswer
from tests.simulator.rig import Rig

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "model-differences.md"

TAG = "CARD1"


@dataclass(frozen=True)
class Case:
    """One official case: how the charge point is set up, what happens to it, what it sends.

    Attributes:
        is_charging: the reusable state Charging runs before.
    """

    drive: Callable[[Rig], None]
    official: list[str]
    keys: dict[str, str] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)
    is_charging: bool = False
    boots: bool = True


def charge(rig: Rig) -> None:
    """Bring connector 1 to Charging, identification first."""
    rig.do("present_tag", id_tag=TAG, connector_id=1)
    rig.do("plug_in", connector_id=1)


def refuse(status: str) -> Callable[[Rig], None]:
    """Present a card that the CSMS refuses with `status`."""

    def drive(rig: Rig) -> None:
        rig.answers["Authorize"] = lambda _: {"idTagInfo": {"status": status}}
        rig.do("present_tag", id_tag=TAG)

    return drive


def ask(action: str, expected: str | None = None, **payload: object) -> Callable[[Rig], None]:
    """Let the CSMS ask something, and nothing else happen."""

    def drive(rig: Rig) -> None:
        answer = rig.ask(action, payload)
        assert isinstance(answer, dict)
        assert expected is None or answer["status"] == expected

    return drive


def cold_boot(rig: Rig) -> None:
    """Power on, then silence until the heartbeat."""
    rig.do("power_on")
    rig.connect()
    rig.advance(300)


def plug_in_first(rig: Rig) -> None:
    """Cable, then card."""
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag=TAG)


def no_cable(rig: Rig) -> None:
    """A card and no cable until ConnectionTimeOut."""
    rig.do("present_tag", id_tag=TAG, connector_id=1)
    rig.advance(30)


def ev_side_disconnect(rig: Rig) -> None:
    """The cable leaves the EV, then the charge point."""
    rig.do("ev_disconnect", connector_id=1)
    rig.do("unplug", connector_id=1)


def cached_id(rig: Rig) -> None:
    """A card that was here before: presented and withdrawn, so that the cache knows it."""
    rig.do("present_tag", id_tag=TAG)
    rig.do("present_tag", id_tag=TAG)
    rig.dialogue()
    plug_in_first(rig)


def remote_start_plugged(rig: Rig) -> None:
    """Cable, then a remote start."""
    rig.do("plug_in", connector_id=1)
    ask("RemoteStartTransaction", "Accepted", idTag=TAG, connectorId=1)(rig)


def remote_start_first(rig: Rig) -> None:
    """A remote start, then the cable."""
    ask("RemoteStartTransaction", "Accepted", idTag=TAG)(rig)
    rig.do("plug_in", connector_id=1)


def remote_start_alone(rig: Rig) -> None:
    """A remote start and no cable until ConnectionTimeOut."""
    ask("RemoteStartTransaction", "Accepted", idTag=TAG)(rig)
    rig.advance(30)


def remote_stop(rig: Rig) -> None:
    """A remote stop, then the cable is taken away."""
    ask("RemoteStopTransaction", "Accepted", transactionId=1)(rig)
    rig.do("unplug", connector_id=1)


def reset(kind: str) -> Callable[[Rig], None]:
    """A reset of an idle charge point."""

    def drive(rig: Rig) -> None:
        ask("Reset", "Accepted", type=kind)(rig)
        rig.reconnect_after_hangup()

    return drive


def unlock_while_charging(rig: Rig) -> None:
    """An unlock, then the cable is taken away."""
    ask("UnlockConnector", "Unlocked", connectorId=1)(rig)
    rig.do("unplug", connector_id=1)


def lock_failure(rig: Rig) -> None:
    """A card, then a cable that cannot be locked."""
    rig.do("lock_failure", connector_id=1)
    rig.do("present_tag", id_tag=TAG, connector_id=1)
    rig.do("plug_in", connector_id=1)


def remote_start_rejected(rig: Rig) -> None:
    """A remote start for a connector that is out of order."""
    rig.do("fault", connector_id=1)
    rig.dialogue()
    ask("RemoteStartTransaction", "Rejected", idTag=TAG, connectorId=1)(rig)


def unlock_failure(rig: Rig) -> None:
    """An unlock that the lock does not follow."""
    rig.do("unlock_failure", connector_id=1)
    ask("UnlockConnector", "UnlockFailed", connectorId=1)(rig)


def power_failure(rig: Rig) -> None:
    """The power is cut and restored."""
    rig.do("power_off")
    rig.drop()
    rig.advance(10)
    rig.do("power_on")
    rig.connect()


def offline_start(rig: Rig) -> None:
    """A start while there is no connection."""
    rig.drop()
    rig.advance(5)
    plug_in_first(rig)
    rig.advance(5)
    rig.connect()


def offline_start_invalid(rig: Rig) -> None:
    """A start while there is no connection, with a card the CSMS will refuse."""
    rig.answers["StartTransaction"] = lambda _: {
        "transactionId": 1,
        "idTagInfo": {"status": "Invalid"},
    }
    offline_start(rig)


def offline_transaction(rig: Rig) -> None:
    """A whole transaction while there is no connection."""
    rig.drop()
    plug_in_first(rig)
    rig.advance(20)
    rig.do("present_tag", id_tag=TAG)
    rig.do("unplug", connector_id=1)
    rig.connect()


def list_version(expected: int) -> Callable[[Rig], None]:
    """The version of the local list."""

    def drive(rig: Rig) -> None:
        assert rig.ask("GetLocalListVersion") == {"listVersion": expected}

    return drive


def send_list(kind: str, expected: str, *id_tags: str, version: int = 1) -> Callable[[Rig], None]:
    """A local list with these cards."""
    entries = [{"idTag": id_tag, "idTagInfo": {"status": "Accepted"}} for id_tag in id_tags]
    payload = {"updateType": kind, "listVersion": version, "localAuthorizationList": entries}
    return ask("SendLocalList", expected, **payload)


def second_list(rig: Rig) -> None:
    """A version read, then a list that adds a card to the one that is there."""
    send_list("Full", "Accepted", TAG, version=4)(rig)
    rig.dialogue()
    assert rig.ask("GetLocalListVersion") == {"listVersion": 4}
    send_list("Differential", "Accepted", "CARD2", version=5)(rig)
    assert rig.charge_point.local_list.version == 5


def update(failure: str = "") -> Callable[[Rig], None]:
    """A firmware update, with the failure of this input."""

    def drive(rig: Rig) -> None:
        if failure:
            rig.do(failure)
        ask("UpdateFirmware", location="http://csms/2.0.bin", retrieveDate=TIME)(rig)
        if rig.transfers:
            rig.transferred()
            rig.advance(5)
            rig.reconnect_after_hangup()

    return drive


def diagnose(failure: str = "") -> Callable[[Rig], None]:
    """A request for diagnostics, with the failure of this input."""

    def drive(rig: Rig) -> None:
        if failure:
            rig.do(failure)
        answer = rig.ask("GetDiagnostics", {"location": "http://csms/logs/"})
        assert isinstance(answer, dict)
        assert answer["fileName"]
        if rig.transfers:
            rig.transferred()

    return drive


def reserve(
    connector_id: int,
    expected: str = "Accepted",
    *,
    parent: str | None = None,
    then: Callable[[Rig], None] = lambda _: None,
) -> Callable[[Rig], None]:
    """A reservation for a minute."""

    def drive(rig: Rig) -> None:
        expires_at = format_time(rig.now.at + timedelta(seconds=60), milliseconds=True)
        group = {} if parent is None else {"parentIdTag": parent}
        payload = {"connectorId": connector_id, "idTag": TAG, "reservationId": 5, **group}
        ask("ReserveNow", expected, expiryDate=expires_at, **payload)(rig)
        then(rig)
        if then in (charge, charge_by_group):
            assert rig.payload("StartTransaction")["reservationId"] == 5

    return drive


def reserve_faulted(rig: Rig) -> None:
    """A reservation of a connector that is out of order."""
    rig.do("fault", connector_id=1)
    rig.dialogue()
    reserve(1, "Faulted")(rig)


def reserve_occupied(rig: Rig) -> None:
    """A reservation of a connector with a cable in it."""
    rig.do("plug_in", connector_id=1)
    reserve(1, "Occupied")(rig)


def reserve_unavailable(rig: Rig) -> None:
    """A reservation of a connector that was taken out of service."""
    ask("ChangeAvailability", "Accepted", connectorId=1, type="Inoperative")(rig)
    reserve(1, "Unavailable")(rig)


def charge_by_group(rig: Rig) -> None:
    """Charging by another card of the group."""
    info = {"status": "Accepted", "parentIdTag": "GROUP"}
    rig.answers["Authorize"] = lambda _: {"idTagInfo": info}
    rig.do("present_tag", id_tag="CARD2", connector_id=1)
    rig.do("plug_in", connector_id=1)


def trigger(*messages: tuple[str, int | None]) -> Callable[[Rig], None]:
    """Messages triggered one after the other."""

    def drive(rig: Rig) -> None:
        for message, connector_id in messages:
            which = {} if connector_id is None else {"connectorId": connector_id}
            ask("TriggerMessage", None, requestedMessage=message, **which)(rig)

    return drive


TIME = "2026-01-31T12:00:00Z"
RESERVED = ["conf Accepted", "Status 1 Reserved"]
OFFLINE = {"AllowOfflineTxForUnknownId": "true"}
ALL_AVAILABLE = ["Status 0 Available", "Status 1 Available", "Status 2 Available"]
START = [f"Start 1 {TAG}", "Status 1 Charging"]
REMOTE_START = ["conf Accepted", f"Authorize {TAG}"]

OUT = ["Status 0 Unavailable", "Status 1 Unavailable", "Status 2 Unavailable"]
UPDATE = ["conf", "Firmware Downloading", "Firmware Downloaded", *OUT, "Firmware Installing"]

CASES: dict[str, Case] = {
    "TC_001_CSMS": Case(cold_boot, ["Boot", *ALL_AVAILABLE, "Heartbeat"], boots=False),
    "TC_003_CSMS": Case(plug_in_first, ["Status 1 Preparing", f"Authorize {TAG}", *START]),
    "TC_004_1_CSMS": Case(charge, [f"Authorize {TAG}", "Status 1 Preparing", *START]),
    "TC_004_2_CSMS": Case(
        no_cable,
        [f"Authorize {TAG}", "Status 1 Preparing", "Status 1 Available"],
        keys={"ConnectionTimeOut": "30"},
    ),
    "TC_005_1_CSMS": Case(
        ev_side_disconnect,
        [
            "Status 1 SuspendedEV",
            "Stop 1 EVDisconnected",
            "Status 1 Finishing",
            "Status 1 Available",
        ],
        keys={
            "StopTransactionOnEVSideDisconnect": "true",
            "UnlockConnectorOnEVSideDisconnect": "true",
        },
        is_charging=True,
    ),
    "TC_007_CSMS": Case(
        cached_id,
        ["Status 1 Preparing", *START],
        keys={"AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true"},
    ),
    "TC_061_CSMS": Case(ask("ClearCache", "Accepted"), ["conf Accepted"]),
    "TC_010_CSMS": Case(
        remote_start_plugged,
        ["Status 1 Preparing", *REMOTE_START, *START],
        keys={"AuthorizeRemoteTxRequests": "true"},
    ),
    "TC_011_1_CSMS": Case(
        remote_start_first,
        [*REMOTE_START, "Status 1 Preparing", *START],
        keys={"AuthorizeRemoteTxRequests": "true"},
    ),
    "TC_011_2_CSMS": Case(
        remote_start_alone,
        [*REMOTE_START, "Status 1 Preparing", "Status 1 Available"],
        keys={"AuthorizeRemoteTxRequests": "true", "ConnectionTimeOut": "30"},
    ),
    "TC_012_CSMS": Case(
        remote_stop,
        ["conf Accepted", "Stop 1 Remote", "Status 1 Finishing", "Status 1 Available"],
        is_charging=True,
    ),
    "TC_013_CSMS": Case(reset("Hard"), ["conf Accepted", "Boot", *ALL_AVAILABLE]),
    "TC_014_CSMS": Case(reset("Soft"), ["conf Accepted", "Boot", *ALL_AVAILABLE]),
    "TC_017_1_CSMS": Case(ask("UnlockConnector", connectorId=1), ["conf Unlocked"]),
    "TC_017_2_CSMS": Case(
        ask("UnlockConnector", connectorId=1),
        ["conf NotSupported"],
        options={"has_fixed_cable": True},
    ),
    "TC_018_1_CSMS": Case(
        unlock_while_charging,
        ["conf Unlocked", "Status 1 Finishing", "Stop 1 UnlockCommand", "Status 1 Available"],
        is_charging=True,
    ),
    "TC_019_1_CSMS": Case(ask("GetConfiguration"), ["conf"]),
    "TC_019_2_CSMS": Case(ask("GetConfiguration", key=["SupportedFeatureProfiles"]), ["conf"]),
    "TC_021_CSMS": Case(
        ask("ChangeConfiguration", key="MeterValueSampleInterval", value="60"), ["conf Accepted"]
    ),
    "TC_023_1_CSMS": Case(refuse("Invalid"), [f"Authorize {TAG}"]),
    "TC_023_2_CSMS": Case(refuse("Expired"), [f"Authorize {TAG}"]),
    "TC_023_3_CSMS": Case(refuse("Blocked"), [f"Authorize {TAG}"]),
    "TC_024_CSMS": Case(
        lock_failure,
        [f"Authorize {TAG}", "Status 1 Preparing", "Status 1 Faulted ConnectorLockFailure"],
    ),
    "TC_026_CSMS": Case(remote_start_rejected, ["conf Rejected"]),
    "TC_028_CSMS": Case(
        ask("RemoteStopTransaction", transactionId=4711), ["conf Rejected"], is_charging=True
    ),
    "TC_030_CSMS": Case(unlock_failure, ["conf UnlockFailed"]),
    "TC_031_CSMS": Case(ask("UnlockConnector", connectorId=9), ["conf NotSupported"]),
    "TC_032_1_CSMS": Case(
        power_failure,
        [
            "Boot",
            "Status 0 Available",
            "Status 1 Finishing",
            "Status 2 Available",
            "Stop 1 PowerLoss",
        ],
        is_charging=True,
    ),
    "TC_037_1_CSMS": Case(offline_start, START, keys=OFFLINE),
    "TC_037_3_CSMS": Case(
        offline_start_invalid,
        [*START, "Stop 1 DeAuthorized", "Status 1 Finishing"],
        keys={**OFFLINE, "StopTransactionOnInvalidId": "true"},
    ),
    "TC_039_CSMS": Case(offline_transaction, [f"Start 1 {TAG}", "Stop 1 Local"], keys=OFFLINE),
    "TC_040_1_CSMS": Case(
        ask("ChangeConfiguration", key="NoSuchKey", value="1"), ["conf NotSupported"]
    ),
    "TC_040_2_CSMS": Case(
        ask("ChangeConfiguration", key="MeterValueSampleInterval", value="-1"), ["conf Rejected"]
    ),
    "TC_042_1_CSMS": Case(list_version(-1), ["conf"], keys={"LocalAuthListEnabled": "false"}),
    "TC_042_2_CSMS": Case(list_version(0), ["conf"]),
    "TC_043_1_CSMS": Case(
        send_list("Full", "NotSupported"),
        ["conf NotSupported"],
        keys={"LocalAuthListEnabled": "false"},
    ),
    "TC_043_3_CSMS": Case(
        send_list("Full", "Failed", TAG), ["conf Failed"], keys={"SendLocalListMaxLength": "0"}
    ),
    "TC_043_4_CSMS": Case(send_list("Full", "Accepted", TAG), ["conf Accepted"]),
    "TC_043_5_CSMS": Case(second_list, ["conf", "conf Accepted"]),
    "TC_044_1_CSMS": Case(update(), [*UPDATE, "Boot", *ALL_AVAILABLE, "Firmware Installed"]),
    "TC_044_2_CSMS": Case(
        update("download_failure"), ["conf", "Firmware Downloading", "Firmware DownloadFailed"]
    ),
    "TC_044_3_CSMS": Case(
        update("installation_failure"),
        [*UPDATE, "Boot", *ALL_AVAILABLE, "Firmware InstallationFailed"],
    ),
    "TC_045_1_CSMS": Case(diagnose(), ["conf", "Diagnostics Uploading", "Diagnostics Uploaded"]),
    "TC_045_2_CSMS": Case(
        diagnose("upload_failure"), ["conf", "Diagnostics Uploading", "Diagnostics UploadFailed"]
    ),
    "TC_046_CSMS": Case(
        reserve(1, then=charge),
        [*RESERVED, f"Authorize {TAG}", "Status 1 Preparing", *START],
    ),
    "TC_047_CSMS": Case(
        reserve(1, then=lambda rig: rig.advance(60)), [*RESERVED, "Status 1 Available"]
    ),
    "TC_048_1_CSMS": Case(reserve_faulted, ["conf Faulted"]),
    "TC_048_2_CSMS": Case(reserve_occupied, ["Status 1 Preparing", "conf Occupied"]),
    "TC_048_3_CSMS": Case(
        reserve_unavailable, ["conf Accepted", "Status 1 Unavailable", "conf Unavailable"]
    ),
    "TC_048_4_CSMS": Case(
        reserve(0, "Rejected"),
        ["conf Rejected"],
        keys={"ReserveConnectorZeroSupported": "false"},
    ),
    "TC_049_CSMS": Case(reserve(0), RESERVED),
    "TC_051_CSMS": Case(
        reserve(1, then=ask("CancelReservation", "Accepted", reservationId=5)),
        [*RESERVED, "conf Accepted", "Status 1 Available"],
    ),
    "TC_052_CSMS": Case(
        reserve(1, then=ask("CancelReservation", "Rejected", reservationId=6)),
        [*RESERVED, "conf Rejected"],
    ),
    "TC_053_CSMS": Case(
        reserve(1, parent="GROUP", then=charge_by_group),
        [*RESERVED, "Authorize CARD2", "Status 1 Preparing", "Start 1 CARD2", "Status 1 Charging"],
    ),
    "TC_054_CSMS": Case(
        trigger(
            ("MeterValues", 1),
            ("Heartbeat", None),
            ("StatusNotification", 1),
            ("DiagnosticsStatusNotification", None),
            ("FirmwareStatusNotification", None),
        ),
        [
            *["conf Accepted", "Meter 1", "conf Accepted", "Heartbeat"],
            *["conf Accepted", "Status 1 Available", "conf Accepted", "Diagnostics Idle"],
            *["conf Accepted", "Firmware Idle"],
        ],
    ),
    "TC_055_CSMS": Case(trigger(("MeterValues", 9)), ["conf Rejected"]),
    "TC_064_CSMS": Case(
        lambda rig: rig.do("send_data", vendor_id="org.example.unknown"), ["DataTransfer"]
    ),
}


@dataclass(frozen=True)
class Difference:
    """What the model does instead of the official order, and why."""

    instead: list[str]
    reason: str


DIFFERENCES: dict[str, Difference] = {
    **{
        case_id: Difference(
            [
                *["conf", "Firmware Downloading", "Firmware Downloaded"],
                *["Status 1 Unavailable", "Status 2 Unavailable", "Status 0 Unavailable"],
                *["Firmware Installing", "Boot", *ALL_AVAILABLE, f"Firmware {end}"],
            ],
            "connector 0 goes out of service last; the list names no order",
        )
        for case_id, end in (
            ("TC_044_1_CSMS", "Installed"),
            ("TC_044_3_CSMS", "InstallationFailed"),
        )
    },
    "TC_018_1_CSMS": Difference(
        ["conf Unlocked", "Stop 1 UnlockCommand", "Status 1 Finishing", "Status 1 Available"],
        "StopTransaction goes before Finishing, as in every other stop; the list allows the swap",
    ),
    "TC_037_1_CSMS": Difference(
        ["Status 1 Charging", f"Start 1 {TAG}"],
        "after a reconnect changed statuses go before the queue; the list allows the swap",
    ),
    "TC_037_3_CSMS": Difference(
        ["Status 1 Charging", f"Start 1 {TAG}", "Stop 1 DeAuthorized", "Status 1 Finishing"],
        "after a reconnect changed statuses go before the queue; the list allows the swap",
    ),
}


@pytest.mark.parametrize("case_id", CASES)
def test_model_gives_the_official_sequence(case_id: str) -> None:
    """Driver inputs alone give the official messages, or the difference that is written up."""
    case = CASES[case_id]
    rig = Rig(boots=case.boots, keys=case.keys, **case.options)
    if case.is_charging:
        charge(rig)
        rig.dialogue()

    case.drive(rig)

    difference = DIFFERENCES.get(case_id)
    assert rig.dialogue() == (case.official if difference is None else difference.instead)


def test_differences_are_real_and_written_up() -> None:
    """No entry has become untrue, and readers find each with its reason."""
    text = DOCUMENT.read_text(encoding="utf-8")

    for case_id, difference in DIFFERENCES.items():
        assert difference.instead != CASES[case_id].official
        assert sorted(difference.instead) == sorted(CASES[case_id].official)
        assert f"| {case_id} | {difference.reason} |" in text
    assert text.count("| TC_") == len(DIFFERENCES)


def test_all_cases_are_here() -> None:
    """The official cases of Core and of the profiles but Smart Charging."""
    assert len(CASES) == 57


def test_offline_messages_carry_the_time_of_what_happened() -> None:
    """After reconnecting, the start tells the time it had offline, not the time it was sent."""
    rig = Rig(keys=OFFLINE)
    offline_transaction(rig)

    start, stop = rig.payload("StartTransaction"), rig.payload("StopTransaction")
    assert start["timestamp"] == "2026-01-31T12:16:40.000Z"
    assert stop["timestamp"] == "2026-01-31T12:17:00.000Z"
    assert stop["transactionId"] == 1


def test_scripted_answer_takes_the_place_of_the_model() -> None:
    """TC_026 and TC_028 by script: the model's own decision is not asked, and nothing follows."""
    rig = Rig()
    script = rig.charge_point.script_answer
    script("RemoteStartTransaction", ScriptedAnswer(payload={"status": "Rejected"}))

    assert rig.ask("RemoteStartTransaction", {"idTag": TAG}) == {"status": "Rejected"}
    assert rig.dialogue() == ["conf Rejected"]
