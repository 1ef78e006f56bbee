"""Firmware updates: every status in its order, whatever comes between (§4.5, §5.19)."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from simulator.clock import format_time
from simulator.errors import LocalProtocolError
from simulator.firmware import TRANSITIONS, Phase, Step, version_in
from simulator.moves import advance
from simulator.outputs import Download
from tests.simulator.rig import Rig

CALM = {"MeterValueSampleInterval": "0", "ConnectionTimeOut": "0"}
URL = "http://csms.example/files/charger-2.5.1.bin"
OUT = ["Status 1 Unavailable", "Status 2 Unavailable", "Status 0 Unavailable"]
IN = ["Status 0 Available", "Status 1 Available", "Status 2 Available"]


def idle(**keys: str) -> Rig:
    """Return an idle charge point with firmware 1.0."""
    rig = Rig(keys={**CALM, **keys}, firmware_version="1.0")
    rig.dialogue()
    return rig


def order(rig: Rig, *, in_s: float = 0, url: str = URL, **more: int) -> object:
    """Ask for an update."""
    at = format_time(rig.now.at + timedelta(seconds=in_s), milliseconds=True)
    return rig.ask("UpdateFirmware", {"location": url, "retrieveDate": at, **more})


def trigger(rig: Rig) -> list[str]:
    """Ask for the status; return what came."""
    rig.take()
    rig.ask("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
    return rig.story()


def test_every_step_is_told_and_the_new_version_boots() -> None:
    """Download, connectors out of service, installation, restart with the new version."""
    rig = idle()
    assert order(rig) == {}
    assert rig.dialogue() == ["conf", "Firmware Downloading"]
    (transfer,) = rig.transfers
    assert isinstance(transfer, Download)
    assert transfer.url == URL
    rig.transferred()
    assert rig.story() == ["Firmware Downloaded", *OUT, "Firmware Installing"]
    rig.advance(5)
    rig.take()
    rig.reconnect_after_hangup()

    assert rig.payload("BootNotification")["firmwareVersion"] == "2.5.1"
    assert rig.story() == ["Boot", *IN, "Firmware Installed"]
    rig.advance(100)
    assert rig.story() == []


def test_retrieve_date_in_the_future() -> None:
    """Nothing happens before the date, by the charge point's own clock."""
    rig = idle()
    rig.charge_point.set_clock(10)
    order(rig, in_s=70)
    assert rig.dialogue() == ["conf"]
    rig.advance(59.9)
    assert rig.story() == []
    assert trigger(rig) == ["Firmware Idle"]
    rig.advance(0.2)
    assert rig.story() == ["Firmware Downloading"]


def test_retrieve_date_is_kept_over_a_restart() -> None:
    """A restart, and a time without power, do not make it forget."""
    rig = idle()
    order(rig, in_s=100)
    rig.do("power_off")
    rig.drop()
    rig.advance(50)
    rig.take()
    rig.do("power_on")
    rig.connect()
    assert rig.story() == ["Boot", *IN]
    rig.advance(50)
    assert rig.story() == ["Firmware Downloading"]


def test_failed_downloads_are_tried_again() -> None:
    """`retries` further attempts, `retryInterval` apart, each beginning with Downloading."""
    rig = idle()
    order(rig, retries=2, retryInterval=20)
    rig.dialogue()
    for _ in range(2):
        rig.transferred("connection lost")
        assert rig.story() == ["Firmware DownloadFailed"]
        assert trigger(rig) == ["Firmware DownloadFailed"]
        rig.advance(19.9)
        assert rig.story() == []
        rig.advance(0.2)
        assert rig.story() == ["Firmware Downloading"]
    rig.transferred("connection lost")
    assert rig.story() == ["Firmware DownloadFailed"]
    rig.advance(1000)
    assert "Firmware Downloading" not in rig.story()
    assert trigger(rig) == ["Firmware Idle"]
    assert not rig.transfers


def test_attempts_belong_to_one_job() -> None:
    """What came before a failure can be used by the next attempt, not by the next order."""
    rig = idle()
    order(rig, retries=1, retryInterval=0)
    first = rig.transfers[0]
    rig.transferred("connection lost")
    rig.advance(0)
    second = rig.transfers[0]
    rig.transferred("connection lost")
    order(rig)
    third = rig.transfers[0]

    assert all(isinstance(transfer, Download) for transfer in (first, second, third))
    jobs = [one.job for one in (first, second, third) if isinstance(one, Download)]
    assert jobs[0] == jobs[1] != jobs[2]
    assert len({first.number, second.number, third.number}) == 3


def test_without_retries_there_is_one_attempt() -> None:
    """Where the CSMS leaves it to us, a failure is the end."""
    rig = idle()
    order(rig)
    rig.transferred("404")
    rig.advance(200)
    assert rig.story() == ["Firmware Downloading", "Firmware DownloadFailed"]
    assert any("download failed: 404" in notice for notice in rig.notices)


@pytest.mark.parametrize("times", [1, 2])
def test_arranged_download_failure(times: int) -> None:
    """The input makes so many downloads fail without touching the network."""
    rig = idle()
    rig.do("download_failure", times=times)
    order(rig, retries=5, retryInterval=1)
    rig.advance(1.5)
    assert rig.story()[:2] == ["Firmware Downloading", "Firmware DownloadFailed"]
    rig.advance(10)
    assert len(rig.transfers) == 1
    rig.transferred()
    assert rig.story()[-1] == "Firmware Installing"


@pytest.mark.parametrize("size_bytes", [1000, 0])
def test_failed_installation(size_bytes: int) -> None:
    """The restart comes all the same; the old version boots and the failure is told."""
    rig = idle()
    if size_bytes:
        rig.do("installation_failure")
    order(rig)
    rig.transferred(size_bytes=size_bytes)
    rig.advance(5)
    rig.take()
    rig.reconnect_after_hangup()

    assert rig.payload("BootNotification")["firmwareVersion"] == "1.0"
    assert rig.story() == ["Boot", *IN, "Firmware InstallationFailed"]
    order(rig)
    rig.transferred()
    rig.advance(5)
    rig.reconnect_after_hangup()
    assert rig.story()[-1] == "Firmware Installed"


def test_running_session_ends_first() -> None:
    """Idle connectors go out of service at once; the busy one when its session is over."""
    rig = idle()
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    order(rig)
    rig.take()
    rig.transferred()
    assert rig.story() == ["Firmware Downloaded", "Status 2 Unavailable"]
    rig.advance(600)
    assert trigger(rig) == ["Firmware Downloaded"]
    rig.do("present_tag", id_tag="A")
    assert rig.story() == [
        *["Stop 1 Local", "Status 1 Unavailable", "Status 0 Unavailable", "Firmware Installing"],
    ]
    rig.advance(5)
    rig.take()
    rig.reconnect_after_hangup()
    assert rig.story() == [
        *["Boot", "Status 0 Available", "Status 1 Preparing", "Status 2 Available"],
        "Firmware Installed",
    ]


def test_nobody_begins_while_an_update_waits() -> None:
    """A connector that will go out of service takes nobody: no card, no remote start."""
    rig = idle()
    rig.do("plug_in", connector_id=1)
    order(rig)
    rig.transferred()
    rig.take()
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.do("present_tag", id_tag="A", connector_id=2)
    answer = rig.ask("RemoteStartTransaction", {"idTag": "A"})
    assert answer == {"status": "Rejected"}
    assert rig.story() == []
    rig.do("unplug", connector_id=1)
    assert rig.story() == [
        *["Status 1 Available", "Status 1 Unavailable", "Status 0 Unavailable"],
        "Firmware Installing",
    ]


def test_reservation_ends_with_the_update() -> None:
    """A reserved connector goes out of service too, and the reservation with it (§5.13)."""
    rig = idle()
    payload = {"connectorId": 1, "idTag": "A", "reservationId": 1}
    rig.ask("ReserveNow", {**payload, "expiryDate": "2030-01-01T00:00:00Z"})
    order(rig)
    rig.take()
    rig.transferred()
    assert rig.story() == ["Firmware Downloaded", *OUT, "Firmware Installing"]
    assert rig.ask("CancelReservation", {"reservationId": 1}) == {"status": "Rejected"}


def test_connector_out_of_service_stays_so() -> None:
    """ChangeAvailability counts after an update as before."""
    rig = idle()
    rig.ask("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"})
    order(rig)
    rig.transferred()
    rig.advance(5)
    rig.take()
    rig.reconnect_after_hangup()
    assert rig.story() == [
        *["Boot", "Status 0 Available", "Status 1 Available", "Status 2 Unavailable"],
        "Firmware Installed",
    ]


def test_newer_order_takes_over() -> None:
    """An order during a download ends that download; its late end means nothing."""
    rig = idle()
    order(rig)
    late = rig.transfers.pop()
    order(rig, url="http://csms.example/charger-3.0.bin")
    assert rig.cancelled == [late.number]
    assert rig.story() == [
        *["Firmware Downloading", "Firmware DownloadFailed", "Firmware Downloading"],
    ]
    rig.transfers.insert(0, late)
    rig.transferred("too late")
    assert rig.story() == []
    rig.transferred()
    rig.advance(5)
    rig.take()
    rig.reconnect_after_hangup()
    assert rig.payload("BootNotification")["firmwareVersion"] == "3.0"


def test_newer_order_gives_connectors_back() -> None:
    """An order while the update waits for a session: idle connectors are in service again."""
    rig = idle()
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    order(rig)
    rig.transferred()
    rig.take()
    order(rig, in_s=60)
    assert rig.story() == ["Status 2 Available"]


def test_order_during_the_installation_waits() -> None:
    """What is being installed is finished first."""
    rig = idle()
    order(rig)
    rig.transferred()
    order(rig, url="http://csms.example/charger-3.0.bin")
    rig.advance(5)
    rig.take()
    rig.reconnect_after_hangup()
    assert rig.story()[-2:] == ["Firmware Installed", "Firmware Downloading"]


@pytest.mark.parametrize("how", ["power", "reset"])
def test_restart_during_the_download(how: str) -> None:
    """The download begins anew after the boot; no attempt is lost by it."""
    rig = idle()
    order(rig, retries=1, retryInterval=10)
    number = rig.transfers.pop().number
    if how == "power":
        rig.do("power_off")
        rig.drop()
        rig.do("power_on")
        rig.connect()
    else:
        rig.ask("Reset", {"type": "Hard"})
        rig.reconnect_after_hangup()
    assert rig.cancelled == [number]
    assert rig.story()[-1] == "Firmware Downloading"
    rig.transferred("lost")
    rig.advance(10)
    assert rig.story() == ["Firmware DownloadFailed", "Firmware Downloading"]


def test_power_loss_between_attempts() -> None:
    """What was to be tried again is tried after the boot."""
    rig = idle()
    order(rig, retries=1, retryInterval=1000)
    rig.transferred("lost")
    rig.do("power_off")
    rig.drop()
    rig.take()
    rig.do("power_on")
    rig.connect()
    assert rig.story()[-1] == "Firmware Downloading"


def test_power_loss_during_the_installation() -> None:
    """An installation that was broken off failed; the old version boots."""
    rig = idle()
    order(rig)
    rig.transferred()
    rig.do("power_off")
    rig.drop()
    rig.take()
    rig.do("power_on")
    rig.connect()
    assert rig.payload("BootNotification")["firmwareVersion"] == "1.0"
    assert rig.story() == ["Boot", *IN, "Firmware InstallationFailed"]


def test_restart_while_waiting_for_a_session() -> None:
    """After it nobody charges any more, and the installation begins."""
    rig = idle()
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    order(rig)
    rig.transferred()
    rig.ask("Reset", {"type": "Hard"})
    rig.take()
    rig.reconnect_after_hangup()
    story = rig.story()
    assert story[0] == "Boot"
    assert story[-1] == "Firmware Installing"
    assert "Firmware Installed" not in story


def test_statuses_of_an_offline_time_are_told_later() -> None:
    """Without a connection the update goes on; every status is told after it, in order."""
    rig = idle()
    order(rig)
    rig.take()
    rig.drop()
    rig.transferred()
    rig.advance(5)
    rig.hangups.clear()
    rig.connect()
    assert rig.story() == [
        *["Boot", *IN, "Firmware Downloaded", "Firmware Installing", "Firmware Installed"],
    ]


def test_status_that_got_no_answer_because_of_the_line_is_told_again() -> None:
    """A connection lost before the answer: the status goes again with the next one."""
    rig = idle()
    rig.holds_answers = True
    order(rig)
    assert rig.story() == ["Firmware Downloading"]
    rig.drop()
    rig.holds_answers = False
    rig.connect()
    assert rig.story() == ["Firmware Downloading"]


def test_restart_waits_until_installing_was_told() -> None:
    """The line is not cut under a status that waits for its answer."""
    rig = idle()
    order(rig)
    rig.holds_answers = True
    rig.transferred()
    rig.advance(5)
    assert not rig.hangups
    while rig.held:
        rig.release()
    assert rig.hangups


def test_passive_charge_point_updates_nothing() -> None:
    """It answers, and the rest is the script's."""
    rig = Rig(boots=False)
    rig.charge_point.is_active = False
    rig.connect()
    assert order(rig) == {}
    rig.advance(100)
    assert rig.dialogue() == ["conf"]
    assert not rig.transfers


@pytest.mark.parametrize(
    ("url", "version"),
    [
        ("http://h/files/fw/secret/charger-2.5.1.bin", "2.5.1"),
        ("ftp://u:p@h/v1.2/unit_10.20.bin?x=3.4", "10.20"),
        ("http://h/a%20b.bin", "a b"),
        ("http://h/firmware", "firmware"),
        ("http://h/" + "x" * 60 + ".bin", "x" * 50),
    ],
)
def test_version_comes_from_the_name(url: str, version: str) -> None:
    """The dotted number in the file's name, else the name."""
    assert version_in(url) == version


def test_moves_are_those_of_the_table() -> None:
    """Whatever is not in the table cannot happen, and every phase can be left."""
    for phase, step in product(Phase, Step):
        if (phase, step) in TRANSITIONS:
            assert advance(TRANSITIONS, phase, step) is TRANSITIONS[phase, step]
        else:
            with pytest.raises(LocalProtocolError):
                advance(TRANSITIONS, phase, step)
    assert {phase for phase, _ in TRANSITIONS} == set(Phase)
    assert set(TRANSITIONS.values()) == set(Phase)
