"""What is offered, and one handshake after the other without a socket."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from simulator.client_hello import ClientHello, parse_client_hello
from simulator.errors import CannotOffer, LocalProtocolError, RefusalKind
from simulator.tls import MANDATORY_SUITES, Engine, TlsOffer, TlsVersion, make_context
from simulator.tls_names import SUITES, TLS_1_3_SUITES
from tests import miniature_pki as pki
from tests.simulator.tls_rig import V2, V3, client_credentials, offer, server_context

V1_0, V1_1, V1_2, V1_3 = TlsVersion


class Server:
    """The other end."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.is_shaken = False

    def receive(self, data: bytes) -> bytes:
        """Take bytes and return the answer; alerts too."""
        self.incoming.write(data)
        try:
            if not self.is_shaken:
                self.tls.do_handshake()
                self.is_shaken = True
        except ssl.SSLError:
            pass  # what there is to say about it is in the answer
        return self.outgoing.read()


def shake_hands(engine: Engine, server: Server) -> None:
    """Carry bytes to and fro until nobody has any."""
    while data := engine.to_send():
        engine.receive(server.receive(data))


def offered(tls: TlsOffer, host: str = "csms.example") -> ClientHello:
    """Return what would leave."""
    return parse_client_hello(Engine(tls, host).to_send())


# --- the offer -------------------------------------------------------------------------------


def test_usual_offer() -> None:
    """Without wishes both versions leave, the four suites among others, and the server's name."""
    hello = offered(TlsOffer())

    assert set(hello.versions) == {V1_2, V1_3}
    assert {SUITES[name] for name in (*MANDATORY_SUITES, *TLS_1_3_SUITES)} < set(hello.suites)
    assert hello.server_name == "csms.example"


def test_nothing_weak_is_offered_unasked() -> None:
    """Without wishes no suite leaves that is anonymous or encrypts nothing."""
    weak = [code for name, code in SUITES.items() if "NULL" in name or "anon" in name]

    assert not set(weak) & set(offered(TlsOffer()).suites)


@pytest.mark.parametrize("suite", sorted(set(SUITES) - set(TLS_1_3_SUITES)))
def test_each_suite_leaves_alone_or_not_at_all(suite: str) -> None:
    """Whatever suite is wanted, either it alone leaves, or our own inability is said."""
    wanted = TlsOffer(suites=(suite,))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    if SUITES[suite] not in {one["id"] & 0xFFFF for one in context.get_ciphers()}:
        assert suite not in MANDATORY_SUITES
        with pytest.raises(CannotOffer, match=suite):
            offered(wanted)
        return
    hello = offered(wanted)

    assert hello.suites == (SUITES[suite],)
    assert hello.versions == (V1_2,)


def test_some_suites_in_their_order() -> None:
    """Suites leave in the order they were given."""
    suites = tuple(reversed(MANDATORY_SUITES))

    assert offered(TlsOffer(suites=suites)).suites == tuple(SUITES[name] for name in suites)


def test_suites_of_both_versions() -> None:
    """The three of TLS 1.3 may go with those of TLS 1.2."""
    hello = offered(TlsOffer(suites=(*TLS_1_3_SUITES, MANDATORY_SUITES[0])))

    assert set(hello.suites) == {SUITES[name] for name in (*TLS_1_3_SUITES, MANDATORY_SUITES[0])}
    assert set(hello.versions) == {V1_2, V1_3}


@pytest.mark.parametrize(
    ("lowest", "highest", "versions"),
    [
        (None, None, {V1_2, V1_3}),
        (None, V1_2, {V1_2}),
        (None, V1_1, {V1_1}),
        (None, V1_0, {V1_0}),
        (V1_3, None, {V1_3}),
        (V1_1, V1_2, {V1_2}),  # before TLS 1.3 the highest alone is named
        (V1_0, V1_3, {V1_0, V1_1, V1_2, V1_3}),
    ],
)
def test_versions(
    lowest: TlsVersion | None, highest: TlsVersion | None, versions: set[TlsVersion]
) -> None:
    """Exactly the versions that are wanted leave, old ones too."""
    assert set(offered(TlsOffer(min_version=lowest, max_version=highest)).versions) == versions


def test_offer_that_contradicts_itself() -> None:
    """Unknown suites, and a certificate without key or a key without certificate, are mistakes."""
    with pytest.raises(LocalProtocolError, match="NO_SUCH_SUITE"):
        TlsOffer(suites=("NO_SUCH_SUITE",))
    for part in client_credentials().items():
        with pytest.raises(LocalProtocolError, match="go together"):
            TlsOffer(**dict([part]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"suites": (TLS_1_3_SUITES[0],)}, "only be offered together"),
        ({"suites": (MANDATORY_SUITES[0],), "max_version": V1_3}, "cannot do without TLS_AES"),
        ({"suites": TLS_1_3_SUITES, "max_version": V1_2}, "of the kind|does not offer"),
        ({"suites": (MANDATORY_SUITES[0],), "min_version": V1_3}, "does not offer|of the kind"),
        ({"trust_anchors_pem": "ü"}, "trust anchors"),
        ({"installed_roots_pem": ("nothing",)}, "trust anchors"),
        ({"certificate_chain_pem": "a", "private_key_pem": "b"}, "client certificate"),
    ],
)
def test_reasons_for_not_offering(changes: dict[str, object], words: str) -> None:
    """Each thing our side cannot do has its words."""
    with pytest.raises(CannotOffer, match=words):
        Engine(TlsOffer(**changes), "csms.example")  # type: ignore[arg-type]


def test_encrypted_key_is_not_asked_about() -> None:
    """A key with a password is refused; nobody waits for somebody to type."""
    key = pki.key("EC", "CP1").private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    chain = client_credentials()["certificate_chain_pem"]

    with pytest.raises(CannotOffer, match="its private key is encrypted"):
        Engine(offer(certificate_chain_pem=chain, private_key_pem=key.decode()), "x")


def test_private_keys_do_not_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python wants keys in files; ours are gone when the context is made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    make_context(offer(server_name="only for this test", **client_credentials()))

    assert list(tmp_path.iterdir()) == []


# --- the handshake ---------------------------------------------------------------------------


@pytest.mark.parametrize("suite", MANDATORY_SUITES)
def test_handshake_says_what_was_agreed_on(suite: str) -> None:
    """Facts are there once it is over, and both ends hear each other."""
    engine, server = Engine(offer(suites=(suite,)), "127.0.0.1"), Server(server_context())
    assert engine.facts is None
    shake_hands(engine, server)
    engine.send(b"hello")
    server.incoming.write(engine.to_send())
    server.tls.write(b"good day")

    assert engine.problem is None
    assert engine.facts is not None
    assert (engine.facts.version, engine.facts.suite) == ("TLSv1.2", suite)
    assert server.tls.read() == b"hello"
    assert engine.receive(server.outgoing.read()) == b"good day"


@pytest.mark.parametrize("newest", [V2, V3])
@pytest.mark.parametrize(
    ("clients", "has_one", "shows"),
    [
        (ssl.CERT_NONE, False, False),
        (ssl.CERT_NONE, True, False),
        (ssl.CERT_OPTIONAL, False, False),
        (ssl.CERT_OPTIONAL, True, True),
        (ssl.CERT_REQUIRED, True, True),
    ],
)
@pytest.mark.parametrize("kind", ["EC", "RSA-2048"])
def test_whether_our_certificate_was_shown(
    newest: ssl.TLSVersion, clients: ssl.VerifyMode, has_one: bool, shows: bool, kind: str
) -> None:
    """Shown is what was asked for and given, in both versions, whatever the sizes."""
    key = pki.key(kind, "CP1")
    chain = pki.pem(pki.authority().issue(key.public_key(), "CP1"))
    ours = {"certificate_chain_pem": chain, "private_key_pem": pki.key_pem(key)} if has_one else {}
    engine = Engine(offer(**ours), "127.0.0.1")
    shake_hands(engine, Server(server_context(newest=newest, clients=clients)))

    assert engine.facts is not None
    assert engine.facts.shows_certificate is shows
    assert engine.shows_certificate is shows


def test_handshake_byte_by_byte_is_the_same() -> None:
    """Records may come in any pieces."""
    engine = Engine(offer(), "127.0.0.1")
    server = Server(server_context(clients=ssl.CERT_OPTIONAL))
    while data := engine.to_send():
        for byte in server.receive(data):
            engine.receive(bytes([byte]))

    assert engine.problem is None
    assert engine.facts is not None


def test_second_client_hello_is_no_certificate() -> None:
    """A server that wants another group makes us offer twice; that is not our certificate."""
    context = server_context(newest=V3, oldest=V3, clients=ssl.CERT_NONE, name="127.0.0.1 ")
    context.set_ecdh_curve("secp521r1")
    context.check_hostname = False
    engine = Engine(offer(checks_server=False, **client_credentials()), "127.0.0.1")
    server = Server(context)
    rounds = 0
    while data := engine.to_send():
        rounds += 1
        engine.receive(server.receive(data))

    assert rounds == 3
    assert engine.facts is not None
    assert engine.facts.shows_certificate is False


def test_farewell_of_the_server() -> None:
    """What was said before the farewell is heard, and then that it is one."""
    engine, server = Engine(offer(), "127.0.0.1"), Server(server_context())
    shake_hands(engine, server)
    server.tls.write(b"bye")
    with pytest.raises(ssl.SSLWantReadError):
        server.tls.unwrap()

    assert engine.receive(server.outgoing.read()) == b"bye"
    assert engine.is_ended
    assert engine.problem is None


def test_words_before_an_alert_are_heard() -> None:
    """An answer that comes with an alert is not lost; the alert is a problem all the same."""
    context = server_context(clients=ssl.CERT_REQUIRED)
    engine, server = Engine(offer(), "127.0.0.1"), Server(context)
    answer = server.receive(engine.to_send())
    engine.receive(answer)
    alert = server.receive(engine.to_send())
    engine.receive(alert)

    assert engine.facts is not None
    assert engine.problem is not None
    assert (engine.problem.kind, engine.problem.alert) == (
        RefusalKind.ALERT,
        "certificate_required",
    )


@given(st.binary(min_size=1, max_size=100))
def test_any_answer_is_a_problem_or_none_yet(data: bytes) -> None:
    """Whatever a server answers, nothing is raised and no handshake comes of it."""
    engine = Engine(offer(), "127.0.0.1")
    engine.receive(data)

    assert engine.facts is None
    end = engine.problem or engine.eof()
    assert end.kind in (RefusalKind.ALERT, RefusalKind.EOF, RefusalKind.NOT_TLS)
    assert (end.alert != "") is (end.kind is RefusalKind.ALERT)


def version_bytes(data: bytearray) -> set[int]:
    """Return where records tell their version, which means nothing any more."""
    found, at = set(), 0
    while at < len(data):
        found |= {at + 1, at + 2}
        at += 5 + int.from_bytes(data[at + 3 : at + 5], "big")
    return found


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_damaged_handshake_is_never_one(at: int, damage: int) -> None:
    """One wrong byte in a server's answer ends in a problem, or waits for more."""
    server = Server(server_context())
    engine = Engine(offer(), "127.0.0.1")
    answer = bytearray(server.receive(engine.to_send()))
    at %= len(answer)
    ignored = version_bytes(answer)
    answer[at] ^= damage
    engine.receive(bytes(answer))

    assert engine.facts is None or at in ignored


def test_repeated_offers_share_their_context() -> None:
    """Hundreds of stations with one offer make one context."""
    assert make_context(offer()) is make_context(offer())
