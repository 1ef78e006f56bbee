"""What the options of `preflight simulate` come to; how they are told is in `test_cli`."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from simulator.endpoint_options import WayIn, read_way_in
from simulator.tls import TlsVersion
from tests import miniature_pki as pki
from tests.simulator.tls_rig import client_credentials, root_pem

NOTHING = {
    "tls_url": None,
    "security_profile": None,
    "password": None,
    "password_encoding": "raw_from_hex",
    "trust": (),
    "server_name": "",
    "certificate": None,
    "certificate_key": None,
    "key_type": "RSA",
    "min_tls": None,
    "max_tls": None,
    "suites": (),
}


def way_in(url: str, **options: object) -> WayIn:
    """Return what some options come to."""
    return read_way_in("CP1", url=url, **{**NOTHING, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def certificate() -> Path:
    """A file with a certificate and its key."""
    return pki.written("options-both.pem", "".join(client_credentials().values()))


@pytest.mark.parametrize(
    ("url", "options", "profile", "endpoints"),
    [
        ("ws://h/x", {}, 0, {0, 1}),
        ("ws://h/x", {"password": "p"}, 1, {0, 1}),
        ("ws://h/x", {"password": "p", "security_profile": 0}, 0, {0, 1}),
        ("ws://h/x", {"password": "p", "tls_url": "wss://h/y"}, 1, {0, 1, 2, 3}),
        ("wss://h/x", {}, 0, {0, 2, 3}),
        ("wss://h/x", {"password": "p"}, 2, {2, 3}),
        ("wss://h/x", {"certificate": True}, 3, {2, 3}),
        ("wss://h/x", {"certificate": True, "password": "p"}, 3, {2, 3}),
        ("wss://h/x", {"certificate": True, "password": "p", "security_profile": 2}, 2, {2, 3}),
    ],
)
def test_profile_follows_from_what_is_given(
    url: str, options: dict[str, object], profile: int, endpoints: set[int], certificate: Path
) -> None:
    """The security profile is what address and credentials amount to; each shows its own."""
    if "certificate" in options:
        options = {**options, "certificate": certificate}
    way = way_in(url, **options)

    assert way.profile == profile
    assert set(way.endpoints) == endpoints == set(way.security["security_profiles"])
    for number, endpoint in way.endpoints.items():
        assert (endpoint.password is not None) is (number in (1, 2) and "password" in options)
        tls = endpoint.tls
        shows = bool(tls and tls.certificate_chain_pem)
        assert shows is (number == 3 and "certificate" in options)
        assert endpoint.url.startswith("wss" if number >= 2 or url.startswith("wss") else "ws:")


def test_roots_are_the_charge_point_s_own() -> None:
    """Given roots are all there is: one that the CSMS deletes is trusted no more."""
    path = pki.written("options-root.pem", root_pem())
    way = way_in("wss://h", trust=(path,))
    tls = way.endpoint.tls

    assert tls is not None
    assert (tls.trust_anchors_pem, tls.installed_roots_pem) == ("", (root_pem(),))
    assert way.security["central_system_roots"] == (root_pem(),)


def test_wishes_about_tls() -> None:
    """Versions, suites and name reach the offer."""
    suite = "TLS_RSA_WITH_AES_128_CBC_SHA"
    way = way_in("wss://h", min_tls="1.0", max_tls="1.1", suites=(suite,), server_name="csms")
    tls = way.endpoint.tls

    assert tls is not None
    assert (tls.min_version, tls.max_version) == (TlsVersion.TLS_1_0, TlsVersion.TLS_1_1)
    assert (tls.suites, tls.server_name) == ((suite,), "csms")
    assert tls.trust_anchors_pem is None


@pytest.mark.parametrize("url", ["wss://", "http://h", "ws://[::1", "ws://h:0/"])
def test_addresses_that_are_none(url: str) -> None:
    """What is no address is said to be none."""
    with pytest.raises(click.BadParameter, match="expected ws://"):
        way_in(url)
