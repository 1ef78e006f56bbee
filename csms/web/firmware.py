"""The firmware repository, and firmware updates of charge points."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from csms.domain.file_jobs import JobKind
from csms.ocppj.commands import InvalidCommand
from csms.operations.file_jobs import NoAddress
from csms.storage import file_jobs, firmware
from csms.web.commands import answer_of, problem_of
from csms.web.file_models import (
    FirmwareUpdateBody,
    FirmwareUpdateDetailView,
    FirmwareUpdateView,
    FirmwareView,
    Version,
    detail_fields,
    firmware_fields,
)
from csms.web.jobs import JobId, naming, no_address, unknown_job
from csms.web.models import Page
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import FirmwareName, Identity
from csms.web.problems import Problem
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
    """Answer 201 for a new name, 200 for a known one.

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
    found = await services.store.read(partial(firmware.get, name=name))
    if found is None:
        raise _unknown_firmware(name)
    return FirmwareView.model_validate(found)


@router.delete(
    "/firmware/{name}",
    summary="Withdraw a firmware file",
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_firmware(name: FirmwareName, services: ServicesOf) -> None:
    """No download of it begins from now on."""
    if not await services.firmware.withdraw(name):
        raise _unknown_firmware(name)


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
    file = await services.store.read(partial(firmware.get, name=body.firmware))
    if file is None:
        raise _unknown_firmware(body.firmware)
    try:
        job_id, outcome = await services.firmware.order(
            services.commanding,
            identity,
            file,
            retrieve_at=body.retrieve_date,
            retries=body.retries,
            retry_interval_s=body.retry_interval,
        )
    except InvalidCommand as error:
        raise problem_of(error) from None
    except NoAddress as error:
        raise no_address(error) from None
    with naming(job_id):
        answer_of(outcome, identity)
    return await _view(services, identity, job_id)


@router.get(
    "/charge-points/{identity}/firmware-updates", summary="List firmware updates, newest first"
)
async def list_firmware_updates(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[FirmwareUpdateView]:
    """Return one page; also of updates commanded with a location that is not ours."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            file_jobs.page,
            identity=identity,
            kind=JobKind.FIRMWARE,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.job_id)
    items = [FirmwareUpdateView.model_validate(firmware_fields(one)) for one in page]
    return Page(items=items, next=following)


@router.get("/charge-points/{identity}/firmware-updates/{job_id}", summary="Show a firmware update")
async def get_firmware_update(
    identity: Identity, job_id: JobId, services: ServicesOf
) -> FirmwareUpdateDetailView:
    """Return all that is known of it."""
    return await _view(services, identity, job_id)


async def _view(services: Services, identity: str, job_id: int) -> FirmwareUpdateDetailView:
    job = await services.store.read(partial(file_jobs.get, job_id=job_id))
    if job is None or job.identity != identity or job.kind is not JobKind.FIRMWARE:
        raise unknown_job(job_id)
    statuses = await services.store.read(partial(file_jobs.statuses_of, job_id=job_id))
    transfers = await services.store.read(partial(file_jobs.transfers_of, job_id=job_id))
    return FirmwareUpdateDetailView.model_validate(
        firmware_fields(job) | detail_fields(statuses, transfers)
    )


def _unknown_firmware(name: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-firmware", f"there is no firmware {name!r}")
