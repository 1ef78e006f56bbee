"""One HTTP client towards one Central System: bounds, redirects, secrets, login."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.drivers.driver import DriverError, Operation, Outcome, ProvisioningError
from harness.masking import Masker
from harness.model import Json
from harness.pki import Pki
from tests.harness.drivers.interface import Asked, Interface, Reply, http_driver

RESET = Operation.RESET


@pytest.fixture
async def interface() -> AsyncIterator[Interface]:
    async with Interface().running() as running:
        yield running


async def test_dead_interface_is_a_failure_not_an_exception(tmp_path: Path) -> None:
    """Nothing listens: the outcome says so."""
    interface = Interface()
    async with interface.running():
        pass
    async with http_driver(tmp_path, interface) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert outcome.outcome is Outcome.FAILED
    assert f"POST {interface.url}/c: " in outcome.summary


async def test_an_answer_that_does_not_come_has_a_deadline(
    tmp_path: Path, interface: Interface
) -> None:
    """An interface that keeps silent is a failure once the time is over."""
    silent = asyncio.Event()

    async def keep_silent(_: Asked) -> Reply:
        await silent.wait()
        return Reply()

    interface.replies["/c"] = keep_silent
    async with http_driver(tmp_path, interface, timeout_s=0.1) as driver:
        outcome = await driver.command("CP1", RESET, {})
    silent.set()

    assert outcome.outcome is Outcome.FAILED
    assert "no answer within 0.1 s" in outcome.summary


async def test_an_endless_answer_is_not_read_to_its_end(
    tmp_path: Path, interface: Interface
) -> None:
    """More than a megabyte is no answer to a command."""
    interface.replies["/c"] = Reply(200, b"x" * (1 << 20) + b"y")
    async with http_driver(tmp_path, interface) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert outcome.outcome is Outcome.FAILED
    assert "longer than 1048576 bytes" in outcome.summary


async def test_redirects_are_told_and_not_followed(tmp_path: Path, interface: Interface) -> None:
    """Credentials go to no other server than the one the file names."""
    async with Interface().running() as other:
        interface.replies["/c"] = Reply(307, headers={"Location": f"{other.url}/c"})
        headers: Json = {"Authorization": "Bearer t"}
        async with http_driver(tmp_path, interface, {"headers": headers}) as driver:
            outcome = await driver.command("CP1", RESET, {})

        assert other.requests == []
        assert outcome.outcome is Outcome.FAILED
        assert f"redirects to {other.url}/c, which is not followed" in outcome.summary


async def test_secrets_are_masked_before_a_summary_is_cut(
    tmp_path: Path, interface: Interface
) -> None:
    """A secret at the place of the cut does not leave its first half behind."""
    interface.replies["/c"] = Reply(200, b"x" * 295 + b"s3cret-token")
    masker = Masker()
    masker.add("s3cret-token")
    async with http_driver(tmp_path, interface, masker=masker) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert "s3c" not in outcome.summary


# --- login -----------------------------------------------------------------------------------

LOGIN: dict[str, Json] = {
    "login": {
        "path": "/login",
        "body": {"user": "u", "password": "${env:PW}"},
        "capture": {"token": "/token"},
    },
    "headers": {"Authorization": "Bearer $token"},
}
PW = {"PW": "pa$$word$token"}


def numbered_tokens(valid: set[str]) -> Any:
    """Return a login that gives t1, t2 … and makes only the newest valid."""

    def login(_: Asked) -> Reply:
        token = f"token-{int(max(valid, default='token-0')[6:]) + 1}"
        valid.clear()
        valid.add(token)
        return Reply(200, {"token": token})

    return login


def guarded(valid: set[str]) -> Any:
    """Return a handler that answers 401 to whoever has no valid token."""

    def handle(asked: Asked) -> Reply:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        return Reply(200 if token in valid else 401, {"you": token})

    return handle


async def test_login_comes_first_and_once(tmp_path: Path, interface: Interface) -> None:
    """Commands side by side share one login, whose request has none of their headers."""
    valid: set[str] = set()
    interface.replies = {"/login": numbered_tokens(valid), "/c": guarded(valid)}
    async with http_driver(tmp_path, interface, LOGIN, environment=PW) as driver:
        told = await asyncio.gather(*(driver.command("CP1", RESET, {}) for _ in range(5)))

    assert {one.outcome for one in told} == {Outcome.DONE}
    assert interface.paths.count("/login") == 1
    assert interface.requests[0].body == {"user": "u", "password": "pa$$word$token"}
    assert "authorization" not in interface.requests[0].headers


async def test_a_login_that_is_over_is_done_anew_once(tmp_path: Path, interface: Interface) -> None:
    """Requests that are refused with 401 side by side log in once more, and are sent again."""
    valid: set[str] = set()
    interface.replies = {"/login": numbered_tokens(valid), "/c": guarded(valid)}
    async with http_driver(tmp_path, interface, LOGIN, environment=PW) as driver:
        await driver.command("CP1", RESET, {})
        valid.clear()
        valid.add("token-7")
        told = await asyncio.gather(*(driver.command("CP1", RESET, {}) for _ in range(5)))

    assert {one.outcome for one in told} == {Outcome.DONE}
    assert interface.paths.count("/login") == 2


async def test_401_after_a_fresh_login_is_an_answer(tmp_path: Path, interface: Interface) -> None:
    """Whoever may log in and yet not command is refused; nobody tries for ever."""
    interface.replies = {"/login": Reply(200, {"token": "t"}), "/c": Reply(401)}
    async with http_driver(tmp_path, interface, LOGIN, environment=PW) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert outcome.outcome is Outcome.REFUSED
    assert interface.paths == ["/login", "/c", "/login", "/c"]


async def test_a_login_with_a_lifetime_is_renewed_before(
    tmp_path: Path, interface: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After nine tenths of its life a login is done anew, without waiting for a refusal."""
    now_s = 1000.0
    monkeypatch.setattr("harness.drivers.exchange.time.monotonic", lambda: now_s)
    valid: set[str] = set()
    interface.replies = {"/login": numbered_tokens(valid), "/c": guarded(valid)}
    login = {**LOGIN, "login": {**LOGIN["login"], "lifetime_s": 100}}  # type: ignore[dict-item]
    async with http_driver(tmp_path, interface, login, environment=PW) as driver:
        for later_s in (0.0, 89.0, 91.0):
            now_s = 1000.0 + later_s
            await driver.command("CP1", RESET, {})

    assert interface.paths == ["/login", "/c", "/c", "/login", "/c"]


async def test_a_refused_login_is_told_and_not_tried_again_and_again(
    tmp_path: Path, interface: Interface
) -> None:
    """A wrong password must not lock the account; what was answered about it is not shown."""
    interface.replies["/login"] = Reply(403, {"sent": "pa$$word"})
    async with http_driver(tmp_path, interface, LOGIN, environment=PW) as driver:
        told = [await driver.command("CP1", RESET, {}) for _ in range(3)]
        with pytest.raises(ProvisioningError, match=r"could not log in: POST /login .*HTTP 403"):
            await driver.prepare([], {})

    assert {one.outcome for one in told} == {Outcome.FAILED}
    assert "pa$$" not in told[0].summary
    assert interface.paths == ["/login"]


async def test_what_a_login_gives_is_masked(tmp_path: Path, interface: Interface) -> None:
    """A token that an interface repeats does not come into the report."""
    valid: set[str] = set()
    interface.replies = {"/login": numbered_tokens(valid), "/c": guarded(valid)}
    async with http_driver(tmp_path, interface, LOGIN, environment=PW) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert '{"you": "***"}' in outcome.summary


async def test_basic_auth(tmp_path: Path, interface: Interface) -> None:
    """User and password become the header that RFC 7617 says."""
    basic: Json = {"user": "admin", "password": "${env:PW}"}
    async with http_driver(
        tmp_path, interface, {"basic_auth": basic}, environment={"PW": "1234$"}
    ) as driver:
        await driver.command("CP1", RESET, {})

    assert interface.requests[0].headers["authorization"] == "Basic YWRtaW46MTIzNCQ="


# --- TLS -------------------------------------------------------------------------------------


async def test_trust_anchors_are_the_files_to_name(tmp_path: Path) -> None:
    """A certificate of one's own is trusted when its root is named, and only then."""
    pki = Pki(tmp_path / "pki", hosts=["127.0.0.1"])
    pki.write(("root", "server_certificate", "server_key"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pki.path("server_certificate"), pki.path("server_key"))
    async with Interface().running(tls) as interface:
        anchors: dict[str, Json] = {"trust_anchors": [str(pki.path("root"))]}
        told = []
        for section in ({}, anchors):
            async with http_driver(tmp_path, interface, section) as driver:
                told.append(await driver.command("CP1", RESET, {}))

    assert [one.outcome for one in told] == [Outcome.FAILED, Outcome.DONE]
    assert "CERTIFICATE_VERIFY_FAILED" in told[0].summary


async def test_a_trust_anchor_that_is_none_is_told(tmp_path: Path) -> None:
    """Before the run, with the file."""
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "nobody.pem"):
        with pytest.raises(DriverError, match=rf"{name} cannot be read as PEM certificates"):
            async with http_driver(
                tmp_path, Interface(), {"base_url": "https://x", "trust_anchors": [name]}
            ):
                pass
