"""Connections and handshakes in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness.report.life import words_of
from simulator.trace import Event, EventKind

TLS = {"version": "TLSv1.2", "suite": "TLS_X", "shows_certificate": True, "certificate": {}}
OFFER = {"versions": ["1.2"], "suites": ["TLS_X"]}


@pytest.mark.parametrize(
    ("kind", "detail", "words"),
    [
        (EventKind.OPENED, {"subprotocol": "ocpp1.6"}, "WebSocket 2 open · ocpp1.6"),
        (
            EventKind.OPENED,
            {"subprotocol": None, "tls": TLS},
            "WebSocket 2 open · no subprotocol · TLSv1.2 TLS_X with our certificate",
        ),
        (EventKind.REFUSED, {"status": 401, "reason": "no"}, "handshake refused · 401 no"),
        (EventKind.PROBED, {"offered": OFFER, "tls": TLS}, "TLS tried · TLS 1.2 TLS_X · TLSv1.2"),
        (
            EventKind.PROBED,
            {"offered": {"versions": [], "suites": []}, "kind": "eof", "reason": "EOF: gone"},
            "TLS tried · everything usual · refused: EOF: gone",
        ),
        (EventKind.CLOSED, {"by": "csms", "code": 1000, "reason": ""}, "closed by the CSMS · 1000"),
        (EventKind.CLOSED, {}, "connection lost"),
    ],
)
def test_every_event_has_its_words(kind: EventKind, detail: dict[str, object], words: str) -> None:
    """What was offered, agreed on and refused stands in one line."""
    event = Event(kind, "CP", 2, datetime.now(UTC), 0.0, detail=detail)

    assert words_of(event).startswith(words)


def test_words_of_a_peer_are_made_harmless() -> None:
    """Control characters of a hostile reason are not printed."""
    event = Event(
        EventKind.REFUSED, "CP", 1, datetime.now(UTC), 0.0, detail={"reason": "a\x1b[2Jb\n"}
    )

    assert "\x1b" not in words_of(event)
    assert "\n" not in words_of(event)
