"""Problems of our own making."""

import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.credentials import CredentialChecker
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
from csms.storage.noticed_events import SecurityEvents
from csms.storage.store import Store
from csms.web.api import create_api
from csms.web.problems import Problem, field_name, respond
from csms.web.services import Services

TOKEN = "test-token-0123456789"


class _BrokenStore:
    async def read(self, operation: object) -> object:
        raise RuntimeError("a secret detail")


async def test_defect_is_a_problem_without_details_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A defect of ours is 500 in problem form; what it was is in the log alone."""
    services = Services(
        store=cast(Store, _BrokenStore()),
        ocpp=cast(OcppServer, None),
        commanding=cast(Commanding, None),
        credentials=CredentialChecker(),
        credential_locks=Locks(),
        files=cast(Vault, None),
        firmware=cast(FirmwareUpdates, None),
        uploads=cast(Uploads, None),
        security_events=SecurityEvents(cast(Store, _BrokenStore()), lambda: datetime.now(UTC)),
        authority=cast(CertificateAuthority, None),
        certificate_signing=cast(CertificateSigning, None),
        certificate_tasks=cast(CertificateTasks, None),
        local_lists=cast(LocalLists, None),
        reservations=cast(Reservations, None),
        now=lambda: datetime.now(UTC),
    )
    app = create_api(services, api_token=TOKEN)
    transport = httpx.ASGITransport(app=cast(Any, app))
    async with httpx.AsyncClient(transport=transport, base_url="http://csms") as client:
        answer = await client.get(
            "/api/v1/transactions/1", headers={"Authorization": f"Bearer {TOKEN}"}
        )

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:ocpp-csms:problem:internal-error"
    assert "a secret detail" not in answer.text
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert "GET /api/v1/transactions/1" in record.getMessage()
    assert record.exc_info is not None
    assert "a secret detail" in str(record.exc_info[1])


@given(st.lists(st.text() | st.integers(0, 9), min_size=1, max_size=5))
def test_any_place_has_a_name(location: list[str | int]) -> None:
    """Whatever the framework calls a place, it can be written."""
    assert isinstance(field_name(location), str)


@pytest.mark.parametrize(
    ("location", "name"),
    [
        (("body", "expiryDate"), "expiryDate"),
        (("body", "tags", 2, "name"), "tags[2].name"),
        (("query", "limit"), "limit"),
        (("body",), "body"),
    ],
)
def test_field_has_the_name_the_caller_wrote(location: tuple[str | int, ...], name: str) -> None:
    """Where the value stood (body, query) is not part of a field's name."""
    assert field_name(location) == name


def test_members_of_a_problem_stand_beside_the_four() -> None:
    """Extensions never replace type, title, status or detail (RFC 9457 §3.2)."""
    response = respond(Problem(HTTPStatus.CONFLICT, "queue-full", "too many", code="X"))

    assert response.status_code == 409
    assert httpx.Response(409, content=bytes(response.body)).json() == {
        "type": "urn:ocpp-csms:problem:queue-full",
        "title": "Queue full",
        "status": 409,
        "detail": "too many",
        "code": "X",
    }
