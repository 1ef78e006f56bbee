"""TLS as our listeners speak it, with real handshakes in memory (CS-SEC-04)."""

import os
import ssl
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from csms.ocppj.tls import (
    SUITES,
    CertificateFiles,
    LiveContext,
    TlsError,
    TlsFiles,
    charge_point_context,
    web_context,
)
from tests.csms.pki.material import ec_key, rsa_key
from tests.csms.tls_files import (
    Authority,
    client_authority,
    client_certificate,
    client_context,
    server_files,
)

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def shake(
    server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Do a handshake in memory; return the server's side and the client's.

    Args:
        session: to be resumed, if the server lets it.

    Raises:
        ssl.SSLError: one side refused.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
    waiting = {ours, theirs}
    for _ in range(10):
        for side in (theirs, ours):
            try:
                side.do_handshake()
                waiting.discard(side)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    return ours, theirs


def old(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that offers nothing but an old version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return client_context(suites="ALL:@SECLEVEL=0", version=version)


def kind_of(side: ssl.SSLObject) -> str:
    """Return the kind of key of the certificate that a side was shown."""
    shown = side.getpeercert(binary_form=True)
    assert shown is not None
    key = x509.load_der_x509_certificate(shown).public_key()
    return "rsa" if isinstance(key, rsa.RSAPublicKey) else "ec"


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return server_files(tmp_path, trusted=[client_authority()])


@pytest.mark.parametrize(
    ("suite", "kind"), list(zip(SUITES, ["ec", "ec", "rsa", "rsa"], strict=True))
)
def test_each_mandatory_suite_works_alone(files: TlsFiles, suite: str, kind: str) -> None:
    """Each with the certificate it needs."""
    _, theirs = shake(charge_point_context(files), client_context(suites=suite, version=TLS_1_2))

    cipher = theirs.cipher()
    assert cipher is not None
    assert cipher[0] == suite
    assert theirs.version() == "TLSv1.2"
    assert kind_of(theirs) == kind


def test_the_four_suites_are_all_there_is_of_tls_1_2(files: TlsFiles) -> None:
    """Whatever else a client offers is refused."""
    ours = charge_point_context(files)
    offered = client_context(suites="ALL:COMPLEMENTOFALL:@SECLEVEL=0", version=TLS_1_2)
    others = [one["name"] for one in offered.get_ciphers() if one["name"] not in SUITES]
    others = [one for one in others if not one.startswith("TLS_")]
    assert "ECDHE-RSA-AES128-GCM-SHA256" in others
    assert len(others) > 20

    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        shake(ours, client_context(suites=":".join([*others, "@SECLEVEL=0"]), version=TLS_1_2))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(files: TlsFiles, version: ssl.TLSVersion) -> None:
    """TLS 1.0 and 1.1, though the client offers all it has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = old(version)

    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        shake(charge_point_context(files), client)


def test_tls_1_3_works(files: TlsFiles) -> None:
    """Beside the four suites, with the elliptic certificate."""
    _, theirs = shake(charge_point_context(files), client_context(version=TLS_1_3))

    assert theirs.version() == "TLSv1.3"


def test_who_knows_only_rsa_gets_tls_1_3_too(tmp_path: Path) -> None:
    """One certificate is enough for TLS 1.3, and for the suites of its kind."""
    ours = charge_point_context(server_files(tmp_path, kinds=["rsa"]))

    assert shake(ours, client_context(version=TLS_1_3))[1].version() == "TLSv1.3"
    shake(ours, client_context(suites=SUITES[2], version=TLS_1_2))
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        shake(ours, client_context(suites=SUITES[0], version=TLS_1_2))


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_client_certificate_is_asked_for_and_shown(
    files: TlsFiles, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """Who has a trusted one shows it; who has none gets in all the same."""
    ours = charge_point_context(files)
    own = client_certificate("CP1", tmp_path)

    shown, _ = shake(ours, client_context(version=version, certificate=own))
    none, _ = shake(ours, client_context(version=version))

    assert shown.getpeercert(binary_form=True)
    assert none.getpeercert(binary_form=True) is None


@pytest.mark.parametrize("days", [(-30.0, -1.0), (1.0, 30.0)])
def test_certificate_out_of_its_time_is_refused(
    files: TlsFiles, tmp_path: Path, days: tuple[float, float]
) -> None:
    """Expired or not valid yet."""
    own = client_certificate("CP1", tmp_path, days=days)

    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake(charge_point_context(files), client_context(certificate=own))


def test_certificate_of_a_stranger_is_refused(files: TlsFiles, tmp_path: Path) -> None:
    """Only roots that the operator named are trusted, not those of the machine."""
    issued = Authority("Stranger", number=7).issue("CP1", ec_key(88))
    path = tmp_path / "stranger.pem"
    path.write_text(issued.certificate + issued.key)

    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake(charge_point_context(files), client_context(certificate=path))


def test_server_certificate_is_none_for_a_charge_point(files: TlsFiles, tmp_path: Path) -> None:
    """A certificate for other purposes does not prove a charge point."""
    issued = client_authority().issue("CP1", ec_key(88), is_server=True)
    path = tmp_path / "server-as-client.pem"
    path.write_text(issued.certificate + issued.key)

    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake(charge_point_context(files), client_context(certificate=path))


def test_weak_client_key_is_refused(files: TlsFiles, tmp_path: Path) -> None:
    """RSA has at least 2048 bits (A00.FR.502)."""
    issued = client_authority().issue("CP1", rsa_key(1024))
    path = tmp_path / "weak.pem"
    path.write_text(issued.certificate + issued.key)
    client = client_context(suites="ALL:@SECLEVEL=0")
    client.load_cert_chain(path)

    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake(charge_point_context(files), client)


def test_web_speaks_modern_tls_without_client_certificates(files: TlsFiles) -> None:
    """Browsers and programs come with other suites than charge points."""
    ours = web_context(files)

    for suite in ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", SUITES[2]):
        shake(ours, client_context(suites=suite, version=TLS_1_2))
    shake(ours, client_context(version=TLS_1_3))
    assert ours.verify_mode is ssl.CERT_NONE
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        shake(ours, client_context(suites="ECDHE-RSA-AES128-SHA", version=TLS_1_2))


# --- files ---------------------------------------------------------------------------------------


def serial_of(server: ssl.SSLContext) -> int:
    """Return the serial number of the certificate that a handshake shows."""
    shown = shake(server, client_context())[1].getpeercert()
    assert shown is not None
    return int(str(shown["serialNumber"]), 16)


def touch(path: Path) -> None:
    """Let a file look changed, also where clocks of file systems are coarse."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))


def test_changed_certificates_are_read_again(files: TlsFiles, tmp_path: Path) -> None:
    """New handshakes show the new certificate without a restart."""
    live = LiveContext(files, charge_point_context)
    before = serial_of(live.context)
    assert serial_of(live.context) == before

    server_files(tmp_path, trusted=[client_authority()])
    for path in files.paths():
        touch(path)

    assert serial_of(live.context) != before


def test_changed_trust_counts_for_the_next_handshake(files: TlsFiles, tmp_path: Path) -> None:
    """Roots may be added, and taken away again."""
    live = LiveContext(files, charge_point_context)
    own = client_certificate("CP1", tmp_path)
    shake(live.context, client_context(certificate=own))

    files.trusted[0].write_text(Authority("Other", number=9).pem)
    touch(files.trusted[0])
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake(live.context, client_context(certificate=own))

    files.trusted[0].write_text(client_authority().pem)
    touch(files.trusted[0])
    shake(live.context, client_context(certificate=own))


def test_resumed_session_outlives_no_trust(files: TlsFiles, tmp_path: Path) -> None:
    """It would skip the check of the chain: after a change there is a whole handshake."""
    live = LiveContext(files, charge_point_context)
    theirs = client_context(certificate=client_certificate("CP1", tmp_path), version=TLS_1_2)
    session = shake(live.context, theirs)[1].session
    assert shake(live.context, theirs, session)[0].session_reused

    files.trusted[0].write_text(Authority("Other", number=9).pem)
    touch(files.trusted[0])
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake(live.context, theirs, session)

    files.trusted[0].write_text(client_authority().pem)
    touch(files.trusted[0])
    ours, _ = shake(live.context, theirs, session)
    assert not ours.session_reused


def test_resumed_session_shows_its_certificate(files: TlsFiles, tmp_path: Path) -> None:
    """The door asks every time whose it is, and whether it was revoked."""
    server = charge_point_context(files)
    theirs = client_context(certificate=client_certificate("CP1", tmp_path), version=TLS_1_2)
    first, side = shake(server, theirs)

    resumed, _ = shake(server, theirs, side.session)

    assert resumed.session_reused
    assert resumed.getpeercert(binary_form=True) == first.getpeercert(binary_form=True)


def test_tls_1_3_resumes_nothing(files: TlsFiles) -> None:
    """No tickets are handed out."""
    theirs = client_context(version=TLS_1_3)
    server = charge_point_context(files)
    ours, side = shake(server, theirs)
    ours.write(b"x")
    side.read(1)

    session = side.session
    assert session is None or not session.has_ticket


def test_trust_may_come_later(files: TlsFiles, tmp_path: Path) -> None:
    """The built-in CA makes its roots when they are first needed."""
    later = tmp_path / "later.pem"
    live = LiveContext(TlsFiles(files.certificates, (later,)), charge_point_context)
    own = client_certificate("CP1", tmp_path)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake(live.context, client_context(certificate=own))

    later.write_text(client_authority().pem)

    shown, _ = shake(live.context, client_context(certificate=own))
    assert shown.getpeercert(binary_form=True)


def test_half_written_files_change_nothing(
    files: TlsFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be used is logged; the last good files serve until it can."""
    live = LiveContext(files, charge_point_context)
    before = serial_of(live.context)
    chain = files.certificates[0].chain
    whole = chain.read_text()

    chain.write_text(whole[:100])
    assert serial_of(live.context) == before
    chain.unlink()
    assert serial_of(live.context) == before
    assert serial_of(live.context) == before
    assert caplog.text.count("changed TLS files are not used") == 2
    chain.write_text(whole)

    assert serial_of(live.context) == before
    assert len(caplog.records) == 2


def _encrypted(folder: Path) -> None:
    key = rsa_key(2048, 77).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (folder / "rsa.key").write_bytes(key)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "rsa.pem").unlink(), ["rsa.pem", "No such file"]),
        (lambda folder: (folder / "rsa.key").unlink(), ["rsa.key", "No such file"]),
        (lambda folder: (folder / "rsa.pem").write_text("x"), ["rsa.pem", "no usable certificate"]),
        (
            lambda folder: (folder / "rsa.key").write_text((folder / "ec.key").read_text()),
            ["rsa.key is not the key of the certificate in"],
        ),
        (_encrypted, ["encrypted"]),
        (lambda folder: (folder / "trusted.pem").write_text("x"), ["trusted.pem", "CA"]),
        (lambda folder: (folder / "trusted.pem").write_bytes(b"\xff"), ["trusted.pem", "PEM"]),
    ],
)
def test_unusable_files_are_explained(
    files: TlsFiles, tmp_path: Path, spoil: object, words: list[str]
) -> None:
    """The message names the file."""
    assert callable(spoil)
    spoil(tmp_path)

    with pytest.raises(TlsError) as caught:
        charge_point_context(files)

    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_two_certificates_of_one_kind_are_refused(files: TlsFiles) -> None:
    """One would silently take the place of the other."""
    twice = TlsFiles((files.certificates[0], CertificateFiles(*_paths(files.certificates[0]))))

    with pytest.raises(TlsError, match="another RSA certificate"):
        charge_point_context(twice)


def _paths(files: CertificateFiles) -> tuple[Path, Path]:
    return files.chain, files.key
