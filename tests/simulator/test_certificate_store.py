"""Roots over OCPP: installed, listed, deleted, by the names OCSP gives them (M03-M05)."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.certificate_store import CertificateType
from simulator.certificates import HashAlgorithm, hash_data
from simulator.errors import LocalProtocolError
from simulator.outputs import Credential
from tests.simulator import pki
from tests.simulator.rig import Rig

CENTRAL = "CentralSystemRootCertificate"
MANUFACTURER = "ManufacturerRootCertificate"
EVENT = "Event InvalidCentralSystemCertificate"


def ready(**options: Any) -> Rig:
    """Return an idle charge point."""
    rig = Rig(**options)
    rig.dialogue()
    return rig


def install(rig: Rig, pem: str, kind: str = CENTRAL) -> str:
    """Install a root; return the status."""
    answer = rig.ask("InstallCertificate", {"certificateType": kind, "certificate": pem})
    assert isinstance(answer, dict)
    return str(answer["status"])


def names(rig: Rig, kind: str = CENTRAL) -> list[dict[str, str]] | None:
    """List the roots of a kind; None where there are none."""
    answer = rig.ask("GetInstalledCertificateIds", {"certificateType": kind})
    assert isinstance(answer, dict)
    if answer == {"status": "NotFound"}:
        return None
    assert answer["status"] == "Accepted"
    return list(answer["certificateHashData"])


def delete(rig: Rig, name: dict[str, str]) -> str:
    """Delete a root; return the status."""
    answer = rig.ask("DeleteCertificate", {"certificateHashData": name})
    assert isinstance(answer, dict)
    return str(answer["status"])


@pytest.mark.parametrize("algorithm", HashAlgorithm)
@pytest.mark.parametrize("kind", [CENTRAL, MANUFACTURER])
def test_installed_listed_deleted(algorithm: HashAlgorithm, kind: str) -> None:
    """Each kind has its own list; names have the algorithm that is set."""
    rig = ready(hash_algorithm=algorithm)
    root = pki.make_root()
    other = MANUFACTURER if kind == CENTRAL else CENTRAL
    assert names(rig, kind) is None
    assert install(rig, root.pem, kind) == "Accepted"
    assert names(rig, other) is None
    found = names(rig, kind)
    expected = hash_data(root.certificate, root.certificate, algorithm)
    assert found == [
        {
            "hashAlgorithm": algorithm.value,
            "issuerNameHash": expected.issuer_name_hash,
            "issuerKeyHash": expected.issuer_key_hash,
            "serialNumber": expected.serial_number,
        }
    ]
    assert delete(rig, found[0]) == "Accepted"
    assert names(rig, kind) is None
    assert delete(rig, found[0]) == "NotFound"


def test_algorithm_can_be_set_between_rounds() -> None:
    """TC_076 goes through three of them with one charge point."""
    rig = ready()
    install(rig, pki.make_root().pem)
    for algorithm in HashAlgorithm:
        rig.charge_point.security.store.hash_algorithm = algorithm
        (name,) = names(rig) or []
        assert name["hashAlgorithm"] == algorithm


@pytest.mark.parametrize("field", ["issuerNameHash", "issuerKeyHash", "serialNumber"])
def test_name_has_to_match_in_every_part(field: str) -> None:
    """One wrong part, or another algorithm, names nothing."""
    rig = ready()
    install(rig, pki.make_root().pem)
    (name,) = names(rig) or []
    assert delete(
        rig, {**name, field: name[field][:-1] + ("0" if name[field][-1] != "0" else "1")}
    ) == ("NotFound")
    assert delete(rig, {**name, "hashAlgorithm": "SHA512"}) == "NotFound"
    assert names(rig) == [name]


def test_digits_may_be_written_in_either_case() -> None:
    """Hexadecimal digits are compared as numbers, zeros in front are none."""
    rig = ready()
    install(rig, pki.make_root(serial_number=0xABC).pem)
    (name,) = names(rig) or []
    assert name["serialNumber"] == "abc"
    upper = {key: value.upper() for key, value in name.items()}
    assert delete(rig, {**upper, "serialNumber": "00ABC"}) == "Accepted"


def test_same_root_is_kept_once() -> None:
    """To install what is there is no fault, and changes nothing."""
    rig = ready()
    root = pki.make_root()
    assert [install(rig, root.pem), install(rig, root.pem)] == ["Accepted"] * 2
    assert len(names(rig) or []) == 1


@pytest.mark.parametrize("kind", [CENTRAL, MANUFACTURER])
@pytest.mark.parametrize("what", ["nonsense", "leaf", "expired", "two", "orphan"])
def test_bad_root_is_rejected(kind: str, what: str) -> None:
    """Rejected, and a security event where it was to be one of the Central System."""
    root = pki.make_root()
    key = pki.ec_key().public_key()
    match what:
        case "nonsense":
            pem = "nonsense"
        case "leaf":
            pem = pki.pem(root.issue(key, pki.name("Leaf")))
        case "expired":
            pem = pki.make_root(end=pki.BEGIN + pki.DAY).pem
        case "two":
            pem = root.pem + pki.make_root("Other").pem
        case _:
            pem = pki.pem(root.issue(key, pki.name("Middle"), is_authority=True))
    rig = ready()
    assert install(rig, pem, kind) == "Rejected"
    assert rig.story() == ([EVENT] if kind == CENTRAL else [])
    assert names(rig, kind) is None


def test_authority_below_an_installed_root() -> None:
    """It may be installed as well, and is named by its issuer, even when that one has gone."""
    rig = ready()
    root = pki.make_root()
    below = root.sub_authority("Below")
    install(rig, root.pem)
    assert install(rig, below.pem) == "Accepted"
    first, second = names(rig) or []
    expected = hash_data(below.certificate, root.certificate, HashAlgorithm.SHA256)
    assert second["issuerKeyHash"] == expected.issuer_key_hash == first["issuerKeyHash"]
    delete(rig, first)
    assert names(rig) == [second]


def test_store_has_an_end() -> None:
    """CertificateStoreMaxLength counts all kinds; a full store refuses without an event."""
    rig = ready(keys={"CertificateStoreMaxLength": "2"})
    first = pki.make_root("1")
    assert install(rig, first.pem) == "Accepted"
    assert install(rig, pki.make_root("2").pem, MANUFACTURER) == "Accepted"
    assert install(rig, pki.make_root("3").pem) == "Rejected"
    assert install(rig, first.pem) == "Accepted"
    assert rig.story() == []


def test_additional_root_must_be_signed_by_the_old_one() -> None:
    """With AdditionalRootCertificateCheck; one old root stays to fall back on, no more (M05)."""
    rig = ready(keys={"AdditionalRootCertificateCheck": "true"})
    old = pki.make_root("Old")
    new, newer = old.sub_authority("New"), old.sub_authority("Newer")
    assert install(rig, old.pem) == "Accepted"
    assert install(rig, pki.make_root("Stranger").pem) == "Rejected"
    assert rig.story() == [EVENT]
    assert install(rig, new.pem) == "Accepted"
    assert install(rig, newer.pem) == "Rejected"
    assert install(rig, pki.make_root("Maker").pem, MANUFACTURER) == "Accepted"
    assert len(names(rig) or []) == 2


def test_arranged_failure() -> None:
    """The store itself may fail, when installing and when deleting, so many times."""
    rig = ready()
    root = pki.make_root()
    rig.do("certificate_store_failure")
    assert [install(rig, root.pem), install(rig, root.pem)] == ["Failed", "Accepted"]
    rig.do("certificate_store_failure", times=2)
    (name,) = names(rig) or []
    assert [delete(rig, name) for _ in range(3)] == ["Failed", "Failed", "Accepted"]


@pytest.mark.parametrize("profile", [0, 1, 2, 3])
def test_last_root_is_in_use_on_tls(profile: int) -> None:
    """From profile 2 on, without it there would be no way back to the CSMS (M04)."""
    one, two = pki.make_root("1"), pki.make_root("2")
    rig = ready(keys={"SecurityProfile": str(profile)}, central_system_roots=[one.pem, two.pem])
    first, second = names(rig) or []
    assert delete(rig, first) == "Accepted"
    assert delete(rig, second) == ("Failed" if profile >= 2 else "Accepted")


def test_own_certificate_is_not_deleted() -> None:
    """It is not one of the roots, and stays (M04)."""
    root = pki.make_root()
    key = pki.ec_key()
    leaf = root.issue(key.public_key(), pki.name("CP1"))
    own = Credential(chain_pem=pki.pem(leaf) + root.pem, private_key_pem=pki.key_pem(key))
    rig = ready(certificate=own)
    name = hash_data(leaf, root.certificate, HashAlgorithm.SHA256)
    wire = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": name.issuer_name_hash,
        "issuerKeyHash": name.issuer_key_hash,
        "serialNumber": name.serial_number,
    }
    assert delete(rig, wire) == "Failed"


def test_new_roots_are_trusted_from_the_next_connection_on() -> None:
    """On TLS the shell is told of them at once; the connection stays."""
    one, two = pki.make_root("1"), pki.make_root("2")
    rig = ready(keys={"SecurityProfile": "2"}, password=b"x", central_system_roots=[one.pem])
    install(rig, two.pem)
    install(rig, pki.make_root("Maker").pem, MANUFACTURER)
    (told,) = rig.credentials
    assert told.roots_pem == (one.pem, two.pem)
    assert not rig.hangups


def test_roots_from_the_factory_are_read() -> None:
    """Several in one text too; what is no certificate is refused at once."""
    text = pki.make_root("1").pem + pki.make_root("2").pem
    rig = Rig(boots=False, central_system_roots=[text], manufacturer_roots=[pki.make_root().pem])
    store = rig.charge_point.security.store
    assert [len(store.roots(kind)) for kind in CertificateType] == [2, 1]
    with pytest.raises(LocalProtocolError, match="CentralSystemRootCertificate: not a certificate"):
        Rig(boots=False, central_system_roots=["nonsense"])


def test_passive_charge_point_says_nothing_by_itself() -> None:
    """It answers as an active one does; security events are the script's."""
    rig = Rig(boots=False)
    rig.charge_point.is_active = False
    rig.connect()
    assert install(rig, "nonsense") == "Rejected"
    assert install(rig, pki.make_root().pem) == "Accepted"
    assert rig.dialogue() == ["conf Rejected", "conf Accepted"]
    assert not rig.credentials
