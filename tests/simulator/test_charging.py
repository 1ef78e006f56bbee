"""Who charges where, and what ends it (§3.4-3.6, §4.8, §4.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from simulator.errors import LocalProtocolError
from simulator.frames import CallError
from tests.simulator.rig import ACCEPTED, FAILURE, Payload, Rig

CALM = {"MeterValueSampleInterval": "0", "ConnectionTimeOut": "0"}


def charging(id_tag: str = "A", *, keys: Mapping[str, str] | None = None, **options: Any) -> Rig:
    """Return a charge point on whose connector 1 a transaction runs."""
    rig = Rig(keys={**CALM, **(keys or {})}, **options)
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag=id_tag)
    rig.dialogue()
    return rig


def member(parent: str | None, status: str = "Accepted") -> Payload:
    """Return what the CSMS says of an idTag of a group."""
    info: Payload = {"status": status}
    if parent is not None:
        info["parentIdTag"] = parent
    return {"idTagInfo": info}


# --- identification --------------------------------------------------------------------------


def test_same_tag_stops_without_asking() -> None:
    """The tag that started stops, with its idTag and reason Local, and no Authorize."""
    rig = charging("Card")
    rig.do("present_tag", id_tag="CARD")

    assert rig.payload("StopTransaction")["idTag"] == "CARD"
    assert rig.story() == ["Stop 1 Local", "Status 1 Finishing"]


def test_group_member_stops_after_asking() -> None:
    """Another tag of the same parent may stop; it is asked about first."""
    rig = Rig(keys=CALM)
    rig.answers["Authorize"] = lambda _: member("GROUP")
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.take()
    rig.answers["Authorize"] = lambda _: member("group")
    rig.do("present_tag", id_tag="B", connector_id=1)

    assert rig.payload("StopTransaction")["idTag"] == "B"
    assert rig.story() == ["Authorize B", "Stop 1 Local", "Status 1 Finishing"]


@pytest.mark.parametrize(
    "answer",
    [member("OTHER"), member(None), member("GROUP", "Blocked"), FAILURE, {}],
    ids=["other group", "no group", "blocked", "error", "nothing"],
)
def test_others_do_not_stop(answer: Payload | CallError) -> None:
    """A tag of another group, of none, or one that is not valid stops nothing."""
    rig = Rig(keys=CALM)
    rig.answers["Authorize"] = lambda _: member("GROUP")
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.take()
    rig.answers["Authorize"] = lambda _: answer
    rig.do("present_tag", id_tag="B", connector_id=1)

    assert rig.story() == ["Authorize B"]


def test_cached_group_member_stops_without_asking() -> None:
    """A member the cache knows need not be asked about."""
    rig = Rig(keys=CALM)
    rig.answers["Authorize"] = lambda _: member("GROUP")
    for tag in ("B", "B", "A"):
        rig.do("present_tag", id_tag=tag, connector_id=1)
    rig.do("plug_in", connector_id=1)
    rig.take()
    rig.do("present_tag", id_tag="B", connector_id=1)

    assert rig.story() == ["Stop 1 Local", "Status 1 Finishing"]


def test_parent_from_the_start_answer_counts() -> None:
    """The group may become known only with StartTransaction.conf."""
    rig = Rig(keys=CALM)
    rig.answers["StartTransaction"] = lambda _: {"transactionId": 4, **member("G")}
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.take()
    rig.answers["Authorize"] = lambda _: member("G")
    rig.do("present_tag", id_tag="B", connector_id=1)

    assert rig.story() == ["Authorize B", "Stop 4 Local", "Status 1 Finishing"]


def test_second_presentation_gives_up() -> None:
    """The same tag again before the cable is in takes the permission back (cell B1)."""
    rig = Rig(keys=CALM)
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.do("present_tag", id_tag="A")

    assert rig.story() == ["Authorize A", "Status 1 Preparing", "Status 1 Available"]


def test_new_start_while_still_plugged_is_a_new_transaction() -> None:
    """From Finishing a tag starts again, through Preparing (cell F2)."""
    rig = charging()
    rig.do("present_tag", id_tag="A")
    rig.take()
    rig.do("present_tag", id_tag="B")

    assert rig.story() == ["Authorize B", "Status 1 Preparing", "Start 1 B", "Status 1 Charging"]


def test_tag_not_presented_in_time() -> None:
    """A cable without an id becomes Finishing after ConnectionTimeOut (cell B6)."""
    rig = Rig(keys={"ConnectionTimeOut": "30"})
    rig.do("plug_in", connector_id=1)
    rig.advance(29.9)
    assert rig.story() == ["Status 1 Preparing"]
    rig.advance(0.1)
    assert rig.story() == ["Status 1 Finishing"]
    rig.do("unplug", connector_id=1)
    assert rig.story() == ["Status 1 Available"]


def test_timeout_counts_from_the_start_of_preparing() -> None:
    """A connector that left Preparing starts its time anew with the next one."""
    rig = Rig(keys={"ConnectionTimeOut": "30"})
    rig.do("plug_in", connector_id=1)
    rig.advance(20)
    rig.do("unplug", connector_id=1)
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.take()
    rig.advance(29.9)
    assert rig.story() == []
    rig.advance(0.2)
    assert rig.story() == ["Status 1 Available"]


def test_transaction_is_not_ended_by_the_timeout() -> None:
    """Once charging began ConnectionTimeOut is over."""
    rig = charging(keys={"ConnectionTimeOut": "30"})
    rig.advance(100)

    assert rig.story() == []


def test_cached_tag_starts_at_once_only_with_pre_authorize() -> None:
    """LocalPreAuthorize decides whether a cached tag is asked about."""
    for pre_authorize, expected in (("true", ["Start 1 A"]), ("false", ["Authorize A"])):
        rig = Rig(keys={**CALM, "LocalPreAuthorize": pre_authorize})
        rig.do("present_tag", id_tag="A", connector_id=2)
        rig.do("present_tag", id_tag="A")
        rig.do("plug_in", connector_id=1)
        rig.take()
        rig.do("present_tag", id_tag="A")
        assert rig.story()[:1] == expected


def test_refusal_is_cached_and_asked_again() -> None:
    """Not valid answers are remembered: they refuse offline, and online they are asked about."""
    rig = Rig(keys={**CALM, "AllowOfflineTxForUnknownId": "true"})
    rig.answers["Authorize"] = lambda _: member(None, "Blocked")
    rig.do("present_tag", id_tag="A")
    rig.do("present_tag", id_tag="A")
    assert rig.story() == ["Authorize A", "Authorize A"]
    rig.drop()
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.connect()
    assert rig.story() == ["Status 1 Preparing"]


def test_listed_tag_is_not_cached() -> None:
    """What the local list has, answers do not write into the cache (§3.5.1)."""
    rig = Rig(keys={**CALM, "LocalAuthListEnabled": "true"})
    listed = {"idTag": "LISTED", "idTagInfo": {"status": "Accepted"}}
    rig.ask(
        "SendLocalList",
        {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [listed]},
    )
    rig.do("present_tag", id_tag="LISTED")
    rig.do("present_tag", id_tag="OTHER", connector_id=2)

    assert "LISTED" not in rig.charge_point.cache
    assert "OTHER" in rig.charge_point.cache


def test_unanswered_authorize_is_being_offline() -> None:
    """Nobody answers: a tag the cache knows may start, another may not."""
    rig = Rig(keys={**CALM, "MessageTimeout": "5"})
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.answers["Authorize"] = lambda _: None
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.take()
    rig.advance(5)
    assert rig.story() == ["Start 1 A", "Status 1 Charging"]
    rig.do("present_tag", id_tag="B", connector_id=2)
    rig.advance(5)
    assert rig.story() == ["Authorize B"]


def test_refused_authorize_call_starts_nothing() -> None:
    """A CALLERROR is no permission, also for a tag the cache knows."""
    rig = Rig(keys=CALM)
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.answers["Authorize"] = lambda _: FAILURE
    rig.do("plug_in", connector_id=1)
    rig.take()
    rig.do("present_tag", id_tag="A", connector_id=1)

    assert rig.story() == ["Authorize A"]


def test_tag_while_asking_waits() -> None:
    """A second tag while the first is asked about is told to wait."""
    rig = Rig(keys=CALM)
    rig.holds_answers = True
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.do("present_tag", id_tag="B", connector_id=1)

    assert rig.story() == ["Authorize A"]
    assert any("wait" in notice for notice in rig.notices)


def test_fault_while_asking_starts_nothing() -> None:
    """An id accepted after the connector broke does not start there."""
    rig = Rig(keys=CALM)
    rig.do("plug_in", connector_id=1)
    rig.holds_answers = True
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.do("fault", connector_id=1, error_code="GroundFailure")
    rig.holds_answers = False
    rig.take()
    rig.release()

    assert rig.story() == ["Status 1 Faulted GroundFailure"]


def test_nobody_charges_before_the_first_acceptance() -> None:
    """A charge point that was never accepted denies charging (errata 3.11)."""
    rig = Rig(boots=False, keys={"AllowOfflineTxForUnknownId": "true"})
    rig.do("power_on")
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.connect()

    assert "Start 1 A" not in rig.story()


def test_connector_is_chosen_for_the_tag() -> None:
    """Without a connector the tag goes to its own transaction, else to a cable, else to a free."""
    rig = charging("A")
    rig.do("plug_in", connector_id=2)
    rig.take()
    rig.do("present_tag", id_tag="B")
    assert rig.story()[1:] == ["Start 2 B", "Status 2 Charging"]
    rig.do("present_tag", id_tag="A")
    assert rig.story() == ["Stop 1 Local", "Status 1 Finishing"]


# --- cable, EV, lock -------------------------------------------------------------------------


def test_locked_cable_stays_in() -> None:
    """While a transaction runs the cable cannot be taken out, afterwards it can."""
    rig = charging()
    with pytest.raises(LocalProtocolError, match="locked"):
        rig.do("unplug", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.do("unplug", connector_id=1)

    assert rig.story()[-1] == "Status 1 Available"


def test_ev_pauses_and_resumes() -> None:
    """C4 and D3: the EV stops drawing and draws again."""
    rig = charging()
    rig.do("ev_suspend", connector_id=1)
    rig.do("ev_resume", connector_id=1)

    assert rig.story() == ["Status 1 SuspendedEV", "Status 1 Charging"]


def test_evse_outranks_ev() -> None:
    """C5, E4, D5 …: while both pause it is SuspendedEVSE."""
    rig = charging()
    rig.do("evse_suspend", connector_id=1)
    rig.do("ev_suspend", connector_id=1)
    rig.do("evse_resume", connector_id=1)
    rig.do("evse_suspend", connector_id=1)
    rig.do("ev_resume", connector_id=1)
    rig.do("evse_resume", connector_id=1)

    assert rig.story() == [
        "Status 1 SuspendedEVSE",
        "Status 1 SuspendedEV",
        "Status 1 SuspendedEVSE",
        "Status 1 Charging",
    ]


def test_no_energy_while_suspended() -> None:
    """The meter stands still while the EV or the EVSE pauses."""
    rig = charging(power_w=3600.0)
    rig.advance(100)
    rig.do("ev_suspend", connector_id=1)
    rig.advance(1000)
    rig.do("ev_resume", connector_id=1)
    rig.advance(50)
    rig.take()
    rig.do("present_tag", id_tag="A")

    assert rig.payload("StopTransaction")["meterStop"] == 150


def test_idle_ev_starts_suspended() -> None:
    """B4: conditions met, but the EV takes nothing."""
    rig = Rig(keys=CALM)
    rig.do("plug_in", connector_id=1)
    rig.do("ev_suspend", connector_id=1)
    rig.do("present_tag", id_tag="A")

    assert rig.story()[-2:] == ["Start 1 A", "Status 1 SuspendedEV"]


def test_ev_side_disconnect_ends_and_unlocks() -> None:
    """StopTransactionOnEVSideDisconnect=true: stopped without idTag, with the info; unlocked."""
    rig = charging()
    rig.do("ev_disconnect", connector_id=1)
    infos = [payload.get("info") for name, payload in rig.calls if name == "StatusNotification"]

    assert "idTag" not in rig.payload("StopTransaction")
    assert infos == ["EV side disconnected", "EV side disconnected"]
    assert rig.story() == ["Status 1 SuspendedEV", "Stop 1 EVDisconnected", "Status 1 Finishing"]
    rig.do("unplug", connector_id=1)
    assert rig.take()[0][1].get("info") is None


def test_ev_side_disconnect_that_ends_nothing() -> None:
    """StopTransactionOnEVSideDisconnect=false: SuspendedEV, locked, and the EV may come back."""
    rig = charging(
        keys={
            "StopTransactionOnEVSideDisconnect": "false",
            "UnlockConnectorOnEVSideDisconnect": "true",
        }
    )
    rig.do("ev_disconnect", connector_id=1)
    assert rig.payload("StatusNotification")["info"] == "EV side disconnected"
    assert rig.story() == ["Status 1 SuspendedEV"]
    with pytest.raises(LocalProtocolError, match="locked"):
        rig.do("unplug", connector_id=1)
    rig.do("plug_in", connector_id=1)
    assert rig.story() == ["Status 1 Charging"]


def test_ev_side_disconnect_may_keep_the_cable() -> None:
    """UnlockConnectorOnEVSideDisconnect=false: the cable waits for the tag that started."""
    rig = charging(keys={"UnlockConnectorOnEVSideDisconnect": "false"})
    rig.do("ev_disconnect", connector_id=1)
    with pytest.raises(LocalProtocolError, match="locked"):
        rig.do("unplug", connector_id=1)
    rig.take()
    rig.do("present_tag", id_tag="A")
    rig.do("unplug", connector_id=1)

    assert rig.story() == ["Status 1 Available"]


def test_fixed_cable() -> None:
    """A fixed cable leaves the EV and hangs on its hook: the session is over at once (D1)."""
    rig = charging(has_fixed_cable=True)
    rig.do("unplug", connector_id=1)

    assert rig.story() == ["Status 1 SuspendedEV", "Stop 1 EVDisconnected", "Status 1 Available"]


def test_lock_failure_starts_nothing() -> None:
    """A cable that cannot be locked is a fault; once cleared somebody has to identify again."""
    rig = Rig(keys=CALM)
    rig.do("lock_failure", connector_id=1)
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    assert rig.story()[-1] == "Status 1 Faulted ConnectorLockFailure"
    rig.do("clear_fault", connector_id=1)
    assert rig.story() == ["Status 1 Preparing"]
    rig.do("present_tag", id_tag="A")
    assert rig.story()[-1] == "Status 1 Charging"


def test_fault_interrupts_the_energy_and_passes() -> None:
    """A fault gives the former state back, and no energy flowed meanwhile (C9, I3)."""
    rig = charging(power_w=3600.0)
    rig.do("fault", connector_id=1, error_code="OverCurrentFailure")
    rig.advance(200)
    rig.do("clear_fault", connector_id=1)
    assert rig.story() == ["Status 1 Faulted OverCurrentFailure", "Status 1 Charging"]
    rig.do("present_tag", id_tag="A")
    assert rig.payload("StopTransaction")["meterStop"] == 0


def test_cable_that_came_during_a_fault_starts_afterwards() -> None:
    """Somebody identified, the connector broke, the cable came: it begins when it works again."""
    rig = Rig(keys=CALM)
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.do("fault", connector_id=1)
    rig.do("plug_in", connector_id=1)
    rig.take()
    rig.do("clear_fault", connector_id=1)

    assert rig.story() == ["Status 1 Preparing", "Start 1 A", "Status 1 Charging"]


# --- refused by StartTransaction -------------------------------------------------------------


def refused_start(**keys: str) -> Rig:
    """Return a charge point whose transaction the CSMS refuses."""
    rig = Rig(keys={**CALM, **keys}, power_w=3600.0)
    rig.answers["StartTransaction"] = lambda _: {"transactionId": 5, **member("G", "Blocked")}
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    return rig


def test_refused_start_is_stopped_and_the_cable_kept() -> None:
    """StopTransactionOnInvalidId: stopped as DeAuthorized; the same id gets the cable back."""
    rig = refused_start(StopTransactionOnInvalidId="true")
    assert rig.story()[-3:] == ["Status 1 Charging", "Stop 5 DeAuthorized", "Status 1 Finishing"]
    with pytest.raises(LocalProtocolError, match="locked"):
        rig.do("unplug", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.do("unplug", connector_id=1)
    assert rig.story() == ["Status 1 Available"]


def test_member_of_the_group_gets_the_cable_too() -> None:
    """The same parent is enough to unlock (errata 3.5); another is not."""
    rig = refused_start(StopTransactionOnInvalidId="true")
    rig.take()
    rig.answers["Authorize"] = lambda _: member("OTHER")
    rig.do("present_tag", id_tag="B", connector_id=1)
    assert rig.charge_point.connectors[1].is_locked
    rig.answers["Authorize"] = lambda _: member("G")
    rig.do("present_tag", id_tag="C", connector_id=1)
    assert not rig.charge_point.connectors[1].is_locked
    assert rig.story() == ["Authorize B", "Authorize C"]


def test_refused_start_may_only_suspend() -> None:
    """StopTransactionOnInvalidId=false: SuspendedEVSE, the transaction stays (C5)."""
    rig = refused_start(StopTransactionOnInvalidId="false")

    assert rig.story()[-2:] == ["Status 1 Charging", "Status 1 SuspendedEVSE"]
    rig.advance(1000)
    rig.do("present_tag", id_tag="A")
    assert rig.payload("StopTransaction")["meterStop"] == 0


def test_refused_start_may_flow_a_little() -> None:
    """MaxEnergyOnInvalidId Wh flow before it is suspended."""
    rig = refused_start(StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="100")
    assert rig.story()[-1] == "Status 1 Charging"
    rig.advance(200)
    assert rig.story() == ["Status 1 SuspendedEVSE"]
    rig.do("present_tag", id_tag="A")
    assert rig.payload("StopTransaction")["meterStop"] == 100


def test_start_answer_without_an_id_counts_as_none() -> None:
    """An answer without a usable transactionId: later messages say -1."""
    rig = Rig(keys=CALM)
    rig.answers["StartTransaction"] = lambda _: {"transactionId": "17", **ACCEPTED}
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.take()
    rig.do("present_tag", id_tag="A")

    assert rig.story()[0] == "Stop -1 Local"


def test_late_refusal_of_a_finished_transaction_changes_nothing() -> None:
    """A refusal that comes after the user stopped is only remembered."""
    rig = Rig(keys={**CALM, "AllowOfflineTxForUnknownId": "true"})
    rig.answers["StartTransaction"] = lambda _: {"transactionId": 5, **member(None, "Invalid")}
    rig.drop()
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.do("present_tag", id_tag="A")
    rig.connect()

    assert rig.story() == ["Status 1 Finishing", "Start 1 A", "Stop 5 Local"]


@pytest.mark.parametrize(
    ("event", "reason"), [("press_stop", "Local"), ("emergency_stop", "EmergencyStop")]
)
def test_buttons(event: str, reason: str) -> None:
    """The stop button and the emergency button stop without idTag."""
    rig = charging()
    rig.do(event, connector_id=1)

    assert "idTag" not in rig.payload("StopTransaction")
    assert rig.story()[0] == f"Stop 1 {reason}"


def test_second_session_starts_from_scratch() -> None:
    """After a session nothing of it is left: the next id waits for its cable."""
    rig = charging()
    rig.do("present_tag", id_tag="A")
    rig.do("unplug", connector_id=1)
    rig.take()
    rig.do("present_tag", id_tag="B", connector_id=1)
    assert rig.story() == ["Authorize B", "Status 1 Preparing"]
    rig.do("plug_in", connector_id=1)
    assert rig.story() == ["Start 1 B", "Status 1 Charging"]


def test_each_ev_has_its_own_battery() -> None:
    """The state of charge begins anew with the next EV."""
    soc = {"StopTxnSampledData": "SoC"}
    rig = charging(keys=soc, power_w=60_000.0)
    rig.advance(1800)
    rig.do("present_tag", id_tag="A")
    rig.do("unplug", connector_id=1)
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    rig.do("present_tag", id_tag="A")
    first, second = [payload for name, payload in rig.calls if name == "StopTransaction"]

    assert first["transactionData"][-1]["sampledValue"][0]["value"] == "70.0"
    assert second["transactionData"][0]["sampledValue"][0]["value"] == "20.0"


def test_restart_forgets_who_was_about_to_charge() -> None:
    """A permission that waits for its cable does not survive a restart."""
    rig = Rig(keys=CALM)
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.do("reboot")
    rig.reconnect_after_hangup()
    rig.take()
    rig.do("plug_in", connector_id=1)

    assert rig.story() == ["Status 1 Preparing"]


def test_people_are_told_what_happens() -> None:
    """Whoever stands before the charge point learns why nothing begins, or what did."""
    rig = Rig(keys={"ConnectionTimeOut": "10"})
    rig.answers["Authorize"] = lambda _: member(None, "Blocked")
    rig.do("present_tag", id_tag="A", connector_id=1)
    del rig.answers["Authorize"]
    rig.do("plug_in", connector_id=1)
    rig.advance(10)
    rig.do("fault", connector_id=2)
    rig.do("present_tag", id_tag="A", connector_id=2)

    assert rig.notices == [
        "Connector 1: A refused (Blocked)",
        "Connector 1: nothing happened within ConnectionTimeOut",
        "Connector 2: no charging now (Faulted)",
    ]


def test_fixed_cable_without_a_session() -> None:
    """Taken out of the EV before anybody identified: the connector is free again."""
    rig = Rig(keys=CALM, has_fixed_cable=True)
    rig.do("plug_in", connector_id=1)
    rig.do("ev_disconnect", connector_id=1)

    assert rig.story() == ["Status 1 Preparing", "Status 1 Available"]


def test_answer_to_the_stop_is_remembered() -> None:
    """idTagInfo of StopTransaction.conf updates the cache like any other (§3.5.1)."""
    rig = charging(keys={"LocalPreAuthorize": "true"})
    rig.answers["StopTransaction"] = lambda _: member(None, "Blocked")
    rig.do("present_tag", id_tag="A")
    rig.take()
    rig.do("present_tag", id_tag="A")

    assert rig.story()[0] == "Authorize A"
