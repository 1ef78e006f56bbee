"""The connections of one case: opened, refused as they have to be, ended, probed.

What a charge point shows, its profile, password and certificate, stays as it was in the last
connection that was accepted. Whether a refusal is one, `harness.judge_handshakes` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from harness.access import (
    WITH_CERTIFICATE,
    WITH_PASSWORD,
    WITH_TLS,
    Access,
    NoCertificate,
    Offer,
    PasswordEncoding,
)
from harness.certificates import Unreadable
from harness.checks import finding
from harness.drivers.driver import Credentials
from harness.evidence import PONG_TIMEOUT_S, Evidence
from harness.judge_handshakes import (
    judge_refusal,
    not_refused,
)
from harness.making import CannotMake, Keyring, Maker
from harness.model import Connect, Disconnect, Json, Make, ProbeTls, Step
from harness.pki import KeyAndChain, Kind
from harness.probing import Probing
from harness.results import Finding, Severity
from simulator.client import Call, Station
from simulator.errors import CannotOffer, HandshakeRefused
from simulator.trace import Event, EventKind


class StepFailed(Exception):
    """The step did not come to its end; the rest of the case is not run."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a charge point shows of itself when it connects.

    Attributes:
        key: hexadecimal text of an AuthorizationKey it was given, in place of its password.
        encoding: how it writes that key.
        certificate: a chain of its own, in place of the one its profile has.
    """

    profile: int
    password: bytes | None = field(default=None, repr=False)
    key: str = field(default="", repr=False)
    encoding: PasswordEncoding = PasswordEncoding.RAW_FROM_HEX
    certificate: KeyAndChain | None = None


class Connections:
    """The connections of one case, on one charge point.

    Attributes:
        station: the charge point whose connection counts.
        left_behind: others whose connection another took the place of.
        shown: what was accepted last, or what it begins with.
    """

    def __init__(
        self,
        evidence: Evidence,
        access: Access,
        credentials: Credentials,
        make_station: Callable[[Callable[[Event], None], Callable[[Call], bool]], Station],
        on_call: Callable[[Call], bool],
        *,
        other_name: str,
        trust_anchors: str | None,
    ) -> None:
        """Prepare; nothing happens yet.

        Args:
            make_station: makes the charge point from what records its events and takes its CALLs.
            on_call: takes the CALLs on the connection that counts.
            other_name: common name of another charge point's certificate.
            trust_anchors: PEM; None: this machine's own.
        """
        self._evidence = evidence
        self._access = access
        self._credentials = credentials
        self._trust_anchors = trust_anchors
        self._make_station = make_station
        self._on_call = on_call
        self._wire = evidence.wire
        self._keyring = Keyring()
        self._maker = Maker(
            self._keyring,
            access.pki,
            credentials.serial_number or credentials.identity,
            credentials.organization,
            other_name,
        )
        self._pings: set[asyncio.Task[None]] = set()
        self.shown = Shown(
            credentials.security_profile, credentials.password, encoding=access.password_encoding
        )
        self.left_behind: list[Station] = []
        self.station = self._new_station()
        self._given = self.station.endpoint

    def _new_station(self) -> Station:
        def on_call(call: Call) -> bool:
            # No step awaits anything on a connection that another took the place of.
            return station is self.station and self._on_call(call)

        station = self._make_station(self._wire.record, on_call)
        return station

    # --- opening ----------------------------------------------------------------------------

    async def connect(self, step: Connect) -> None:
        """Open a connection; it must be accepted, or refused where the step says so.

        Raises:
            StepFailed: it was not.
        """
        shown, offer = await self._offered(step)
        station, before = self.station, self._wire.connection
        if not self._wire.is_open:
            await station.wait_closed()  # the old one's tasks may still be ending
        elif step.beside:
            station = self._new_station()
            station.connections = self.station.connections
        refused = await self._open(step, station, offer)
        if step.refused is not None:
            await self._must_be_refused(step, station, shown, offer, refused)
            return
        if refused is not None:
            await self._tell_encoding(step, shown)
            raise StepFailed
        if step.password or shown.key:
            self._evidence.note("password_encoding", shown.encoding.value)
        self.shown = shown
        if station is not self.station:
            self._evidence.superseded.add(before)
            self.left_behind.append(self.station)
            self.station = station
        self._begin_ping()
        self._judge_agreed(step)

    async def _open(
        self, step: Connect, station: Station, offer: Offer
    ) -> tuple[HandshakeRefused, int | None] | None:
        """Return how a connection was refused, with its event; None where it is open."""
        began = len(self._wire.events)
        before = station.endpoint
        try:
            if not self._is_led_by_model(step, station):
                station.endpoint = self._given = offer.endpoint()
            await station.connect()
        except CannotOffer as error:
            station.endpoint = self._given = before
            self._cannot_offer(step, str(error))
            raise StepFailed from error
        except HandshakeRefused as error:
            station.endpoint = self._given = before  # the clean-up may have to connect again
            event = self._wire.last(EventKind.REFUSED, since=began)
            return error, event
        finally:
            if station is not self.station:
                # Numbers of connections are not given twice, whoever opens the next.
                self.station.connections = max(self.station.connections, station.connections)
            for kind in (EventKind.OPENED, EventKind.REFUSED):
                index = self._wire.last(kind, since=began)
                if index is not None:
                    self._evidence.refer(index, step)
        return None

    def _is_led_by_model(self, step: Connect, station: Station) -> bool:
        """Whether the model went on to other credentials, and the step names none itself."""
        names_any = (
            step.profile is not None
            or step.subprotocols is not None
            or step.tls is not None
            or any((step.identity, step.credentials, step.password, step.certificate))
        )
        return not names_any and station.endpoint != self._given

    async def _must_be_refused(
        self,
        step: Connect,
        station: Station,
        shown: Shown,
        offer: Offer,
        refused: tuple[HandshakeRefused, int | None] | None,
    ) -> None:
        wanted = step.refused
        if wanted is None:
            raise AssertionError("the step wants to be accepted")
        if refused is not None:
            error, event = refused
            if event is not None:
                self._evidence.judged_handshakes.add(event)
            self._add(step, judge_refusal(wanted, error), event)
            return
        event = self._wire.last(EventKind.OPENED)
        if event is not None:
            self._evidence.judged_handshakes.add(event)
        self._add(step, [not_refused(offer.url, _words(step, offer, shown.profile))], event)
        await station.close()
        closed = self._wire.last(EventKind.CLOSED)
        if closed is not None:
            self._evidence.wanted_closes.add(closed)
        await station.shut_down()
        raise StepFailed

    async def _tell_encoding(self, step: Connect, shown: Shown) -> None:
        """Try a new key written the other way, to tell people what their CSMS expects."""
        if not step.password or not shown.key:
            return
        other = shown.encoding.other
        if other.basic(shown.key) == shown.encoding.basic(shown.key):
            return
        _, offer = await self._offered(replace(step, tls=step.tls), encoding=other)
        began = len(self._wire.events)
        if await self._open(step, self.station, offer) is not None:
            again = self._wire.last(EventKind.REFUSED, since=began)
            if again is not None:
                self._evidence.judged_handshakes.add(again)  # told once is enough
            return
        self._evidence.note("password_encoding", other.value)
        message = (
            f"The CSMS refuses the new password as the system-under-test file declares it "
            f"(password_encoding: {shown.encoding.value}) and takes it as {other.value}."
        )
        self._add(
            step,
            [
                finding(
                    "connection.password-encoding",
                    message,
                    expected=shown.encoding.value,
                    actual=other.value,
                )
            ],
            self._wire.last(EventKind.OPENED, since=began),
        )

    def _judge_agreed(self, step: Connect) -> None:
        event = self._wire.last(EventKind.OPENED)
        agreed = self._wire.events[event].detail.get("subprotocol") if event is not None else None
        if step.agreed and agreed != step.agreed:
            message = f"The CSMS agreed to the subprotocol {agreed or 'none'}."
            self._add(
                step,
                [
                    finding(
                        "connection.subprotocol",
                        message,
                        expected=step.agreed,
                        actual=str(agreed or "none"),
                    )
                ],
                event,
            )

    # --- what is offered --------------------------------------------------------------------

    async def _offered(
        self, step: Connect, *, encoding: PasswordEncoding | None = None
    ) -> tuple[Shown, Offer]:
        """Return what the charge point shows in this step, and all that it offers."""
        scope = self._evidence.scope(step)
        shown = self.shown
        if step.profile is not None:
            shown = replace(shown, profile=self._profile(step, step.profile, scope))
        if step.password:
            key = str(self._evidence.resolve(step.password, scope))
            self._evidence.secrets.append(key)
            shown = replace(shown, key=key, encoding=self._access.password_encoding)
        if encoding is not None:
            shown = replace(shown, encoding=encoding)
        certificate = await self._certificate(step, step.certificate, shown, scope)
        if step.certificate.startswith("$"):
            shown = replace(shown, certificate=certificate)
        identity = str(self._evidence.resolve(step.identity, scope)) or self._credentials.identity
        offer = self._offer(step, shown, certificate, identity)
        return shown, replace(
            offer,
            password=self._password(step, shown, scope),
            subprotocols=offer.subprotocols if step.subprotocols is None else step.subprotocols,
            versions=step.tls.versions if step.tls else (),
            suites=step.tls.suites if step.tls else (),
        )

    def _offer(
        self, step: Step, shown: Shown, certificate: KeyAndChain | None, identity: str
    ) -> Offer:
        url = self._access.endpoints.get(shown.profile)
        if url is None:
            message = (
                f"The system-under-test file has no endpoint for security profile {shown.profile}."
            )
            self._evidence.fail(step, "sut.no-profile", Severity.INCONCLUSIVE, message)
            raise StepFailed
        return Offer(
            url=url,
            identity=identity,
            certificate=certificate,
            trust_anchors=self._trust_anchors,
            server_name=self._access.server_name,
        )

    def _profile(self, step: Step, written: Json, scope: Mapping[str, Json]) -> int:
        profile = self._evidence.resolve(written, scope)
        if isinstance(profile, bool) or not isinstance(profile, int) or not 0 <= profile <= 3:
            message = f"{profile!r} is no security profile."
            self._evidence.fail(step, "harness.step", Severity.ERROR, message)
            raise StepFailed
        return profile

    def _password(self, step: Connect, shown: Shown, scope: Mapping[str, Json]) -> bytes | None:
        own = shown.encoding.basic(shown.key) if shown.key else shown.password
        match step.credentials:
            case "none":
                return None
            case "wrong":
                wrong = str(self._evidence.resolve("$wrong_password", scope))
                return self._access.password_encoding.basic(wrong)
            case "own":
                return own
            case _:
                return own if shown.profile in WITH_PASSWORD or step.password else None

    async def _certificate(
        self, step: Step, written: str, shown: Shown, scope: Mapping[str, Json]
    ) -> KeyAndChain | None:
        if written.startswith("$"):
            return self._from_case(step, self._evidence.resolve(written, scope))
        if written == "none" or (not written and shown.profile != WITH_CERTIFICATE):
            return None
        if shown.certificate is not None and written in ("", "own"):
            return shown.certificate
        kind = Kind(written) if written else Kind.OWN
        name = self._maker.other_name if kind is Kind.OTHER_IDENTITY else self._maker.common_name
        try:
            return await asyncio.to_thread(
                self._access.client_certificate,
                kind,
                identity=self._credentials.identity,
                common_name=name,
                organization=self._maker.organization,
            )
        except NoCertificate as error:
            self._evidence.fail(step, "sut.no-profile", Severity.INCONCLUSIVE, f"{error}.")
            raise StepFailed from error

    def _from_case(self, step: Step, chain: object) -> KeyAndChain:
        """Return a chain that the case was given or made, with its key."""
        try:
            certificate = self._keyring.certificate(chain)
        except Unreadable as error:
            words = f"it cannot be read: {error}"
        else:
            if certificate is not None:
                return certificate
            words = "the charge point has no key for it"
        message = f"The certificate cannot be used to connect: {words}."
        self._add(step, [finding("connection.certificate", message)], None)
        raise StepFailed

    def _cannot_offer(self, step: Step, reason: str) -> None:
        message = f"The charge point could not offer what the case needs: {reason}."
        self._evidence.fail(step, "harness.cannot-offer", Severity.ERROR, message)

    # --- ending -----------------------------------------------------------------------------

    async def disconnect(self, step: Disconnect, *, since: int) -> None:
        """End the connection, as far as the CSMS has not done so from event `since` on."""
        if self._wire.is_open:
            if step.how == "drop":
                self.station.drop()
            else:
                await self.station.close()
            await self.station.wait_closed()
            closed = self._wire.last(EventKind.CLOSED)
        else:
            # The CSMS was faster, as some are after a Reset: only the step just before counts.
            closed = self._wire.last(EventKind.CLOSED, since=since)
        if closed is not None:
            self._evidence.wanted_closes.add(closed)
            self._evidence.refer(closed, step)

    async def end_pings(self) -> None:
        """Wait for no pong any more."""
        for ping in list(self._pings):
            ping.cancel()
        await asyncio.gather(*self._pings, return_exceptions=True)

    def _begin_ping(self) -> None:
        ping = asyncio.create_task(self._ping(), name=f"{self._evidence.scenario.id} ping")
        self._pings.add(ping)
        ping.add_done_callback(self._pings.discard)

    async def _ping(self) -> None:
        """Measure the network's share of all times, once for each connection."""
        round_trip_s = await self.station.ping(PONG_TIMEOUT_S)
        if round_trip_s is not None:
            self._evidence.pings_s.append(round_trip_s)

    # --- things made ------------------------------------------------------------------------

    async def make(self, step: Make) -> None:
        """Make a thing and keep it as a variable.

        Raises:
            StepFailed: it cannot be made of what is there.
        """
        arguments = self._evidence.resolve_object(step.arguments, self._evidence.scope(step))
        try:
            made = await asyncio.to_thread(self._maker.make, step.thing, arguments)
        except CannotMake as error:
            message = f"The charge point could not make {step.thing}: {error}."
            self._evidence.fail(step, "harness.step", Severity.ERROR, message)
            raise StepFailed from error
        if step.thing == "password":
            self._evidence.secrets.append(str(made))
        self._evidence.variables[step.name] = made

    # --- TLS alone --------------------------------------------------------------------------

    async def probe(self, step: ProbeTls) -> None:
        """Make handshakes that show what the server can do; what it lacks never ends the case.

        Raises:
            StepFailed: our own side cannot offer them, or there is no server with TLS.
        """
        scope = self._evidence.scope(step)
        shown = self.shown
        if step.profile is not None:
            shown = replace(shown, profile=self._profile(step, step.profile, scope))
        certificate = await self._certificate(step, step.certificate, shown, scope)
        offer = self._offer(step, shown, certificate, self._credentials.identity)
        if shown.profile not in WITH_TLS or not offer.is_secure:
            message = f"There is no TLS to probe on security profile {shown.profile}: {offer.url}"
            self._evidence.fail(step, "harness.step", Severity.ERROR, message)
            raise StepFailed
        probing = Probing(self._evidence, step, offer, number=self.station.connections)
        try:
            if step.refused is not None:
                await probing.weak(step.refused.versions, step.refused.suites)
            else:
                await probing.strong()
        except CannotOffer as error:
            self._cannot_offer(step, str(error))
            raise StepFailed from error

    def _add(self, step: Step, findings: Sequence[Finding], event: int | None) -> None:
        self._evidence.add(step, findings, event)


_CREDENTIALS: Final = {"none": "without credentials", "wrong": "with a wrong password"}
_CERTIFICATES: Final = {
    "none": "without a client certificate",
    "expired": "with an expired client certificate",
    "untrusted": "with a client certificate of an unknown issuer",
    "other_identity": "with the client certificate of another charge point",
}


def _words(step: Connect, offer: Offer, profile: int) -> str:
    """Say in what a connection differs from what the charge point usually offers."""
    words = [
        f"on security profile {profile}" if step.profile is not None else "",
        f"as {offer.identity}" if step.identity else "",
        _CREDENTIALS.get(step.credentials, "with another password" if step.password else ""),
        _CERTIFICATES.get(step.certificate, ""),
    ]
    if step.subprotocols is not None:
        words.append(f"that offers {', '.join(step.subprotocols) or 'no subprotocol'}")
    return " ".join(filter(None, words))
