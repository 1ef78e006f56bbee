"""The HTTP API put together: routes, problems, the gate in front of all."""

from functools import partial
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from csms.domain.model import ApiToken
from csms.storage import api_tokens
from csms.version import version
from csms.web import (
    certificates,
    charge_points,
    charging_profiles,
    commands,
    diagnostics,
    files,
    firmware,
    health,
    history,
    id_tags,
    jobs,
    local_lists,
    logs,
    problems,
    reservations,
    security_events,
    transactions,
    triggers,
)
from csms.web.gate import MAX_BODY_BYTES, Gate
from csms.web.services import Services

V1_MODULES: Final = (
    commands,
    charge_points,
    certificates,
    charging_profiles,
    id_tags,
    transactions,
    history,
    firmware,
    diagnostics,
    logs,
    local_lists,
    reservations,
    triggers,
    jobs,
    security_events,
)

_PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:ocpp-csms:problem:offline"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_ANY_PROBLEM: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "content": {problems.MEDIA_TYPE: {"schema": _PROBLEM_SCHEMA}},
    }
}


def create_api(services: Services, *, api_token: str | None) -> ASGIApp:
    """Return the application: `/api/v1` behind a bearer token, health and OpenAPI for anyone."""
    app = FastAPI(
        title="OCPP 1.6-J Central System",
        summary="Charge points, their commands, id tags, transactions and what was said.",
        version=version(),
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,  # browsers cannot send our bearer token by accident
        max_body_size=MAX_BODY_BYTES,  # of bodies that do not announce their size
    )
    app.state.services = services
    problems.install(app)
    # Shown in OpenAPI only: the gate checks tokens before anything is parsed.
    bearer = Security(HTTPBearer(auto_error=False, description="`csms token add NAME` makes one."))
    v1 = APIRouter(prefix="/api/v1", dependencies=[bearer], responses=_ANY_PROBLEM)
    for module in V1_MODULES:
        v1.include_router(module.router)
    app.include_router(v1)
    app.include_router(health.router)
    app.include_router(files.router)

    async def find(digest: str) -> ApiToken | None:
        return await services.store.read(partial(api_tokens.find_valid, digest=digest))

    note = partial(services.security_events.note, None)
    return Gate(app, api_token=api_token, find=find, note=note)
