"""What the model answers to the requests of the Core profile, and what it does then (§5)."""

from __future__ import annotations

import pytest

from tests.simulator.rig import Rig

CALM = {"MeterValueSampleInterval": "0", "ConnectionTimeOut": "0"}
ACCEPTED = {"status": "Accepted"}
REJECTED = {"status": "Rejected"}


def idle(**keys: str) -> Rig:
    """Return an idle charge point."""
    return Rig(keys={**CALM, **keys})


def charging(**keys: str) -> Rig:
    """Return a charge point on whose connector 1 transaction 1 runs."""
    rig = idle(**keys)
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.dialogue()
    return rig


# --- ChangeAvailability ----------------------------------------------------------------------


def availability(rig: Rig, connector_id: int, kind: str) -> object:
    """Ask for a change of availability."""
    return rig.ask("ChangeAvailability", {"connectorId": connector_id, "type": kind})


def test_availability_of_an_idle_connector() -> None:
    """Accepted, and then told (A8, H1); the same again is Accepted and nothing to tell."""
    rig = idle()
    assert availability(rig, 1, "Inoperative") == ACCEPTED
    assert availability(rig, 1, "Inoperative") == ACCEPTED
    assert availability(rig, 1, "Operative") == ACCEPTED
    assert availability(rig, 1, "Operative") == ACCEPTED

    assert rig.dialogue() == [
        "conf Accepted",
        "Status 1 Unavailable",
        "conf Accepted",
        "conf Accepted",
        "Status 1 Available",
        "conf Accepted",
    ]


def test_availability_waits_for_the_transaction() -> None:
    """Scheduled while a transaction runs, done when it ends (C8)."""
    rig = charging()
    assert availability(rig, 1, "Inoperative") == {"status": "Scheduled"}
    assert rig.story() == []
    rig.do("present_tag", id_tag="A")
    assert rig.story() == ["Stop 1 Local", "Status 1 Unavailable"]


def test_scheduled_unavailability_can_be_taken_back() -> None:
    """Operative before the transaction ended: it stays in service."""
    rig = charging()
    availability(rig, 1, "Inoperative")
    assert availability(rig, 1, "Operative") == ACCEPTED
    rig.do("present_tag", id_tag="A")
    assert rig.story() == ["Stop 1 Local", "Status 1 Finishing"]


def test_no_new_session_on_a_connector_that_will_go() -> None:
    """While unavailability is scheduled nobody else may begin there."""
    rig = idle()
    rig.do("plug_in", connector_id=1)
    assert availability(rig, 1, "Inoperative") == {"status": "Scheduled"}
    rig.take()
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.do("unplug", connector_id=1)

    assert rig.story() == ["Status 1 Available", "Status 1 Unavailable"]


def test_availability_of_the_whole_charge_point() -> None:
    """Connector 0 takes all connectors along; it goes last, after the running transaction."""
    rig = charging()
    assert availability(rig, 0, "Inoperative") == {"status": "Scheduled"}
    assert rig.story() == ["Status 2 Unavailable"]
    rig.do("present_tag", id_tag="A")
    assert rig.story() == ["Stop 1 Local", "Status 1 Unavailable", "Status 0 Unavailable"]
    assert availability(rig, 0, "Operative") == ACCEPTED
    assert sorted(rig.story()) == ["Status 0 Available", "Status 1 Preparing", "Status 2 Available"]


def test_unavailability_survives_a_power_loss() -> None:
    """Unavailable is still so after the boot (§5.2)."""
    rig = idle()
    availability(rig, 2, "Inoperative")
    rig.do("power_off")
    rig.drop()
    rig.take()
    rig.do("power_on")
    rig.connect()

    assert "Status 2 Unavailable" in rig.story()


def test_scheduled_unavailability_survives_a_reset() -> None:
    """A reset ends the transaction, so what was scheduled is done."""
    rig = charging()
    availability(rig, 1, "Inoperative")
    rig.ask("Reset", {"type": "Hard"})
    rig.take()
    rig.reconnect_after_hangup()

    assert rig.story() == [
        "Boot",
        "Status 0 Available",
        "Status 1 Unavailable",
        "Status 2 Available",
        "Stop 1 HardReset",
    ]


def test_unavailable_connector_refuses_everybody() -> None:
    """Neither a card nor a remote start begins on an unavailable connector."""
    rig = idle()
    availability(rig, 1, "Inoperative")
    rig.take()
    rig.do("present_tag", id_tag="A", connector_id=1)
    answer = rig.ask("RemoteStartTransaction", {"idTag": "A", "connectorId": 1})

    assert answer == REJECTED
    assert rig.story() == []


def test_availability_of_an_unknown_connector() -> None:
    """There is no such connector: Rejected."""
    assert availability(idle(), 9, "Inoperative") == REJECTED


# --- configuration ---------------------------------------------------------------------------


def test_complete_configuration() -> None:
    """Without a question every key is told, as text, and nothing is unknown."""
    questions: list[dict[str, object]] = [{}, {"key": []}]
    for question in questions:
        answer = idle().ask("GetConfiguration", question)
        assert isinstance(answer, dict)
        assert "unknownKey" not in answer
        assert len(answer["configurationKey"]) > 30
        for key in answer["configurationKey"]:
            assert {type(key["key"]), type(key["value"]), type(key["readonly"])} == {str, bool}


def test_single_key_and_unknown_key() -> None:
    """Known and unknown keys are told apart."""
    answer = idle().ask("GetConfiguration", {"key": ["NumberOfConnectors", "Nope"]})

    assert answer == {
        "configurationKey": [{"key": "NumberOfConnectors", "readonly": True, "value": "2"}],
        "unknownKey": ["Nope"],
    }


def test_changed_key_is_told() -> None:
    """What was accepted is reported from then on."""
    rig = idle()
    change = {"key": "ConnectionTimeOut", "value": "45"}
    assert rig.ask("ChangeConfiguration", change) == ACCEPTED
    answer = rig.ask("GetConfiguration", {"key": ["ConnectionTimeOut"]})

    assert isinstance(answer, dict)
    assert answer["configurationKey"][0]["value"] == "45"


def test_reboot_required() -> None:
    """A key that needs a reboot changes with the reset."""
    rig = Rig(needs_reboot=["ConnectionTimeOut"])
    change = {"key": "ConnectionTimeOut", "value": "45"}

    assert rig.ask("ChangeConfiguration", change) == {"status": "RebootRequired"}
    assert rig.charge_point.keys.integer("ConnectionTimeOut") == 60
    rig.ask("Reset", {"type": "Soft"})
    assert rig.charge_point.keys.integer("ConnectionTimeOut") == 45


def test_power_cycle_is_a_reboot_too() -> None:
    """A key that waits for a reboot changes when the power comes back."""
    rig = Rig(needs_reboot=["ConnectionTimeOut"])
    rig.ask("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "45"})
    rig.do("power_off")
    rig.drop()
    rig.do("power_on")

    assert rig.charge_point.keys.integer("ConnectionTimeOut") == 45


# --- cache, data -----------------------------------------------------------------------------


def test_clear_cache() -> None:
    """The cache is emptied; where there is none, that is Rejected (errata 3.23)."""
    rig = idle()
    rig.do("present_tag", id_tag="A")
    assert "A" in rig.charge_point.cache
    assert rig.ask("ClearCache") == ACCEPTED
    assert "A" not in rig.charge_point.cache
    assert idle(AuthorizationCacheEnabled="false").ask("ClearCache") == REJECTED


def test_data_transfer() -> None:
    """Vendor data are not understood, be it the vendor or the message."""
    rig = Rig(vendor="Acme")

    assert rig.ask("DataTransfer", {"vendorId": "other"}) == {"status": "UnknownVendorId"}
    assert rig.ask("DataTransfer", {"vendorId": "ACME"}) == {"status": "UnknownMessageId"}


# --- remote start and stop -------------------------------------------------------------------


def test_remote_start_without_authorizing() -> None:
    """AuthorizeRemoteTxRequests=false: StartTransaction at once, nobody is asked."""
    rig = idle(AuthorizeRemoteTxRequests="false")
    rig.do("plug_in", connector_id=1)
    rig.dialogue()
    rig.ask("RemoteStartTransaction", {"idTag": "A", "connectorId": 1})

    assert rig.dialogue() == ["conf Accepted", "Start 1 A", "Status 1 Charging"]


def test_remote_start_refused_by_authorize() -> None:
    """Accepted means will try: the id may still be refused, and then nothing begins."""
    rig = idle()
    rig.answers["Authorize"] = lambda _: {"idTagInfo": {"status": "Invalid"}}
    rig.do("plug_in", connector_id=1)
    rig.dialogue()
    rig.ask("RemoteStartTransaction", {"idTag": "A"})

    assert rig.dialogue() == ["conf Accepted", "Authorize A"]


def test_remote_start_chooses_the_plugged_connector() -> None:
    """Without a connector the one with a cable is taken, else the first that is free."""
    rig = idle()
    rig.do("plug_in", connector_id=2)
    rig.take()
    rig.ask("RemoteStartTransaction", {"idTag": "A"})
    rig.ask("RemoteStartTransaction", {"idTag": "B"})

    assert rig.story() == [
        "Authorize A",
        "Start 2 A",
        "Status 2 Charging",
        "Authorize B",
        "Status 1 Preparing",
    ]
    assert rig.ask("RemoteStartTransaction", {"idTag": "C"}) == REJECTED


@pytest.mark.parametrize("connector_id", [1, 3])
def test_remote_start_is_rejected(connector_id: int) -> None:
    """A busy or unknown connector: Rejected, and nothing happens."""
    rig = charging()
    request = {"idTag": "B", "connectorId": connector_id}

    assert rig.ask("RemoteStartTransaction", request) == REJECTED
    assert rig.story() == []


def test_remote_stop_of_what_does_not_run() -> None:
    """Only a transaction that runs here can be stopped."""
    rig = charging()

    assert rig.ask("RemoteStopTransaction", {"transactionId": 2}) == REJECTED
    assert rig.ask("RemoteStopTransaction", {"transactionId": 1}) == ACCEPTED
    assert rig.ask("RemoteStopTransaction", {"transactionId": 1}) == REJECTED


def test_remote_stop_unlocks() -> None:
    """After a remote stop the cable can be taken out."""
    rig = charging()
    rig.ask("RemoteStopTransaction", {"transactionId": 1})
    rig.do("unplug", connector_id=1)

    assert rig.story() == ["Stop 1 Remote", "Status 1 Finishing", "Status 1 Available"]


# --- reset -----------------------------------------------------------------------------------


def test_soft_reset_says_goodbye_first() -> None:
    """Soft: stopped and delivered, then the restart (§5.14)."""
    rig = charging()
    rig.ask("Reset", {"type": "Soft"})

    assert rig.dialogue() == ["conf Accepted", "Stop 1 SoftReset", "Status 1 Finishing"]
    assert len(rig.hangups) == 1
    rig.reconnect_after_hangup()
    assert rig.story() == [
        "Boot",
        "Status 0 Available",
        "Status 1 Finishing",
        "Status 2 Available",
    ]


def test_soft_reset_waits_for_the_answer() -> None:
    """The restart comes when StopTransaction was answered, not before."""
    rig = charging()
    rig.holds_answers = True
    rig.ask("Reset", {"type": "Soft"})
    assert rig.hangups == []
    rig.do("plug_in", connector_id=2)
    rig.holds_answers = False
    rig.release()
    assert len(rig.hangups) == 1


def test_soft_reset_does_not_wait_for_ever() -> None:
    """A StopTransaction that fails is queued, and delivered after the boot."""
    rig = charging()
    rig.answers["StopTransaction"] = lambda _: None
    rig.ask("Reset", {"type": "Soft"})
    assert rig.hangups == []
    rig.advance(30)
    assert len(rig.hangups) == 1
    del rig.answers["StopTransaction"]
    rig.take()
    rig.reconnect_after_hangup()
    rig.advance(200)
    assert "Stop 1 SoftReset" in rig.story()


def test_nobody_starts_during_a_soft_reset() -> None:
    """While goodbye is said no new session begins."""
    rig = charging()
    rig.answers["StopTransaction"] = lambda _: None
    rig.ask("Reset", {"type": "Soft"})
    rig.take()
    rig.do("present_tag", id_tag="B", connector_id=2)
    assert rig.ask("RemoteStartTransaction", {"idTag": "B", "connectorId": 2}) == REJECTED
    assert "Authorize B" not in rig.story()


def test_hard_reset_tells_the_end_afterwards() -> None:
    """Hard: at once; the stop follows the boot, with the time and meter of the reset."""
    rig = charging()
    rig.advance(100)
    rig.ask("Reset", {"type": "Hard"})
    assert rig.dialogue() == ["conf Accepted"]
    rig.advance(20)
    rig.reconnect_after_hangup()
    stop = rig.payload("StopTransaction")

    assert rig.story()[-1] == "Stop 1 HardReset"
    assert stop["timestamp"] == "2026-01-31T12:18:20.000Z"
    assert "idTag" not in stop


# --- unlock ----------------------------------------------------------------------------------


@pytest.mark.parametrize("connector_id", [0, 3, -1])
def test_unlock_of_an_unknown_connector(connector_id: int) -> None:
    """There is nothing to unlock: NotSupported (errata 3.85)."""
    answer = idle().ask("UnlockConnector", {"connectorId": connector_id})

    assert answer == {"status": "NotSupported"}


def test_unlock_ends_the_transaction_and_frees_the_cable() -> None:
    """Unlocked; the transaction ends as UnlockCommand and the cable comes out (§5.18)."""
    rig = charging()
    assert rig.ask("UnlockConnector", {"connectorId": 1}) == {"status": "Unlocked"}
    rig.do("unplug", connector_id=1)

    assert rig.story() == ["Stop 1 UnlockCommand", "Status 1 Finishing", "Status 1 Available"]


def test_unlock_gives_a_kept_cable_back() -> None:
    """A cable kept for somebody is freed by the operator."""
    rig = idle(StopTransactionOnInvalidId="true")
    rig.answers["StartTransaction"] = lambda _: {
        "transactionId": 1,
        "idTagInfo": {"status": "Invalid"},
    }
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.ask("UnlockConnector", {"connectorId": 1})
    rig.take()
    rig.do("unplug", connector_id=1)

    assert rig.story() == ["Status 1 Available"]


def test_soft_reset_says_everything_first() -> None:
    """The status that follows the stop is delivered before the restart too."""
    rig = charging()
    rig.holds_answers = True
    rig.ask("Reset", {"type": "Soft"})
    rig.release()
    assert rig.story() == ["Stop 1 SoftReset", "Status 1 Finishing"]
    assert rig.hangups == []
    rig.release()
    assert len(rig.hangups) == 1
