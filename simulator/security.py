"""The security extension of one charge point, put together.

Spec: OCPP 1.6 security white paper ed. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypedDict

from simulator.access import HIGHEST_PROFILE, NEW_CREDENTIAL_TRIES, Access, PasswordEncoding
from simulator.certificate_store import CertificateStore
from simulator.certificates import HashAlgorithm, Refusals
from simulator.clock import Moment
from simulator.outputs import Credential, KeyType
from simulator.renewal import Renewal
from simulator.security_events import SecurityEvents
from simulator.wire import Wire


class SecurityOptions(TypedDict, total=False):
    """What a charge point may be told about its security; `Security` says what each means."""

    password: bytes | None
    password_encoding: str
    certificate: Credential | None
    central_system_roots: Iterable[str]
    manufacturer_roots: Iterable[str]
    security_profiles: Iterable[int]
    key_type: KeyType
    hash_algorithm: HashAlgorithm
    needs_known_issuer: bool
    signed_firmware_only: bool
    reconnects_at_once: bool
    new_credential_tries: int
    pushes: Collection[str] | None


class Security:
    """The parts, and what happens to all of them at once.

    Attributes:
        refusals: what somebody arranged for the next certificates.
        signed_firmware_only: UpdateFirmware is answered NotSupported.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        common_name: Callable[[], str],
        speaks: Callable[[], bool],
        numbers: Iterator[int],
        password: bytes | None = None,
        password_encoding: str = PasswordEncoding.RAW_FROM_HEX,
        certificate: Credential | None = None,
        central_system_roots: Iterable[str] = (),
        manufacturer_roots: Iterable[str] = (),
        security_profiles: Iterable[int] = range(HIGHEST_PROFILE + 1),
        key_type: KeyType = KeyType.RSA,
        hash_algorithm: HashAlgorithm = HashAlgorithm.SHA256,
        needs_known_issuer: bool = False,
        signed_firmware_only: bool = False,
        reconnects_at_once: bool = True,
        new_credential_tries: int = NEW_CREDENTIAL_TRIES,
        pushes: Collection[str] | None = None,
    ) -> None:
        """Begin with what the charge point left its factory with.

        Args:
            common_name: what its certificate is for.
            speaks: whether it says anything by itself.
            numbers: a fresh one for every job of the shell.
            password: of Basic auth while there is no AuthorizationKey.
            password_encoding: how an AuthorizationKey becomes the password.
            certificate: of the charge point itself.
            central_system_roots: PEM texts of the roots it trusts its CSMS by.
            manufacturer_roots: PEM texts; with any, firmware must come from one of them.
            security_profiles: those it has an address for.
            key_type: of the key pairs it makes.
            hash_algorithm: what it names root certificates by.
            needs_known_issuer: a certificate made for it must come from an installed root.
            signed_firmware_only: it installs no other.
            reconnects_at_once: new credentials end the connection; else they wait for its end.
            new_credential_tries: after so many refusals in a row it returns to the old ones.
            pushes: types of security events that are told; None for those the standard wants, the
                critical ones from security profile 1 on.

        Raises:
            LocalProtocolError: a root that cannot be read.
        """
        self.events = SecurityEvents(wire, pushes=pushes, speaks=speaks)
        self.store = CertificateStore(
            wire.keys,
            hash_algorithm=hash_algorithm,
            central_system_roots=central_system_roots,
            manufacturer_roots=manufacturer_roots,
        )
        self.access = Access(
            wire,
            self.store,
            self.events,
            password=password,
            password_encoding=PasswordEncoding(password_encoding),
            certificate=certificate,
            profiles=frozenset(security_profiles),
            tries=new_credential_tries,
            reconnects_at_once=reconnects_at_once,
        )
        self.renewal = Renewal(
            wire,
            self.access,
            self.store,
            key_type=key_type,
            common_name=common_name,
            needs_known_issuer=needs_known_issuer,
            numbers=numbers,
        )
        self.refusals = Refusals()
        self.signed_firmware_only = signed_firmware_only

    def pump(self, now: Moment) -> None:
        """Tell what waits, if there is somebody to tell it to."""
        self.events.pump(now)
        self.renewal.pump()
