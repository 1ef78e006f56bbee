"""Root certificates on charge points, as the database keeps them."""

from datetime import UTC, datetime, timedelta
from functools import partial

from csms.domain.certificates import HashAlgorithm, HashData, InstalledState, is_named
from csms.pki.certificates import facts, hash_data, names_of
from csms.storage import installed_certificates
from csms.storage.store import Store
from tests.csms.pki import material

AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
KIND = "CentralSystemRootCertificate"
ROOT = material.root("Root")
NAME = hash_data(ROOT, ROOT, HashAlgorithm.SHA256)


async def _install(
    store: Store,
    state: InstalledState = InstalledState.INSTALLED,
    *,
    kind: str = KIND,
    identity: str = "CP1",
) -> int:
    request = partial(
        installed_certificates.request,
        identity=identity,
        certificate_type=kind,
        pem=material.pem(ROOT),
        facts=facts(ROOT),
        names=names_of(ROOT),
        at=AT,
    )
    record_id = await store.write(request)
    settle = partial(installed_certificates.settle, record_id=record_id, state=state, at=AT)
    await store.write(settle)
    return record_id


async def _report(store: Store, *reported: HashData, kind: str = KIND) -> None:
    await store.write(
        partial(
            installed_certificates.record_reported,
            identity="CP1",
            certificate_type=kind,
            reported=reported,
            at=AT + timedelta(hours=1),
        )
    )


async def _states(store: Store) -> dict[int, InstalledState]:
    page = await store.read(partial(installed_certificates.page, identity="CP1"))
    return {one.record_id: one.state for one in page}


async def test_root_installed_again_is_one_root(store: Store) -> None:
    """The newer record counts; a refused second try changes nothing."""
    first = await _install(store)
    second = await _install(store)
    third = await _install(store, InstalledState.REJECTED)

    assert await _states(store) == {
        first: InstalledState.GONE,
        second: InstalledState.INSTALLED,
        third: InstalledState.REJECTED,
    }


async def test_same_root_of_two_types_is_two(store: Store) -> None:
    """Each type has its own store."""
    await _install(store)
    await _install(store, kind="ManufacturerRootCertificate")

    assert set((await _states(store)).values()) == {InstalledState.INSTALLED}


async def test_report_settles_what_was_not_known(store: Store) -> None:
    """The answer to InstallCertificate was lost; the list tells. Refused ones may be there, too."""
    record_id = await _install(store, InstalledState.UNKNOWN)
    await _report(store, NAME)

    assert await _states(store) == {record_id: InstalledState.INSTALLED}
    shown = await store.read(
        partial(installed_certificates.get, identity="CP1", record_id=record_id)
    )
    assert shown is not None
    assert (shown.reported, shown.reported_at) == (NAME, AT + timedelta(hours=1))
    assert shown.deletable_as == NAME


async def test_report_of_nothing_empties_the_type(store: Store) -> None:
    """What was refused stays refused."""
    held = await _install(store)
    refused = await _install(store, InstalledState.FAILED)
    other = await _install(store, kind="ManufacturerRootCertificate")

    await _report(store)

    assert await _states(store) == {
        held: InstalledState.GONE,
        refused: InstalledState.FAILED,
        other: InstalledState.INSTALLED,
    }


async def test_root_that_comes_back_is_the_same_record(store: Store) -> None:
    """Gone, then reported once more."""
    record_id = await _install(store)
    await _report(store)
    await _report(store, NAME)

    assert await _states(store) == {record_id: InstalledState.INSTALLED}


async def test_reported_twice_is_one(store: Store) -> None:
    """Unknown ones as well, under the name they had."""
    unknown = HashData(HashAlgorithm.SHA384, "aa", "bb", "01")
    await _report(store, unknown, unknown)
    await _report(store, unknown)

    assert list((await _states(store)).values()) == [InstalledState.INSTALLED]


async def test_endless_report_is_cut(store: Store) -> None:
    """A charge point's store holds a few."""
    await _report(
        store,
        *(HashData(HashAlgorithm.SHA256, "aa", "bb", f"{one:x}") for one in range(1, 700)),
    )

    found = await store.read(installed_certificates.held)
    assert len(found) == installed_certificates.MAX_REPORTED


async def test_deletion_is_of_one_charge_point_and_certificate(store: Store) -> None:
    """By hash data in any letter case."""
    mine = await _install(store)
    theirs = await _install(store, identity="CP2")
    shouted = HashData(
        NAME.algorithm, NAME.issuer_name_hash.upper(), NAME.issuer_key_hash, NAME.serial_number
    )
    delete = partial(installed_certificates.record_deletion, identity="CP1", data=shouted, at=AT)

    await store.write(partial(delete, answer="Failed"))
    before = await _states(store)
    await store.write(partial(delete, answer="NotFound"))

    assert before == {mine: InstalledState.INSTALLED}
    assert await _states(store) == {mine: InstalledState.GONE}
    assert [one.record_id for one in await store.read(installed_certificates.held)] == [theirs]


async def test_other_hash_deletes_nothing(store: Store) -> None:
    """Another key of an issuer with the same name is another certificate."""
    record_id = await _install(store)
    other = HashData(NAME.algorithm, NAME.issuer_name_hash, "00" * 32, NAME.serial_number)

    await store.write(
        partial(
            installed_certificates.record_deletion,
            identity="CP1",
            data=other,
            answer="Accepted",
            at=AT,
        )
    )

    assert await _states(store) == {record_id: InstalledState.INSTALLED}


async def test_interrupted_installation_is_unknown(store: Store) -> None:
    """The program ended before the answer."""
    record_id = await _install(store, InstalledState.REQUESTED)

    await store.write(partial(installed_certificates.settle_interrupted, at=AT))

    assert await _states(store) == {record_id: InstalledState.UNKNOWN}


def test_certificate_of_an_intermediate_is_named_without_its_issuers_key() -> None:
    """The issuer is not at hand; name and serial number tell enough."""
    leaf = material.certificate(material.name("Sub"), issuer=ROOT, issuer_key=material.ec_key())
    reported = hash_data(leaf, ROOT, HashAlgorithm.SHA512)

    names = names_of(leaf)

    assert {one.issuer_key_hash for one in names} == {""}
    assert is_named(names, reported)
    assert not is_named(names, hash_data(ROOT, ROOT, HashAlgorithm.SHA512))
