"""Identity and password, as they stand in the upgrade request."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.ocppj.handshake import identity_of, password_of


@pytest.mark.parametrize(
    ("target", "identity"),
    [
        ("/ocpp/CP1", "CP1"),
        ("/CP1", "CP1"),
        ("/a/b/c/ocpp1.5/CP1", "CP1"),
        ("/ocpp/RDAM%20123", "RDAM 123"),
        ("/ocpp/a%2Fb", "a/b"),
        ("/ocpp/a%252Fb", "a%2Fb"),
        ("/ocpp/a+b", "a+b"),
        ("/ocpp/%C3%BC", "ü"),
        ("/ocpp/ab%3Fc", "ab?c"),
        ("/ocpp/CP1?token=1", "CP1"),
        ("/ocpp/CP1?path=/other/CP2", "CP1"),
        ("/ocpp/CP:1;v=2", "CP:1;v=2"),
        ("/ocpp/%41", "A"),
        ("ws://host:9000/ocpp/CP1", "CP1"),
        ("/ocpp/" + "x" * 255, "x" * 255),
    ],
)
def test_identity_is_the_last_segment_decoded_once(target: str, identity: str) -> None:
    """Split first, decode then, and never again (CS-WS-03)."""
    assert identity_of(target) == identity


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "",
        "/ocpp/",
        "/ocpp/?CP1",
        "/ocpp/%",
        "/ocpp/%4",
        "/ocpp/%zz",
        "/ocpp/CP%",
        "/ocpp/%FF",
        "/ocpp/%C3",
        "/ocpp/%ED%A0%80",
        "/ocpp/%00",
        "/ocpp/CP%0A1",
        "/ocpp/CP%7F",
        "/ocpp/" + "x" * 256,
    ],
)
def test_no_identity_where_nothing_can_be_decoded(target: str) -> None:
    """Broken escapes, broken UTF-8 and control characters name nobody."""
    assert identity_of(target) is None


@given(st.text())
def test_any_target_gives_an_identity_or_none(target: str) -> None:
    """No request target raises."""
    identity = identity_of(target)
    assert identity is None or 0 < len(identity) <= 255


def test_vector_of_the_standard() -> None:
    """Identity AL1000 with the key of OCPP-J 1.6 §6.2.2 (CS-WS-10)."""
    header = "Basic QUwxMDAwOgABAgMEBQYH////////////////"

    assert password_of([header], "AL1000") == bytes.fromhex(
        "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"
    )


def _basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


@given(
    st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    st.binary(max_size=40),
)
def test_password_is_any_bytes(identity: str, password: bytes) -> None:
    """Colons and bytes that are no UTF-8 belong to the password; so do colons to the identity."""
    header = _basic(identity.encode() + b":" + password)

    assert password_of([header], identity) == password


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Basic"],
        ["Basic !!!!"],
        ["Basic Q1Ax*OnB3"],
        ["Basic \xff"],
        ["Bearer Q1AxOnB3"],
        [_basic(b"CP1")],
        [_basic(b"CP2:pw")],
        [_basic(b"cp1:pw")],
        [_basic(b"CP1 :pw")],
        [_basic(b":pw")],
        [_basic(b"CP1:pw"), _basic(b"CP1:pw")],
        [_basic(b"CP1:pw")[:-1]],
    ],
)
def test_other_credentials_are_none(headers: list[str]) -> None:
    """The user name must be the identity, the scheme Basic, the header one."""
    assert password_of(headers, "CP1") is None


@pytest.mark.parametrize("header", ["basic Q1AxOnB3", "BASIC  Q1AxOnB3 ", " Basic Q1AxOnB3"])
def test_scheme_and_spaces_do_not_matter(header: str) -> None:
    """HTTP compares schemes without case."""
    assert password_of([header], "CP1") == b"pw"


def test_user_name_is_the_decoded_identity() -> None:
    """`a%2Fb` in the path is `a/b` in the credentials."""
    assert password_of([_basic(b"a/b:pw")], "a/b") == b"pw"
    assert password_of([_basic(b"a%2Fb:pw")], "a/b") is None
