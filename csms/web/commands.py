"""Commands to charge points: one endpoint for all, answered with the charge point's own answer."""

import json
from http import HTTPStatus
from typing import Annotated, Any, Final, NoReturn, assert_never

import orjson
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from csms.ocppj.commands import ACTIONS, CommandNotAllowed, InvalidCommand, UnknownAction
from csms.ocppj.outcomes import (
    Answered,
    CommandOutcome,
    Disconnected,
    Malformed,
    Offline,
    QueueFull,
    Refused,
    TimedOut,
)
from csms.web.parameters import Identity
from csms.web.problems import Problem
from csms.web.services import Services, ServicesOf, known_charge_point

router = APIRouter(tags=["commands"])

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "The body is not a JSON object."},
    404: {"description": "Unknown charge point, or no action of a Central System."},
    409: {"description": "Offline, connection lost, or not allowed now."},
    422: {"description": "The payload breaks the action's schema; `errors` names the fields."},
    429: {"description": "Too many commands wait for this charge point."},
    502: {"description": "The charge point refused with a CALLERROR: `code`, `description`."},
    504: {"description": "The charge point did not answer in time."},
}


@router.post(
    "/charge-points/{identity}/commands/{action}",
    summary="Send a command and wait for the charge point's answer",
    responses=_PROBLEMS,
    openapi_extra={
        "requestBody": {
            "description": "The OCPP payload in camelCase; an empty body is `{}`.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
)
async def send_command(
    identity: Identity,
    action: Annotated[str, Path(description="An OCPP action.", examples=sorted(ACTIONS))],
    request: Request,
    services: ServicesOf,
) -> Response:
    """Answer 200 with the charge point's payload as it is, whatever its status says."""
    payload = _payload(await request.body())
    await known_charge_point(services, identity)
    answer = await command(services, identity, action, payload)
    return Response(orjson.dumps(answer), media_type="application/json")


async def command(
    services: Services, identity: str, action: str, payload: dict[str, Any]
) -> dict[str, Any]:
    """Send a command and return the charge point's answer.

    Raises:
        Problem: it was not sent, or there is no answer.
    """
    try:
        outcome = await services.commanding.send(identity, action, payload)
    except InvalidCommand as error:
        raise problem_of(error) from None
    return answer_of(outcome, identity)


def problem_of(error: InvalidCommand) -> Problem:
    """Return the problem of a command that must not be sent."""
    match error:
        case UnknownAction():
            return Problem(HTTPStatus.NOT_FOUND, "unknown-action", str(error))
        case CommandNotAllowed():
            return Problem(HTTPStatus.CONFLICT, "not-allowed-now", str(error))
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-payload",
        str(error),
        errors=[{"field": one.field, "message": one.message} for one in error.problems],
    )


def _payload(body: bytes) -> dict[str, Any]:
    """Read a command's payload with Python's own parser: orjson would bend large integers."""
    try:
        payload = json.loads(body.strip() or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "malformed-json",
            f"the body is not JSON: {error}",
            title="Malformed JSON",
        ) from None
    if not isinstance(payload, dict):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid-payload",
            "the payload of a command is a JSON object",
            errors=[{"field": "", "message": "is not a JSON object"}],
        )
    return payload


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def answer_of(outcome: CommandOutcome, identity: str) -> dict[str, Any]:
    """Return the charge point's answer.

    Raises:
        Problem: there is none.
    """
    match outcome:
        case Answered(payload):
            return payload
        case Refused(code, description, details):
            raise Problem(
                HTTPStatus.BAD_GATEWAY,
                "refused",
                f"{identity} answered with CALLERROR {code}: {description}",
                title="Refused by the charge point",
                code=code,
                description=description,
                details=details,
            )
        case Malformed(reason):
            raise Problem(
                HTTPStatus.BAD_GATEWAY,
                "malformed-answer",
                f"{identity} answered nonsense: {reason}",
            )
        case TimedOut(after_s):
            raise Problem(
                HTTPStatus.GATEWAY_TIMEOUT,
                "timed-out",
                f"{identity} did not answer within {after_s:g} s",
            )
        case Offline():
            raise Problem(HTTPStatus.CONFLICT, "offline", f"{identity} is not connected")
        case Disconnected():
            raise Problem(
                HTTPStatus.CONFLICT,
                "connection-lost",
                f"the connection of {identity} ended before it answered; it may have acted",
            )
        case QueueFull():
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "queue-full",
                f"too many commands wait for {identity}",
                headers={"Retry-After": "1"},
            )
    assert_never(outcome)
