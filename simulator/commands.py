"""The lines people type at `preflight simulate`: what they mean, and help about them. Pure."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from simulator.errors import SimulatorError


class CommandError(SimulatorError):
    """A line that means nothing; the message says what would."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a line asks for.

    Attributes:
        name: ``apply`` for an input of the charge point, else what the console itself does.
        event: the input, for ``apply``.
    """

    name: str
    event: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Verb:
    usage: str
    help: str
    parse: Callable[[Sequence[str]], Command]


def parse_line(line: str) -> Command | None:
    """Read one line; None for an empty one or a comment.

    Raises:
        CommandError: it cannot be understood.
    """
    stripped = line.strip()
    if not stripped or stripped.startswith("#"):
        return None
    if stripped.partition(" ")[0] == "raw":  # the rest is meant as it stands
        return _raw(stripped.partition(" ")[2].strip())
    try:
        verb, *words = shlex.split(stripped, comments=True)
    except ValueError as exc:
        raise CommandError(f"cannot read this line: {exc}") from exc
    found = VERBS.get(verb)
    if found is None:
        close = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise CommandError(f"unknown command {verb!r}; {hint}`help` lists them")
    try:
        return found.parse(words)
    except (LookupError, ValueError):
        raise CommandError(f"usage: {found.usage}") from None


def help_lines() -> list[tuple[str, str]]:
    """Return usage and meaning of every command."""
    return [(verb.usage, verb.help) for verb in VERBS.values()]


def _apply(event: str, **arguments: object) -> Command:
    return Command("apply", event, arguments)


def _none(words: Sequence[str], command: Command) -> Command:
    if words:
        raise ValueError
    return command


def _at_connector(event: str) -> Callable[[Sequence[str]], Command]:
    def parse(words: Sequence[str]) -> Command:
        (number,) = words
        return _apply(event, connector_id=int(number))

    return parse


def _plain(name: str) -> Callable[[Sequence[str]], Command]:
    return lambda words: _none(words, Command(name))


def _tag(words: Sequence[str]) -> Command:
    if len(words) > 2:
        raise ValueError
    arguments: dict[str, object] = {}
    if words:
        arguments["id_tag"] = words[0]
    if len(words) == 2:
        arguments["connector_id"] = int(words[1])
    return Command("tag", "present_tag", arguments)


def _fault(words: Sequence[str]) -> Command:
    number, code, *info = words
    return _apply("fault", connector_id=int(number), error_code=code, info=" ".join(info))


def _power(words: Sequence[str]) -> Command:
    (state,) = words
    return _apply({"on": "power_on", "off": "power_off"}[state])


def _network(words: Sequence[str]) -> Command:
    (state,) = words
    return Command({"on": "network_on", "off": "network_off"}[state])


def _pause(verb: str) -> Callable[[Sequence[str]], Command]:
    def parse(words: Sequence[str]) -> Command:
        number, *who = words
        side = who[0] if who else "ev"
        if len(who) > 1 or side not in ("ev", "evse"):
            raise ValueError
        return _apply(f"{side}_{verb}", connector_id=int(number))

    return parse


def _ev(words: Sequence[str]) -> Command:
    what, number = words
    if what != "disconnect":
        raise ValueError
    return _apply("ev_disconnect", connector_id=int(number))


def _lock(words: Sequence[str]) -> Command:
    what, number = words
    event = {"broken": "lock_failure", "stuck": "unlock_failure"}[what]
    return _apply(event, connector_id=int(number))


def _fail(words: Sequence[str]) -> Command:
    what, *times = words
    event = {
        "certificate": "certificate_refusal",
        "download": "download_failure",
        "install": "installation_failure",
        "store": "certificate_store_failure",
        "upload": "upload_failure",
        "verify": "verification_failure",
    }[what]
    if len(times) > (what not in ("install", "verify")):
        raise ValueError
    return _apply(event, **({"times": int(times[0])} if times else {}))


def _download(words: Sequence[str]) -> Command:
    (what,) = words
    return _apply({"pause": "pause_download", "resume": "resume_download"}[what])


def _event(words: Sequence[str]) -> Command:
    kind, *info = words
    return _apply("security_event", type=kind, tech_info=" ".join(info))


def _data(words: Sequence[str]) -> Command:
    vendor_id, *rest = words
    names = ("message_id", "data")
    if len(rest) > len(names):
        raise ValueError
    return _apply("send_data", vendor_id=vendor_id, **dict(zip(names, rest, strict=False)))


def _answer(words: Sequence[str]) -> Command:
    action, what = words
    return Command("answer", arguments={"action": action, "what": what})


def _clock(words: Sequence[str]) -> Command:
    (seconds,) = words
    return Command("clock", arguments={"ahead_s": float(seconds)})


def _wait(words: Sequence[str]) -> Command:
    (seconds,) = words
    if not 0 <= float(seconds) < 1e6:
        raise ValueError
    return Command("wait", arguments={"seconds": float(seconds)})


def _raw(text: str) -> Command:
    return Command("raw", arguments={"text": text})


VERBS: Final[dict[str, _Verb]] = {
    "plug": _Verb("plug N", "put a cable with an EV into connector N", _at_connector("plug_in")),
    "unplug": _Verb("unplug N", "take the cable out", _at_connector("unplug")),
    "tag": _Verb("tag [TAG [N]]", "hold a card before the reader: starts, stops, unlocks", _tag),
    "tags": _Verb("tags", "show the cards of this seed", _plain("tags")),
    "stop": _Verb("stop N", "press the stop button", _at_connector("press_stop")),
    "emergency": _Verb(
        "emergency N", "press the emergency button", _at_connector("emergency_stop")
    ),
    "ev": _Verb("ev disconnect N", "take the cable out of the EV", _ev),
    "suspend": _Verb("suspend N [ev|evse]", "the EV (or the EVSE) pauses", _pause("suspend")),
    "resume": _Verb("resume N [ev|evse]", "the pause is over", _pause("resume")),
    "fault": _Verb("fault N CODE [INFO]", "something breaks, GroundFailure for example", _fault),
    "clear": _Verb("clear N", "the fault is gone", _at_connector("clear_fault")),
    "lock": _Verb("lock broken|stuck N", "the cable cannot be locked, or not unlocked", _lock),
    "fail": _Verb(
        "fail WHAT [N]",
        "the next N (1 without N) of download, upload, certificate, store go wrong; or install,"
        " verify",
        _fail,
    ),
    "download": _Verb("download pause|resume", "let a download of firmware wait", _download),
    "renew": _Verb(
        "renew",
        "ask for a new certificate",
        lambda words: _none(words, _apply("renew_certificate")),
    ),
    "event": _Verb(
        "event TYPE [INFO]", "a security event, TamperDetectionActivated for example", _event
    ),
    "power": _Verb("power off|on", "cut the power, or restore it", _power),
    "network": _Verb("network off|on", "cut the connection, or restore it", _network),
    "reboot": _Verb("reboot", "restart", lambda words: _none(words, _apply("reboot"))),
    "data": _Verb("data VENDOR [ID [TEXT]]", "send a DataTransfer", _data),
    "answer": _Verb(
        "answer ACTION STATUS", "answer the next ACTION so; also `none` or `error:CODE`", _answer
    ),
    "clock": _Verb("clock SECONDS", "set the charge point's clock ahead, or back with -", _clock),
    "raw": _Verb("raw TEXT", "send TEXT as it stands", lambda words: _raw(" ".join(words))),
    "wait": _Verb("wait SECONDS", "do nothing for a while", _wait),
    "status": _Verb("status", "show the connectors", _plain("status")),
    "help": _Verb("help", "show this", _plain("help")),
    "quit": _Verb("quit", "close the connection and leave", _plain("quit")),
}
