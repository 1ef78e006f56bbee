"""Files for charge points and from them, at addresses nobody can guess.

No bearer token: each job has a path of its own with 160 random bits in it. The rest of the path
is the charge point's business and is never looked up anywhere.
"""

import asyncio
import logging
from functools import partial
from http import HTTPStatus
from typing import IO, Annotated, Any, Final
from urllib.parse import unquote

from fastapi import APIRouter, Path, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from csms.domain.file_jobs import FirmwareFile, Job
from csms.files.ranges import Part
from csms.storage import file_jobs
from csms.storage.errors import StorageError
from csms.web.problems import Problem
from csms.web.services import Services, ServicesOf
from csms.web.streams import (
    MAX_STREAMED_BYTES,
    BrokenOff,
    FileAnswer,
    check_announced,
    not_stored,
    receive_body,
)

router = APIRouter(prefix="/files", tags=["files"])

MAX_NAME: Final = 255  # GetDiagnostics.conf fileName, OCPP 1.6 ed. 2 §6.26

_UPLOAD: Final[dict[str, Any]] = {
    "status_code": HTTPStatus.CREATED,
    "response_class": Response,
    "max_body_size": MAX_STREAMED_BYTES,
}

Token = Annotated[str, Path(pattern="^[0-9a-f]{40}$", description="Of the job.")]


def _any_name(text: object) -> str:
    """Return a name as far as it can be shown: no file is refused for its name."""
    name = unquote(str(text), errors="replace")
    return "".join(one if one.isprintable() else "\ufffd" for one in name)[:MAX_NAME]


Name = Annotated[
    str,
    BeforeValidator(_any_name),
    Path(description="Any name, percent-encoded; it is kept as text."),
]

_logger: Final = logging.getLogger(__name__)


@router.head("/firmware/{token}/{name}", include_in_schema=False)
@router.get(
    "/firmware/{token}/{name}",
    summary="Fetch firmware, as a whole or resumed",
    response_class=Response,
    responses={
        206: {"description": "The part asked for by Range."},
        304: {"description": "If-None-Match names it."},
        404: {"description": "No such file, or no longer."},
        412: {"description": "If-Match does not name it."},
        416: {"description": "Range is beyond its end."},
    },
)
async def fetch_firmware(token: Token, name: Name, services: ServicesOf) -> Response:
    """Serve the file the repository has under the ordered name now.

    Its ETag is its SHA-256. Once it was replaced, a Range is heeded only together with If-Range
    or If-Match: the client may hold the beginning of the former file.
    """
    opened = await _open(token, name, services)
    if opened is None:  # replaced in this moment
        opened = await _open(token, name, services)
    if opened is None:
        raise _no_such_file()
    job, file, content = opened

    async def begun(part: Part) -> int:
        begin = partial(
            file_jobs.begin_transfer,
            job=job,
            protocol="http",
            name=file.name,
            at=services.now(),
            first_byte=part.first,
            sha256=file.sha256,
        )
        return await services.store.write(begin)

    async def ended(transfer_id: int, sent: int, is_whole: bool) -> None:
        end = partial(
            file_jobs.end_download,
            transfer_id=transfer_id,
            size_bytes=sent,
            is_whole=is_whole,
            at=services.now(),
            detail="" if is_whole else "the end of the file was not sent",
        )
        try:
            await services.store.write(end)
        except StorageError as error:
            _logger.error("job %d: a download was not noted: %s", job.job_id, error)

    return FileAnswer(
        content,
        etag=f'"{file.sha256}"',
        headers={"cache-control": "private"},
        begun=begun,
        ended=ended,
        may_resume=job.firmware is not None and job.firmware["sha256"] == file.sha256,
    )


async def _open(
    token: str, name: str, services: Services
) -> tuple[Job, FirmwareFile, IO[bytes]] | None:
    """Open what is offered; None where it is not, or was deleted in this moment."""
    found = await services.firmware.job_of(token)
    if found is None or name != found[1].name:
        return None
    try:
        content = await asyncio.to_thread(services.files.path(found[1].stored_as).open, "rb")
    except FileNotFoundError:
        return None
    return *found, content


@router.post("/logs/{token}", summary="Send a log by POST", **_UPLOAD)
@router.put("/logs/{token}", summary="Send a log", **_UPLOAD)
@router.post("/diagnostics/{token}", summary="Send diagnostics by POST", **_UPLOAD)
@router.put("/diagnostics/{token}", summary="Send diagnostics", **_UPLOAD)
async def send_file(token: Token, request: Request, services: ServicesOf) -> Response:
    """Take the body as the job's file."""
    return await _receive(token, "", request, services)


@router.post("/logs/{token}/{name:path}", summary="Send a log by POST, named", **_UPLOAD)
@router.put("/logs/{token}/{name:path}", summary="Send a log, named", **_UPLOAD)
@router.post(
    "/diagnostics/{token}/{name:path}", summary="Send diagnostics by POST, named", **_UPLOAD
)
@router.put("/diagnostics/{token}/{name:path}", summary="Send diagnostics, named", **_UPLOAD)
async def send_named_file(
    token: Token, name: Name, request: Request, services: ServicesOf
) -> Response:
    """Take the body as the job's file; its name is kept beside it."""
    return await _receive(token, name, request, services)


async def _receive(token: str, name: str, request: Request, services: ServicesOf) -> Response:
    limit_bytes = services.uploads.max_bytes
    try:
        await services.uploads.wanted(token, "http")
        check_announced(request, limit_bytes)
        incoming = await services.uploads.begin(token, protocol="http", name=name)
    except LookupError:
        raise _no_such_file() from None
    except FileExistsError as error:
        raise Problem(HTTPStatus.CONFLICT, "already-received", str(error)) from None
    except OSError as error:
        raise not_stored(error, limit_bytes) from None
    detail, is_whole, problem = "the CSMS ended in the middle", False, None
    try:
        await receive_body(request, incoming)
        detail, is_whole = "", True
    except BrokenOff as error:
        detail = str(error)
        problem = Problem(HTTPStatus.REQUEST_TIMEOUT, "broken-off", detail)
    except OSError as error:
        detail = str(error)
        problem = not_stored(error, limit_bytes)
    finally:
        is_stored = await services.uploads.end(incoming, is_whole=is_whole, detail=detail)
    if problem is not None:
        raise problem
    if not is_stored:
        raise Problem(HTTPStatus.CONFLICT, "not-wanted", "the file was no longer wanted")
    return Response(status_code=HTTPStatus.CREATED)


def _no_such_file() -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND,
        "unknown-file",
        "there is nothing here, or no longer",
    )
