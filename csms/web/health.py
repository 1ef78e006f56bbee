"""Whether the process lives, and whether it can serve; for anyone, without a token."""

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter

from csms.storage.errors import StorageError
from csms.web.models import View
from csms.web.problems import Problem
from csms.web.services import ServicesOf

router = APIRouter(prefix="/health", tags=["health"])


class Live(View):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(View):
    """Charge points and programs are served."""

    status: Literal["ready"] = "ready"


@router.get("/live", summary="Does the process answer?")
async def live() -> Live:
    """Answer whenever the event loop runs."""
    return Live()


@router.get("/ready", summary="Are charge points and programs served?")
async def ready(services: ServicesOf) -> Ready:
    """Answer 200 while both listeners are open and the database can be read."""
    if not services.is_serving.is_set():
        raise _not_ready("the listeners are not open")
    try:
        await services.store.read(
            lambda connection: connection.exec_driver_sql("SELECT 1").scalar()
        )
    except StorageError as error:
        raise _not_ready(f"the database cannot be read: {error}") from None
    return Ready()


def _not_ready(detail: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", detail)
