"""The parts put together: scripts, passive charge points, pings, and any order of events."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from simulator.connector import Status
from simulator.errors import LocalProtocolError
from simulator.frames import CallError
from simulator.outputs import ScriptedAnswer, Transmit
from tests.simulator.rig import ACCEPTED, Payload, Rig

AVAILABLE = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


def passive(**options: object) -> Rig:
    """Return a charge point that only answers, booted by hand."""
    rig = Rig(boots=False, **options)
    rig.charge_point.is_active = False
    rig.connect()
    rig.by_hand("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    rig.dialogue()
    return rig


# --- scripts ---------------------------------------------------------------------------------


def test_scripted_answers_are_used_up() -> None:
    """Each scripted answer serves one request, then the model answers again."""
    rig = Rig()
    script = rig.charge_point.script_answer
    script("ClearCache", ScriptedAnswer(payload={"status": "Rejected"}), times=2)
    script("ClearCache", ScriptedAnswer(error_code="InternalError"))

    answers = [rig.ask("ClearCache") for _ in range(4)]
    assert answers == [
        {"status": "Rejected"},
        {"status": "Rejected"},
        "InternalError",
        {"status": "Accepted"},
    ]


def test_silence_and_delay() -> None:
    """A request may stay without answer, or get the model's own one late, with its deeds."""
    rig = Rig()
    script = rig.charge_point.script_answer
    script("Reset", ScriptedAnswer(is_silent=True))
    script("Reset", ScriptedAnswer(delay_s=5.0))
    assert rig.ask("Reset", {"type": "Hard"}) is None
    rig.advance(100)
    assert rig.hangups == []
    assert rig.ask("Reset", {"type": "Hard"}) is None
    assert not rig.charge_point.is_idle
    rig.advance(4.9)
    assert rig.dialogue() == []
    rig.advance(0.1)
    assert rig.dialogue() == ["conf Accepted"]
    assert len(rig.hangups) == 1
    assert rig.charge_point.is_idle


def test_late_answer_dies_with_its_connection() -> None:
    """An answer that is still to leave does not appear on the next connection."""
    rig = Rig()
    rig.charge_point.script_answer("ClearCache", ScriptedAnswer(delay_s=5.0))
    rig.ask("ClearCache")
    rig.drop()
    rig.connect()
    rig.advance(10)

    assert rig.dialogue() == []
    assert rig.charge_point.is_idle


def test_broken_requests_get_their_code() -> None:
    """Broken CALLs with a usable id are FormationViolation; junk gets no answer."""
    rig = Rig()

    def answer(text: str) -> list[str]:
        outputs = rig.charge_point.receive_text(text, rig.now)
        return [output.text for output in outputs if isinstance(output, Transmit)]

    for text in ('[2,"x"]', '[2,"x",1,{}]', '[2,"x","Reset",[]]', '[2,"x","Reset",{},1]'):
        assert [line[:26] for line in answer(text)] == ['[4,"x","FormationViolation']
    for text in ("", "[]", "[2]", '[2,5,"Reset",{}]', '[3,"x",{}]', '[4,"x"]', '[7,"x",{}]'):
        assert answer(text) == []


def test_scripted_calls_take_their_turn() -> None:
    """A CALL by hand waits for the model's open CALL, like any other."""
    rig = Rig()
    rig.holds_answers = True
    rig.do("plug_in", connector_id=1)
    rig.by_hand("Heartbeat", {})
    assert rig.story() == ["Status 1 Preparing"]
    rig.release()
    assert rig.story() == ["Heartbeat"]
    rig.drop()
    with pytest.raises(LocalProtocolError, match="not connected"):
        rig.by_hand("Heartbeat", {})


def test_web_socket_pings() -> None:
    """WebSocketPingInterval asks for pings, 0 for none, and only while connected."""
    rig = Rig()
    rig.advance(100)
    assert rig.pings == 0
    rig.ask("ChangeConfiguration", {"key": "WebSocketPingInterval", "value": "10"})
    rig.advance(35)
    assert rig.pings == 3
    rig.drop()
    rig.advance(100)
    assert rig.pings == 3
    rig.connect()
    rig.advance(10)
    assert rig.pings == 4


# --- passive ---------------------------------------------------------------------------------


def test_passive_charge_point_says_nothing_by_itself() -> None:
    """No boot, no heartbeat, no status; inputs are refused."""
    rig = Rig(boots=False)
    rig.charge_point.is_active = False
    rig.connect()
    rig.advance(100_000)
    with pytest.raises(LocalProtocolError, match="only answers"):
        rig.do("plug_in", connector_id=1)

    assert rig.dialogue() == []


def test_passive_charge_point_answers_without_deeds() -> None:
    """Accepted, and nothing follows: what follows is the script's."""
    rig = passive()
    for action, payload in (
        ("RemoteStartTransaction", {"idTag": "A", "connectorId": 1}),
        ("Reset", {"type": "Hard"}),
        ("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}),
    ):
        assert rig.ask(action, payload) == {"status": "Accepted"}
    rig.advance(100_000)

    assert rig.dialogue() == ["conf Accepted"] * 3
    assert rig.hangups == []


def test_passive_charge_point_follows_the_script() -> None:
    """What a script said by hand is what the answers go by."""
    rig = passive()
    start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": "2026-01-31T12:00:00Z"}
    rig.answers["StartTransaction"] = lambda _: {"transactionId": 7, **ACCEPTED}
    rig.by_hand("StartTransaction", start)
    rig.by_hand("StatusNotification", {**AVAILABLE, "status": "Charging"})

    unavailable = {"connectorId": 1, "type": "Inoperative"}
    assert rig.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Accepted"}
    assert rig.ask("RemoteStopTransaction", {"transactionId": 8}) == {"status": "Rejected"}
    assert rig.ask("ChangeAvailability", unavailable) == {"status": "Scheduled"}
    busy = {"idTag": "B", "connectorId": 1}
    assert rig.ask("RemoteStartTransaction", busy) == {"status": "Rejected"}
    assert "A" in rig.charge_point.cache

    stop = {"transactionId": 7, "meterStop": 1, "timestamp": "2026-01-31T12:01:00Z"}
    rig.by_hand("StopTransaction", stop)
    rig.by_hand("StatusNotification", AVAILABLE)
    assert rig.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Rejected"}
    assert rig.ask("ChangeAvailability", unavailable) == {"status": "Accepted"}
    assert rig.ask("RemoteStartTransaction", busy) == {"status": "Accepted"}


def test_passive_configuration_is_kept() -> None:
    """A change that was accepted shows in the next report."""
    rig = passive()
    rig.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "77"})
    answer = rig.ask("GetConfiguration", {"key": ["HeartbeatInterval"]})

    assert isinstance(answer, dict)
    assert answer["configurationKey"][0]["value"] == "77"
    rig.advance(1000)
    assert "Heartbeat" not in rig.dialogue()


def test_booted_by_hand_then_moved_by_a_driver() -> None:
    """A script may boot and report by hand, and leave the rest to the model."""
    rig = Rig(boots=False)
    rig.connect()
    rig.by_hand("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    for connector_id in range(3):
        rig.by_hand("StatusNotification", {**AVAILABLE, "connectorId": connector_id})
    assert rig.story() == [
        "Boot",
        "Status 0 Available",
        "Status 1 Available",
        "Status 2 Available",
    ]
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    assert rig.story() == ["Status 1 Preparing", "Authorize A", "Start 1 A", "Status 1 Charging"]
    rig.advance(60 * 5)
    assert "Meter 1 1" in rig.story()


# --- any order of events ---------------------------------------------------------------------

CONNECTOR = st.integers(1, 2)
TAGS = st.sampled_from(["A", "B", "C"])


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, no illegal move, no second open CALL, no lost meter."""

    @initialize(
        keys=st.fixed_dictionaries(
            {},
            optional={
                "AllowOfflineTxForUnknownId": st.just("true"),
                "LocalPreAuthorize": st.just("true"),
                "MinimumStatusDuration": st.just("3"),
                "StopTransactionOnEVSideDisconnect": st.just("false"),
                "StopTransactionOnInvalidId": st.just("false"),
                "UnlockConnectorOnEVSideDisconnect": st.just("false"),
                "ClockAlignedDataInterval": st.just("20"),
                "MeterValueSampleInterval": st.just("7"),
                "TransactionMessageRetryInterval": st.just("5"),
                "MaxEnergyOnInvalidId": st.just("30"),
            },
        ),
        fixed=st.booleans(),
        holds=st.booleans(),
    )
    def start(self, keys: dict[str, str], fixed: bool, holds: bool) -> None:
        """Boot a charge point of some kind."""
        if fixed:
            keys.pop("UnlockConnectorOnEVSideDisconnect", None)
        self.rig = Rig(
            keys={"MessageTimeout": "2", **keys}, has_fixed_cable=fixed, holds_back=holds
        )
        self.statuses = dict.fromkeys(range(3), Status.AVAILABLE)
        self.told = dict.fromkeys(range(3), "Available")
        self.register = dict.fromkeys(range(3), 0)

    def attempt(self, event: str, **arguments: object) -> None:
        """Let something happen, if it can."""
        try:
            self.rig.do(event, **arguments)
        except LocalProtocolError as exc:
            if "§4.9" in str(exc) or "connector 0 cannot" in str(exc):
                raise  # an illegal move is the model's fault
        self.settle()

    def settle(self) -> None:
        """Do what the shell does after a hangup."""
        if self.rig.hangups:
            self.rig.hangups.clear()
            self.rig.drop()

    @rule(event=st.sampled_from(["plug_in", "unplug", "ev_disconnect"]), connector_id=CONNECTOR)
    def move_cable(self, event: str, connector_id: int) -> None:
        """Somebody moves a cable."""
        self.attempt(event, connector_id=connector_id)

    @rule(
        event=st.sampled_from(
            ["ev_suspend", "ev_resume", "evse_suspend", "evse_resume", "press_stop"]
        ),
        connector_id=CONNECTOR,
    )
    def pause(self, event: str, connector_id: int) -> None:
        """Somebody pauses or stops."""
        self.attempt(event, connector_id=connector_id)

    @rule(id_tag=TAGS, connector_id=CONNECTOR | st.none())
    def present(self, id_tag: str, connector_id: int | None) -> None:
        """Somebody holds a card before the reader."""
        self.attempt("present_tag", id_tag=id_tag, connector_id=connector_id)

    @rule(
        connector_id=st.integers(0, 2),
        error_code=st.sampled_from(["GroundFailure", "EVCommunicationError"]),
    )
    def fault(self, connector_id: int, error_code: str) -> None:
        """Something breaks."""
        self.attempt("fault", connector_id=connector_id, error_code=error_code)

    @rule(connector_id=st.integers(0, 2))
    def clear(self, connector_id: int) -> None:
        """It works again."""
        self.attempt("clear_fault", connector_id=connector_id)

    @rule(connector_id=CONNECTOR)
    def break_lock(self, connector_id: int) -> None:
        """A lock breaks."""
        self.attempt("lock_failure", connector_id=connector_id)

    @rule(is_on=st.booleans())
    def power(self, is_on: bool) -> None:
        """The power goes or comes."""
        self.attempt("power_on" if is_on else "power_off")

    @rule()
    def reboot(self) -> None:
        """The charge point restarts."""
        self.attempt("reboot")

    @rule(is_on=st.booleans())
    def network(self, is_on: bool) -> None:
        """The connection goes or comes."""
        if is_on and not self.rig.is_connected:
            self.rig.connect()
        elif not is_on and self.rig.is_connected:
            self.rig.drop()
        self.settle()

    @rule(seconds=st.floats(0.1, 100))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.rig.advance(seconds)
        self.settle()

    @rule(
        action=st.sampled_from(["Authorize", "StartTransaction", "StopTransaction"]),
        answer=st.sampled_from(["good", "bad", "error", "none"]),
    )
    def change_mind(self, action: str, answer: str) -> None:
        """The CSMS answers differently from now on."""
        answers: dict[str, Payload | CallError | None] = {
            "good": {"transactionId": 5, **ACCEPTED},
            "bad": {"transactionId": 6, "idTagInfo": {"status": "Blocked"}},
            "error": CallError("", "InternalError"),
            "none": None,
        }
        self.rig.answers[action] = lambda _: answers[answer]

    @rule(
        request=st.sampled_from(
            [
                ("Reset", {"type": "Soft"}),
                ("Reset", {"type": "Hard"}),
                ("UnlockConnector", {"connectorId": 1}),
                ("RemoteStartTransaction", {"idTag": "A", "connectorId": 1}),
                ("RemoteStartTransaction", {"idTag": "B"}),
                ("RemoteStopTransaction", {"transactionId": 5}),
                ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
                ("ChangeAvailability", {"connectorId": 0, "type": "Operative"}),
                ("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}),
                ("ChangeAvailability", {"connectorId": 1, "type": "Operative"}),
                ("ClearCache", {}),
            ]
        )
    )
    def ask(self, request: tuple[str, dict[str, object]]) -> None:
        """The CSMS asks for something."""
        if self.rig.is_connected:
            self.rig.ask(*request)
            self.settle()

    @invariant()
    def meters_only_grow(self) -> None:
        """No register goes back."""
        if not hasattr(self, "rig"):
            return
        for number, connector in self.rig.charge_point.connectors.items():
            register_wh = connector.meter.register_wh(self.rig.s)
            assert register_wh >= self.register[number]
            self.register[number] = register_wh

    @invariant()
    def energy_flows_only_into_transactions(self) -> None:
        """No energy without a transaction that charges."""
        if not hasattr(self, "rig"):
            return
        for connector in self.rig.charge_point.connectors.values():
            is_charging = connector.report.status is Status.CHARGING
            assert (connector.meter.power_w > 0) is is_charging
            assert connector.inputs.has_transaction is (connector.transaction is not None)

    @invariant()
    def what_was_told_is_so(self) -> None:
        """On a quiet line the CSMS knows the status of every connector."""
        if not hasattr(self, "rig"):
            return
        charge_point = self.rig.charge_point
        is_slow = charge_point.keys.integer("MinimumStatusDuration") > 0
        for action, payload in self.rig.take():
            if action == "StatusNotification":
                self.told[payload["connectorId"]] = payload["status"]
        if charge_point.wire.is_online and charge_point.is_idle and not is_slow:
            for number, connector in charge_point.connectors.items():
                assert self.told[number] == connector.report.status


TestAnyOrder = pytest.mark.slow(AnyOrder.TestCase)
AnyOrder.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_script_on_the_line_before_the_boot() -> None:
    """A request that comes before anything booted is answered, and nothing follows."""
    rig = Rig(boots=False)
    rig.connect()

    assert rig.ask("Reset", {"type": "Soft"}) == {"status": "Accepted"}
    assert rig.hangups == []
