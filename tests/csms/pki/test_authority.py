"""The built-in certification authority."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from csms.pki import authority as module
from csms.pki.authority import CertificateAuthority, RootKind, SignatureForm
from csms.pki.certificates import is_issued_by, read_chain
from csms.pki.key_files import PkiError, write_key
from csms.pki.requests import read_request
from tests.csms.pki import material
from tests.csms.pki.material import AT


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now_at = AT

    def __call__(self) -> datetime:
        return self.now_at


@pytest.fixture
def clock() -> Clock:
    """The authority's clock."""
    return Clock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the authority keeps its files; with an RSA key, which takes long to make."""
    path = tmp_path / "ca"
    path.mkdir(mode=0o700)
    write_key(path / "rsa-root.key", material.rsa_key(3072))
    write_key(path / "rsa-server.key", material.rsa_key(number=7))
    return path


@pytest.fixture
def authority(directory: Path, clock: Clock) -> CertificateAuthority:
    """An authority."""
    return CertificateAuthority(directory, now=clock, organisation="CPO")


def _again(
    directory: Path, clock: Clock, form: SignatureForm = SignatureForm.RSA
) -> CertificateAuthority:
    return CertificateAuthority(directory, now=clock, organisation="CPO", signature=form)


@pytest.mark.parametrize("key", [material.rsa_key(), material.ec_key()], ids=["rsa", "ec"])
def test_issued_certificate_is_for_clients_only(
    authority: CertificateAuthority, key: material.Key
) -> None:
    """No authority, no server; the extensions of the request are not copied."""
    text = material.pem(
        material.request(
            key,
            extensions=[
                x509.BasicConstraints(ca=True, path_length=None),
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
                x509.SubjectAlternativeName([x509.DNSName("csms.example.com")]),
            ],
        )
    )

    leaf = authority.issue(read_request(text)).leaf

    extensions = leaf.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    purpose = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert (basic.critical, basic.value.ca) == (True, False)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert list(purpose) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert {one.oid._name for one in extensions} == {
        "basicConstraints", "keyUsage", "extendedKeyUsage",
        "subjectKeyIdentifier", "authorityKeyIdentifier",
    }  # fmt: skip
    assert leaf.public_key() == key.public_key()
    assert leaf.subject == material.name()


def test_issued_certificate_is_valid_from_a_little_ago(authority: CertificateAuthority) -> None:
    """Clocks of charge points are slow; life is as set."""
    leaf = authority.issue(read_request(material.csr())).leaf

    assert leaf.not_valid_before_utc == AT - timedelta(hours=1)
    assert leaf.not_valid_after_utc == AT + timedelta(days=365)


def test_serial_numbers_are_random(authority: CertificateAuthority) -> None:
    """And fit 20 bytes, the most a certificate may have."""
    serials = [authority.issue(read_request(material.csr())).leaf.serial_number for _ in range(20)]

    assert len(set(serials)) == 20
    assert all(1 << 64 < one < 1 << 159 for one in serials)


def test_chain_is_leaf_then_issuer(authority: CertificateAuthority) -> None:
    """With LF line ends."""
    issued = authority.issue(read_request(material.csr(material.rsa_key())))

    leaf, issuer = read_chain(issued.chain)
    assert (leaf, issuer) == (issued.leaf, issued.issuer)
    assert is_issued_by(leaf, issuer)
    assert "\r" not in issued.chain
    assert len(issued.chain) < 10_000


@pytest.mark.parametrize(
    ("form", "algorithm"),
    [
        (SignatureForm.RSA, "sha256WithRSAEncryption"),
        (SignatureForm.RSA_PSS, "rsassaPss"),
        (SignatureForm.ECDSA, "ecdsa-with-SHA256"),
    ],
)
@pytest.mark.parametrize("key", [material.rsa_key(), material.ec_key()], ids=["rsa", "ec"])
def test_signature_form_is_as_set(
    directory: Path, clock: Clock, form: SignatureForm, algorithm: str, key: material.Key
) -> None:
    """Whatever the key of the request: the official case knows one form (TC_074)."""
    issued = _again(directory, clock, form).issue(read_request(material.csr(key)))

    assert issued.leaf.signature_algorithm_oid._name == algorithm
    assert isinstance(issued.leaf.signature_algorithm_parameters, padding.PSS) == (
        form is SignatureForm.RSA_PSS
    )
    assert issued.leaf.public_key() == key.public_key()


def test_certificate_does_not_outlive_its_root(directory: Path, clock: Clock) -> None:
    """A chain ends with its first certificate that does."""
    authority = CertificateAuthority(directory, now=clock, life=timedelta(days=10_000))

    issued = authority.issue(read_request(material.csr()))

    assert issued.leaf.not_valid_after_utc == issued.issuer.not_valid_after_utc
    clock.now_at = issued.issuer.not_valid_after_utc
    with pytest.raises(PkiError, match="expired"):
        authority.issue(read_request(material.csr()))


def test_roots_are_made_when_needed_and_kept(
    authority: CertificateAuthority, directory: Path, clock: Clock
) -> None:
    """The next start finds the same."""
    assert authority.roots() == ()
    authority.issue(read_request(material.csr()))
    assert [one.kind for one in authority.roots()] == [RootKind.RSA]

    both = authority.prepare()

    assert _again(directory, clock).prepare() == both == _again(directory, clock).roots()
    assert authority.trust_file.read_text() == "".join(one.pem for one in both)


def test_root_is_an_authority_for_leaves(authority: CertificateAuthority) -> None:
    """It signs certificates, and nobody below it does."""
    for root in authority.prepare():
        extensions = root.certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints)
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
        assert usage.key_cert_sign
        assert not usage.digital_signature
        assert is_issued_by(root.certificate, root.certificate)
        key = root.certificate.public_key()
        assert not isinstance(key, rsa.RSAPublicKey) or key.key_size == 3072


def test_root_of_finds_the_signer(authority: CertificateAuthority) -> None:
    """By signature: a name can be copied."""
    leaf = authority.issue(read_request(material.csr())).leaf
    root = authority.roots()[0].certificate
    forged = material.certificate(material.name(), issuer=root, issuer_key=material.ec_key(5))

    found = authority.root_of(leaf)

    assert found is not None
    assert found.certificate == root
    assert authority.root_of(forged) is None


def test_files_are_private(authority: CertificateAuthority, directory: Path) -> None:
    """0700 around 0600."""
    authority.server_certificates(["localhost"])

    assert directory.stat().st_mode & 0o777 == 0o700
    files = list(directory.iterdir())
    assert len(files) == 9
    assert {one.stat().st_mode & 0o777 for one in files} == {0o600}


def test_directory_is_made_private(tmp_path: Path, clock: Clock) -> None:
    """One that is not there yet."""
    authority = _again(tmp_path / "new", clock, SignatureForm.ECDSA)

    authority.issue(read_request(material.csr()))

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["rsa-root.key", ""])
def test_open_permissions_are_refused(
    authority: CertificateAuthority, directory: Path, clock: Clock, name: str
) -> None:
    """A key that others could read is a key that others may have."""
    authority.issue(read_request(material.csr()))
    (directory / name).chmod(0o755)

    with pytest.raises(PkiError, match="chmod"):
        _again(directory, clock).issue(read_request(material.csr()))


@pytest.mark.parametrize("spoil", ["missing", "foreign", "broken", "encrypted"])
def test_lost_key_is_no_reason_for_a_new_root(
    authority: CertificateAuthority, directory: Path, clock: Clock, spoil: str
) -> None:
    """Every charge point would be locked out; the operator is told instead."""
    authority.issue(read_request(material.csr()))
    path = directory / "rsa-root.key"
    path.unlink()
    if spoil == "foreign":
        write_key(path, material.ec_key(9))
    elif spoil != "missing":
        path.write_text("nonsense")
        path.chmod(0o600)

    with pytest.raises(PkiError, match=r"rsa-root\.key"):
        _again(directory, clock).issue(read_request(material.csr()))


def test_key_without_root_is_used(directory: Path, clock: Clock) -> None:
    """What a sudden end between the two files left behind."""
    key = material.rsa_key(3072)

    root = next(one for one in _again(directory, clock).prepare() if one.kind is RootKind.RSA)

    assert root.certificate.public_key() == key.public_key()


def test_directory_that_cannot_be_made_is_told(tmp_path: Path, clock: Clock) -> None:
    """With the path."""
    with pytest.raises(PkiError, match="no/ca"):
        _again(tmp_path / "no" / "ca", clock).prepare()


def test_server_certificates_serve_tls(authority: CertificateAuthority) -> None:
    """A client that trusts our roots accepts both, by name and by address."""
    files = authority.server_certificates(["localhost", "127.0.0.1", "::1"])

    for chain, key in ((files.rsa_chain, files.rsa_key), (files.ec_chain, files.ec_key)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        leaf, root = read_chain(chain.read_text())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        purpose = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        shown = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert is_issued_by(leaf, root)
        assert [one.value for one in shown] == ["localhost"]
        assert names.get_values_for_type(x509.DNSName) == ["localhost"]
        assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == [
            "127.0.0.1", "::1",
        ]  # fmt: skip
        assert list(purpose) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_rsa_server_enciphers_keys(authority: CertificateAuthority) -> None:
    """Static RSA key exchange needs it (two of the four suites)."""
    files = authority.server_certificates(["localhost"])

    usages = [
        read_chain(path.read_text())[0].extensions.get_extension_for_class(x509.KeyUsage).value
        for path in (files.rsa_chain, files.ec_chain)
    ]
    assert [one.key_encipherment for one in usages] == [True, False]
    assert all(one.digital_signature for one in usages)


def test_server_certificates_are_kept_until_they_end_soon(
    authority: CertificateAuthority, directory: Path, clock: Clock
) -> None:
    """Then renewed with the same key; other names need another certificate at once."""
    files = authority.server_certificates(["localhost"])
    first = files.ec_chain.read_text()
    key = files.ec_key.read_text()
    clock.now_at += module.SERVER_LIFE - module.SERVER_RENEWAL - timedelta(minutes=1)
    _again(directory, clock).server_certificates(["localhost"])
    assert files.ec_chain.read_text() == first

    clock.now_at += timedelta(minutes=2)
    authority.server_certificates(["localhost"])
    second = files.ec_chain.read_text()
    authority.server_certificates(["csms.example.com"])

    assert len({first, second, files.ec_chain.read_text()}) == 3
    assert files.ec_key.read_text() == key


@pytest.mark.parametrize("names", [[], [""], ["a b"], ["x" * 300], ["-a"], ["a\n"], ["ü.example"]])
def test_names_no_certificate_can_have_are_refused(
    authority: CertificateAuthority, names: list[str]
) -> None:
    """Host names and addresses only."""
    with pytest.raises(ValueError, match="name"):
        authority.server_certificates(names)


def test_leaf_is_accepted_by_openssl(authority: CertificateAuthority, clock: Clock) -> None:
    """Through a real handshake: client certificate of a charge point, trusted by our root."""
    clock.now_at = datetime.now(UTC)
    issued = authority.issue(read_request(material.csr(material.ec_key())))
    files = authority.server_certificates(["localhost"])
    directory = files.ec_key.parent
    write_key(directory / "client.key", material.ec_key())
    (directory / "client.pem").write_text(issued.chain)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.ec_chain, files.ec_key)
    server.load_verify_locations(authority.trust_file)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(authority.trust_file))
    client.load_cert_chain(directory / "client.pem", directory / "client.key")

    shown = _handshake(server, client)

    assert shown == issued.leaf.public_bytes(Encoding.DER)


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes | None:
    """Shake hands in memory; return the certificate the server saw."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(up, down, server_side=True)
    theirs = client.wrap_bio(down, up, server_hostname="localhost")
    for _ in range(10):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ours.getpeercert(binary_form=True)
