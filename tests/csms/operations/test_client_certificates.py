"""Whose a client certificate is, asked at the door of profile 3 (CS-SEC-05)."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from csms.domain.certificates import IssuedState
from csms.domain.model import BootInformation, ChargePoint
from csms.operations.certificate_signing import CertificateSigning
from csms.operations.client_certificates import ClientCertificateCheck
from csms.pki.authority import CertificateAuthority, RootKind, SignatureForm
from csms.pki.certificates import facts, read_chain, read_der, write_chain
from csms.storage import charge_points, issued_certificates
from tests.csms.operations.rig import Rig
from tests.csms.pki import material

FOREIGN = material.root("Foreign CA", key=material.ec_key(50))


class NoEvents:
    """Takes security events and forgets them."""

    def note(self, identity: str | None, type: str, detail: str, address: str | None) -> None:
        """Forget it."""


class Doorkeeper:
    """An authority, its certificates, and who asks for them at the door."""

    def __init__(self, rig: Rig, directory: Path) -> None:
        self._rig = rig
        self.authority = CertificateAuthority(
            directory, now=rig.now, signature=SignatureForm.ECDSA, life=timedelta(days=365)
        )
        self.signing = CertificateSigning(rig.store, self.authority, NoEvents(), rig.now)

    async def register(self, identity: str, *, profile: int = 3, **boot: str) -> ChargePoint:
        """Make a charge point known, that booted with a security profile."""
        write = self._rig.store.write
        await write(
            partial(
                charge_points.register,
                identity=identity,
                at=self._rig.now(),
                security_profile=profile,
            )
        )
        found = await write(
            partial(
                charge_points.record_boot,
                identity=identity,
                boot=BootInformation(**boot),
                at=self._rig.now(),
            )
        )
        assert found is not None
        return found

    async def issue(self, identity: str, key: int) -> tuple[int, bytes]:
        """Have a certificate signed; return its record and its DER."""
        csr = material.csr(material.ec_key(key), common_name=identity)
        issued = await self.signing.issue(identity, csr)
        assert issued.chain is not None
        return issued.record_id, read_chain(issued.chain)[0].public_bytes(Encoding.DER)

    def check(
        self, *, trusts_others: bool = False, organisation: str | None = None
    ) -> ClientCertificateCheck:
        """The check at the door."""
        return ClientCertificateCheck(
            self._rig.store,
            self.authority,
            self._rig.now,
            trusts_others=trusts_others,
            organisation=organisation,
        )

    async def state(self, identity: str, record_id: int) -> IssuedState:
        """What the table says of a certificate."""
        found = await self._rig.store.read(
            partial(issued_certificates.get, identity=identity, record_id=record_id)
        )
        assert found is not None
        return found.state


@pytest.fixture
def keeper(rig: Rig, tmp_path: Path) -> Doorkeeper:
    """An authority of its own."""
    return Doorkeeper(rig, tmp_path / "ca")


def _foreign(
    common_name: str | None, organisation: str | None = "CPO", key: int = 50, **options: object
) -> bytes:
    one = material.certificate(
        material.name(common_name, organisation),
        issuer=FOREIGN,
        issuer_key=material.ec_key(key),
        **options,  # type: ignore[arg-type]
    )
    return one.public_bytes(Encoding.DER)


async def test_own_certificate_is_let_in_and_noted(rig: Rig, keeper: Doorkeeper) -> None:
    """From then on it is in use; the moment of the first use stays."""
    charge_point = await keeper.register("CP1")
    record_id, der = await keeper.issue("CP1", 1)
    first_at = rig.now()

    assert await keeper.check().refusal(der, charge_point) is None
    rig.now.move(timedelta(hours=1))
    assert await keeper.check().refusal(der, charge_point) is None

    (shown,) = await rig.store.read(partial(issued_certificates.page, identity="CP1"))
    assert (shown.record_id, shown.state, shown.used_at) == (
        record_id,
        IssuedState.IN_USE,
        first_at,
    )


async def test_certificate_of_another_is_refused(keeper: Doorkeeper) -> None:
    """Even of one with the same serial number as its name."""
    await keeper.register("CP1")
    other = await keeper.register("CP2", charge_point_serial_number="CP1")
    record_id, der = await keeper.issue("CP1", 1)

    assert await keeper.check(trusts_others=True).refusal(der, other) == (
        "the certificate is that of 'CP1'"
    )
    assert await keeper.state("CP1", record_id) is IssuedState.SIGNED


async def test_revoked_certificate_is_refused(rig: Rig, keeper: Doorkeeper) -> None:
    """Before its first use and after; using it does not bring it back."""
    charge_point = await keeper.register("CP1")
    for key, is_used in ((1, False), (2, True)):
        record_id, der = await keeper.issue("CP1", key)
        if is_used:
            assert await keeper.check().refusal(der, charge_point) is None
        await rig.store.write(
            partial(
                issued_certificates.revoke,
                identity="CP1",
                record_id=record_id,
                reason="lost",
                at=rig.now(),
            )
        )

        assert await keeper.check().refusal(der, charge_point) == "the certificate is revoked"
        assert await keeper.state("CP1", record_id) is IssuedState.REVOKED


@pytest.mark.parametrize("hours", [-2, 24 * 365])
async def test_certificate_out_of_its_time_is_refused(
    rig: Rig, keeper: Doorkeeper, hours: int
) -> None:
    """TLS looks at dates, too, but not when it resumes a session."""
    charge_point = await keeper.register("CP1")
    _, der = await keeper.issue("CP1", 1)

    rig.now.move(timedelta(hours=hours))

    refusal = await keeper.check().refusal(der, charge_point)
    assert refusal == "the certificate is expired or not valid yet"


async def test_removed_charge_point_takes_its_certificates_along(
    rig: Rig, keeper: Doorkeeper
) -> None:
    """The identity may be given to another machine."""
    await keeper.register("CP1")
    _, der = await keeper.issue("CP1", 1)
    await rig.store.write(partial(charge_points.remove, identity="CP1"))
    again = await keeper.register("CP1")

    refusal = await keeper.check(trusts_others=True).refusal(der, again)

    assert refusal == "the certificate was not issued to a charge point that is known"


async def test_certificate_that_anybody_could_ask_for_opens_no_door(
    rig: Rig, keeper: Doorkeeper
) -> None:
    """Asked for in profile 0; asking again as who one is makes it good."""
    await keeper.register("CP1", profile=0)
    commanding = rig.commanding
    await keeper.signing.start(commanding)
    csr = material.csr(material.ec_key(1))
    assert await keeper.signing.request("CP1", csr)
    charge_point = await rig.store.write(
        partial(charge_points.change, identity="CP1", security_profile=1, at=rig.now())
    )
    assert charge_point is not None
    keeper.signing.answered("CP1")
    await asyncio.gather(*keeper.signing._under_way.values())
    (shown,) = await rig.store.read(partial(issued_certificates.page, identity="CP1"))
    assert shown.chain is not None
    der = read_chain(shown.chain)[0].public_bytes(Encoding.DER)

    before = await keeper.check().refusal(der, charge_point)
    assert await keeper.signing.request("CP1", csr)
    after = await keeper.check().refusal(der, charge_point)
    await keeper.signing.close()

    assert before is not None
    assert "anybody" in before
    assert after is None


async def test_our_server_certificate_is_no_charge_points(keeper: Doorkeeper) -> None:
    """Signed by our root all the same."""
    charge_point = await keeper.register("CP1")
    files = keeper.authority.server_certificates(["CP1"])
    der = read_chain(files.ec_chain.read_text())[0].public_bytes(Encoding.DER)

    assert await keeper.check(trusts_others=True).refusal(der, charge_point) is not None


@pytest.mark.parametrize(
    ("common_name", "organisation", "is_good"),
    [
        ("CP1", "CPO", True),
        ("SERIAL", "CPO", True),
        ("BOX", "CPO", True),
        ("NAME", "CPO", True),
        ("CP2", "CPO", False),
        ("cp1", "CPO", False),
        ("CP1", "Other", False),
        ("CP1", None, False),
        (None, "CPO", False),
    ],
)
async def test_foreign_certificate_is_held_to_its_name(
    rig: Rig,
    keeper: Doorkeeper,
    common_name: str | None,
    organisation: str | None,
    is_good: bool,
) -> None:
    """Common name and organisation, as the whitepaper says (A00.FR.404, 405)."""
    await keeper.register(
        "CP1", charge_point_serial_number="SERIAL", charge_box_serial_number="BOX"
    )
    charge_point = await rig.store.write(
        partial(charge_points.change, identity="CP1", certificate_name="NAME", at=rig.now())
    )
    assert charge_point is not None

    refusal = await keeper.check(trusts_others=True, organisation="CPO").refusal(
        _foreign(common_name, organisation), charge_point
    )

    assert (refusal is None) == is_good


async def test_serial_number_counts_once_it_was_told_with_proof(
    rig: Rig, keeper: Doorkeeper
) -> None:
    """Anybody may say anything in security profile 0; the next boot with proof puts it right."""
    await keeper.register("CP1", profile=0, charge_point_serial_number="SERIAL")
    found = await rig.store.write(
        partial(charge_points.change, identity="CP1", security_profile=3, at=rig.now())
    )
    assert found is not None
    check = keeper.check(trusts_others=True)
    assert await check.refusal(_foreign("SERIAL"), found) is not None
    assert await check.refusal(_foreign("CP1"), found) is None

    proven = await keeper.register("CP1", charge_point_serial_number="SERIAL")

    assert await check.refusal(_foreign("SERIAL"), proven) is None


async def test_revoked_stays_revoked_when_its_charge_point_is_removed(
    rig: Rig, keeper: Doorkeeper
) -> None:
    """Of another authority, too: by its name alone it would be good again."""
    charge_point = await keeper.register("CP1")
    der = _foreign("CP1")
    certificate = read_der(der)
    record_id = await rig.store.write(
        partial(
            issued_certificates.begin,
            identity="CP1",
            facts=facts(certificate),
            common_name="CP1",
            chain=write_chain([certificate]),
            at=rig.now(),
        )
    )
    await rig.store.write(
        partial(
            issued_certificates.revoke,
            identity="CP1",
            record_id=record_id,
            reason="stolen",
            at=rig.now(),
        )
    )
    check = keeper.check(trusts_others=True)
    assert await check.refusal(der, charge_point) == "the certificate is revoked"

    await rig.store.write(partial(charge_points.remove, identity="CP1"))
    again = await keeper.register("CP1")

    assert await check.refusal(der, again) == "the certificate is revoked"


async def test_certificates_of_a_replaced_authority_go_on_while_it_is_trusted(
    rig: Rig, keeper: Doorkeeper, tmp_path: Path
) -> None:
    """So the authority can be changed without locking anybody out; each bears its own name."""
    charge_point = await keeper.register("CP1")
    other = await keeper.register("CP2")
    _, der = await keeper.issue("CP1", 1)
    successor = CertificateAuthority(tmp_path / "successor", now=rig.now)
    successor.prepare()

    def check(*, trusts_old: bool) -> ClientCertificateCheck:
        return ClientCertificateCheck(rig.store, successor, rig.now, trusts_others=trusts_old)

    assert await check(trusts_old=True).refusal(der, charge_point) is None
    assert await check(trusts_old=True).refusal(der, other) is not None
    assert await check(trusts_old=False).refusal(der, charge_point) is not None


async def test_any_organisation_where_none_is_set(keeper: Doorkeeper) -> None:
    """Factory certificates name the maker."""
    charge_point = await keeper.register("CP1")

    check = keeper.check(trusts_others=True)

    assert await check.refusal(_foreign("CP1", "Maker"), charge_point) is None


async def test_foreign_authority_must_be_trusted(keeper: Doorkeeper) -> None:
    """Without tls_client_ca there is ours alone, whatever TLS let through."""
    charge_point = await keeper.register("CP1")

    refusal = await keeper.check().refusal(_foreign("CP1"), charge_point)

    assert refusal == "the certificate is of an authority that is not trusted"


async def test_forged_issuer_name_is_not_ours(keeper: Doorkeeper) -> None:
    """Our root's name is public; its key is not."""
    charge_point = await keeper.register("CP1")
    root = next(one for one in keeper.authority.prepare() if one.kind is RootKind.EC)
    forged = material.certificate(
        material.name("CP1"), issuer=root.certificate, issuer_key=material.ec_key(51)
    )

    refusal = await keeper.check().refusal(forged.public_bytes(Encoding.DER), charge_point)

    assert refusal == "the certificate is of an authority that is not trusted"


@pytest.mark.parametrize("der", [b"", b"nonsense", b"\x30\x82" + b"\0" * 30_000])
async def test_what_is_no_certificate_is_refused(keeper: Doorkeeper, der: bytes) -> None:
    """OpenSSL would not let it through; nothing falls over it either."""
    charge_point = await keeper.register("CP1")

    refusal = await keeper.check(trusts_others=True).refusal(der, charge_point)

    assert refusal is not None
    assert refusal.startswith("the certificate is unusable")


async def test_two_common_names_are_nobodys(keeper: Doorkeeper) -> None:
    """One reader would see CP1, another CP2."""
    charge_point = await keeper.register("CP1")
    subject = x509.Name([*material.name("CP1"), *material.name("CP2", None)])
    one = material.certificate(subject, issuer=FOREIGN, issuer_key=material.ec_key(50))

    check = keeper.check(trusts_others=True)

    assert await check.refusal(one.public_bytes(Encoding.DER), charge_point) is not None
