"""Which addresses a run may be pointed at."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from harness.drivers.command import CommandDriverSpec
from harness.drivers.http_spec import CallbackSpec, HttpDriverSpec, RequestTemplate
from harness.drivers.python import PythonDriverSpec
from harness.engine import Engine, EngineError
from harness.guards import NotOurs, guard, is_private
from harness.sut import SystemUnderTest
from tests.harness.small_runs import options, system
from tests.miniatures import Miniature

ELSEWHERE = "192.0.2.7"  # RFC 5737, nobody's


def at(url: str, **changes: object) -> SystemUnderTest:
    """Return a system that is reached at `url`."""
    return system(None, ocpp_url=url, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("10.0.0.1", True),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("192.168.1.1", True),
        ("192.169.0.1", False),
        ("169.254.3.4", True),
        ("100.64.0.1", False),
        ("8.8.8.8", False),
        ("0.0.0.0", True),
        ("0.1.2.3", False),
        ("255.255.255.255", False),
        ("::1", True),
        ("fe80::1", True),
        ("fd00::1", True),
        ("2001:4860:4860::8888", False),
        ("::ffff:10.0.0.1", True),
        ("::ffff:8.8.8.8", False),
        ("64:ff9b::808:808", False),
        ("2002:a00:1::", False),
    ],
)
def test_only_loopback_and_private_addresses_are_ours(address: str, is_ours: bool) -> None:
    """Both families; an IPv4 address inside IPv6 counts as what it is."""
    assert is_private(ip_address(address)) is is_ours


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:9/ocpp", "ws://[::1]:9/x", "wss://10.1.2.3/", "ws://localhost/x"]
)
async def test_what_is_here_needs_no_word(url: str) -> None:
    """This machine and private networks pass as they are."""
    await guard(at(url))


@pytest.mark.parametrize(
    "url", [f"ws://{ELSEWHERE}/ocpp", "ws://[2001:db8::1]/", "ws://134744072/"]
)
async def test_what_is_elsewhere_is_named_with_the_remedy(url: str) -> None:
    """The refusal says which place of the file, and how to go on. 134744072 is 8.8.8.8."""
    with pytest.raises(NotOurs, match=r"ocpp_url.*--i-may-test-this"):
        await guard(at(url))


async def test_one_public_address_of_a_name_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a private and a public address is public: nobody knows which is taken."""

    async def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
        both = ["10.0.0.1", "203.0.113.9"] if host == "two.example" else ["::1", "10.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in both]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)

    await guard(at("ws://one.example/"))
    with pytest.raises(NotOurs, match=r"two\.example .*which is 203\.0\.113\.9"):
        await guard(at("ws://two.example/"))


async def test_a_name_without_address_is_not_guessed() -> None:
    """What cannot be resolved is nobody's yet, so it does not pass."""
    with pytest.raises(NotOurs, match="cannot be resolved"):
        await guard(at("ws://nowhere.invalid/"))


async def test_every_endpoint_counts() -> None:
    """An endpoint of another security profile is an address of the run like any other."""
    sut = at("ws://127.0.0.1:9/ocpp")
    access = replace(sut.access, endpoints={1: sut.ocpp_url, 2: f"wss://{ELSEWHERE}/"})
    with pytest.raises(NotOurs, match=r"endpoints\.2"):
        await guard(replace(sut, access=access))


@pytest.mark.parametrize(
    "driver",
    [
        HttpDriverSpec(base_url=f"http://{ELSEWHERE}/api"),
        HttpDriverSpec(
            base_url="http://127.0.0.1:9", setup=(RequestTemplate(path=f"https://{ELSEWHERE}/x"),)
        ),
        PythonDriverSpec(name="a:B", options={"where": [{"url": f"HTTP://{ELSEWHERE}"}]}),
        CommandDriverSpec(command=("x", f"https://{ELSEWHERE}/"), directory=Path()),
        CommandDriverSpec(command=("x",), directory=Path(), environment={"A": f"ws://{ELSEWHERE}"}),
    ],
)
async def test_whatever_a_driver_names_counts(driver: object) -> None:
    """Base address, absolute paths, options, arguments: none is overlooked."""
    with pytest.raises(NotOurs, match=f"{ELSEWHERE} .driver"):
        await guard(at("ws://127.0.0.1:9/ocpp", driver=driver))


async def test_where_the_csms_calls_us_is_no_target() -> None:
    """The address of our own callback is what the CSMS may call, not what the run calls."""
    callback = CallbackSpec(url=f"http://{ELSEWHERE}:$port")
    driver = HttpDriverSpec(base_url="http://127.0.0.1:9", callback=callback)
    await guard(at("ws://127.0.0.1:9/ocpp", driver=driver))


async def test_a_run_sends_nothing_before_the_guard(tmp_path: Path) -> None:
    """The driver's address is public: neither handshake nor command leaves; one word lets it."""
    async with Miniature() as miniature:
        sut = system(miniature)
        access = replace(sut.access, endpoints={1: miniature.url, 2: f"wss://{ELSEWHERE}/"})
        sut = replace(sut, access=access)
        with pytest.raises(EngineError, match="--i-may-test-this"):
            async with Engine(sut, options(tmp_path)):
                pass
        assert miniature.links == {}
        async with Engine(sut, options(tmp_path, may_test_public=True)) as engine:
            assert engine.stopped == ""
