"""Which files our listeners are served with."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from csms.ocppj.tls import CertificateFiles, charge_point_context
from csms.operations.listener_tls import ListenerTls
from csms.pki.authority import CertificateAuthority


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path / "ca", now=lambda: datetime.now(UTC))


async def test_given_certificates_are_used_and_none_is_made(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    """The CA stays as it is; its roots are trusted once there are any, beside the operator's."""
    given = CertificateFiles(tmp_path / "rsa.pem", tmp_path / "rsa.key")
    client_ca = tmp_path / "clients.pem"
    tls = ListenerTls(authority, given=[given], names=["localhost"], client_ca=client_ca)

    files = await tls.start()
    await tls.close()

    assert files.certificates == (given,)
    assert files.trusted == (authority.trust_file, client_ca)
    assert not (tmp_path / "ca").exists()


@pytest.mark.slow
async def test_without_any_the_ca_makes_one_of_each_kind(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    """A listener can be opened with them at once; they stay the same."""
    tls = ListenerTls(authority, given=[], names=["localhost"], client_ca=None)

    files = await tls.start()
    await tls.close()
    charge_point_context(files)
    other = ListenerTls(authority, given=[], names=["localhost"], client_ca=None)
    again = await other.start()
    await other.close()

    assert len(files.certificates) == 2
    assert files.trusted == (authority.trust_file,)
    assert authority.trust_file.exists()
    assert again == files


async def test_closing_what_was_never_started(authority: CertificateAuthority) -> None:
    """A start that failed elsewhere ends in order."""
    await ListenerTls(authority, given=[], names=["localhost"], client_ca=None).close()
