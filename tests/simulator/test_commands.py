"""Lines become commands, or a message that helps."""

from __future__ import annotations

import inspect

import pytest

from simulator.commands import VERBS, Command, CommandError, help_lines, parse_line
from simulator.inputs import INPUTS


@pytest.mark.parametrize(
    ("line", "event", "arguments"),
    [
        ("plug 1", "plug_in", {"connector_id": 1}),
        ("  unplug   2  # done", "unplug", {"connector_id": 2}),
        ("stop 1", "press_stop", {"connector_id": 1}),
        ("emergency 1", "emergency_stop", {"connector_id": 1}),
        ("ev disconnect 1", "ev_disconnect", {"connector_id": 1}),
        ("suspend 1", "ev_suspend", {"connector_id": 1}),
        ("suspend 1 evse", "evse_suspend", {"connector_id": 1}),
        ("resume 2 ev", "ev_resume", {"connector_id": 2}),
        (
            "fault 1 GroundFailure broken wire",
            "fault",
            {"connector_id": 1, "error_code": "GroundFailure", "info": "broken wire"},
        ),
        ("clear 0", "clear_fault", {"connector_id": 0}),
        ("lock broken 1", "lock_failure", {"connector_id": 1}),
        ("lock stuck 1", "unlock_failure", {"connector_id": 1}),
        ("fail download", "download_failure", {}),
        ("fail download 3", "download_failure", {"times": 3}),
        ("fail install", "installation_failure", {}),
        ("fail upload 2", "upload_failure", {"times": 2}),
        ("fail verify", "verification_failure", {}),
        ("fail certificate", "certificate_refusal", {}),
        ("fail store 2", "certificate_store_failure", {"times": 2}),
        ("download pause", "pause_download", {}),
        ("download resume", "resume_download", {}),
        ("renew", "renew_certificate", {}),
        (
            "event TamperDetectionActivated cover open",
            "security_event",
            {"type": "TamperDetectionActivated", "tech_info": "cover open"},
        ),
        ("power off", "power_off", {}),
        ("power on", "power_on", {}),
        ("reboot", "reboot", {}),
        ("data com.x", "send_data", {"vendor_id": "com.x"}),
        (
            'data com.x hi "a b"',
            "send_data",
            {"vendor_id": "com.x", "message_id": "hi", "data": "a b"},
        ),
    ],
)
def test_lines_that_move_the_charge_point(
    line: str, event: str, arguments: dict[str, object]
) -> None:
    """Each becomes an input that exists, with arguments that it takes."""
    assert parse_line(line) == Command("apply", event, arguments)
    inspect.signature(INPUTS[event]).bind(None, **arguments, now=None)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("tag", Command("tag", "present_tag", {})),
        ("tag DEADBEEF", Command("tag", "present_tag", {"id_tag": "DEADBEEF"})),
        (
            "tag DEADBEEF 1",
            Command("tag", "present_tag", {"id_tag": "DEADBEEF", "connector_id": 1}),
        ),
        ('raw [2, "x",  "Y"] # z', Command("raw", arguments={"text": '[2, "x",  "Y"] # z'})),
        ("network off", Command("network_off")),
        ("network on", Command("network_on")),
        ("wait 1.5", Command("wait", arguments={"seconds": 1.5})),
        ("clock -3600", Command("clock", arguments={"ahead_s": -3600.0})),
        (
            "answer Reset Rejected",
            Command("answer", arguments={"action": "Reset", "what": "Rejected"}),
        ),
        ("status", Command("status")),
        ("quit", Command("quit")),
    ],
)
def test_lines_for_the_console(line: str, command: Command) -> None:
    """What the console does itself."""
    assert parse_line(line) == command


@pytest.mark.parametrize("line", ["", "   ", "# a comment", "\n"])
def test_empty_lines_and_comments(line: str) -> None:
    """Nothing is nothing."""
    assert parse_line(line) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("plgu 1", "did you mean 'plug'"),
        ("fly", "unknown command 'fly'; `help`"),
        ("plug", "usage: plug N"),
        ("plug one", "usage: plug N"),
        ("plug 1 2", "usage: plug N"),
        ("tag A 1 2", "usage: tag"),
        ("power up", "usage: power off|on"),
        ("network", "usage: network"),
        ("ev connect 1", "usage: ev disconnect N"),
        ("lock open 1", "usage: lock"),
        ("fail", "usage: fail"),
        ("fail boot", "usage: fail"),
        ("fail install 2", "usage: fail"),
        ("fail verify 2", "usage: fail"),
        ("download", "usage: download pause|resume"),
        ("renew now", "usage: renew"),
        ("event", "usage: event TYPE"),
        ("fail upload often", "usage: fail"),
        ("suspend 1 car", "usage: suspend"),
        ("fault 1", "usage: fault N CODE"),
        ("wait long", "usage: wait"),
        ("wait -1", "usage: wait"),
        ("status now", "usage: status"),
        ("answer Reset", "usage: answer"),
        ("data", "usage: data"),
        ('tag "A', "cannot read this line"),
    ],
)
def test_other_lines_say_what_would_be_right(line: str, words: str) -> None:
    """A line that means nothing is answered with its usage, or the nearest command."""
    with pytest.raises(CommandError) as caught:
        parse_line(line)

    assert words in str(caught.value)


def test_help_lists_every_command() -> None:
    """No command without a line of help that begins with its name."""
    assert [usage.split()[0] for usage, _ in help_lines()] == list(VERBS)
    assert all(meaning for _, meaning in help_lines())
