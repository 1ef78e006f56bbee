"""Certificates: our authority, what charge points hold of it, roots on them, what ends soon."""

import asyncio
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from csms.domain.certificates import (
    MAX_PEM,
    CertificateUse,
    InstalledCertificate,
    InstalledState,
    IssuedCertificate,
    IssuedState,
    Origin,
    TaskKind,
)
from csms.ocppj.commands import InvalidCommand
from csms.operations import installed_certificates as roots
from csms.operations.certificate_signing import NotIssued
from csms.pki.authority import RootKind
from csms.pki.certificates import BadCertificate, facts
from csms.pki.key_files import PkiError
from csms.storage import installed_certificates, issued_certificates
from csms.web.commands import answer_of, command, problem_of
from csms.web.models import Body, Page, Time, View
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.problems import Problem, invalid
from csms.web.services import Services, ServicesOf, known_charge_point

router = APIRouter(tags=["certificates"])

REVOKED: Final = "CertificateRevoked"  # security event of ours
PEM_TYPE: Final = "application/x-pem-file"

RecordId = Annotated[int, Path(ge=1, lt=2**63)]


class FactsView(View):
    """What a certificate says of itself."""

    subject: str
    issuer: str
    serial: str = Field(description="Hex digits without leading zeros.")
    fingerprint: str = Field(description="SHA-256 of the whole, hex.")
    key: str
    not_before: Time
    not_after: Time


class RootView(View):
    """A root of our authority."""

    kind: RootKind
    certificate: FactsView
    pem: str


class AuthorityView(View):
    """Our authority."""

    roots: list[RootView] = Field(description="Those made so far: they are made when needed.")


class IssuedView(View):
    """A certificate a charge point asked for, or was given."""

    id: int = Field(validation_alias="record_id")
    origin: Origin = Field(
        description="Asked for by SignCertificate, issued by this API, or sent by command."
    )
    state: IssuedState = Field(description="`Sent`: no answer yet, or none that came.")
    common_name: str
    is_proven: bool = Field(
        description="False where it was asked for without proof of identity (security profile 0):"
        " it opens no door."
    )
    certificate: FactsView | None = Field(
        validation_alias="facts", description="Null until it is signed."
    )
    detail: str = Field(description="Why it failed, was rejected or revoked.")
    requested_at: Time
    changed_at: Time
    used_at: Time | None = Field(description="When the charge point first connected with it.")
    revoked_at: Time | None


class IssuedDetailView(IssuedView):
    """A certificate with its texts."""

    request: str = Field(description="The signing request, PEM; empty where there was none.")
    chain: str | None = Field(description="PEM, leaf first, then its issuer.")


class CsrBody(Body):
    """A request to be signed for a charge point."""

    csr: str = Field(max_length=2 * MAX_PEM, description="PEM.")


class RevocationBody(Body):
    """Why a certificate is revoked."""

    reason: str = Field("", max_length=200)


class InstallBody(Body):
    """A root for a charge point."""

    certificate_type: CertificateUse
    certificate: str = Field(max_length=2 * MAX_PEM, description="One certificate, PEM.")


class ReportBody(Body):
    """Of which roots a charge point is asked."""

    certificate_type: CertificateUse | None = Field(None, description="Null for both.")


class HashDataView(View):
    """How a charge point names a certificate, as in OCSP."""

    hash_algorithm: str = Field(validation_alias="algorithm")
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


class InstalledView(View):
    """A root a charge point was given, or says that it holds."""

    id: int = Field(validation_alias="record_id")
    certificate_type: str
    state: InstalledState
    certificate: FactsView | None = Field(
        validation_alias="facts", description="Null where only its hash data was reported."
    )
    pem: str | None
    reported: HashDataView | None
    reported_at: Time | None
    deletion: str | None = Field(description="Answer to the last DeleteCertificate.")
    requested_at: Time
    changed_at: Time


class TaskView(View):
    """A certificate somebody has to look after."""

    kind: TaskKind
    what: str
    todo: str
    charge_point: str | None = Field(validation_alias="identity")
    id: int | None = Field(validation_alias="record_id")
    certificate: FactsView = Field(validation_alias="facts")
    is_expired: bool


# --- our authority ---------------------------------------------------------------------------


@router.get("/certificate-authority", summary="Show the roots of the built-in CA")
async def get_authority(services: ServicesOf) -> AuthorityView:
    """Return them with their PEM; keys are never shown."""
    try:
        found = await asyncio.to_thread(services.authority.roots)
    except PkiError as error:
        raise _no_authority(error) from None
    return AuthorityView(
        roots=[
            RootView(
                kind=root.kind,
                certificate=FactsView.model_validate(facts(root.certificate)),
                pem=root.pem,
            )
            for root in found
        ]
    )


@router.get(
    "/certificate-authority/roots.pem",
    summary="Fetch the roots of the built-in CA as PEM",
    response_class=Response,
    responses={200: {"content": {PEM_TYPE: {}}, "description": "All roots made so far."}},
)
async def get_roots(services: ServicesOf) -> Response:
    """Return a file that can be trusted as it is."""
    try:
        found = await asyncio.to_thread(services.authority.roots)
    except PkiError as error:
        raise _no_authority(error) from None
    return Response("".join(root.pem for root in found), media_type=PEM_TYPE)


def _no_authority(error: PkiError) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "authority-unavailable", str(error))


@router.get("/certificate-tasks", summary="List certificates that end soon, most urgent first")
async def list_tasks(
    services: ServicesOf,
    within_days: Annotated[
        int, Query(alias="withinDays", ge=0, le=7300, description="How soon is soon.")
    ] = 30,
) -> Page[TaskView]:
    """Return our servers', our authority's, and those of charge points."""
    found = await services.certificate_tasks.due(timedelta(days=within_days))
    return Page(items=[TaskView.model_validate(one) for one in found], next=None)


# --- certificates of charge points -------------------------------------------------------------


@router.get(
    "/charge-points/{identity}/certificates",
    summary="List a charge point's certificates, newest first",
)
async def list_issued(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[IssuedView]:
    """Return one page."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            issued_certificates.page,
            identity=identity,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[IssuedView.model_validate(one) for one in page], next=following)


@router.post(
    "/charge-points/{identity}/certificates",
    summary="Sign a certificate request for a charge point",
    status_code=HTTPStatus.CREATED,
)
async def issue(identity: Identity, body: CsrBody, services: ServicesOf) -> IssuedDetailView:
    """Return the certificate; nothing is sent, somebody brings it to the charge point."""
    await known_charge_point(services, identity)
    try:
        issued = await services.certificate_signing.issue(identity, body.csr)
    except NotIssued as error:
        raise invalid("csr", str(error)) from None
    except PkiError as error:
        raise _no_authority(error) from None
    return IssuedDetailView.model_validate(issued)


@router.get(
    "/charge-points/{identity}/certificates/{record_id}", summary="Show a certificate with its PEM"
)
async def get_issued(
    identity: Identity, record_id: RecordId, services: ServicesOf
) -> IssuedDetailView:
    """Return what is known of it."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(issued_certificates.get, identity=identity, record_id=record_id)
    )
    return IssuedDetailView.model_validate(_known(found, identity, record_id))


@router.post(
    "/charge-points/{identity}/certificates/{record_id}/revocation",
    summary="Revoke a certificate for good",
)
async def revoke(
    identity: Identity, record_id: RecordId, body: RevocationBody, services: ServicesOf
) -> IssuedDetailView:
    """Refuse it at the door from now on; a connection made with it is closed."""
    charge_point = await known_charge_point(services, identity)
    revoked = await services.store.write(
        partial(
            issued_certificates.revoke,
            identity=identity,
            record_id=record_id,
            reason=body.reason,
            at=services.now(),
        )
    )
    revoked = _known(revoked, identity, record_id)
    services.security_events.note(
        identity, REVOKED, f"certificate {record_id}: {body.reason}".rstrip(": "), None
    )
    session = services.ocpp.registry.get(identity)
    if session is not None and session.security_profile == 3 and revoked.used_at is not None:
        # It may have come with another one; then it is back in a moment.
        services.ocpp.disconnect(identity, "a certificate was revoked")
    else:  # a handshake under way has to look again
        services.ocpp.hold_to_profile(charge_point)
    return IssuedDetailView.model_validate(revoked)


def _known(found: IssuedCertificate | None, identity: str, record_id: int) -> IssuedCertificate:
    if found is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "unknown-certificate",
            f"{identity} has no certificate {record_id}",
        )
    return found


# --- roots on charge points ---------------------------------------------------------------------

INSTALLED: Final = "/charge-points/{identity}/installed-certificates"


@router.get(INSTALLED, summary="List roots on a charge point, newest first")
async def list_installed(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[InstalledView]:
    """Return one page, those that are gone included."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            installed_certificates.page,
            identity=identity,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[InstalledView.model_validate(one) for one in page], next=following)


@router.post(INSTALLED, summary="Install a root on a charge point", status_code=HTTPStatus.CREATED)
async def install(identity: Identity, body: InstallBody, services: ServicesOf) -> InstalledView:
    """Answer 201 with what became of it, refused ones too."""
    await known_charge_point(services, identity)
    try:
        outcome, installed = await roots.install(
            services.commanding,
            services.store,
            identity,
            certificate_type=body.certificate_type.value,
            pem=body.certificate,
        )
    except BadCertificate as error:
        raise invalid("certificate", str(error)) from None
    except InvalidCommand as error:
        raise problem_of(error) from None
    answer_of(outcome, identity)
    if installed is None:
        raise LookupError("an answered InstallCertificate was written down")
    return InstalledView.model_validate(installed)


@router.post(f"{INSTALLED}/report", summary="Ask a charge point which roots it holds")
async def report(identity: Identity, body: ReportBody, services: ServicesOf) -> Page[InstalledView]:
    """Ask, and return the first page of the list as it is then."""
    await known_charge_point(services, identity)
    kinds = list(CertificateUse) if body.certificate_type is None else [body.certificate_type]
    for kind in kinds:
        await command(
            services, identity, "GetInstalledCertificateIds", {"certificateType": kind.value}
        )
    return await list_installed(identity, services)


@router.get(f"{INSTALLED}/{{record_id}}", summary="Show a root on a charge point")
async def get_installed(
    identity: Identity, record_id: RecordId, services: ServicesOf
) -> InstalledView:
    """Return what is known of it."""
    return InstalledView.model_validate(await _installed(identity, record_id, services))


@router.delete(f"{INSTALLED}/{{record_id}}", summary="Delete a root from a charge point")
async def delete_installed(
    identity: Identity, record_id: RecordId, services: ServicesOf
) -> InstalledView:
    """Answer 200 with what became of it; `deletion` is the charge point's answer."""
    found = await _installed(identity, record_id, services)
    try:
        outcome = await roots.remove(services.commanding, found)
    except InvalidCommand as error:
        raise problem_of(error) from None
    except LookupError as error:
        raise Problem(HTTPStatus.CONFLICT, "unknown-hash-data", str(error)) from None
    answer_of(outcome, identity)
    return InstalledView.model_validate(await _installed(identity, record_id, services))


async def _installed(identity: str, record_id: int, services: Services) -> InstalledCertificate:
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(installed_certificates.get, identity=identity, record_id=record_id)
    )
    if found is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "unknown-certificate",
            f"{identity} has no installed certificate {record_id}",
        )
    return found
