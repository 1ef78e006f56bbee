"""Holds a system-under-test file against the running Central System, before any case runs.

What it will send is known before it begins (`plan`), and nothing else is sent. Nothing is judged
here: a point says what was found and what to do, the cases decide what is wrong.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from harness import asking, check_tls
from harness.access import WITH_CERTIFICATE, WITH_PASSWORD, WITH_TLS
from harness.drivers.driver import COMMANDS, Credentials, Operation
from harness.drivers.http_spec import HttpDriverSpec
from harness.evidence import DEFAULT_BUDGET
from harness.guards import guard
from harness.judge_connection import SUBPROTOCOL
from harness.pacing import Pace
from harness.sut import SystemUnderTest
from harness.system import EngineError, System
from harness.wire import Wire
from simulator.client import HandshakeRefused, Station
from simulator.errors import CannotOffer, Phase, RefusalKind
from simulator.trace import EventKind

DEFAULT_TIME_S: Final = 120.0

_LONGEST_ANSWER_S: Final = 10.0
_NAMED: Final = 5
_OTHER_SUBPROTOCOL: Final = "preflight.none"
# What has to be said of the cards of a role. A parent is no card; it shows in those of others.
_EXPECTED: Final = {
    "valid": "Accepted",
    "valid_2": "Accepted",
    "invalid": "Invalid",
    "expired": "Expired",
    "blocked": "Blocked",
}


class State(StrEnum):
    """What a point comes to."""

    GOOD = "good"
    WARNING = "warning"  # a run goes, but says less
    BAD = "bad"  # cases will fail, or say nothing
    UNKNOWN = "unknown"  # it could not be seen


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that was looked at.

    Attributes:
        topic: what it is about, such as ``identities``.
        found: what was seen, one sentence.
        remedy: what to do about it, empty where all is well.
    """

    topic: str
    state: State
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """All points, in the order in which they were looked at."""

    points: tuple[Point, ...]

    @property
    def exit_code(self) -> int:
        """0 where a run can begin, else 1."""
        return int(any(one.state in (State.BAD, State.UNKNOWN) for one in self.points))


def plan(sut: SystemUnderTest) -> list[str]:
    """Return, as sentences, all that a check sends. Pure."""
    found = []
    if sut.start is not None:
        found.append(f"starts the program {sut.start.command[0]}, and stops it at the end")
    if isinstance(sut.driver, HttpDriverSpec):
        registered = [name for name, there in (("identities", sut.driver.identities),) if there]
        registered += [f"id tags of role {role}" for role in sut.driver.id_tags]
        if sut.driver.setup or registered:
            what = ", ".join(registered) or "what `driver.provision.setup` says"
            found.append(f"lets the driver register: {what}; it sends no command")
    elif sut.driver is not None:
        found.append("lets the driver register what it registers for a run; it sends no command")
    secure = sorted(url for profile, url in _endpoints(sut).items() if profile in WITH_TLS)
    if secure:
        found.append(
            f"makes at most {check_tls.HANDSHAKES} TLS handshakes, without a word inside, with "
            f"each of {', '.join(dict.fromkeys(secure))}"
        )
    found.append(
        f"opens one WebSocket for each of the {len(sut.identities)} identities, and closes it"
    )
    for profile in sorted({one.security_profile for one in sut.identities}):
        words = ["an unknown identity"]
        if profile in WITH_PASSWORD:
            words += ["a wrong password", "no password"]
        if profile == WITH_CERTIFICATE:
            words += ["no certificate"]
        words.append(f"the subprotocol {_OTHER_SUBPROTOCOL}")
        found.append(
            f"on security profile {profile}, tries one WebSocket each with {', '.join(words)}"
        )
    cards = sum(len(tags) for role, tags in sut.id_tags.items() if role in _EXPECTED)
    found.append(
        "on one identity, sends one BootNotification, one Heartbeat and "
        f"{cards} Authorize (one for each card that is listed)"
    )
    if _may_open_two(sut):
        found.append(
            "on that identity, sends one BootNotification, opens a second WebSocket beside the "
            "first, and sends one Heartbeat on each"
        )
    found.append("answers what the Central System asks meanwhile; sends nothing else")
    return found


async def check(
    sut: SystemUnderTest, *, may_test_public: bool = False, time_s: float = DEFAULT_TIME_S
) -> Checked:
    """Look at every point, as far as time allows.

    Raises:
        NotOurs: the system may be somebody else's, and nobody said that it may be tested.
    """
    if not may_test_public:
        await guard(sut)
    system = System(
        sut,
        identities=sut.identities,
        id_tags=sut.id_tags,
        action_timeout_s=sut.action_timeout_s,
        leftovers=None,
        is_first=True,
        on_death=lambda _process, _said: None,
        pace=Pace(sut.limits.max_messages_per_second),
        may_test_public=True,  # looked at above
    )
    points: list[Point] = []
    try:
        async with asyncio.timeout(time_s), system:
            await _Check(sut, system, points).run()
    except EngineError as error:
        points.append(Point("system", State.BAD, str(error), "put that right first"))
    except TimeoutError:
        words = f"The check took longer than {time_s:g} s and was ended; the rest was not seen."
        points.append(Point("time", State.UNKNOWN, words, "use --timeout for more time"))
    mask = system.masker.mask
    return Checked(
        tuple(replace(one, found=mask(one.found), remedy=mask(one.remedy)) for one in points)
    )


class _Check:
    """One walk through all points; what it saw stays in `points` whatever ends it."""

    def __init__(self, sut: SystemUnderTest, system: System, points: list[Point]) -> None:
        self._sut = sut
        self._system = system
        self._points = points
        limit_s = sut.budgets[DEFAULT_BUDGET].limit_s
        self._answer_s = min(limit_s, _LONGEST_ANSWER_S)
        self._usable: dict[int, Credentials] = {}  # by profile, one that was let in

    async def run(self) -> None:
        await self._tls()
        await self._identities()
        for profile in sorted(self._usable):
            await self._doors(profile)
        first = next(iter(self._usable.values()), None)
        if first is not None:
            await self._session(first)
            if _may_open_two(self._sut):
                await self._second_connection(first)
            else:
                words = "limits.max_connections leaves no room for a second connection."
                self._add("second connection", State.UNKNOWN, words)
            for credentials in self._usable.values():
                await self._wrong_credentials(credentials)
        self._operations()

    def _add(self, topic: str, state: State, found: str, remedy: str = "") -> None:
        self._points.append(Point(topic, state, found, remedy))

    # --- connections ------------------------------------------------------------------------

    async def _tls(self) -> None:
        seen: set[str] = set()
        for profile, url in sorted(_endpoints(self._sut).items()):
            if profile not in WITH_TLS or url in seen:
                continue
            seen.add(url)
            access = self._sut.access
            notes = await check_tls.look(
                url,
                trust_anchors=self._system.trust_anchors,
                server_name=access.server_name,
                timeout_s=self._answer_s,
            )
            for note in notes:
                state = State.GOOD if note.is_good else State.WARNING
                if note.is_fatal:
                    state = State.BAD
                self._add(f"TLS of {url}", state, note.found, note.remedy)

    async def _identities(self) -> None:
        """Let each in once, and say which were not, by how they were refused."""
        refused: dict[str, list[str]] = {}
        agreed: dict[str, list[str]] = {}
        for credentials in self._sut.identities:
            how = await self._try(credentials)
            if not how.is_open:
                refused.setdefault(how.words, []).append(credentials.identity)
                continue
            agreed.setdefault(how.subprotocol or "none", []).append(credentials.identity)
            if not credentials.role:
                self._usable.setdefault(credentials.security_profile, credentials)
        let_in = len(self._sut.identities) - sum(map(len, refused.values()))
        if let_in:
            self._add(
                "identities",
                State.WARNING if refused else State.GOOD,
                f"{let_in} of {len(self._sut.identities)} identities are let in.",
                "the cases share them" if refused else "",
            )
        for words, identities in refused.items():
            self._add(
                "identities",
                State.BAD,
                f"{_some(identities)}: {words}.",
                _remedy_of(words),
            )
        for name, identities in agreed.items():
            is_right = name == SUBPROTOCOL
            self._add(
                "subprotocol",
                State.GOOD if is_right else State.BAD,
                f"Offered {SUBPROTOCOL}, the Central System agreed to {name}"
                + ("." if is_right else f" ({_some(identities)})."),
                "" if is_right else f"make it answer {SUBPROTOCOL} (OCPP-J 1.6 §3.2)",
            )

    async def _doors(self, profile: int) -> None:
        """Offer a subprotocol nobody has, and come as somebody nobody knows."""
        credentials = self._usable[profile]
        where = f"security profile {profile}"
        how = await self._try(credentials, subprotocols=(_OTHER_SUBPROTOCOL,))
        if how.is_open and how.subprotocol == _OTHER_SUBPROTOCOL:
            words = f"The Central System agreed to {_OTHER_SUBPROTOCOL}, which does not exist."
            remedy = "make it agree to what it speaks alone"
            self._add(f"subprotocol, {where}", State.BAD, words, remedy)
        else:
            answer = "agreed to none" if how.is_open else how.words
            words = f"Offered {_OTHER_SUBPROTOCOL} alone: {answer}."
            self._add(f"subprotocol, {where}", State.GOOD, words)
        nobody = replace(credentials, identity=f"preflight-{secrets.token_hex(6)}")
        how = await self._try(nobody)
        topic = f"unknown identity, {where}"
        if not how.is_open:
            self._add(topic, State.GOOD, f"It is refused: {how.words}.")
            return
        state = State.BAD if profile else State.WARNING
        words = "Who is not registered is let in."
        self._add(topic, state, words, "switch off that it registers everybody who comes")

    async def _wrong_credentials(self, credentials: Credentials) -> None:
        """Come with the wrong proof, and with none; once each, last of all."""
        profile = credentials.security_profile
        tries: list[tuple[str, Credentials, bool]] = []
        if profile in WITH_PASSWORD:
            wrong = secrets.token_hex(16).encode()
            tries.append(("a wrong password", replace(credentials, password=wrong), False))
            tries.append(("no password", replace(credentials, password=None), False))
        elif profile == WITH_CERTIFICATE:
            tries.append(("no client certificate", credentials, True))
        for what, shown, hides_certificate in tries:
            how = await self._try(shown, hides_certificate=hides_certificate)
            topic = f"authentication, security profile {profile}"
            if how.is_open:
                words = f"{credentials.identity} is let in with {what}."
                self._add(topic, State.BAD, words, "make it refuse with HTTP 401")
            elif profile in WITH_PASSWORD and how.status != 401:
                words = f"With {what} it is refused, but not with HTTP 401: {how.words}."
                self._add(topic, State.WARNING, words, "HTTP 401 says what is wrong")
            else:
                self._add(topic, State.GOOD, f"With {what} it is refused: {how.words}.")

    # --- sessions ---------------------------------------------------------------------------

    async def _session(self, credentials: Credentials) -> None:
        """Boot one charge point, and ask about every card."""
        async with self._open(credentials) as station:
            if station is None or not await self._boot(station):
                return
            answer = await station.call("Heartbeat", {}, timeout_s=self._answer_s)
            if answer.result is None:
                words = "A Heartbeat in a booted session has no proper answer."
                self._add("session", State.BAD, words, "look at the log of the Central System")
                return
            words = f"{credentials.identity} is booted, and its Heartbeat is answered."
            self._add("session", State.GOOD, words)
            for role, expected in _EXPECTED.items():
                if role in self._sut.id_tags:
                    await self._cards(station, role, expected)

    async def _boot(self, station: Station) -> bool:
        payload = asking.boot_payload(self._sut.station)
        answer = await station.call("BootNotification", payload, timeout_s=self._answer_s)
        status = answer.result.get("status") if answer.result is not None else None
        if status == "Accepted":
            return True
        words = f"The BootNotification of {station.endpoint.identity} is not accepted"
        found = f"{words}: {status or 'no proper answer'}."
        remedy = "let the Central System accept the charge points of the file"
        self._add("session", State.BAD, found, remedy)
        return False

    async def _cards(self, station: Station, role: str, expected: str) -> None:
        tags = self._sut.id_tags[role]
        parents = self._sut.id_tags.get("parent", ()) if expected == "Accepted" else ()
        others: dict[str, list[str]] = {}
        for at, tag in enumerate(tags):
            answer = await station.call("Authorize", {"idTag": tag}, timeout_s=self._answer_s)
            status = asking.status_of(answer.result) or "no proper answer"
            if status != expected:
                others.setdefault(status, []).append(tag)
            elif at < len(parents):
                info = answer.result["idTagInfo"] if answer.result is not None else {}
                parent = info.get("parentIdTag") if isinstance(info, dict) else None
                if str(parent or "").casefold() != parents[at].casefold():
                    words = f"parentIdTag {parent or 'absent'}"
                    others.setdefault(words, []).append(tag)
            if answer.disconnected:
                break
        topic = f"id tags of role {role}"
        good = len(tags) - sum(map(len, others.values()))
        if not others:
            words = f"All {len(tags)} are" if len(tags) > 1 else f"{tags[0]} is"
            self._add(topic, State.GOOD, f"{words} {expected}.")
        for status, found in others.items():
            right = f"{expected} with its `parent`" if "parentIdTag" in status else expected
            words = f"{_some(found)}: {status}, not {right} ({good} of {len(tags)} are right)."
            self._add(topic, State.BAD, words, _card_remedy(role, expected, status))

    async def _second_connection(self, credentials: Credentials) -> None:
        """Come once more while the first connection lives, as after a cut nobody noticed."""
        topic = "second connection"
        async with self._open(credentials) as first:
            if first is None or not await self._boot(first):
                return
            async with self._open(credentials, is_quiet=True) as second:
                if second is None:
                    words = "The second is refused while the first lives."
                    remedy = (
                        "let the newest win: a charge point that lost its line cannot come back "
                        "before the Central System notices"
                    )
                    self._add(topic, State.WARNING, words, remedy)
                    return
                new = await second.call("Heartbeat", {}, timeout_s=self._answer_s)
                old = await first.call("Heartbeat", {}, timeout_s=self._answer_s)
        new_lives, old_lives = new.result is not None, old.result is not None
        if new_lives and not old_lives:
            self._add(topic, State.GOOD, "The newest wins: the first is not served any more.")
        elif new_lives:
            words = "Both are served."
            remedy = "end the first: commands may go to a line that nobody reads"
            self._add(topic, State.WARNING, words, remedy)
        else:
            words = (
                f"The second is open but not served; the first {'is' if old_lives else 'neither'}."
            )
            remedy = "let the newest win; as it is, a charge point that comes back stays orphaned"
            self._add(topic, State.BAD, words, remedy)

    # --- the driver -------------------------------------------------------------------------

    def _operations(self) -> None:
        reasons: dict[str, list[str]] = {}
        for operation in Operation:
            if operation.is_command and (why := self._system.driver.cannot(operation)):
                # Some reasons name the operation; they are one reason all the same.
                why = why.replace(operation.value, "it")
                reasons.setdefault(why, []).append(operation.value)
        for why, names in reasons.items():
            self._add(
                "driver",
                State.WARNING,
                f"It cannot make the Central System send {', '.join(names)}: {why}.",
                "cases with these stay inconclusive; say more under `driver` if it can",
            )
        able = len(COMMANDS) - sum(map(len, reasons.values()))
        if able:
            words = f"{able} of {len(COMMANDS)} operations are within its reach, as far as it says."
            self._add("driver", State.GOOD, words)

    # --- opening ----------------------------------------------------------------------------

    async def _try(
        self,
        credentials: Credentials,
        *,
        subprotocols: Sequence[str] | None = None,
        hides_certificate: bool = False,
    ) -> _How:
        """Open a connection, and close it; return how it went."""
        wire = Wire()
        station = self._system.station(credentials, wire.record)
        endpoint = station.endpoint
        if subprotocols is not None:
            endpoint = replace(endpoint, subprotocols=tuple(subprotocols))
        if hides_certificate and endpoint.tls is not None:
            tls = replace(endpoint.tls, certificate_chain_pem="", private_key_pem="")
            endpoint = replace(endpoint, tls=tls)
        station.endpoint = endpoint
        try:
            await self._connect(station)
            opened = next(one for one in wire.events if one.kind is EventKind.OPENED)
            return _How(is_open=True, subprotocol=str(opened.detail.get("subprotocol") or ""))
        except HandshakeRefused as error:
            return _How(words=error.reason, status=error.status)
        except CannotOffer as error:
            return _How(words=f"our own side cannot offer it: {error}")
        finally:
            await station.shut_down()

    @asynccontextmanager
    async def _open(
        self, credentials: Credentials, *, is_quiet: bool = False
    ) -> AsyncIterator[Station | None]:
        """Yield a connected station, None where it is refused; close it after."""
        station = self._system.station(credentials, Wire().record)
        try:
            try:
                await self._connect(station)
            except (HandshakeRefused, CannotOffer) as error:
                if not is_quiet:
                    words = f"{credentials.identity} was let in before, and now is not: {error}."
                    remedy = "see whether the Central System keeps charge points out for a time"
                    self._add("session", State.BAD, words, remedy)
                yield None
            else:
                yield station
        finally:
            await station.shut_down()

    async def _connect(self, station: Station) -> None:
        try:
            async with asyncio.timeout(self._answer_s):
                await station.connect()
        except TimeoutError as error:
            reason = f"no answer to the handshake within {self._answer_s:g} s"
            raise HandshakeRefused(reason, kind=RefusalKind.TIMEOUT, phase=Phase.HTTP) from error


@dataclass(frozen=True, slots=True)
class _How:
    """How a connection came about, or why not."""

    is_open: bool = False
    subprotocol: str = ""
    words: str = ""
    status: int | None = None


def _endpoints(sut: SystemUnderTest) -> dict[int, str]:
    """Return the addresses that identities of the file use, by profile."""
    used = {one.security_profile for one in sut.identities}
    return {profile: url for profile, url in sut.access.endpoints.items() if profile in used}


def _may_open_two(sut: SystemUnderTest) -> bool:
    return sut.limits.max_connections is None or sut.limits.max_connections > 1


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _remedy_of(words: str) -> str:
    if "HTTP 401" in words or "HTTP 403" in words:
        return "register them in the Central System, with the passwords under `identities`"
    if "HTTP 404" in words:
        return "register them in the Central System, and see whether `ocpp_url` is right"
    if "certificate" in words:
        return "see `tls` in the file"
    return "see whether the Central System runs there, and whether the address is right"


def _card_remedy(role: str, expected: str, status: str) -> str:
    if expected == "Invalid":
        return f"id_tags.{role} must not be in the Central System, nor accepted unseen"
    if status.startswith("parentIdTag"):
        return f"give each card of id_tags.{role} the `parent` at the same place as its group"
    return f"register the cards of id_tags.{role} so that they are {expected}"
