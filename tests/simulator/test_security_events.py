"""Security events: logged all, told those that matter, until the CSMS took them (A04)."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.errors import LocalProtocolError
from simulator.frames import CallError
from simulator.security_events import KEPT_EVENTS
from tests.simulator import pki
from tests.simulator.rig import FAILURE, Rig

STATUSES = ["Status 0 Available", "Status 1 Available", "Status 2 Available"]
SECURED = {"SecurityProfile": "1", "TransactionMessageRetryInterval": "10"}


def ready(**options: Any) -> Rig:
    """Return an idle charge point on security profile 1."""
    rig = Rig(**{"keys": SECURED, "password": b"x", **options})
    rig.dialogue()
    return rig


def logged(rig: Rig) -> list[str]:
    """Return the types of the log."""
    lines = rig.charge_point.security.events.lines(pki.BEGIN, pki.END)
    return [line.split()[1] for line in lines]


def happen(rig: Rig, kind: str = "TamperDetectionActivated", **more: str) -> None:
    """Let something happen."""
    rig.do("security_event", type=kind, **more)


def test_event_is_told_with_its_time() -> None:
    """Type, the charge point's own time, and what there is to say about it."""
    rig = ready()
    rig.charge_point.set_clock(3600)
    happen(rig, tech_info="cover open")
    assert rig.payload("SecurityEventNotification") == {
        "type": "TamperDetectionActivated",
        "timestamp": "2026-01-31T13:16:40.000Z",
        "techInfo": "cover open",
    }
    rig.take()
    happen(rig, "OfMyOwn")
    assert "techInfo" not in rig.payload("SecurityEventNotification")


def test_long_information_is_cut() -> None:
    """At 255 characters (§6.25)."""
    rig = ready()
    happen(rig, tech_info="x" * 300)
    assert rig.payload("SecurityEventNotification")["techInfo"] == "x" * 255


@pytest.mark.parametrize("kind", ["", "x" * 51])
def test_type_has_its_length(kind: str) -> None:
    """1 to 50 characters."""
    with pytest.raises(LocalProtocolError, match="1 to 50"):
        happen(ready(), kind)


def test_nothing_before_acceptance() -> None:
    """While the CSMS says Pending events wait; they come with the acceptance."""
    rig = Rig(boots=False, keys=SECURED, password=b"x")
    status = "Pending"
    boot = rig.answers["BootNotification"]
    rig.answers["BootNotification"] = lambda sent: {**_payload(boot(sent)), "status": status}
    rig.do("power_on")
    rig.connect()
    happen(rig)
    rig.advance(299)
    assert rig.story() == ["Boot"]
    status = "Accepted"
    rig.advance(2)
    assert rig.story() == [
        *["Boot", "Event StartupOfTheDevice", *STATUSES, "Event TamperDetectionActivated"],
    ]


def _payload(answer: object) -> dict[str, Any]:
    assert isinstance(answer, dict)
    return answer


def test_offline_events_come_in_their_order() -> None:
    """Whatever happened without a connection is told with the next one, with its own time."""
    rig = ready()
    rig.drop()
    for kind in ("One", "Two", "Three"):
        happen(rig, kind)
        rig.advance(10)
    rig.connect()
    told = [payload for _, payload in rig.take()]
    assert [payload["type"] for payload in told] == ["One", "Two", "Three"]
    assert [payload["timestamp"][14:19] for payload in told] == ["16:40", "16:50", "17:00"]


@pytest.mark.parametrize("how", ["error", "silence", "cut"])
def test_delivery_is_guaranteed(how: str) -> None:
    """An event is told until it is taken, however often that fails; the next one waits for it."""
    rig = ready()
    if how == "silence":
        rig.answers["SecurityEventNotification"] = lambda _: None
    elif how == "error":
        rig.answers["SecurityEventNotification"] = lambda _: FAILURE
    else:
        rig.holds_answers = True
    happen(rig, "One")
    happen(rig, "Two")
    for _ in range(10):
        if how == "cut":
            rig.drop()
            rig.connect()
        rig.advance(600)
    story = [line for line in rig.story() if line.startswith("Event")]
    assert len(story) > 5
    assert set(story) == {"Event One"}
    rig.holds_answers = False
    rig.release()
    rig.answers["SecurityEventNotification"] = lambda _: {}
    rig.advance(3600)
    assert [line for line in rig.story() if line.startswith("Event")][-1] == "Event Two"
    assert len(rig.charge_point.security.events) == 0


def test_retries_leave_pauses() -> None:
    """Even where the interval is 0 a CSMS that fails at once is not asked without end."""
    rig = ready(keys={**SECURED, "TransactionMessageRetryInterval": "0"})
    rig.answers["SecurityEventNotification"] = lambda _: FAILURE
    happen(rig)
    rig.advance(60)
    assert 5 < len(rig.story()) < 20


@pytest.mark.parametrize("code", ["NotImplemented", "NotSupported"])
def test_csms_that_knows_no_events(code: str) -> None:
    """To tell it again would change nothing."""
    rig = ready()
    rig.answers["SecurityEventNotification"] = lambda _: CallError("", code, "no")
    happen(rig)
    rig.advance(1000)
    assert [line for line in rig.story() if line.startswith("Event")] == [
        "Event TamperDetectionActivated"
    ]
    assert any("given up" in notice for notice in rig.notices)


def test_waiting_events_survive_a_restart() -> None:
    """And a loss of power."""
    rig = ready(pushes=[])
    rig.drop()
    happen(rig)
    rig.do("power_off")
    rig.do("power_on")
    rig.connect()
    assert "Event TamperDetectionActivated" in rig.story()


@pytest.mark.parametrize("profile", ["0", "1"])
def test_critical_events_from_profile_1_on(profile: str) -> None:
    """A CSMS without security meets none of them after a start; all are in the log."""
    rig = Rig(boots=False, keys={"SecurityProfile": profile}, password=b"x")
    rig.do("power_on")
    rig.connect()
    told = [line for line in rig.story() if line.startswith("Event")]
    assert told == (["Event StartupOfTheDevice"] if profile == "1" else [])
    rig.ask("Reset", {"type": "Hard"})
    rig.reconnect_after_hangup()
    told = [line for line in rig.story() if line.startswith("Event")]
    assert told == (["Event ResetOrReboot", "Event StartupOfTheDevice"] if profile == "1" else [])
    assert logged(rig) == ["StartupOfTheDevice", "ResetOrReboot", "StartupOfTheDevice"]


def test_clock_that_is_set_is_an_event() -> None:
    """A jump is; what the answer took on its way is not."""
    rig = ready()
    rig.answers["Heartbeat"] = lambda _: {"currentTime": "2026-01-31T13:00:00Z"}
    rig.advance(301)
    rig.advance(0)
    assert rig.story() == ["Heartbeat", "Event SettingSystemTime"]
    assert logged(rig).count("SettingSystemTime") == 1


def test_types_that_are_told_can_be_chosen() -> None:
    """Nothing else is told, but what a script lets happen."""
    rig = Rig(keys=SECURED, password=b"x", pushes=["InvalidMessages"])
    assert "Event StartupOfTheDevice" not in rig.story()
    rig.receive_text("[2,")
    assert rig.story() == ["Event InvalidMessages"]
    happen(rig)
    assert rig.story() == ["Event TamperDetectionActivated"]
    rig.charge_point.is_active = False
    rig.receive_text("[2,")
    assert rig.story() == []  # what is said then is the script's
    assert logged(rig).count("InvalidMessages") == 2


def test_changed_keys_are_events() -> None:
    """Of security, that is; they are logged and not told."""
    rig = ready()
    for key, value in (("CpoName", "Me"), ("BlinkRepeat", "1"), ("AuthorizationKey", "00" * 16)):
        rig.ask("ChangeConfiguration", {"key": key, "value": value})
    assert logged(rig).count("ReconfigurationOfSecurityParameters") == 2
    assert rig.story() == []


def test_log_has_an_end() -> None:
    """The newest events are kept."""
    rig = ready(pushes=[])
    rig.charge_point.is_active = False
    for number in range(KEPT_EVENTS + 10):
        rig.charge_point.security.events.note(f"E{number}", rig.now)
    kinds = logged(rig)
    assert (len(kinds), kinds[-1]) == (KEPT_EVENTS, f"E{KEPT_EVENTS + 9}")
    assert rig.story() == []
