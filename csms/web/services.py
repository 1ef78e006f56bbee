"""What the routes work with, and how they get it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request

from csms.credentials import CredentialChecker
from csms.domain.model import ChargePoint
from csms.files.vault import Vault
from csms.ocppj.server import OcppServer
from csms.operations.certificate_signing import CertificateSigning
from csms.operations.certificate_tasks import CertificateTasks
from csms.operations.commanding import Commanding
from csms.operations.firmware import FirmwareUpdates
from csms.operations.local_lists import LocalLists
from csms.operations.locks import Locks
from csms.operations.reservations import Reservations
from csms.operations.uploads import Uploads
from csms.pki.authority import CertificateAuthority
from csms.storage import charge_points
from csms.storage.noticed_events import SecurityEvents
from csms.storage.store import Store
from csms.web.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the Central System that the HTTP API calls."""

    store: Store
    ocpp: OcppServer
    credentials: CredentialChecker
    now: Callable[[], datetime]
    commanding: Commanding
    credential_locks: Locks
    files: Vault
    firmware: FirmwareUpdates
    local_lists: LocalLists
    reservations: Reservations
    authority: CertificateAuthority
    certificate_signing: CertificateSigning
    certificate_tasks: CertificateTasks
    security_events: SecurityEvents
    uploads: Uploads
    is_serving: asyncio.Event = field(default_factory=asyncio.Event)


def _of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(_of)]


async def known_charge_point(services: Services, identity: str) -> ChargePoint:
    """Return the charge point.

    Raises:
        Problem: nobody registered it.
    """
    found = await services.store.read(partial(charge_points.get, identity=identity))
    if found is None:
        raise unknown_charge_point(identity)
    return found


def unknown_charge_point(identity: str) -> Problem:
    """Return the problem of an identity that nobody registered."""
    return Problem(
        HTTPStatus.NOT_FOUND,
        "unknown-charge-point",
        f"no charge point is registered as {identity!r}",
    )
