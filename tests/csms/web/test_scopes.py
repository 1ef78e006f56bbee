"""Every route of the API demands its scope, before anything of a request is looked at."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

import httpx
import pytest
import pytest_asyncio

from csms.app import CentralSystem, central_system
from csms.config import Settings
from csms.credentials import api_token_digest
from csms.domain.scopes import Scope
from csms.ocppj.commands import ACTIONS
from csms.storage import api_tokens
from csms.storage.store import Store
from csms.web.scopes import required_scope
from tests.csms.conftest import TOKEN, _settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKENS: Final = {scope: f"token-of-scope-{scope}" for scope in Scope}
COMMANDS: Final = "/charge-points/{identity}/commands/{action}"
# Everything but GET; who adds a route decides here as well.
CHANGING: Final = {
    "operate": {
        "POST /charge-points/{identity}/diagnostics",
        "DELETE /charge-points/{identity}/diagnostics/{job_id}/file",
        "POST /charge-points/{identity}/firmware-updates",
        "POST /charge-points/{identity}/installed-certificates/report",
        "POST /charge-points/{identity}/local-list/differential",
        "POST /charge-points/{identity}/local-list/full",
        "POST /charge-points/{identity}/local-list/version",
        "POST /charge-points/{identity}/logs",
        "DELETE /charge-points/{identity}/logs/{job_id}/file",
        "POST /charge-points/{identity}/reservations",
        "DELETE /charge-points/{identity}/reservations/{reservation_id}",
        "POST /charge-points/{identity}/signed-firmware-updates",
        "POST /charge-points/{identity}/triggers",
        "DELETE /id-tags/{id_tag}",
        "PUT /id-tags/{id_tag}",
        "DELETE /quarantine/{record_id}",
    },
    "manage": {
        "DELETE /charge-points/{identity}",
        "PATCH /charge-points/{identity}",
        "PUT /charge-points/{identity}",
        "POST /charge-points/{identity}/certificates",
        "POST /charge-points/{identity}/certificates/{record_id}/revocation",
        "POST /charge-points/{identity}/installed-certificates",
        "DELETE /charge-points/{identity}/installed-certificates/{record_id}",
        "DELETE /firmware/{name}",
        "PUT /firmware/{name}",
        "DELETE /firmware/{name}/signature",
        "PUT /firmware/{name}/signature",
    },
}
MANAGING: Final = {
    *("CertificateSigned", "ChangeConfiguration", "DeleteCertificate"),
    *("InstallCertificate", "SignedUpdateFirmware", "UpdateFirmware"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CentralSystem]:
    """A Central System with a token of each scope."""
    settings = _settings(tmp_path_factory.mktemp("scopes"))
    async with central_system(settings) as running:
        await _add_tokens(settings)
        yield running


async def _add_tokens(settings: Settings) -> None:
    store = Store.open(settings.database)
    for scope, token in TOKENS.items():
        digest = api_token_digest(token)
        add = partial(api_tokens.add, name=scope, digest=digest, at=datetime.now(UTC), scope=scope)
        await store.write(add)
    await store.close()


@contextlib.asynccontextmanager
async def _client(system: CentralSystem, token: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=f"{system.http_url}/api/v1", headers=headers, trust_env=False
    ) as client:
        yield client


async def _routes(system: CentralSystem) -> list[tuple[str, str]]:
    """Return method and path of everything that wants a token."""
    async with httpx.AsyncClient(base_url=system.http_url, trust_env=False) as client:
        document = (await client.get("/openapi.json")).json()
    return [
        (method.upper(), path.removeprefix("/api/v1"))
        for path, item in document["paths"].items()
        for method in item
        if path.startswith("/api/")
    ]


def _wanted(method: str, path: str) -> str:
    """Return the scope that a route is to demand, as it was decided above."""
    if method == "GET":
        return "read"
    (scope,) = [scope for scope, routes in CHANGING.items() if f"{method} {path}" in routes]
    return scope


@pytest.mark.slow
async def test_every_route_was_thought_about(system: CentralSystem) -> None:
    """Each is in one list; no list names one that is not there."""
    changing = {f"{method} {path}" for method, path in await _routes(system) if method != "GET"}

    assert changing - {f"POST {COMMANDS}"} == CHANGING["operate"] | CHANGING["manage"]
    assert not CHANGING["operate"] & CHANGING["manage"]


@pytest.mark.parametrize("scope", Scope)
async def test_every_route_demands_its_scope(system: CentralSystem, scope: Scope) -> None:
    """With less it is refused before its path is even filled in with something that exists."""
    async with _client(system, TOKENS[scope]) as client:
        for method, template in await _routes(system):
            if template == COMMANDS:
                continue
            path = re.sub(r"\{.*?\}", "1", template)
            answer = await client.request(method, path, content=b"{")  # no JSON
            is_refused = not scope.includes(Scope(_wanted(method, template)))
            assert (answer.status_code == 403) is is_refused, (method, path, answer.text)
            assert answer.status_code != 401


@pytest.mark.parametrize("scope", Scope)
async def test_every_command_demands_its_scope(system: CentralSystem, scope: Scope) -> None:
    """What changes credentials, trust or software is not for everybody who operates."""
    async with _client(system, TOKENS[scope]) as client:
        for action in sorted(ACTIONS):
            wanted = Scope.MANAGE if action in MANAGING else Scope.OPERATE
            answer = await client.post(f"/charge-points/1/commands/{action}", content=b"{")
            expected = 400 if scope.includes(wanted) else 403
            assert answer.status_code == expected, (action, answer.text)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/charge-points/1/commands/Change%43onfiguration"),
        ("POST", "/api/v1/charge-points/1/commands/Reset/"),
        ("POST", "/api/v1/charge-points/1/commands/"),
        ("POST", "/api/v1//charge-points/1/commands/Reset"),
        ("POST", "/api/v1/charge-points/1/commands"),
        ("PUT", "/api/v1/charge-points/diagnostics"),
        ("DELETE", "/api/v1/charge-points/1/certificates/report"),
        ("PUT", "/api/v1/id-tags/a/b"),
        ("POST", "/api/v1/new-things"),
        ("OPTIONS", "/api/v1/charge-points"),
        ("get", "/api/v1/charge-points"),
        ("POST", "/"),
        ("POST", ""),
    ],
)
async def test_what_nobody_thought_about_is_for_managers(method: str, path: str) -> None:
    """A new route is safe before somebody decides."""
    assert required_scope(method, path) is Scope.MANAGE


async def test_refusal_names_what_is_missing(system: CentralSystem) -> None:
    """As a problem, and by the standard of bearer tokens (RFC 6750 §3.1)."""
    async with _client(system, TOKENS[Scope.READ]) as client:
        answer = await client.put("/id-tags/TAG", json={})

    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="csms", error="insufficient_scope", scope="operate"'
    )
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.text)
    assert problem["type"] == "urn:ocpp-csms:problem:forbidden"
    assert "wants the scope operate, and the token 'read' has read" in problem["detail"]
    assert TOKENS[Scope.READ] not in answer.text


@pytest.mark.parametrize("path", ["/api/v1/firmware/a.bin?version=1", "/api/v1/charge-points/CP1"])
async def test_refusal_comes_before_the_body(system: CentralSystem, path: str) -> None:
    """Nobody makes us read what they may not send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", system.http.port)
    token = TOKENS[Scope.OPERATE]
    writer.write(
        f"PUT {path} HTTP/1.1\r\nHost: csms\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n".encode()
    )

    status = await asyncio.wait_for(reader.readline(), 5)

    assert status.startswith(b"HTTP/1.1 403 ")
    writer.close()


async def test_token_of_the_settings_may_do_everything(system: CentralSystem) -> None:
    """It is the operator's own."""
    async with _client(system, TOKEN) as client:
        made = await client.put("/charge-points/CP1", json={})
        removed = await client.delete("/charge-points/CP1")

    assert (made.status_code, removed.status_code) == (201, 204)


async def test_unknown_token_is_a_security_event(system: CentralSystem) -> None:
    """Counted, without the token; one that is missing is not."""
    for token in ("guess-of-a-stranger", "another-guess-of-one"):
        async with _client(system, token) as client:
            assert (await client.get("/charge-points")).status_code == 401
    async with httpx.AsyncClient(base_url=system.http_url, trust_env=False) as stranger:
        assert (await stranger.get("/api/v1/charge-points")).status_code == 401
    async with _client(system, TOKEN) as client:
        shown = await client.get("/security-events", params={"type": "InvalidApiToken"})

    (event,) = shown.json()["items"]
    assert (event["source"], event["chargePoint"], event["times"]) == ("csms", None, 2)
    assert event["address"] == "127.0.0.1"
    assert "guess" not in shown.text


@pytest.mark.slow
async def test_revoked_token_is_worthless_at_once(settings: Settings) -> None:
    """Whatever its scope was."""
    async with central_system(replace(settings, api_token=None)) as system:
        await _add_tokens(settings)
        store = Store.open(settings.database)
        async with _client(system, TOKENS[Scope.MANAGE]) as client:
            before = await client.put("/id-tags/TAG", json={})
            await store.write(partial(api_tokens.revoke, name="manage", at=datetime.now(UTC)))
            after = await client.put("/id-tags/TAG", json={})
        await store.close()

    assert (before.status_code, after.status_code) == (201, 401)
