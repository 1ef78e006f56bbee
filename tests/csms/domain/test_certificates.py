"""Rules about certificates of charge points."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.certificates import (
    CertificateFacts,
    HashAlgorithm,
    HashData,
    IssuedCertificate,
    IssuedState,
    Origin,
    is_due,
    longest_held,
    name_problem,
    own_names,
    read_hash_data,
    write_hash_data,
)
from csms.domain.model import BootInformation, ChargePoint, RegistrationStatus

AT = datetime(2026, 1, 31, tzinfo=UTC)
SOUND = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "0A",
    "issuerKeyHash": "0b",
    "serialNumber": "01FF",
}


def test_hash_data_goes_back_as_it_came() -> None:
    """A charge point may compare texts."""
    read = read_hash_data(SOUND)

    assert read is not None
    assert write_hash_data(read) == SOUND


def test_hash_data_means_the_same_in_any_case() -> None:
    """Hex digits of either case; some write leading zeros all the same."""
    one = HashData(HashAlgorithm.SHA256, "0A", "0b", "01FF")

    assert one.key == HashData(HashAlgorithm.SHA256, "0a", "0B", "1ff").key
    assert one.key != HashData(HashAlgorithm.SHA384, "0A", "0b", "01FF").key
    assert one.key != HashData(HashAlgorithm.SHA256, "A", "0b", "01FF").key


@pytest.mark.parametrize(
    "change",
    [
        {"hashAlgorithm": "MD5"},
        {"hashAlgorithm": None},
        {"issuerNameHash": 7},
        {"issuerKeyHash": "a" * 129},
        {"serialNumber": "1" * 41},
        {"serialNumber": None},
    ],
    ids=str,
)
def test_what_is_no_hash_data_is_none(change: dict[str, Any]) -> None:
    """Answers of charge points are not validated before they come here."""
    assert read_hash_data({**SOUND, **change}) is None


@given(st.recursive(st.none() | st.text() | st.integers(), lambda one: st.lists(one)))
def test_anything_can_be_read(value: object) -> None:
    """Whatever JSON has."""
    assert read_hash_data(value) is None


def _charge_point(**boot: str) -> ChargePoint:
    return ChargePoint(
        "CP1",
        RegistrationStatus.ACCEPTED,
        None,
        None,
        AT,
        AT,
        boot=BootInformation(**boot),
    )


def test_names_are_identity_serial_numbers_and_what_the_operator_says() -> None:
    """The whitepaper wants the serial number, which is not the identity (CS-SEC-05)."""
    charge_point = _charge_point(
        charge_point_serial_number="S1", charge_box_serial_number="S2", meter_type="M"
    )

    assert own_names(charge_point, "NAME") == {"CP1", "S1", "S2", "NAME"}
    assert own_names(_charge_point(charge_point_serial_number=""), None) == {"CP1"}


def test_names_told_without_proof_are_left_out_where_that_matters() -> None:
    """What a charge point said in security profile 0 anybody may have said."""
    charge_point = _charge_point(charge_point_serial_number="S1")
    assert own_names(charge_point, "NAME", must_be_proven=True) == {"CP1", "NAME"}

    proven = replace(charge_point, is_boot_proven=True)
    assert own_names(proven, "NAME", must_be_proven=True) == {"CP1", "NAME", "S1"}


@pytest.mark.parametrize(
    ("common_name", "organisations", "organisation", "is_good"),
    [
        ("CP1", [], None, True),
        ("CP1", ["CPO"], "CPO", True),
        ("CP1", ["Maker", "CPO"], "CPO", True),
        ("CP1", ["Maker"], "CPO", False),
        ("CP1", [], "CPO", False),
        ("CP2", ["CPO"], "CPO", False),
        ("cp1", [], None, False),
        ("", [], None, False),
        (None, [], None, False),
    ],
)
def test_subject_must_be_the_charge_points(
    common_name: str | None, organisations: list[str], organisation: str | None, is_good: bool
) -> None:
    """To the letter; the organisation only where one is set."""
    problem = name_problem(
        common_name=common_name,
        organisations=organisations,
        names=frozenset({"CP1"}),
        organisation=organisation,
    )

    assert (problem is None) == is_good


def test_due_is_what_ends_within_the_time() -> None:
    """The very moment counts."""
    within = timedelta(days=30)

    assert is_due(AT + within, at=AT, within=within)
    assert is_due(AT - within, at=AT, within=within)
    assert not is_due(AT + within + timedelta(seconds=1), at=AT, within=within)


def _issued(identity: str, state: IssuedState, days: int) -> IssuedCertificate:
    facts = CertificateFacts("CN=CP1", "CN=R", "1", "f", "RSA", AT, AT + timedelta(days=days))
    return IssuedCertificate(
        days, identity, Origin.REQUEST, state, "CP1", True, "", facts, "", "", 1, AT, AT, None, None
    )


def test_only_the_longest_held_certificate_counts() -> None:
    """What was renewed, refused or revoked needs no care."""
    old = _issued("CP1", IssuedState.IN_USE, 10)
    new = _issued("CP1", IssuedState.ACCEPTED, 300)
    refused = _issued("CP1", IssuedState.REJECTED, 400)
    other = _issued("CP2", IssuedState.IN_USE, 5)
    unsigned = replace(_issued("CP3", IssuedState.REQUESTED, 5), facts=None)

    assert longest_held([old, refused, new, other, unsigned]) == [new, other]
