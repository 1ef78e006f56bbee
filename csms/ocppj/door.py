"""The door: what a connection shows, proven, before it becomes a WebSocket.

Everybody who is refused is refused with an HTTP status: 404 for an identity nobody registered, 401
for missing or wrong credentials, 403 for another security profile or a certificate that is not this
charge point's, 429 for too many failed attempts, 503 when it cannot be checked now. The rules are
in `csms.domain.admission`.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Final, Protocol

from csms.credentials import TooBusy
from csms.domain import admission
from csms.domain.admission import Denial, Entry, Proof, Shown
from csms.domain.model import ChargePoint, RegistrationStatus
from csms.ocppj.attempts import Attempts, Buckets, Limit
from csms.ocppj.handshake import password_of
from csms.storage import charge_points
from csms.storage.errors import StorageError
from csms.storage.store import Store

CREDENTIALS: Final = "FailedToAuthenticateAtCentralSystem"  # types of the whitepaper, then ours
CERTIFICATE: Final = "InvalidChargePointCertificate"
PROFILE: Final = "WrongSecurityProfile"
RAISED: Final = "SecurityProfileRaised"
UNKNOWN: Final = "UnknownChargePoint"
GUESSING: Final = "TooManyFailedAttempts"

LOUD: Final = Limit(100, 1.0)  # refusals in the log; all are among the security events, counted
LINGER_S: Final = 0.05
MAX_LINGERING: Final = 64  # refusals that wait: sockets are dear, too
BUSY_S: Final = 5  # after which to come back, when too many passwords are checked

_logger: Final = logging.getLogger(__name__)


class Credentials(Protocol):
    """Checks passwords; slow checks must not block the event loop."""

    async def check(self, verifier: str, password: bytes, *, address: str) -> bool:
        """Tell whether the password that somebody sent is the right one."""


class ClientCertificates(Protocol):
    """Checks whose certificate it is; TLS has checked its chain and its dates."""

    async def refusal(self, der: bytes, charge_point: ChargePoint) -> str | None:
        """Return why the certificate is not this charge point's, None where it is."""


class SecurityEvents(Protocol):
    """Takes what an operator should know of."""

    def note(self, identity: str | None, type: str, detail: str, address: str | None) -> None:
        """Write an event down, soon; never waits and never fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who wants in.

    Attributes:
        address: without the port.
        authorization: the values of all Authorization headers.
        certificate: DER, verified by TLS; None where none was shown.
    """

    identity: str
    address: str
    is_tls: bool = False
    authorization: tuple[str, ...] = ()
    certificate: bytes | None = None

    def shown(self) -> bytes:
        """Return all it shows, to be compared with what it or another shows later."""
        texts = "\0".join(self.authorization).encode("utf-8", "surrogateescape")
        return b"\1".join((b"tls" if self.is_tls else b"", texts, self.certificate or b""))


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to somebody who must stay outside."""

    status: HTTPStatus
    reason: str
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Somebody who may come in.

    Attributes:
        charge_point: None until one that nobody registered is registered.
        profile: the security profile it came with.
    """

    visitor: Visitor
    charge_point: ChargePoint | None
    profile: int


class Door:
    """Lets charge points in.

    Args:
        unknown: None refuses an identity nobody registered, else it is registered with this status.
        lowest: the lowest security profile let in.
        certificates: None refuses every client certificate.
    """

    def __init__(
        self,
        *,
        store: Store,
        credentials: Credentials,
        now: Callable[[], datetime],
        unknown: RegistrationStatus | None = None,
        lowest: int = 0,
        certificates: ClientCertificates | None = None,
        events: SecurityEvents | None = None,
    ) -> None:
        self._store = store
        self._credentials = credentials
        self._now = now
        self._unknown = unknown
        self._lowest = lowest
        self._certificates = certificates
        self._events = events
        self._attempts = Attempts(now_s=monotonic)
        self._lingering = 0
        self._said = Buckets(LOUD)

    async def admit(self, visitor: Visitor) -> Admitted | Refusal:
        """Tell whether the visitor may come in; nothing about it is changed yet."""
        identity, address, shown = visitor.identity, visitor.address, visitor.shown()
        wait_s = self._attempts.begin(identity, address, shown)
        if wait_s > 0:
            self._note(visitor, GUESSING, "too many failed attempts", level=logging.DEBUG)
            await self._linger()
            return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many failed attempts", wait_s)
        try:
            answer = await self._admit(visitor)
        except BaseException as error:
            self._attempts.abandoned(identity, address, shown)
            if isinstance(error, StorageError):
                return self._cannot_tell(visitor, error)
            if isinstance(error, TooBusy):
                _logger.warning("%s: refused, too many passwords are checked", identity)
                return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "try again later", BUSY_S)
            raise
        if isinstance(answer, Refusal):
            self._attempts.failed(identity, address, shown)
        else:
            self._attempts.admitted(identity, address, shown, is_proof=answer.profile > 0)
        return answer

    def forgive(self, identity: str) -> None:
        """Forget failed attempts of an identity: an operator decided something about it."""
        self._attempts.forgive(identity)

    async def welcome(self, admitted: Admitted) -> Admitted | Refusal:
        """Write down what an admission means, once the handshake is known to be sound.

        A new charge point is registered. One that proved a higher profile has it from now on, and
        its old one is refused (CS-SEC-02).
        """
        try:
            if admitted.charge_point is None:
                return await self._register(admitted)
            if admitted.profile > admitted.charge_point.security_profile:
                return await self._raise(admitted, admitted.charge_point)
        except StorageError as error:
            return self._cannot_tell(admitted.visitor, error)
        return admitted

    async def is_still_right(self, admitted: Admitted, charge_point: ChargePoint) -> bool:
        """Tell whether what was admitted holds after something was decided about who may come in.

        Raises:
            StorageError: it cannot be told now.
            TooBusy: it cannot be told now.
        """
        if admitted.profile not in (
            charge_point.security_profile,
            charge_point.target_security_profile,
        ):
            return False
        visitor, was = admitted.visitor, admitted.charge_point
        if admitted.profile in admission.WITH_PASSWORD:
            is_same = was is not None and was.credential == charge_point.credential
            return is_same or await self._is_password_right(visitor, charge_point)
        if admitted.profile != 3 or visitor.certificate is None or self._certificates is None:
            return True
        return await self._certificates.refusal(visitor.certificate, charge_point) is None

    async def _admit(self, visitor: Visitor) -> Admitted | Refusal:
        charge_point = await self._store.read(partial(charge_points.get, identity=visitor.identity))
        if charge_point is None and self._unknown is None:
            self._note(visitor, UNKNOWN, "nobody registered this identity")
            return Refusal(HTTPStatus.NOT_FOUND, "unknown charge point")
        shown = Shown(
            is_tls=visitor.is_tls,
            has_password=bool(visitor.authorization),
            has_certificate=visitor.certificate is not None,
        )
        match admission.entry(charge_point, shown, lowest=self._lowest):
            case Denial.NO_PASSWORD:
                self._note(visitor, CREDENTIALS, "no password was sent")
                return Refusal(HTTPStatus.UNAUTHORIZED, "credentials are needed")
            case Denial.WRONG_PROFILE:
                self._note(visitor, PROFILE, _told(shown, charge_point))
                return Refusal(HTTPStatus.FORBIDDEN, "not with this security profile")
            case Entry(profile, proof):
                refusal = await self._prove(proof, visitor, charge_point)
                return refusal or Admitted(
                    visitor=visitor, charge_point=charge_point, profile=profile
                )

    async def _prove(
        self, proof: Proof, visitor: Visitor, charge_point: ChargePoint | None
    ) -> Refusal | None:
        if proof is Proof.NOTHING:
            return None
        if charge_point is None:
            raise AssertionError("nothing can be proven to be an unknown charge point's")
        if proof is Proof.PASSWORD:
            if not await self._is_password_right(visitor, charge_point):
                self._note(visitor, CREDENTIALS, "wrong credentials")
                return Refusal(HTTPStatus.UNAUTHORIZED, "wrong credentials")
            return None
        reason: str | None = "client certificates are not checked here"
        if self._certificates is not None and visitor.certificate is not None:
            reason = await self._certificates.refusal(visitor.certificate, charge_point)
        if reason is None:
            return None
        self._note(visitor, CERTIFICATE, reason)
        return Refusal(HTTPStatus.FORBIDDEN, "this certificate is not this charge point's")

    async def _is_password_right(self, visitor: Visitor, charge_point: ChargePoint) -> bool:
        password = password_of(visitor.authorization, visitor.identity)
        verifier = charge_point.credential
        if password is None or verifier is None:
            return False
        return await self._credentials.check(verifier, password, address=visitor.address)

    async def _register(self, admitted: Admitted) -> Admitted:
        if self._unknown is None:
            raise AssertionError("an unknown charge point was admitted")
        charge_point = await self._store.write(
            partial(
                charge_points.register,
                identity=admitted.visitor.identity,
                at=self._now(),
                registration=self._unknown,
            )
        )
        _logger.info("%s: registered as %s", charge_point.identity, charge_point.registration)
        return replace(admitted, charge_point=charge_point)

    async def _raise(self, admitted: Admitted, was: ChargePoint) -> Admitted | Refusal:
        charge_point = await self._store.write(
            partial(
                charge_points.raise_profile,
                identity=was.identity,
                was=was.security_profile,
                to=admitted.profile,
            )
        )
        if charge_point is None or charge_point.security_profile != admitted.profile:
            return Refusal(HTTPStatus.FORBIDDEN, "not with this security profile")
        detail = f"from {was.security_profile} to {admitted.profile}"
        _logger.info("%s: security profile raised %s", was.identity, detail)
        if self._events is not None:
            self._events.note(was.identity, RAISED, detail, admitted.visitor.address)
        return replace(admitted, charge_point=charge_point)

    async def _linger(self) -> None:
        """Keep who guesses waiting: each attempt costs us a handshake, and others its time."""
        if self._lingering >= MAX_LINGERING:
            return
        self._lingering += 1
        try:
            await asyncio.sleep(LINGER_S)
        finally:
            self._lingering -= 1

    def _note(
        self, visitor: Visitor, event: str, detail: str, *, level: int = logging.WARNING
    ) -> None:
        if level > logging.DEBUG:  # whoever likes could fill a disk
            now_s = monotonic()
            if self._said.wait_s(None, now_s) > 0:
                level = logging.DEBUG
            else:
                self._said.fill(None, now_s)
        _logger.log(level, "%s: refused, %s", visitor.identity, detail)
        if self._events is not None:
            self._events.note(visitor.identity, event, detail, visitor.address)

    def _cannot_tell(self, visitor: Visitor, error: StorageError) -> Refusal:
        _logger.error("%s: refused, the database: %s", visitor.identity, error)
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "try again later", retry_after_s=1)


def _told(shown: Shown, charge_point: ChargePoint | None) -> str:
    """Tell an operator how somebody came, and how he should have come."""
    how = "over TLS" if shown.is_tls else "without TLS"
    if shown.is_tls and not shown.has_certificate:
        how += " without a certificate"
    wanted = 0 if charge_point is None else charge_point.security_profile
    return f"it came {how}, its security profile is {wanted}"
