"""How charge points get at a system: passwords, certificates, what is offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.access import Access, CertificateFiles, NoCertificate, Offer, PasswordEncoding
from harness.pki import Kind, Pki

KEY = "3a00ff41"


def access(**changes: object) -> Access:
    fields: dict[str, object] = {
        "endpoints": {1: "ws://x/ocpp"},
        "pki": Pki(Path("nowhere"), hosts=["localhost"]),
    }
    return Access(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("encoding", "key", "password"),
    [
        (PasswordEncoding.RAW_FROM_HEX, KEY, b"\x3a\x00\xffA"),
        (PasswordEncoding.HEX_TEXT, KEY, b"3a00ff41"),
        (PasswordEncoding.RAW_FROM_HEX, "no hex", b"no hex"),
    ],
)
def test_a_key_is_written_as_declared(
    encoding: PasswordEncoding, key: str, password: bytes
) -> None:
    """A key is its bytes or its text; what is no hexadecimal text is a password itself."""
    assert encoding.basic(key) == password
    assert encoding.other.other is encoding


def test_certificates_come_from_files_where_they_are_named(tmp_path: Path) -> None:
    """A foreign system's own certificates are read, one for each identity."""
    (tmp_path / "CP1.pem").write_text("chain")
    (tmp_path / "CP1.key").write_text("key")
    files = CertificateFiles(f"{tmp_path}/{{identity}}.pem", f"{tmp_path}/{{identity}}.key")
    foreign = access(client_certificates={Kind.OWN: files})

    def own(identity: str) -> str:
        return foreign.client_certificate(
            Kind.OWN, identity=identity, common_name="SN", organization="O"
        ).chain

    assert own("CP1") == "chain"
    with pytest.raises(NoCertificate, match="CP2"):
        own("CP2")


@pytest.mark.parametrize("kind", [Kind.OWN, Kind.EXPIRED, Kind.OTHER_IDENTITY])
def test_nobody_has_a_certificate_of_an_authority_that_is_not_ours(kind: Kind) -> None:
    """Where the system does not trust the run's PKI, only an untrusted one can be made."""
    arguments = {"identity": "CP1", "common_name": "SN", "organization": "O"}

    with pytest.raises(NoCertificate, match=kind.value):
        access().client_certificate(kind, **arguments)
    assert access().client_certificate(Kind.UNTRUSTED, **arguments).chain
    assert access(has_own_client_ca=True).client_certificate(kind, **arguments).chain


def test_what_is_offered_reaches_the_endpoint() -> None:
    """Exactly the versions and suites named are offered, and TLS on TLS endpoints only."""
    offer = Offer(
        url="wss://x/ocpp",
        identity="CP1",
        password=b"secret",
        versions=("1.2", "1.1"),
        suites=("TLS_RSA_WITH_AES_128_GCM_SHA256",),
        trust_anchors="",
    )
    endpoint = offer.endpoint()

    assert endpoint.tls is not None
    assert [version.value for version in endpoint.tls.versions] == ["TLSv1.1", "TLSv1.2"]
    assert endpoint.tls.suites == offer.suites
    assert Offer(url="ws://x/ocpp", identity="CP1").endpoint().tls is None
    assert "secret" not in repr(offer)


def test_trust_anchors_are_all_of_the_files(tmp_path: Path) -> None:
    """Several files count together; without any it is this machine's own."""
    for name in "ab":
        (tmp_path / name).write_text(name)

    assert access(trust_anchors=(tmp_path / "a", tmp_path / "b")).read_trust_anchors() == "a\nb"
    assert access().read_trust_anchors() is None
