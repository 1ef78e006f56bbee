"""How `preflight simulate` shows what happens: one line for each frame, readable as it scrolls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.boot import Registration
from simulator.charge_point import ChargePoint
from simulator.clock import Moment
from simulator.commands import help_lines
from simulator.connector import Status
from simulator.firmware import Phase as FirmwarePhase
from simulator.frames import Call, CallError, CallResult, Frame, parse
from simulator.persona import Persona
from simulator.trace import Direction, Event, EventKind

_STYLE_OF_STATUS = {
    Status.AVAILABLE: "green",
    Status.CHARGING: "bold cyan",
    Status.FAULTED: "bold red",
    Status.UNAVAILABLE: "red",
}
_MASK = "***"
_REMEDIES = {
    "401": "its password belongs into PREFLIGHT_PASSWORD",
    "not_trusted tls": "--trust names the root to trust, --server-name another name",
    "not_tls tls": "is it a ws:// address?",
    "eof tls": "is it a ws:// address?",
}


class Display:
    """Prints events, notices, errors and tables on one console."""

    def __init__(self, console: Console, *, shows_raw: bool = False) -> None:
        self._console = console
        self._shows_raw = shows_raw
        self._calls: dict[tuple[Direction, str], tuple[str, float]] = {}

    def event(self, event: Event) -> None:
        """Show one event of the trace."""
        match event.kind:
            case EventKind.OPENED:
                words = [str(event.detail["subprotocol"] or "no subprotocol chosen")]
                if isinstance(tls := event.detail.get("tls"), Mapping):
                    words += [f"{tls['version']} with {tls['suite']}"]
                    words += ["our certificate shown"] * bool(tls["shows_certificate"])
                url = event.detail["url"]
                self._line(event, "═", "green", f"connected to {url} ({', '.join(words)})")
                self._calls.clear()
            case EventKind.REFUSED:
                self._line(event, "═", "red", f"no connection: {_refused(event.detail)}")
            case EventKind.CLOSED:
                self._line(event, "═", "yellow", _closed(event.detail))
            case EventKind.FRAME:
                self._frame(event)
            case EventKind.BINARY:
                self._line(event, "←", "red", f"binary message 0x{event.text[:60]}")
            case EventKind.PING:
                self._line(event, "→", "dim", "ping")
            case EventKind.PONG:
                self._line(event, "←", "dim", f"pong {_in_ms(event.detail['round_trip_s'])}")

    def notice(self, text: str) -> None:
        """Show what somebody at the charge point would notice."""
        self._print(Text(f"{'':13}• {text}", style="magenta"))

    def problem(self, text: str) -> None:
        """Show what went wrong, for people."""
        self._print(Text.assemble(("error: ", "bold red"), text))

    def echo(self, line: str) -> None:
        """Show a command nobody saw being typed."""
        self._print(Text(f"> {line.strip()}", style="bold"))

    def welcome(self, charge_point: ChargePoint, persona: Persona, *, gives_hints: bool) -> None:
        """Say who this is and what to type."""
        connectors = len(charge_point.connectors) - 1
        self._print(
            Text.assemble(
                ("Charge point ", ""),
                (charge_point.identity, "bold"),
                f" with {connectors} connector{'s' if connectors > 1 else ''}; ",
                f"cards: {', '.join(persona.id_tags)}",
            )
        )
        if gives_hints:
            hints = "Try `plug 1`, `tag`, `tag`, `unplug 1`; `help` lists all, `quit` leaves."
            self._print(Text(hints, style="dim"))

    def help(self) -> None:
        """Show all commands."""
        table = Table.grid(padding=(0, 3))
        for usage, meaning in help_lines():
            table.add_row(Text(usage, style="bold"), meaning)
        self._console.print(table)

    def tags(self, id_tags: Sequence[str]) -> None:
        """Show the cards."""
        self._print(Text(", ".join(id_tags)))

    def status(self, charge_point: ChargePoint, now: Moment) -> None:
        """Show registration, connectors and what waits for delivery."""
        state = charge_point.registration
        words = [
            "no power" if state is Registration.OFF else f"registration {state.name.lower()}",
            "connected" if charge_point.is_connected else "not connected",
            f"{charge_point.queued_messages} queued messages",
            f"local list version {charge_point.local_list.version}",
        ]
        if charge_point.firmware.phase is not FirmwarePhase.IDLE:
            words.append(f"firmware update {charge_point.firmware.phase.name.lower()}")
        self._print(Text("; ".join(words)))
        table = Table("", "status", "cable", "transaction", "meter", box=None, padding=(0, 2))
        for connector in charge_point.connectors.values():
            if connector.id == 0:
                continue
            report, transaction = connector.report, connector.transaction
            status = Text(report.status, style=_STYLE_OF_STATUS.get(report.status, ""))
            if report.error_code != "NoError":
                status.append(f" {report.error_code}")
            cable = "in" if connector.inputs.is_plugged else "-"
            running = "-"
            if transaction is not None:
                given = transaction.transaction_id
                number = "not answered yet" if given is None else str(given)
                running = f"{number} by {transaction.id_tag}"
            elif connector.permission is not None:
                running = f"{connector.permission.id_tag} has no cable yet"
            elif (reservation := charge_point.charging.reserving.book.at(connector.id)) is not None:
                until = f"{reservation.expires_at.astimezone():%H:%M:%S}"
                running = f"reserved for {reservation.id_tag} until {until}"
            table.add_row(
                str(connector.id),
                status,
                f"{cable}, locked" if connector.is_locked else cable,
                running,
                f"{connector.meter.register_wh(now.s)} Wh",
            )
        self._console.print(table)

    def _frame(self, event: Event) -> None:
        is_sent = event.direction is Direction.SENT
        arrow = "→" if is_sent else "←"
        asked_by = Direction.RECEIVED if is_sent else Direction.SENT
        frame = parse(event.text)
        match frame:
            case Call():
                here = Direction.SENT if is_sent else Direction.RECEIVED
                self._calls[here, frame.message_id] = (frame.action, event.monotonic_s)
                head, style, payload = frame.action, "bold cyan" if is_sent else "bold blue", frame
                text = in_short(payload.payload)
            case CallResult():
                head, took = self._answered(asked_by, frame.message_id, event)
                style, text = "", f"{took}{in_short(frame.payload)}"
            case CallError():
                head, took = self._answered(asked_by, frame.message_id, event)
                style, text = "bold red", f"{took}{frame.code} {frame.description}"
            case _:
                head, style, text = "unreadable", "bold red", event.text
        if self._shows_raw:
            text = _masked(event.text, frame)
        self._line(event, arrow, style, f"{head:<22} {text}".rstrip(), head=len(head))
        for defect in frame.defects:
            self._print(Text(f"{'':15}! {defect}", style="red"))

    def _answered(self, asked_by: Direction, message_id: str, event: Event) -> tuple[str, str]:
        action, asked_s = self._calls.pop((asked_by, message_id), ("", 0.0))
        if not action:
            return "answer to nothing", ""
        took = _in_ms(event.monotonic_s - asked_s)
        return f"  {action}", f"{took:>7}  " if asked_by is Direction.SENT else ""

    def _line(self, event: Event, arrow: str, style: str, text: str, head: int = 0) -> None:
        line = Text.assemble((f"{event.at.astimezone():%H:%M:%S.%f}"[:-3], "dim"), f" {arrow} ")
        if head:
            line.append(text[:head], style=style)
            line.append(text[head:])
        else:
            line.append(text, style=style)
        self._print(line, is_cut=self._console.is_terminal and not self._shows_raw)

    def _print(self, text: Text, *, is_cut: bool = False) -> None:
        """Print without wrapping: cut at the edge of a terminal, or whole for files and pipes."""
        self._console.print(
            text, no_wrap=True, overflow="ellipsis" if is_cut else "ignore", crop=is_cut
        )


def _is_secret(payload: Mapping[str, object]) -> bool:
    return str(payload.get("key", "")).casefold() == "authorizationkey"


def _masked(text: str, frame: Frame) -> str:
    """Return the raw text of a frame without the key it may set."""
    if isinstance(frame, Call) and _is_secret(frame.payload) and frame.payload.get("value"):
        return text.replace(str(frame.payload["value"]), _MASK)
    return text


def in_short(payload: Mapping[str, object]) -> str:
    """Return a payload as ``name=value`` pairs; what is nested stays JSON; keys are masked."""
    is_secret = _is_secret(payload)
    return " ".join(
        f"{name}={_MASK if is_secret and name == 'value' else _value(value)}"
        for name, value in payload.items()
    )


def _value(value: object) -> str:
    if isinstance(value, str):
        return value if value and value.isprintable() and " " not in value else json.dumps(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _refused(detail: Mapping[str, object]) -> str:
    remedy = _REMEDIES.get(
        str(detail.get("status") or f"{detail.get('kind')} {detail.get('phase')}")
    )
    return f"{detail['reason']}; {remedy}" if remedy else str(detail["reason"])


def _closed(detail: Mapping[str, object]) -> str:
    words = {
        "csms": "closed by the CSMS",
        "charge_point": "closed by the charge point",
        "lost": "connection lost",
        "dropped": "connection cut",
    }
    reason = f" {detail['reason']}" if detail["reason"] else ""
    return f"{words[str(detail['by'])]} ({detail['code']}{reason})"


def _in_ms(seconds: object) -> str:
    return f"{float(str(seconds)) * 1000:.0f} ms"
