"""Endpoints, identities and TLS in system-under-test files."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.pki import Kind
from harness.sut_access import hosts_of, numbered
from tests.harness.test_sut import LEAST, problems, read

POOLS = """\
name: A CSMS
endpoints: {1: "ws://127.0.0.1:9000/ocpp", 2: "wss://csms.example/ocpp", 3: "wss://csms.example/ocpp"}
identities:
  - {pattern: "A{n}", count: 2, security_profile: 1, password: one}
  - {identity: B, security_profile: 2, password: "00ff", password_is: hex}
  - {pattern: "C{n:02}", count: 2, security_profile: 3, role: special}
station: {serial_number: "SN-{identity}", cpo_name: Maker}
start: {command: [x, "${pki:client_ca}", "${pki:server_key}"], ready: {tcp: "127.0.0.1:9000"}}
id_tags: {valid: [TAG1]}
pics: {security_profiles: [3, 1]}
"""


def test_pools_have_their_profiles(tmp_path: Path) -> None:
    """Each pool has a profile, a password or none, and names for its certificates."""
    sut = read(tmp_path, POOLS)

    assert [(one.identity, one.security_profile, one.role) for one in sut.identities] == [
        ("A1", 1, ""),
        ("A2", 1, ""),
        ("B", 2, ""),
        ("C01", 3, "special"),
        ("C02", 3, "special"),
    ]
    assert [one.password for one in sut.identities[1:4]] == [b"one", b"\x00\xff", None]
    assert {(one.serial_number, one.organization) for one in sut.identities[:1]} == {
        ("SN-A1", "Maker")
    }
    assert sut.ocpp_url == "ws://127.0.0.1:9000/ocpp"
    assert sut.access.endpoints[3] == "wss://csms.example/ocpp"
    assert sut.declaration.security_profiles == (1, 3)
    assert sut.settings()["pics"] == {"security_profiles": [1, 3]}


def test_files_of_the_pki_are_named_and_noted(tmp_path: Path) -> None:
    """What the program reads is written before it starts, and the root with it."""
    sut = read(tmp_path, POOLS)

    assert sut.start is not None
    folder = sut.access.pki.directory
    assert sut.start.command[1:] == (f"{folder}/client_ca.pem", f"{folder}/server_key.pem")
    assert not folder.exists()
    assert tmp_path / "run" not in folder.parents
    assert set(sut.pki_files) == {"root", "client_ca", "server_key"}
    assert sut.access.has_own_client_ca
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("address", "password", "profile"),
    [("ws://x", "", 0), ("ws://x", "p", 1), ("wss://x", "p", 2)],
)
def test_a_profile_follows_from_address_and_password(
    tmp_path: Path, address: str, password: str, profile: int
) -> None:
    """Files without profiles mean what they meant before there were any."""
    entry = "{identity: CP1" + (f", password: {password}" if password else "") + "}"
    text = LEAST.replace("ws://127.0.0.1:9000/ocpp", address).replace("{identity: CP1}", entry)
    sut = read(tmp_path, text)

    assert sut.identities[0].security_profile == profile
    assert sut.ocpp_url == address


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("endpoints: {1", "endpoints: {4", "4"),
        ('2: "wss://', '2: "ws://', "profile 2 is spoken over wss://"),
        ("security_profile: 1, password: one", "security_profile: 1", "profile 1 needs a `passw"),
        ("security_profile: 3,", "security_profile: 0,", "no endpoint for security profile 0"),
        ("${pki:client_ca}", "${pki:client}", "'client' is no file of the run's PKI"),
        ("${pki:client_ca}", "y", "profile 3 needs client certificates"),
        ("SN-{identity}", "{identity}012345678901234567890123", "longer than 25 characters"),
        ("[3, 1]", "[3, 4]", "4 is not one of those known"),
        ("role: special", "role: Special", "must be small letters"),
    ],
)
def test_what_is_wrong_with_connections_is_said(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    """Each contradiction is told with its line."""
    found = problems(tmp_path, POOLS.replace(old, new, 1))

    assert problem in found
    assert found.startswith("FILE:")


def test_foreign_certificates_are_found_beside_the_file(tmp_path: Path) -> None:
    """Paths are relative to the file; with own certificates no PKI of the run is needed."""
    text = POOLS.replace('"${pki:client_ca}", "${pki:server_key}"', "y") + (
        "tls:\n  trust_anchors: [roots/ca.pem]\n  server_name: csms.example\n"
        '  client_certificates: {own: {certificate: "{identity}.pem", key: own.key}}\n'
        "password_encoding: hex_text\n"
    )
    access = read(tmp_path, text).access

    assert access.trust_anchors == (tmp_path / "roots" / "ca.pem",)
    assert access.server_name == "csms.example"
    assert access.password_encoding.value == "hex_text"
    assert access.client_certificates[Kind.OWN].certificate == str(tmp_path / "{identity}.pem")
    assert access.has_client_certificates


def test_small_things() -> None:
    """Numbers are written as asked for; servers on TLS are named first, each once."""
    assert [numbered("A{n}", 7), numbered("A{n:03}B", 7)] == ["A7", "A007B"]
    urls = ["ws://a:1/x", "wss://b:2", "wss://[::1]:3", "ws://b"]
    assert hosts_of(urls) == ["b", "::1", "a"]
