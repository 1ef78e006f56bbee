"""Who may call the HTTP API, and what refusals look like."""

import asyncio
import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from csms.app import CentralSystem, central_system
from csms.config import Settings
from csms.credentials import api_token_digest
from csms.storage import api_tokens
from csms.storage.store import Store
from csms.web.gate import Gate
from tests.csms.conftest import TOKEN

MEMBERS = {"type", "title", "status", "detail"}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer tökèn",
        f"Bearer {TOKEN} {TOKEN}",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/charge-points", "/api/v1/nothing", "/", "/docs"])
async def test_without_the_token_everything_is_refused(
    shared_system: CentralSystem, path: str, header: str | None
) -> None:
    """Unknown paths are no exception: a stranger learns nothing."""
    headers = {} if header is None else {b"Authorization": header.encode()}
    async with httpx.AsyncClient(base_url=shared_system.http_url, trust_env=False) as client:
        answer = await client.get(path, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:ocpp-csms:problem:unauthorized"
    assert set(answer.json()) == MEMBERS
    assert TOKEN not in answer.text


@pytest.mark.asyncio(loop_scope="module")
async def test_two_authorization_headers_are_refused(shared_system: CentralSystem) -> None:
    """A proxy and we might look at different ones."""
    headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]
    async with httpx.AsyncClient(base_url=shared_system.http_url, trust_env=False) as client:
        answer = await client.get("/api/v1/charge-points", headers=headers)

    assert answer.status_code == 401


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/openapi.json"])
async def test_health_and_description_need_no_token(
    shared_system: CentralSystem, path: str
) -> None:
    """Supervisors and people who read the API's description have no token."""
    async with httpx.AsyncClient(base_url=shared_system.http_url, trust_env=False) as client:
        answer = await client.get(path)

    assert answer.status_code == 200


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_scheme_ignores_case(shared_system: CentralSystem, scheme: str) -> None:
    """The name of an authentication scheme is case-insensitive (RFC 9110 §11.1)."""
    async with httpx.AsyncClient(base_url=shared_system.http_url, trust_env=False) as client:
        answer = await client.get(
            "/api/v1/charge-points", headers={"Authorization": f"{scheme} {TOKEN}"}
        )

    assert answer.status_code == 200


async def test_stored_token_works_until_revoked(settings: Settings) -> None:
    """A token of `csms token add` is good at once and worthless at once."""
    token = "a-token-from-the-database"
    now = datetime.now(UTC)
    async with central_system(replace(settings, api_token=None)) as system:
        store = Store.open(settings.database)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            base_url=f"{system.http_url}/api/v1", headers=headers, trust_env=False
        ) as client:
            before = await client.get("/charge-points")
            await store.write(
                partial(api_tokens.add, name="ci", digest=api_token_digest(token), at=now)
            )
            valid = await client.get("/charge-points")
            await store.write(partial(api_tokens.revoke, name="ci", at=now))
            revoked = await client.get("/charge-points")
        await store.close()

    assert [one.status_code for one in (before, valid, revoked)] == [401, 200, 401]


@pytest.mark.asyncio(loop_scope="module")
async def test_stranger_cannot_upload(shared_system: CentralSystem) -> None:
    """The refusal comes before the body was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", shared_system.http.port)
    writer.write(
        b"PUT /api/v1/charge-points/CP1 HTTP/1.1\r\nHost: csms\r\n"
        b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
    )

    status = await asyncio.wait_for(reader.readline(), 5)

    assert status.startswith(b"HTTP/1.1 401 ")
    writer.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/charge-points/", 404, "not-found"),
        ("GET", "/charge-points/a/b/c", 404, "not-found"),
        ("DELETE", "/charge-points", 405, "method-not-allowed"),
        ("GET", "/charge-points/CP1/commands/Reset", 405, "method-not-allowed"),
        ("GET", "/charge-points?limit=0", 422, "invalid-request"),
        ("GET", "/charge-points?limit=1001", 422, "invalid-request"),
        ("GET", "/charge-points?limit=many", 422, "invalid-request"),
        ("GET", "/charge-points?cursor=%25", 422, "invalid-request"),
        ("GET", "/messages?since=yesterday", 422, "invalid-request"),
        ("GET", "/messages?direction=up", 422, "invalid-request"),
        ("GET", "/transactions/0", 422, "invalid-request"),
        ("GET", "/transactions/x", 422, "invalid-request"),
        ("GET", "/transactions/1", 404, "unknown-transaction"),
    ],
)
async def test_every_refusal_is_a_problem(
    shared_api: httpx.AsyncClient, method: str, path: str, status: int, slug: str
) -> None:
    """What the framework refuses by itself has the same form as our own problems (RFC 9457)."""
    answer = await shared_api.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:ocpp-csms:problem:{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert set(problem) - {"errors"} == MEMBERS
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("body", [b"{", b"nonsense", b'{"status": "\xff"}', b"[1", b'"\xc3"'])
async def test_malformed_json_is_a_problem(shared_api: httpx.AsyncClient, body: bytes) -> None:
    """A body that is no JSON is 400, and the answer says where it ends to be JSON."""
    answer = await shared_api.put(
        "/id-tags/TAG", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:ocpp-csms:problem:malformed-json"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("body", ["[]", "null", '"x"', "5"])
async def test_body_that_is_no_object_is_a_problem(
    shared_api: httpx.AsyncClient, body: str
) -> None:
    """JSON of another shape is refused by name."""
    answer = await shared_api.put(
        "/id-tags/TAG", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/id-tags/TAG"), ("POST", "/charge-points/CP1/commands/Reset")]
)
async def test_body_size_is_bounded(
    shared_api: httpx.AsyncClient, method: str, path: str, is_chunked: bool
) -> None:
    """More than 1 MiB is refused, whether the length was announced or not."""
    body = json.dumps({"status": "x" * 1_100_000}).encode()

    async def chunks() -> object:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    answer = await shared_api.request(
        method,
        path,
        content=chunks() if is_chunked else body,  # type: ignore[arg-type]
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:ocpp-csms:problem:content-too-large"


@pytest.mark.asyncio(loop_scope="module")
async def test_openapi_describes_every_path(shared_system: CentralSystem) -> None:
    """Each operation has a summary, problems and the bearer scheme; secrets are write-only."""
    async with httpx.AsyncClient(base_url=shared_system.http_url, trust_env=False) as client:
        document = (await client.get("/openapi.json")).json()

    operations = {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert len(operations) > 20
    assert {operation["summary"] for operation in operations.values()} >= {
        "Send a command and wait for the charge point's answer"
    }
    for (_, path), operation in operations.items():
        assert operation["summary"]
        if path.startswith("/api/"):
            assert operation["security"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    body = document["components"]["schemas"]["ChargePointBody"]["properties"]
    assert body["authorizationKey"]["writeOnly"]
    assert body["password"]["writeOnly"]
    assert "password" not in document["components"]["schemas"]["ChargePointView"]["properties"]


async def test_broken_database_is_a_problem_and_not_ready(
    settings: Settings, tmp_path: Path
) -> None:
    """A database that went away is 503 with a remedy in time, not a defect; live stays live."""
    async with central_system(settings) as system:
        (tmp_path / "csms.sqlite3").write_bytes(b"no database any more" * 500)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(
            base_url=system.http_url, headers=headers, trust_env=False
        ) as client:
            listed = await client.get("/api/v1/transactions")
            live = await client.get("/health/live")

    assert (listed.status_code, live.status_code) == (503, 200)
    assert listed.json()["type"] == "urn:ocpp-csms:problem:storage-unavailable"


async def test_log_of_a_failure_opens_no_file(caplog: pytest.LogCaptureFixture) -> None:
    """The random part of a path is all that is asked for there."""
    token = "a1" * 20

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("no")

    async def find(digest: str) -> None:
        raise AssertionError("files need no bearer token")

    gate = Gate(fail, api_token=None, find=find, note=lambda *_: None)
    transport = httpx.ASGITransport(gate)
    async with httpx.AsyncClient(transport=transport, base_url="http://csms") as client:
        with contextlib.suppress(Exception):
            await client.put(f"/files/logs/{token}/log.txt")

    assert "failed" in caplog.text
    assert token not in caplog.text
