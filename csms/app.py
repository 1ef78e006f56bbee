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
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from csms.config import Settings
from csms.credentials import CredentialChecker
from csms.domain.model import RegistrationStatus
from csms.files.ftp_server import FtpSettings
from csms.files.vault import Vault
from csms.ocppj.handlers import Handlers, HandlerSettings
from csms.ocppj.server import OcppServer, OcppSettings
from csms.ocppj.trigger_watch import TriggerWatch
from csms.operations.authorization_key import AuthorizationKeyEffect, SettlingChecker
from csms.operations.capabilities import GetConfigurationEffect
from csms.operations.charging_profiles import ChargingProfileEffect
from csms.operations.commanding import Commanding, Effect
from csms.operations.file_jobs import EVERYWHERE, FileSettings, NoAddress
from csms.operations.firmware import FirmwareUpdates
from csms.operations.ftp_door import ftp_root
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
from csms.operations.triggers import TriggerMessageEffect
from csms.operations.uploads import Uploads
from csms.storage import api_tokens, file_jobs
from csms.storage.firmware import stored_names as stored_firmware
from csms.storage.noticed_events import SecurityEvents
from csms.storage.store import Store
from csms.web.api import create_api
from csms.web.http_server import HttpServer
from csms.web.services import Services

EXIT_WITHIN_S: Final = 4.5  # issue and service managers allow 5
OCPP_PATH: Final = "/ocpp"
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
    ) -> None:
        self._settings = settings
        self.ocpp = ocpp
        self.http = http
        self.security_events = security_events
        self._has_tokens = has_tokens

    @property
    def ocpp_url(self) -> str:
        """Where charge points connect; their identity is appended."""
        return f"ws://{_authority(self._settings.ocpp_host, self.ocpp.port)}{OCPP_PATH}"

    @property
    def http_url(self) -> str:
        """Where the HTTP API is."""
        return f"http://{_authority(self._settings.http_host, self.http.port)}"

    def start_lines(self) -> list[str]:
        """Tell where we listen and who may come in."""
        unknown = self._settings.unknown_charge_points
        charge_points = (
            "unknown identities are refused"
            if unknown == "refuse"
            else f"unknown identities are registered as {unknown}"
        )
        without = (
            "a key or password is required"
            if _lowest_profile(self._settings)
            else "charge points for which no key or password is set may connect without"
        )
        api = (
            "a bearer token is required"
            if self._has_tokens
            else "every call is refused: there is no token yet, `csms token add NAME` makes one"
        )
        return [
            f"OCPP-J listens on {self.ocpp_url} ({charge_points}; {without}; not encrypted)",
            f"HTTP API listens on {self.http_url}/api/v1 ({api}; not encrypted)",
        ]


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
            return f"http://{_authority(settings.http_host, http.port)}"

        firmware = FirmwareUpdates(store, files, file_settings, base_url=base_url, now=_now)
        uploads = Uploads(store, files, file_settings, base_url=base_url, now=_now)
        await settle_interrupted(store, at=_now())
        events = SecurityEvents(store, _now)
        trigger_watch = TriggerWatch()
        expiry = ReservationExpiry(store, _now)
        credentials = CredentialChecker()
        ocpp = OcppServer(
            settings=_ocpp_settings(settings),
            store=store,
            handlers=Handlers(
                store, settings=_handler_settings(settings), now=_now, triggers=trigger_watch
            ),
            credentials=SettlingChecker(credentials, store),
            now=_now,
            events=events,
        )
        credential_locks, list_locks, reservation_locks = Locks(), Locks(), Locks()
        profiles = ChargingProfileEffect(store, _now)
        effects: dict[str, Effect] = {
            "CancelReservation": CancelReservationEffect(store, reservation_locks, _now),
            "ChangeConfiguration": AuthorizationKeyEffect(store, credential_locks, _now),
            "ClearChargingProfile": profiles,
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
        http = HttpServer(api, host=settings.http_host, port=settings.http_port)
        has_tokens = settings.api_token is not None or any(
            token.revoked_at is None for token in await store.read(api_tokens.everything)
        )
        try:
            await _start_listener(
                http.start, "http", "HTTP API", settings.http_host, settings.http_port
            )
            await _start_listener(
                ocpp.start, "ocpp", "OCPP-J", settings.ocpp_host, settings.ocpp_port
            )
            await uploads.start()
            await expiry.start()
            services.is_serving.set()
            yield CentralSystem(settings, ocpp, http, events, has_tokens=has_tokens)
        finally:
            services.is_serving.clear()
            await asyncio.gather(ocpp.close(), http.close(), uploads.close())
            await expiry.close()
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
    start: Callable[[], object], prefix: str, name: str, host: str, port: int
) -> None:
    try:
        await start()  # type: ignore[misc]
    except OSError as error:
        raise CannotStart(
            f"{name} cannot listen on {host}:{port}: {error.strerror or error};"
            f" set --{prefix}-host or --{prefix}-port to an address that is free"
        ) from None


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
