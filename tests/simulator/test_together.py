"""Whatever happens in whatever order: only legal moves, and everything ends in peace."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.clock import format_time
from simulator.connector import Status, check_move
from simulator.errors import LocalProtocolError
from simulator.firmware import Phase
from tests.simulator import pki
from tests.simulator.rig import Rig

KEYS = {"MeterValueSampleInterval": "0", "ConnectionTimeOut": "20"}

BY_OTHERS = {
    *("reserve", "cancel", "available", "remote", "update", "wait", "reset", "transferred"),
    *("signed", "log"),
}

SIGNER = pki.make_root("Signer")
SIGNATURES = [pki.sign(SIGNER.key, b"other"), pki.sign(SIGNER.key)]
SHA256 = sha256(pki.FIRMWARE).hexdigest()

_number = st.integers(1, 2)
_tag = st.sampled_from(["A", "B"])
_at_connector = st.sampled_from(
    [
        *("plug_in", "unplug", "ev_disconnect", "ev_suspend", "ev_resume", "press_stop"),
        *("fault", "clear_fault", "lock_failure"),
    ]
)
STEPS = st.one_of(
    st.tuples(_at_connector, _number),
    st.tuples(st.sampled_from(["fault", "clear_fault"]), st.just(0)),
    st.tuples(st.just("tag"), _number, _tag),
    st.tuples(st.just("reserve"), st.integers(0, 2), _tag, st.integers(1, 3), st.integers(1, 60)),
    st.tuples(st.just("cancel"), st.integers(1, 3)),
    st.tuples(st.just("available"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("remote"), _number, _tag),
    st.tuples(st.just("update"), st.integers(0, 30)),
    st.tuples(st.just("signed"), st.integers(0, 30), st.integers(0, 30), st.booleans()),
    st.tuples(st.sampled_from(["pause_download", "resume_download", "verification_failure"])),
    st.tuples(st.just("log"), st.integers(1, 3)),
    st.tuples(st.just("transferred"), st.sampled_from(["", "lost"])),
    st.tuples(st.just("reset"), st.sampled_from(["Hard", "Soft"])),
    st.tuples(st.just("line")),
    st.tuples(st.just("power")),
    st.tuples(st.just("wait"), st.integers(1, 30)),
)


def later(rig: Rig, seconds: int) -> str:
    """Return the time in so many seconds."""
    return format_time(rig.now.at + timedelta(seconds=seconds), milliseconds=True)


def do(rig: Rig, step: tuple[object, ...]) -> None:
    """Let one thing happen, if it can."""
    match step:
        case ("tag", int(number), str(tag)):
            rig.do("present_tag", connector_id=number, id_tag=tag)
        case ("reserve", int(number), str(tag), int(name), int(seconds)):
            payload = {"connectorId": number, "idTag": tag, "reservationId": name}
            rig.ask("ReserveNow", {**payload, "expiryDate": later(rig, seconds)})
        case ("cancel", int(name)):
            rig.ask("CancelReservation", {"reservationId": name})
        case ("available", int(number), bool(is_operative)):
            kind = "Operative" if is_operative else "Inoperative"
            rig.ask("ChangeAvailability", {"connectorId": number, "type": kind})
        case ("remote", int(number), str(tag)):
            rig.ask("RemoteStartTransaction", {"connectorId": number, "idTag": tag})
        case ("update", int(seconds)):
            payload = {"location": "http://h/2.0.bin", "retries": 1, "retryInterval": 5}
            rig.ask("UpdateFirmware", {**payload, "retrieveDate": later(rig, seconds)})
        case ("signed", int(seconds), int(more), bool(is_right)):
            firmware = {
                "location": "http://h/3.0.bin",
                "retrieveDateTime": later(rig, seconds),
                "installDateTime": later(rig, seconds + more),
                "signingCertificate": SIGNER.pem,
                "signature": SIGNATURES[is_right],
            }
            rig.ask("SignedUpdateFirmware", {"requestId": 1, "firmware": firmware, "retries": 1})
        case ("log", int(name)):
            log = {"remoteLocation": "http://h/"}
            rig.ask("GetLog", {"logType": "SecurityLog", "requestId": name, "log": log})
        case ("transferred", str(problem)):
            if rig.transfers:
                rig.transferred(problem, sha256=SHA256)
        case ("reset", str(kind)):
            rig.ask("Reset", {"type": kind})
        case ("line",):
            rig.drop()
            rig.connect()
        case ("power",):
            rig.do("power_off")
            rig.do("power_on")
        case ("wait", int(seconds)):
            rig.advance(seconds)
        case (str(event), int(number)):
            rig.do(event, connector_id=number)
        case (str(event),):
            rig.do(event)
    if rig.hangups:
        rig.reconnect_after_hangup()


def attempt(rig: Rig, step: tuple[object, ...]) -> str:
    """Let one thing happen; return why it cannot."""
    try:
        do(rig, step)
    except LocalProtocolError as exc:
        return str(exc)
    return ""


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_every_order_of_events_keeps_the_rules(steps: list[tuple[object, ...]]) -> None:
    """Every reported move is legal, updates come to their end, reservations end in time."""
    rig = Rig(keys=KEYS)
    for step in steps:
        refusal = attempt(rig, step)
        assert "no legal move" not in refusal
        assert not refusal or step[0] not in BY_OTHERS
        book = rig.charge_point.charging.reserving.book
        for number, connector in rig.charge_point.connectors.items():
            if connector.report.status is Status.RESERVED:
                assert book.at(number) is not None
    last: dict[int, Status] = {}
    for action, payload in rig.take():
        if action == "BootNotification":
            last.clear()
        elif action == "StatusNotification":
            number, status = payload["connectorId"], Status(payload["status"])
            if number and number in last and last[number] is not status:
                check_move(last[number], status)
            last[number] = status

    for number in (1, 2):
        for event in ("clear_fault", "press_stop", "unplug"):
            attempt(rig, (event, number))
    attempt(rig, ("resume_download",))
    for _ in range(2):  # a second order may wait for the end of the first
        rig.advance(100)
        while rig.transfers:
            rig.transferred(sha256=SHA256)
            rig.advance(40)
        if rig.hangups:
            rig.reconnect_after_hangup()
    rig.advance(100)
    assert rig.charge_point.firmware.phase is Phase.IDLE
    assert not rig.charge_point.logs.is_under_way
    assert len(rig.charge_point.charging.reserving.book) == 0
    assert rig.charge_point.is_idle
