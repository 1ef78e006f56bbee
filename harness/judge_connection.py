"""The WebSocket around the messages: handshake, end of the connection, pings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from harness.checks import finding
from harness.judge_handshakes import not_trusted, refusal_kind
from harness.results import Finding, Severity
from simulator.errors import Phase, RefusalKind
from simulator.trace import Direction, Event, EventKind

SUBPROTOCOL: Final = "ocpp1.6"
# How long a pong may still come after a frame that was read later has been answered.
PASSED_OVER_S: Final = 0.4
_NORMAL: Final = frozenset({1000, 1001})  # RFC 6455 §7.4.1: normal, going away
# Codes with which our side ends a connection on which the peer broke the protocol.
_PEER_AT_FAULT: Final = frozenset({1002, 1003, 1007, 1009})
_ENDED_BY_CSMS: Final = frozenset({RefusalKind.ALERT, RefusalKind.EOF, RefusalKind.RESET})
_AFTER_TCP: Final = frozenset({Phase.TLS, Phase.HTTP})  # it took the connection before
_WHO_IS_IT: Final = "; check its password under `identities`"
_REMEDY: Final = {
    "401": _WHO_IS_IT,
    "403": _WHO_IS_IT,
    "404": "; check `ocpp_url`, and that the identity is registered",
}


def judge_connections(
    events: Sequence[Event],
    *,
    wanted_closes: Collection[int],
    judged_handshakes: Collection[int],
    completed_s: float | None,
    ended_s: float,
    pong_timeout_s: float,
) -> list[Finding]:
    """Return what is wrong with how connections began, lived and ended."""
    findings: list[Finding] = []
    for index, event in enumerate(events):
        match event.kind:
            case EventKind.OPENED | EventKind.REFUSED if index in judged_handshakes:
                pass
            case EventKind.OPENED:
                agreed = event.detail.get("subprotocol")
                if agreed != SUBPROTOCOL:
                    findings.append(
                        finding(
                            "handshake.subprotocol",
                            f"The CSMS did not agree to the subprotocol {SUBPROTOCOL}.",
                            expected=SUBPROTOCOL,
                            actual=str(agreed or "none"),
                            event=index,
                        )
                    )
            case EventKind.REFUSED:
                is_first = not any(one.kind is EventKind.OPENED for one in events[:index])
                findings.append(_refused(event, index, is_first=is_first))
            case EventKind.CLOSED if index not in wanted_closes:
                findings += _closed(event, index, completed_s)
            case EventKind.PING:
                findings += _pinged(events, index, ended_s, pong_timeout_s)
            case _:
                pass
    return findings


def _refused(event: Event, index: int, *, is_first: bool) -> Finding:
    status = event.detail.get("status")
    reason = str(event.detail.get("reason", ""))
    kind = refusal_kind(event.detail)
    if kind is RefusalKind.NOT_TRUSTED:
        return replace(not_trusted(reason), event=index)
    if event.detail.get("phase") in _AFTER_TCP and kind in _ENDED_BY_CSMS:
        return finding(
            "handshake.refused",
            f"The CSMS refused the connection: {reason}.",
            expected="HTTP 101",
            actual=reason,
            event=index,
        )
    if status is None:
        return finding(
            "handshake.unreachable",
            f"The CSMS could not be reached: {reason or 'no HTTP answer'}.",
            expected="HTTP 101",
            actual=reason or "no HTTP answer",
            event=index,
            # Who was there before and no longer is has failed.
            severity=None if is_first else Severity.FAILURE,
        )
    # Who was let in before was known by a right password.
    remedy = _REMEDY.get(str(status), "") if is_first else ""
    return finding(
        "handshake.refused",
        f"The CSMS refused the connection with HTTP {status}{remedy}.",
        expected="HTTP 101",
        actual=f"HTTP {status} {reason}".strip(),
        event=index,
    )


def _closed(event: Event, index: int, completed_s: float | None) -> list[Finding]:
    by = event.detail.get("by")
    code = event.detail.get("code")
    reason = str(event.detail.get("reason") or "")
    shown = f"{code} {reason}".strip()
    if by == "charge_point" and code in _PEER_AT_FAULT:
        rule, message = "close.protocol-error", "The CSMS broke the WebSocket protocol"
    elif by == "lost":
        rule, message = "close.lost", "The connection ended without a closing handshake"
        shown = reason or "no close frame"
    elif by != "csms":
        return []
    elif completed_s is None or event.monotonic_s < completed_s:
        rule, message = "close.during-case", "The CSMS closed the connection while the case ran"
    elif code not in _NORMAL:
        rule, message = "close.abnormal", "The CSMS closed the connection with an unusual code"
    else:
        return []
    return [
        finding(
            rule, f"{message}: {shown}.", expected="an open connection", actual=shown, event=index
        )
    ]


def _pinged(
    events: Sequence[Event], index: int, ended_s: float, pong_timeout_s: float
) -> list[Finding]:
    """Say whether the pong to the ping at `index` came, as far as there was time for it."""
    ping = events[index]
    until_s = ended_s
    asked_since = False
    answered_s: float | None = None
    for later in events[index + 1 :]:
        if (later.identity, later.connection) != (ping.identity, ping.connection):
            continue
        match later.kind:
            case EventKind.PONG if later.detail.get("payload") == ping.detail.get("payload"):
                waited_s = later.monotonic_s - ping.monotonic_s
                return [_no_pong(index, waited_s)] if waited_s > pong_timeout_s else []
            case EventKind.CLOSED:
                until_s = later.monotonic_s
                break
            case EventKind.FRAME if later.direction is Direction.SENT:
                asked_since = True
            case EventKind.FRAME if asked_since and answered_s is None:
                answered_s = later.monotonic_s
            case _:
                pass
    waited_s = until_s - ping.monotonic_s
    # Frames keep their order: whoever answers what we said after the ping has read the ping.
    is_passed_over = answered_s is not None and until_s - answered_s >= PASSED_OVER_S
    return [_no_pong(index, waited_s)] if is_passed_over or waited_s >= pong_timeout_s else []


def _no_pong(index: int, waited_s: float) -> Finding:
    return finding(
        "ping.unanswered",
        f"A ping had no pong within {waited_s:.1f} s.",
        expected="a pong with the ping's payload",
        actual="none in time",
        event=index,
    )
