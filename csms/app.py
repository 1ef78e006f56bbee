"""The Central System as one running program: storage, OCPP server and HTTP API in one event loop.

Start: storage, then the listeners; a failure ends what was started. End, on SIGTERM or SIGINT:
no new connections, close 1001 to charge points, answers to requests under way, everything
flushed, all within `EXIT_WITHIN_S`; a second signal ends at once.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final, cast

from sqlalchemy import make_url

from csms.config import Settings
from csms.credentials import CredentialChecker, Encoding
from csms.domain.model import RegistrationStatus
from csms.files.ftp_server import FtpSettings
from csms.files.vault import Vault
from csms.ocppj.handlers import Handlers, HandlerSettings
from csms.ocppj.server import OcppServer, OcppSettings
from csms.ocppj.tls import (
    CertificateFiles,
    LiveContext,
    TlsError,
    charge_point_context,
    web_context,
)
from csms.ocppj.trigger_watch import TriggerWatch
from csms.operations.authorization_key import AuthorizationKeyEffect, SettlingChecker
from csms.operations.capabilities import GetConfigurationEffect
from csms.operations.certificate_signing import CertificateSignedEffect, CertificateSigning
from csms.operations.certificate_tasks import CertificateTasks
from csms.operations.charging_profiles import ChargingProfileEffect
from csms.operations.client_certificates import ClientCertificateCheck
from csms.operations.commanding import Commanding, Effect
from csms.operations.configuration import ChangeConfigurationEffect
from csms.operations.file_jobs import EVERYWHERE, FileSettings, NoAddress
from csms.operations.firmware import FirmwareUpdates
from csms.operations.ftp_door import ftp_root
from csms.operations.installed_certificates import (
    DeleteCertificateEffect,
    GetInstalledCertificateIdsEffect,
    InstallCertificateEffect,
)
from csms.operations.listener_tls import ListenerTls
from csms.operations.local_lists import (
    GetLocalListVersionEffect,
    LocalLists,
    SendLocalListEffect,
)
from csms.operations.locks import Locks
from csms.operations.recording import settle_interrupted
from csms.operations.reservations import (
    CancelReservationEffect,
    ReservationExpiry,
    Reservations,
    ReserveNowEffect,
)
from csms.operations.security_profile import SecurityProfileEffect
from csms.operations.triggers import TriggerMessageEffect
from csms.operations.uploads import Uploads
from csms.pki.authority import CertificateAuthority, SignatureForm
from csms.pki.key_files import PkiError
from csms.storage import api_tokens, charge_points, file_jobs
from csms.storage.firmware import stored_names as stored_firmware
from csms.storage.noticed_events import SecurityEvents
from csms.storage.store import Store
from csms.web.api import create_api
from csms.web.http_server import HttpServer
from csms.web.services import Services

EXIT_WITHIN_S: Final = 4.5  # issue and service managers allow 5
OCPP_PATH: Final = "/ocpp"
OPEN_FILES: Final = 65_536  # wanted
GARBAGE_THRESHOLD: Final = 20_000  # container objects; Python's default is 700

_logger: Final = logging.getLogger(__name__)


class CannotStart(Exception):
    """The operator has to put something right first; the message says what."""


def run(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: what the operator wants.
        announce: takes the lines that tell where we listen, once we do.

    Raises:
        CannotStart: a listener's address cannot be used.
        StorageError: the database cannot be used.
    """
    _allow_many_files()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, announce))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, announce: Callable[[str], None]) -> None:
    ending = asyncio.Event()
    watchdog = threading.Timer(EXIT_WITHIN_S, _give_up)
    watchdog.daemon = True

    def end(number: signal.Signals) -> None:
        if ending.is_set():
            _logger.warning("second signal: ending at once")
            os._exit(1)
        _logger.info("%s: ending", number.name)
        watchdog.start()
        ending.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    async with central_system(settings) as system:
        _calm_collector()
        for line in system.start_lines():
            announce(line)
        await ending.wait()
    _logger.info("ended")
    watchdog.cancel()


def _allow_many_files() -> None:
    """Take as many descriptors as we may: each connection is one, and shells begin with 1024."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _calm_collector() -> None:
    """Look for garbage seldom, and not among what stays: a fifth of the time of a Heartbeat.

    Messages are freed by reference counting; only cycles wait for the collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 100)


def _give_up() -> None:
    """End although something hangs (a disk, say): what was acknowledged is stored already."""
    _logger.error("not everything could be ended in %g s; giving up", EXIT_WITHIN_S)
    logging.shutdown()
    os._exit(1)


class CentralSystem:
    """A started Central System."""

    def __init__(
        self,
        settings: Settings,
        ocpp: OcppServer,
        http: HttpServer,
        security_events: SecurityEvents,
        *,
        has_tokens: bool,
        has_charge_points: bool,
    ) -> None:
        self._settings = settings
        self.ocpp = ocpp
        self.http = http
        self.security_events = security_events
        self._has_tokens = has_tokens
        self._has_charge_points = has_charge_points

    @property
    def ocpp_url(self) -> str:
        """Where charge points connect; their identity is appended."""
        return f"ws://{_authority(self._settings.ocpp_host, self.ocpp.port)}{OCPP_PATH}"

    @property
    def tls_url(self) -> str | None:
        """Where charge points connect over TLS."""
        if not self.ocpp.has_tls:
            return None
        return f"wss://{_authority(self._settings.tls_host, self.ocpp.tls_port)}{OCPP_PATH}"

    @property
    def http_url(self) -> str:
        """Where the HTTP API is."""
        return f"{_http_scheme(self._settings)}://" + _authority(
            self._settings.http_host, self.http.port
        )

    def start_lines(self) -> list[str]:
        """Tell where we listen, what each listener demands, and what is open."""
        unknown = self._settings.unknown_charge_points
        charge_points = (
            "unknown identities are refused"
            if unknown == "refuse"
            else f"unknown identities are registered as {unknown}"
        )
        match self.ocpp.lowest_security_profile:
            case 0:
                demands = "charge points for which no key or password is set may connect without"
            case 1:
                demands = "a key or password is required"
            case lowest:
                demands = f"everyone is refused, since the lowest security profile is {lowest}"
        api = (
            "a bearer token is required"
            if self._has_tokens
            else "every call is refused: there is no token yet, `csms token add NAME` makes one"
        )
        encrypted = "TLS" if self._settings.http_tls else "not encrypted"
        lines = [
            f"OCPP-J listens on {self.ocpp_url} ({charge_points}; {demands}; not encrypted)",
            f"HTTP API listens on {self.http_url}/api/v1 ({api}; {encrypted})",
        ]
        if self.tls_url is not None:
            passwords = "" if self.ocpp.lowest_security_profile == 3 else "a key or password, or "
            lines.append(
                f"OCPP-J over TLS listens on {self.tls_url} ({charge_points};"
                f" {passwords}a client certificate is required)"
            )
        if not self._has_charge_points and unknown == "refuse":
            lines.append(
                "No charge point is registered yet: PUT"
                f" {self.http_url}/api/v1/charge-points/IDENTITY registers one"
            )
        return lines


@contextlib.asynccontextmanager
async def central_system(settings: Settings) -> AsyncIterator[CentralSystem]:
    """Run a Central System while the context lasts.

    Raises:
        CannotStart: a listener's address cannot be used.
        StorageError: the database cannot be used.
    """
    store = Store.open(
        settings.database,
        message_log_age=timedelta(days=settings.message_log_days),
        message_log_bytes=settings.message_log_megabytes * 1_000_000,
        is_served=True,
    )
    try:
        files = await _open_files(settings, store)
        file_settings = _file_settings(settings)

        def base_url() -> str:
            if settings.public_url is not None:
                return settings.public_url
            if settings.http_host in EVERYWHERE:
                raise NoAddress("set public_url: how do charge points reach us?")
            return f"{_http_scheme(settings)}://{_authority(settings.http_host, http.port)}"

        firmware = FirmwareUpdates(store, files, file_settings, base_url=base_url, now=_now)
        uploads = Uploads(store, files, file_settings, base_url=base_url, now=_now)
        await settle_interrupted(store, at=_now())
        events = SecurityEvents(store, _now)
        trigger_watch = TriggerWatch()
        expiry = ReservationExpiry(store, _now)
        credentials = CredentialChecker(encoding=_password_encoding(settings))
        authority = CertificateAuthority(
            _ca_directory(settings),
            now=_now,
            organisation=settings.cpo_name,
            signature=SignatureForm(settings.certificate_signature),
            life=timedelta(days=settings.certificate_days),
        )
        signing = CertificateSigning(
            store,
            authority,
            events,
            _now,
            checks_names=settings.csr_names == "check",
            organisation=settings.cpo_name,
        )
        await _check_authority(authority)
        listener_tls = _listener_tls(settings, authority)
        tls, web_tls = await _contexts(settings, listener_tls)
        ocpp = OcppServer(
            settings=_ocpp_settings(settings),
            store=store,
            handlers=Handlers(
                store,
                settings=_handler_settings(settings),
                now=_now,
                triggers=trigger_watch,
                certificates=signing,
            ),
            credentials=SettlingChecker(credentials, store),
            now=_now,
            tls=tls,
            certificates=ClientCertificateCheck(
                store,
                authority,
                _now,
                trusts_others=settings.tls_client_ca is not None,
                organisation=settings.cpo_name,
            ),
            events=events,
        )
        credential_locks, list_locks, reservation_locks = Locks(), Locks(), Locks()
        root_locks = Locks()
        profiles = ChargingProfileEffect(store, _now)
        effects: dict[str, Effect] = {
            "CancelReservation": CancelReservationEffect(store, reservation_locks, _now),
            "ChangeConfiguration": ChangeConfigurationEffect(
                {
                    "AuthorizationKey": AuthorizationKeyEffect(store, credential_locks, _now),
                    "SecurityProfile": SecurityProfileEffect(
                        store, credential_locks, _now, has_tls=ocpp.has_tls
                    ),
                }
            ),
            "CertificateSigned": CertificateSignedEffect(store, _now),
            "ClearChargingProfile": profiles,
            "DeleteCertificate": DeleteCertificateEffect(store, root_locks, _now),
            "ExtendedTriggerMessage": TriggerMessageEffect(store, trigger_watch, _now),
            "GetInstalledCertificateIds": GetInstalledCertificateIdsEffect(store, root_locks, _now),
            "InstallCertificate": InstallCertificateEffect(store, root_locks, _now),
            "RemoteStartTransaction": profiles,
            "SetChargingProfile": profiles,
            "GetConfiguration": GetConfigurationEffect(store, _now),
            "GetLocalListVersion": GetLocalListVersionEffect(store, list_locks, _now),
            "ReserveNow": ReserveNowEffect(store, reservation_locks, expiry, _now),
            "SendLocalList": SendLocalListEffect(store, list_locks, _now),
            "TriggerMessage": TriggerMessageEffect(store, trigger_watch, _now),
            **firmware.effects,
            **uploads.effects,
        }
        commanding = Commanding(ocpp.commands, effects)
        services = Services(
            store=store,
            ocpp=ocpp,
            authority=authority,
            certificate_signing=signing,
            certificate_tasks=_certificate_tasks(settings, store, authority),
            commanding=commanding,
            credentials=credentials,
            credential_locks=credential_locks,
            files=files,
            firmware=firmware,
            local_lists=LocalLists(store, commanding, _now),
            now=_now,
            reservations=Reservations(store, commanding, _now),
            security_events=events,
            uploads=uploads,
        )
        api = create_api(services, api_token=settings.api_token)
        http = HttpServer(api, host=settings.http_host, port=settings.http_port, tls=web_tls)
        has_tokens = settings.api_token is not None or any(
            token.revoked_at is None for token in await store.read(api_tokens.everything)
        )
        has_charge_points = bool(await store.read(partial(charge_points.page, limit=1)))
        try:
            await signing.start(commanding)
            await _start_listener(
                http.start, "http", "HTTP API", settings.http_host, settings.http_port
            )
            await _start_listener(
                ocpp.start, "ocpp", "OCPP-J", settings.ocpp_host, settings.ocpp_port
            )
            await _start_listener(
                ocpp.start_tls, "tls", "OCPP-J over TLS", settings.tls_host, settings.tls_port
            )
            await uploads.start()
            await expiry.start()
            services.is_serving.set()
            yield CentralSystem(
                settings,
                ocpp,
                http,
                events,
                has_tokens=has_tokens,
                has_charge_points=has_charge_points,
            )
        finally:
            services.is_serving.clear()
            await asyncio.gather(ocpp.close(), http.close(), uploads.close())
            await signing.close()
            await expiry.close()
            await listener_tls.close()
            await events.close()
    finally:
        await store.close()


async def _open_files(settings: Settings, store: Store) -> Vault:
    """Open the directory of files, and put right what a sudden end may have left.

    Raises:
        CannotStart: it cannot be used.
    """
    vault = Vault(_file_settings(settings).directory)
    try:
        await asyncio.to_thread(vault.open)
        ftp_root(vault.directory).mkdir(mode=0o700, exist_ok=True)
        await store.write(partial(file_jobs.settle_interrupted, at=_now()))
        known = await store.read(file_jobs.stored_names) | await store.read(stored_firmware)
        await asyncio.to_thread(vault.sweep, known)
    except OSError as error:
        raise CannotStart(
            f"the directory {vault.directory} cannot be used: {error.strerror or error};"
            " set --files-directory to one that can be written"
        ) from None
    return vault


async def _start_listener(
    start: Callable[[], Awaitable[None]], prefix: str, name: str, host: str, port: int | None
) -> None:
    try:
        await start()
    except OSError as error:
        raise CannotStart(
            f"{name} cannot listen on {host}:{port}: {error.strerror or error};"
            f" set --{prefix}-host or --{prefix}-port to an address that is free"
        ) from None


def _listener_tls(settings: Settings, authority: CertificateAuthority) -> ListenerTls:
    """Read which files of certificates the operator gave.

    Raises:
        CannotStart: a certificate without its key, or the other way round.
    """
    given = []
    for kind in ("", "ec_"):
        chain: str | None = getattr(settings, f"tls_{kind}certificate")
        key: str | None = getattr(settings, f"tls_{kind}key")
        if (chain is None) != (key is None):
            raise CannotStart(f"set both tls_{kind}certificate and tls_{kind}key, or neither")
        if chain is not None and key is not None:
            given.append(CertificateFiles(Path(chain).absolute(), Path(key).absolute()))
    client_ca = None if settings.tls_client_ca is None else Path(settings.tls_client_ca).absolute()
    if client_ca is not None and not client_ca.is_file():  # later it may vanish: nobody is trusted
        raise CannotStart(f"tls_client_ca: there is no file {client_ca}")
    return ListenerTls(authority, given=given, names=settings.tls_names, client_ca=client_ca)


async def _contexts(
    settings: Settings, certificates: ListenerTls
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """Return the TLS of charge points and that of the HTTP API, where they are wanted.

    Raises:
        CannotStart: a file or a name cannot be used.
    """
    if settings.tls_port is None and not settings.http_tls:
        return None, None
    try:
        files = await certificates.start()
        has_tls = settings.tls_port is not None
        tls = LiveContext(files, charge_point_context).context if has_tls else None
        web_tls = LiveContext(files, web_context).context if settings.http_tls else None
    except (PkiError, TlsError) as error:
        raise CannotStart(str(error)) from None
    except OSError as error:
        raise CannotStart(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise CannotStart(f"tls_names: {error}") from None
    return tls, web_tls


def _password_encoding(settings: Settings) -> Encoding:
    return cast(Encoding, settings.password_encoding)  # one of its choices


def _ca_directory(settings: Settings) -> Path:
    return Path(settings.ca_directory or f"{make_url(settings.database).database}.ca").absolute()


async def _check_authority(authority: CertificateAuthority) -> None:
    """Find out now, not when the first certificate is asked for, that keys cannot be used.

    Raises:
        CannotStart: the operator has to do something.
    """
    try:
        await asyncio.to_thread(authority.roots)
    except PkiError as error:
        raise CannotStart(str(error)) from None


def _certificate_tasks(
    settings: Settings, store: Store, authority: CertificateAuthority
) -> CertificateTasks:
    given = (settings.tls_certificate, settings.tls_ec_certificate)
    return CertificateTasks(
        store,
        authority,
        _now,
        given=[Path(path) for path in given if path is not None],
        client_ca=None if settings.tls_client_ca is None else Path(settings.tls_client_ca),
    )


def _http_scheme(settings: Settings) -> str:
    return "https" if settings.http_tls else "http"


def _ocpp_settings(settings: Settings) -> OcppSettings:
    unknown = settings.unknown_charge_points
    return OcppSettings(
        host=settings.ocpp_host,
        port=settings.ocpp_port,
        unknown_charge_points=None if unknown == "refuse" else RegistrationStatus(unknown),
        tls_host=settings.tls_host,
        tls_port=settings.tls_port,
        lowest_security_profile=_lowest_profile(settings),
        subprotocol_mismatch="close" if settings.subprotocol_mismatch == "close" else "reject",
        max_frame_bytes=settings.max_frame_bytes,
        send_buffer_bytes=settings.send_buffer_bytes,
        ping_interval_s=settings.ping_interval_s,
        ping_timeout_s=settings.ping_timeout_s,
        response_timeout_s=settings.response_timeout_s,
    )


def _lowest_profile(settings: Settings) -> int:
    """Return the lowest security profile let in: an open door is for this machine alone."""
    if settings.lowest_security_profile is not None:
        return settings.lowest_security_profile
    return 0 if _is_loopback(settings.ocpp_host) else 1


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _file_settings(settings: Settings) -> FileSettings:
    directory = settings.files_directory or f"{make_url(settings.database).database}.files"
    return FileSettings(
        directory=Path(directory).absolute(),
        public_url=settings.public_url,
        max_firmware_bytes=settings.firmware_megabytes * 1_000_000,
        max_diagnostics_bytes=settings.diagnostics_megabytes * 1_000_000,
        window=timedelta(seconds=settings.transfer_window_s),
        ftp=FtpSettings(
            host=settings.ftp_host,
            port=settings.ftp_port,
            passive_ports=settings.ftp_passive_ports,
            announced_address=settings.ftp_announced_address,
        ),
    )


def _handler_settings(settings: Settings) -> HandlerSettings:
    return HandlerSettings(
        heartbeat_interval_s=settings.heartbeat_interval_s,
        boot_retry_interval_s=settings.boot_retry_interval_s,
        allow_concurrent_transactions=settings.concurrent_transactions == "allow",
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
