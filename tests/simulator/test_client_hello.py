"""What is read from the bytes of a ClientHello."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.client_hello import parse_client_hello
from simulator.tls_names import SUITES, TLS_1_3_SUITES, TlsVersion


def hello(context: ssl.SSLContext, name: str | None = None) -> bytes:
    """Return what OpenSSL sends first."""
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def context(lowest: ssl.TLSVersion, highest: ssl.TLSVersion, suites: str) -> ssl.SSLContext:
    """Return a client's context."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.minimum_version, made.maximum_version = lowest, highest
    made.set_ciphers(suites)
    return made


V2, V3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
BOTH = context(V2, V3, "AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")


def test_versions_suites_and_name_are_read() -> None:
    """An offer of both versions names them, its suites in order, and the server."""
    offered = parse_client_hello(hello(BOTH, "csms.example"))

    assert set(offered.versions) == {TlsVersion.TLS_1_2, TlsVersion.TLS_1_3}
    assert offered.server_name == "csms.example"
    assert offered.suites[-2:] == (
        SUITES["TLS_RSA_WITH_AES_128_GCM_SHA256"],
        SUITES["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"],
    )
    assert set(offered.suites[:-2]) == {SUITES[name] for name in TLS_1_3_SUITES}


def test_version_without_extension_is_the_highest() -> None:
    """Before TLS 1.3 a ClientHello names one version; a signal is no suite."""
    offered = parse_client_hello(hello(context(V2, V2, "AES128-GCM-SHA256")))

    assert offered.versions == (TlsVersion.TLS_1_2,)
    assert offered.suites == (SUITES["TLS_RSA_WITH_AES_128_GCM_SHA256"],)
    assert offered.server_name == ""


def test_address_is_no_server_name() -> None:
    """RFC 6066 §3 knows names alone."""
    assert parse_client_hello(hello(BOTH, "127.0.0.1")).server_name == ""


def test_message_over_several_records_is_one() -> None:
    """A ClientHello may be cut anywhere."""
    whole = hello(BOTH, "csms.example")
    message = whole[5:]
    parts = (message[:7], message[7:])
    cut = b"".join(whole[:3] + len(part).to_bytes(2, "big") + part for part in parts)

    assert parse_client_hello(cut) == parse_client_hello(whole)


@pytest.mark.parametrize("size", [0, 3, 5, 9, 50])
def test_piece_of_a_client_hello_is_none(size: int) -> None:
    """What ends too early is not guessed at."""
    with pytest.raises(ValueError, match="ClientHello"):
        parse_client_hello(hello(BOTH)[:size])


@given(st.binary(max_size=200))
def test_other_bytes_are_no_client_hello(data: bytes) -> None:
    """Nothing but ValueError ever comes of bytes."""
    for text in (data, bytes([22, 3, 1]) + len(data).to_bytes(2, "big") + data):
        try:
            parse_client_hello(text)
        except ValueError:
            continue
        assert text[0] == 22
        assert text[5] == 1
