"""Certificates that somebody has to look after."""

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from csms.domain.certificates import InstalledState, TaskKind
from csms.operations.certificate_signing import CertificateSignedEffect
from csms.operations.certificate_tasks import CertificateTasks
from csms.pki.authority import CertificateAuthority, SignatureForm
from csms.pki.certificates import facts
from csms.storage import installed_certificates
from tests.csms.operations.rig import AT, Rig
from tests.csms.pki import material

MONTH = timedelta(days=30)


@pytest.fixture
def authority(rig: Rig, tmp_path: Path) -> CertificateAuthority:
    """An authority without anything."""
    return CertificateAuthority(tmp_path / "ca", now=rig.now, signature=SignatureForm.ECDSA)


def _file(path: Path, *days: int) -> Path:
    """A file of certificates that end in so many days."""
    path.write_text(
        "".join(
            material.pem(material.root(f"{path.stem} {day}", until=AT + timedelta(days=day)))
            for day in days
        )
    )
    return path


async def test_nothing_is_nothing(rig: Rig, authority: CertificateAuthority) -> None:
    """No listener, no authority, no charge points."""
    assert await CertificateTasks(rig.store, authority, rig.now).due(MONTH) == []


async def test_files_of_the_operator_are_looked_at(
    rig: Rig, authority: CertificateAuthority, tmp_path: Path
) -> None:
    """Of a server its own certificate, of the authorities each; the most urgent first."""
    server = _file(tmp_path / "server.pem", 20, 1)
    fine = _file(tmp_path / "ec.pem", 31)
    client_ca = _file(tmp_path / "ca.pem", 10, 100, -1)
    tasks = CertificateTasks(
        rig.store, authority, rig.now, given=[server, fine], client_ca=client_ca
    )

    found = await tasks.due(MONTH)

    assert [(one.kind, one.what, one.is_expired) for one in found] == [
        (TaskKind.CLIENT_AUTHORITY, "ca.pem", True),
        (TaskKind.CLIENT_AUTHORITY, "ca.pem", False),
        (TaskKind.SERVER, "server.pem", False),
    ]
    assert len(await tasks.due(timedelta(days=200))) == 5


async def test_unreadable_file_hides_no_other(
    rig: Rig, authority: CertificateAuthority, tmp_path: Path
) -> None:
    """The listener complains about it already."""
    broken = tmp_path / "broken.pem"
    broken.write_text("nonsense")
    server = _file(tmp_path / "server.pem", 1)

    tasks = CertificateTasks(rig.store, authority, rig.now, given=[broken, server])

    assert [one.what for one in await tasks.due(MONTH)] == ["server.pem"]


async def test_own_server_certificates_matter_when_renewal_fails(
    rig: Rig, authority: CertificateAuthority
) -> None:
    """Else nobody has to do anything, although they live for a month only."""
    authority.server_certificates(["localhost"])
    tasks = CertificateTasks(rig.store, authority, rig.now)
    fresh = await tasks.due(MONTH)
    rig.now.move(timedelta(days=22))

    late = await tasks.due(MONTH)

    assert fresh == []
    assert [one.kind for one in late] == [TaskKind.SERVER, TaskKind.SERVER]


async def test_end_of_our_roots_is_told(rig: Rig, authority: CertificateAuthority) -> None:
    """In twenty years."""
    roots = authority.prepare()
    rig.now.move(timedelta(days=7300))

    found = await CertificateTasks(rig.store, authority, rig.now).due(MONTH)

    assert {one.facts for one in found} == {facts(root.certificate) for root in roots}
    assert {one.kind for one in found} == {TaskKind.AUTHORITY}


async def test_held_certificates_of_charge_points_are_told(
    rig: Rig, authority: CertificateAuthority
) -> None:
    """Not one that a newer one has replaced."""
    rig.effects["CertificateSigned"] = CertificateSignedEffect(rig.store, rig.now)
    for days in (5, 20):
        leaf = material.certificate(material.name("CP1"), until=AT + timedelta(days=days))
        await rig.send("CertificateSigned", {"certificateChain": material.pem(leaf)})
    tasks = CertificateTasks(rig.store, authority, rig.now)

    found = await tasks.due(MONTH)

    assert [(one.kind, one.identity) for one in found] == [(TaskKind.ISSUED, "CP1")]
    assert found[0].facts.not_after == AT + timedelta(days=20)
    assert "SignChargePointCertificate" in found[0].todo


async def test_installed_roots_are_told(rig: Rig, authority: CertificateAuthority) -> None:
    """Those a charge point holds; of refused ones nobody needs to know."""
    for state in (InstalledState.INSTALLED, InstalledState.REJECTED):
        root = material.root(state.value, until=AT + timedelta(days=3))
        request = partial(
            installed_certificates.request,
            identity="CP1",
            certificate_type="ManufacturerRootCertificate",
            pem=material.pem(root),
            facts=facts(root),
            names=(),
            at=AT,
        )
        record_id = await rig.store.write(request)
        settle = partial(installed_certificates.settle, record_id=record_id, state=state, at=AT)
        await rig.store.write(settle)

    found = await CertificateTasks(rig.store, authority, rig.now).due(MONTH)

    assert [(one.kind, one.what, one.facts.subject) for one in found] == [
        (TaskKind.INSTALLED, "ManufacturerRootCertificate", "CN=Installed,O=CPO")
    ]
