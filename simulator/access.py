"""How a charge point gets in at its CSMS: security profile, password, certificate, trusted roots.

Spec: OCPP 1.6 security white paper ed. 3, A01, A02, A05. What is shown at the door follows from the
configuration keys; new credentials are tried, and given up for the old ones where they fail.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from simulator.certificate_store import CertificateStore, CertificateType
from simulator.clock import Moment
from simulator.errors import RefusalKind
from simulator.outputs import Credential, Hangup, UseCredentials
from simulator.security_events import SecurityEvents
from simulator.wire import Wire

HIGHEST_PROFILE: Final = 3
WITH_PASSWORD: Final = (1, 2)
WITH_TLS: Final = (2, 3)
WITH_CERTIFICATE: Final = (3,)
NEW_CREDENTIAL_TRIES: Final = 3  # the standard wants a fall-back and leaves its time to us

_HTTP_UNAUTHORIZED: Final = 401
_HTTP_FORBIDDEN: Final = 403


class PasswordEncoding(StrEnum):
    """How an AuthorizationKey becomes the password of Basic auth; both are met in the field."""

    RAW_FROM_HEX = "raw_from_hex"
    HEX_TEXT = "hex_text"


@dataclass(frozen=True, slots=True)
class _Proven:
    """What the CSMS took last."""

    profile: str
    authorization_key: str
    certificate: Credential | None


class Access:
    """What one charge point shows at the door.

    Attributes:
        certificate: of the charge point itself.
    """

    def __init__(
        self,
        wire: Wire,
        store: CertificateStore,
        events: SecurityEvents,
        *,
        password: bytes | None,
        password_encoding: PasswordEncoding,
        certificate: Credential | None,
        profiles: Collection[int],
        tries: int,
        reconnects_at_once: bool,
    ) -> None:
        """Begin with what the endpoint of the shell shows already.

        Args:
            password: what it is while there is no AuthorizationKey.
            profiles: those there is an endpoint for.
            tries: so many refusals in a row end the trial of new credentials.
            reconnects_at_once: new credentials end the connection; else they wait for its end.
        """
        self.certificate = certificate
        self._wire = wire
        self._store = store
        self._events = events
        self._password = password
        self._encoding = password_encoding
        self._profiles = profiles
        self._tries = tries
        self._reconnects_at_once = reconnects_at_once
        self._shown = self._wanted()
        self._proven = self._state()
        self._is_trying = False
        self._refusals = 0

    @property
    def profile(self) -> int:
        """The security profile."""
        return self._wire.keys.integer("SecurityProfile")

    @property
    def has_password(self) -> bool:
        """Whether profiles 1 and 2 are possible."""
        return self._password is not None or bool(self._wire.keys.text("AuthorizationKey"))

    def objection(self, profile: int) -> str:
        """Return why the security profile cannot become this one, nothing where it can (A05)."""
        if profile <= self.profile:
            return f"it is {self.profile} already, and only ever rises"
        if profile not in self._profiles:
            return "there is no address for it"
        if profile in WITH_PASSWORD and not self.has_password:
            return "there is no AuthorizationKey"
        if profile in WITH_TLS and not self._store.roots(CertificateType.CENTRAL_SYSTEM):
            return "there is no root certificate of the Central System"
        if profile in WITH_CERTIFICATE and self.certificate is None:
            return "there is no charge point certificate"
        return ""

    def follow(self, *, hangs_up: bool = True) -> None:
        """Show from the next connection on what the keys say now; begin that one, if it matters.

        Args:
            hangs_up: reconnect for it, unless the charge point is set not to.
        """
        wanted = self._wanted()
        if wanted == self._shown:
            return
        is_other_at_the_door = replace(wanted, roots_pem=self._shown.roots_pem) != self._shown
        self._shown = wanted
        self._wire.outputs.append(wanted)
        if is_other_at_the_door:
            self._is_trying = True
            self._refusals = 0
            if hangs_up and self._reconnects_at_once and self._wire.is_connected:
                self._wire.outputs.append(Hangup())

    def connected(self) -> None:
        """Take note that the CSMS let us in: what was new is proven."""
        self._is_trying = False
        self._proven = self._state()

    def refused(self, kind: str, status: int | None, alert: str, now: Moment) -> None:
        """Take note that no connection came about; after some tries go back to what was proven."""
        event = _event_of(kind, status, alert)
        if event:
            self._events.note(event, now, alert or f"{kind} {status or ''}".strip())
        if not self._is_trying:
            return
        self._refusals += 1
        if self._refusals < self._tries:
            return
        keys = self._wire.keys
        # Back to what was shown then; what was not shown has not failed.
        keys.set("SecurityProfile", self._proven.profile)
        if self.profile in WITH_PASSWORD:
            keys.set("AuthorizationKey", self._proven.authorization_key)
        if self.profile in WITH_CERTIFICATE:
            self.certificate = self._proven.certificate
        self._wire.notice(f"New credentials refused {self._refusals} times: back to the old ones")
        self.follow(hangs_up=False)
        self._is_trying = False

    def _state(self) -> _Proven:
        keys = self._wire.keys
        return _Proven(
            keys.text("SecurityProfile"), keys.text("AuthorizationKey"), self.certificate
        )

    def _wanted(self) -> UseCredentials:
        profile = self.profile
        return UseCredentials(
            security_profile=profile,
            password=self._basic_password() if profile in WITH_PASSWORD else None,
            certificate=self.certificate if profile in WITH_CERTIFICATE else None,
            roots_pem=(
                self._store.pems(CertificateType.CENTRAL_SYSTEM) if profile in WITH_TLS else ()
            ),
        )

    def _basic_password(self) -> bytes | None:
        key = self._wire.keys.text("AuthorizationKey")
        if not key:
            return self._password
        match self._encoding:
            case PasswordEncoding.RAW_FROM_HEX:
                return bytes.fromhex(key)
            case PasswordEncoding.HEX_TEXT:
                return key.encode()


def _event_of(kind: str, status: int | None, alert: str) -> str:
    """Return the security event that a refusal is (A00), nothing where it is none."""
    if kind == RefusalKind.NOT_TRUSTED:
        return "InvalidCentralSystemCertificate"
    if kind == RefusalKind.ALERT:
        return {
            "protocol_version": "InvalidTLSVersion",
            "handshake_failure": "InvalidTLSCipherSuite",
            "insufficient_security": "InvalidTLSCipherSuite",
        }.get(alert, "FailedToAuthenticateAtCentralSystem")
    if status in (_HTTP_UNAUTHORIZED, _HTTP_FORBIDDEN):
        return "FailedToAuthenticateAtCentralSystem"
    return ""
