"""Frames are shown so that people can read them as they scroll by."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from simulator.console import Display, in_short
from simulator.trace import Direction, Event, EventKind
from tests.simulator.rig import Rig

SENT, RECEIVED = Direction.SENT, Direction.RECEIVED


class Screen:
    """A display and what it shows."""

    def __init__(
        self, *, shows_raw: bool = False, is_terminal: bool = False, width: int = 60
    ) -> None:
        self._file = io.StringIO()
        console = Console(
            file=self._file, width=width, force_terminal=is_terminal, highlight=False, no_color=True
        )
        self.display = Display(console, shows_raw=shows_raw)
        self._s = 0.0

    def frame(self, direction: Direction, text: str) -> None:
        """Show a frame, 5 ms after the last."""
        self._s += 0.005
        at = datetime(2026, 1, 31, 12, tzinfo=UTC)
        self.display.event(Event(EventKind.FRAME, "CP", 1, at, self._s, direction, text))

    def other(self, kind: EventKind, **detail: object) -> None:
        """Show another event."""
        at = datetime(2026, 1, 31, 12, tzinfo=UTC)
        self.display.event(Event(kind, "CP", 1, at, self._s, detail=detail))

    def text(self) -> str:
        """Return all that is shown."""
        return self._file.getvalue()

    def lines(self) -> list[str]:
        """Return what is shown, without the times."""
        return [line[13:].rstrip() for line in self._file.getvalue().splitlines()]


def test_call_and_answer_belong_together() -> None:
    """An answer is shown under its action, with the time the CSMS took."""
    screen = Screen()
    screen.frame(SENT, '[2,"1","Authorize",{"idTag":"A"}]')
    screen.frame(RECEIVED, '[3,"1",{"idTagInfo":{"status":"Accepted"}}]')
    screen.frame(RECEIVED, '[2,"1","Reset",{"type":"Hard"}]')
    screen.frame(SENT, '[3,"1",{"status":"Accepted"}]')

    assert screen.lines() == [
        "→ Authorize              idTag=A",
        '←   Authorize               5 ms  idTagInfo={"status":"Accepted"}',
        "← Reset                  type=Hard",
        "→   Reset                status=Accepted",
    ]


def test_errors_and_junk_are_shown() -> None:
    """CALLERRORs, answers to nothing, junk and defects are all told."""
    screen = Screen()
    screen.frame(SENT, '[2,"1","Heartbeat",{}]')
    screen.frame(RECEIVED, '[4,"1","InternalError","no",{}]')
    screen.frame(RECEIVED, '[3,"9",{}]')
    screen.frame(RECEIVED, "junk")
    screen.other(EventKind.BINARY)

    text = "\n".join(screen.lines())
    assert "Heartbeat               5 ms  InternalError no" in text
    assert "answer to nothing" in text
    assert "unreadable" in text
    assert "! not JSON" in text
    assert "binary message" in text


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("csms", "closed by the CSMS (1001 bye)"),
        ("charge_point", "closed by the charge point (1001 bye)"),
        ("lost", "connection lost (1001 bye)"),
        ("dropped", "connection cut (1001 bye)"),
    ],
)
def test_ends_of_connections(by: str, words: str) -> None:
    """Who ended it, with code and reason."""
    screen = Screen()
    screen.other(EventKind.CLOSED, by=by, code=1001, reason="bye")

    assert screen.lines() == [f"═ {words}"]


def test_beginnings_of_connections() -> None:
    """Where it is connected, or why not, and a missing subprotocol is told."""
    screen = Screen()
    screen.other(EventKind.OPENED, url="ws://x/CP", subprotocol="ocpp1.6", status=101)
    screen.other(EventKind.OPENED, url="ws://x/CP", subprotocol=None, status=101)
    screen.other(EventKind.REFUSED, url="ws://x/CP", reason="HTTP 404", status=404)
    screen.other(EventKind.REFUSED, url="ws://x/CP", reason="HTTP 401", status=401)
    screen.other(EventKind.PING, payload="1")
    screen.other(EventKind.PONG, payload="1", round_trip_s=0.0123)

    assert screen.lines() == [
        "═ connected to ws://x/CP (ocpp1.6)",
        "═ connected to ws://x/CP (no subprotocol chosen)",
        "═ no connection: HTTP 404",
        "═ no connection: HTTP 401; its password belongs into PREFLIGHT_PASSWORD",
        "→ ping",
        "← pong 12 ms",
    ]


def test_long_lines_are_cut_on_a_terminal_alone() -> None:
    """A terminal gets one line a frame; a file gets all of it, also in one line."""
    text = '[2,"1","DataTransfer",{"vendorId":"V","data":"' + "x" * 200 + '"}]'
    terminal, file = Screen(is_terminal=True), Screen()
    terminal.frame(SENT, text)
    file.frame(SENT, text)

    assert len(terminal.lines()) == len(file.lines()) == 1
    assert "…" in terminal.lines()[0]
    assert "x" * 200 in file.lines()[0]


def test_raw_frames() -> None:
    """On demand the frame is shown as it is on the wire."""
    screen = Screen(shows_raw=True)
    screen.frame(SENT, '[2,"1","Authorize",{"idTag":"A"}]')

    assert screen.lines() == ['→ Authorize              [2,"1","Authorize",{"idTag":"A"}]']


def test_keys_are_masked() -> None:
    """A new AuthorizationKey never shows, not even in raw frames."""
    text = '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"00112233"}]'
    for shows_raw in (True, False):
        screen = Screen(shows_raw=shows_raw)
        screen.frame(RECEIVED, text)
        assert "00112233" not in "\n".join(screen.lines())
        assert "***" in "\n".join(screen.lines())


def test_values_in_short() -> None:
    """Plain values stand as they are; what has spaces is quoted, what is nested is JSON."""
    payload = {"a": 1, "b": "x", "c": "x y", "d": "", "e": {"f": [True]}}

    assert in_short(payload) == 'a=1 b=x c="x y" d="" e={"f":[true]}'


def test_status_table() -> None:
    """Registration, statuses, cables, transactions, meters."""
    rig = Rig(power_w=3600.0)
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="CARD", connector_id=1)
    rig.do("present_tag", id_tag="LATER", connector_id=2)
    rig.advance(10)
    screen = Screen(width=100)
    screen.display.status(rig.charge_point, rig.now)
    text = " ".join(screen.text().split())

    assert "registration accepted; connected; 0 queued messages" in text
    assert "1 Charging in, locked 1 by CARD 10 Wh" in text
    assert "2 Preparing - LATER has no cable yet 0 Wh" in text


def test_status_tells_of_reservations_lists_and_updates() -> None:
    """Who a connector is kept for, the version of the list, how far an update is."""
    rig = Rig()
    for action, payload in (
        (
            "ReserveNow",
            {"connectorId": 2, "idTag": "A", "reservationId": 1, "expiryDate": "2030-01-01T00:00Z"},
        ),
        ("UpdateFirmware", {"location": "http://h/f.bin", "retrieveDate": "2020-01-01T00:00:00Z"}),
    ):
        rig.ask(action, payload)
    screen = Screen(width=120)
    screen.display.status(rig.charge_point, rig.now)
    text = " ".join(screen.text().split())

    assert "local list version 0; firmware update downloading" in text
    assert "2 Reserved - reserved for A until" in text
