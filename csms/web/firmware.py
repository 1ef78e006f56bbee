"""The firmware repository, and firmware updates of charge points."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic.alias_generators import to_camel

from csms.domain.file_jobs import FirmwareFile, Job, JobKind
from csms.operations.firmware import Unsigned
from csms.pki.firmware_signatures import BadSignature
from csms.storage import firmware
from csms.web.file_models import (
    FirmwareUpdateBody,
    FirmwareUpdateDetailView,
    FirmwareUpdateView,
    FirmwareView,
    SignatureBody,
    SignedFirmwareUpdateBody,
    SignedFirmwareUpdateDetailView,
    SignedFirmwareUpdateView,
    Version,
    firmware_fields,
)
from csms.web.jobs import JobId, details, job_of, ordered, page_of_jobs
from csms.web.models import Page
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import FirmwareName, Identity
from csms.web.problems import Problem, invalid
from csms.web.services import Services, ServicesOf, known_charge_point
from csms.web.streams import (
    MAX_STREAMED_BYTES,
    BrokenOff,
    check_announced,
    not_stored,
    receive_body,
)

router = APIRouter(tags=["firmware"])


@router.put(
    "/firmware/{name}",
    summary="Offer a firmware file, or replace it",
    responses={201: {"model": FirmwareView, "description": "It is new."}},
    openapi_extra={
        "requestBody": {
            "description": "The file.",
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
    max_body_size=MAX_STREAMED_BYTES,
)
async def put_firmware(
    name: FirmwareName,
    version: Annotated[Version, Query(description="What the file contains.")],
    request: Request,
    services: ServicesOf,
    response: Response,
) -> FirmwareView:
    """Answer 201 for a new name, 200 for a known one. It is not signed then, also if it was before.

    Downloads that began with the former file end with it; they cannot be resumed with the new one.
    """
    limit_bytes = services.firmware.max_bytes
    check_announced(request, limit_bytes)
    try:
        incoming = await services.firmware.receive()
    except OSError as error:
        raise not_stored(error, limit_bytes) from None
    try:
        await receive_body(request, incoming)
        file, is_new = await services.firmware.offer(incoming, name=name, version=version)
    except BaseException as error:
        incoming.discard()
        if isinstance(error, BrokenOff):
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "broken-off", str(error)) from None
        if isinstance(error, OSError):
            raise not_stored(error, limit_bytes) from None
        raise
    if is_new:
        response.status_code = HTTPStatus.CREATED
    return FirmwareView.model_validate(file)


@router.get("/firmware", summary="List firmware files by name")
async def list_firmware(
    services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[FirmwareView]:
    """Return one page."""
    after = read_cursor(cursor, str)
    found = await services.store.read(partial(firmware.page, after=after, limit=limit + 1))
    page, following = cut(found, limit, lambda one: one.name)
    return Page(items=[FirmwareView.model_validate(one) for one in page], next=following)


@router.get("/firmware/{name}", summary="Show a firmware file")
async def get_firmware(name: FirmwareName, services: ServicesOf) -> FirmwareView:
    """Return what is known of it."""
    return FirmwareView.model_validate(await _file(services, name))


@router.delete(
    "/firmware/{name}",
    summary="Withdraw a firmware file",
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_firmware(name: FirmwareName, services: ServicesOf) -> None:
    """No download of it begins from now on."""
    if not await services.firmware.withdraw(name):
        raise _unknown_firmware(name)


@router.put("/firmware/{name}/signature", summary="Keep the signature of a firmware file beside it")
async def put_signature(
    name: FirmwareName, body: SignatureBody, services: ServicesOf
) -> FirmwareView:
    """Check it first; 422 where it is not that of this file, or its certificate is no good now."""
    try:
        signed = await services.firmware.sign(
            await _file(services, name),
            signature=body.signature,
            signing_certificate=body.signing_certificate,
        )
    except BadSignature as error:
        raise invalid(to_camel(error.part), str(error)) from None
    return FirmwareView.model_validate(_still_there(signed, name))


@router.delete(
    "/firmware/{name}/signature",
    summary="Keep no signature of a firmware file",
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_signature(name: FirmwareName, services: ServicesOf) -> None:
    """It cannot be ordered with one from now on."""
    _still_there(await services.firmware.unsign(await _file(services, name)), name)


@router.post(
    "/charge-points/{identity}/firmware-updates",
    summary="Tell a charge point to install a firmware file",
    status_code=HTTPStatus.CREATED,
)
async def update_firmware(
    identity: Identity, body: FirmwareUpdateBody, services: ServicesOf
) -> FirmwareUpdateDetailView:
    """Send UpdateFirmware and wait for the answer.

    Whatever the problem with the command is, the job exists; `jobId` names it.
    """
    await known_charge_point(services, identity)
    order = services.firmware.order(
        services.commanding,
        identity,
        await _file(services, body.firmware),
        retrieve_at=body.retrieve_date,
        retries=body.retries,
        retry_interval_s=body.retry_interval,
    )
    job_id = await ordered(order, identity)
    return await _view(services, identity, job_id)


@router.get(
    "/charge-points/{identity}/firmware-updates",
    summary="List firmware updates, newest first",
)
async def list_firmware_updates(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[FirmwareUpdateView]:
    """Return one page; also of updates commanded with a location that is not ours."""
    page, following = await page_of_jobs(
        services, identity, JobKind.FIRMWARE, limit=limit, cursor=cursor
    )
    items = [FirmwareUpdateView.model_validate(firmware_fields(one)) for one in page]
    return Page(items=items, next=following)


@router.get("/charge-points/{identity}/firmware-updates/{job_id}", summary="Show a firmware update")
async def get_firmware_update(
    identity: Identity, job_id: JobId, services: ServicesOf
) -> FirmwareUpdateDetailView:
    """Return all that is known of it."""
    return await _view(services, identity, job_id)


@router.post(
    "/charge-points/{identity}/signed-firmware-updates",
    summary="Tell a charge point to check and install a signed firmware file",
    status_code=HTTPStatus.CREATED,
)
async def update_signed_firmware(
    identity: Identity, body: SignedFirmwareUpdateBody, services: ServicesOf
) -> SignedFirmwareUpdateDetailView:
    """Send SignedUpdateFirmware and wait for the answer; the file must be signed.

    A refused update is answered with 201 as well: `state` says so. Whatever the problem with the
    command is, the job exists; `jobId` names it.
    """
    await known_charge_point(services, identity)
    order = services.firmware.order_signed(
        services.commanding,
        identity,
        await _file(services, body.firmware),
        retrieve_at=body.retrieve_date,
        install_at=body.install_date,
        retries=body.retries,
        retry_interval_s=body.retry_interval,
    )
    try:
        job_id = await ordered(order, identity)
    except Unsigned:
        raise Problem(
            HTTPStatus.CONFLICT,
            "unsigned-firmware",
            f"{body.firmware} has no signature; PUT /firmware/{body.firmware}/signature first",
        ) from None
    except BadSignature as error:
        raise Problem(
            HTTPStatus.CONFLICT, "bad-signature", f"{to_camel(error.part)}: {error}"
        ) from None
    return await _signed_view(services, identity, job_id)


@router.get(
    "/charge-points/{identity}/signed-firmware-updates",
    summary="List signed firmware updates, newest first",
)
async def list_signed_firmware_updates(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[SignedFirmwareUpdateView]:
    """Return one page; also of updates commanded with a location that is not ours."""
    page, following = await page_of_jobs(
        services, identity, JobKind.SIGNED_FIRMWARE, limit=limit, cursor=cursor
    )
    items = [SignedFirmwareUpdateView.model_validate(firmware_fields(one)) for one in page]
    return Page(items=items, next=following)


@router.get(
    "/charge-points/{identity}/signed-firmware-updates/{job_id}",
    summary="Show a signed firmware update",
)
async def get_signed_firmware_update(
    identity: Identity, job_id: JobId, services: ServicesOf
) -> SignedFirmwareUpdateDetailView:
    """Return all that is known of it."""
    return await _signed_view(services, identity, job_id)


async def _view(services: Services, identity: str, job_id: int) -> FirmwareUpdateDetailView:
    job = await job_of(services, identity, job_id, JobKind.FIRMWARE)
    return FirmwareUpdateDetailView.model_validate(await _fields(services, job))


async def _signed_view(
    services: Services, identity: str, job_id: int
) -> SignedFirmwareUpdateDetailView:
    job = await job_of(services, identity, job_id, JobKind.SIGNED_FIRMWARE)
    return SignedFirmwareUpdateDetailView.model_validate(await _fields(services, job))


async def _fields(services: Services, job: Job) -> dict[str, Any]:
    return firmware_fields(job) | await details(services, job)


async def _file(services: Services, name: str) -> FirmwareFile:
    return _still_there(await services.store.read(partial(firmware.get, name=name)), name)


def _still_there(file: FirmwareFile | None, name: str) -> FirmwareFile:
    if file is None:
        raise _unknown_firmware(name)
    return file


def _unknown_firmware(name: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-firmware", f"there is no firmware {name!r}")
