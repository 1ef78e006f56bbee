"""What happens to a connection besides frames: opened, refused, ended, TLS tried. Pure words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.report.frames import printable
from simulator.trace import Event, EventKind

_ENDED_BY = {
    "csms": "closed by the CSMS",
    "charge_point": "closed by us",
    "dropped": "cut by us",
}


def words_of(event: Event) -> str:
    """Return one line about an event that is no frame; safe to print whatever the peer sent."""
    return printable(" · ".join(part for part in _parts(event) if part), limit=300)


def _parts(event: Event) -> Sequence[str]:
    detail = event.detail
    match event.kind:
        case EventKind.OPENED:
            agreed = detail.get("subprotocol") or "no subprotocol"
            return (f"WebSocket {event.connection} open", str(agreed), _tls(detail))
        case EventKind.REFUSED:
            return ("handshake refused", _refusal(detail), _tls(detail))
        case EventKind.PROBED:
            refusal = f"refused: {_refusal(detail)}" if "kind" in detail else ""
            return ("TLS tried", _offered(detail), _tls(detail), refusal)
        case EventKind.CLOSED:
            how = _ENDED_BY.get(str(detail.get("by")), "connection lost")
            words = (detail.get("code"), detail.get("reason"))
            return (how, " ".join(str(word) for word in words if word))
        case _:
            return (event.kind.value, event.text)


def _refusal(detail: Mapping[str, object]) -> str:
    words = (detail.get("status"), detail.get("reason"))
    return " ".join(str(word) for word in words if word)


def _tls(detail: Mapping[str, object]) -> str:
    tls = detail.get("tls")
    if not isinstance(tls, Mapping):
        return ""
    shown = " with our certificate" if tls.get("shows_certificate") else ""
    return f"{tls.get('version')} {tls.get('suite')}{shown}"


def _offered(detail: Mapping[str, object]) -> str:
    offered = detail.get("offered")
    if not isinstance(offered, Mapping):
        return ""
    words = []
    if offered.get("versions"):
        words.append("TLS " + ", ".join(map(str, offered["versions"])))
    words += [str(one) for one in offered.get("suites") or ()]
    return " ".join(words) or "everything usual"
