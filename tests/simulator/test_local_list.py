"""The local authorization list: how it is changed, kept and used (§3.5.2, §5.10, §5.15)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.rig import Rig

CALM = {"MeterValueSampleInterval": "0", "ConnectionTimeOut": "0"}


def entry(id_tag: str, status: str | None = "Accepted", **info: str) -> dict[str, Any]:
    """Return an entry of a list; without a status one that removes."""
    return (
        {"idTag": id_tag}
        if status is None
        else {
            "idTag": id_tag,
            "idTagInfo": {"status": status, **info},
        }
    )


def send(rig: Rig, kind: str, version: int, *entries: dict[str, Any]) -> object:
    """Send a list; return the status, or the code of a CALLERROR."""
    answer = rig.ask(
        "SendLocalList",
        {"updateType": kind, "listVersion": version, "localAuthorizationList": list(entries)},
    )
    return answer["status"] if isinstance(answer, dict) else answer


def version(rig: Rig) -> object:
    """Ask for the version."""
    answer = rig.ask("GetLocalListVersion")
    assert isinstance(answer, dict)
    return answer["listVersion"]


def known(rig: Rig) -> set[str]:
    """Return which of the letters A to F are on the list."""
    return {letter for letter in "ABCDEF" if letter in rig.charge_point.local_list}


def listed(*letters: str, **keys: str) -> Rig:
    """Return a charge point with a list of version 5."""
    rig = Rig(keys={**CALM, **keys})
    assert send(rig, "Full", 5, *map(entry, letters)) == "Accepted"
    rig.dialogue()
    return rig


def test_version_of_an_empty_list_is_zero() -> None:
    """0 before the first list, then what came with it."""
    rig = Rig()
    assert version(rig) == 0
    assert send(rig, "Full", 7, entry("A")) == "Accepted"
    assert version(rig) == 7


def test_without_list_nothing_is_supported() -> None:
    """LocalAuthListEnabled false: -1, NotSupported, and nothing changes."""
    rig = listed("A", LocalAuthListEnabled="true")
    rig.ask("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "false"})
    assert version(rig) == -1
    assert send(rig, "Full", 9, entry("B")) == "NotSupported"
    rig.ask("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "true"})
    assert (version(rig), known(rig)) == (5, {"A"})


def test_full_replaces_whatever_the_version_was() -> None:
    """A full list takes the place of the old one, with a lower version too."""
    rig = listed("A", "B")
    assert send(rig, "Full", 2, entry("C")) == "Accepted"
    assert (version(rig), known(rig)) == (2, {"C"})


def test_differential_adds_changes_and_removes() -> None:
    """With idTagInfo an entry is put, without it is taken out; unknown ones do not matter."""
    rig = listed("A", "B")
    update = (entry("b", None), entry("a", "Blocked"), entry("C"), entry("E", None))
    assert send(rig, "Differential", 6, *update) == "Accepted"

    assert (version(rig), known(rig)) == (6, {"A", "C"})
    info = rig.charge_point.local_list.find("A", rig.now.at)
    assert info is not None
    assert info.status == "Blocked"


@pytest.mark.parametrize("number", [5, 4, 0, -1])
def test_differential_needs_a_greater_version(number: int) -> None:
    """The same version or a lower one does not fit, and nothing changes."""
    rig = listed("A")
    assert send(rig, "Differential", number, entry("B")) == "VersionMismatch"
    assert (version(rig), known(rig)) == (5, {"A"})


@pytest.mark.parametrize("kind", ["Full", "Differential"])
@pytest.mark.parametrize(
    "entries",
    [
        [entry("B"), entry("b")],
        [entry("B"), entry("B", None)],
        [entry(f"T{number}") for number in range(5)],
    ],
    ids=["twice", "put and removed", "too many sent"],
)
def test_faulty_update_changes_nothing(kind: str, entries: list[dict[str, Any]]) -> None:
    """Duplicates and more than SendLocalListMaxLength entries: Failed, atomically."""
    rig = listed("A", SendLocalListMaxLength="4")
    assert send(rig, kind, 6, *entries) == "Failed"
    assert (version(rig), known(rig)) == (5, {"A"})


def test_list_that_would_become_too_long() -> None:
    """LocalAuthListMaxLength counts what would be on the list, not what is sent."""
    rig = listed("A", "B", LocalAuthListMaxLength="2")
    assert send(rig, "Differential", 6, entry("C")) == "Failed"
    assert (version(rig), known(rig)) == (5, {"A", "B"})
    assert send(rig, "Differential", 6, entry("C"), entry("A", None)) == "Accepted"
    assert known(rig) == {"B", "C"}
    assert send(rig, "Full", 7, entry("A"), entry("B"), entry("C")) == "Failed"


def test_as_long_as_allowed() -> None:
    """Exactly the declared lengths are accepted."""
    rig = Rig(keys={"SendLocalListMaxLength": "2", "LocalAuthListMaxLength": "2"})
    assert send(rig, "Full", 1, entry("A"), entry("B")) == "Accepted"


def test_full_list_needs_information() -> None:
    """In a full list an entry without idTagInfo means nothing."""
    rig = listed("A")
    assert send(rig, "Full", 6, entry("B"), entry("C", None)) == "Failed"
    assert known(rig) == {"A"}


@pytest.mark.parametrize("number", [0, -1])
def test_versions_that_are_none(number: int) -> None:
    """0 and -1 have meanings of their own and are no versions (errata 3.52)."""
    rig = listed("A")
    assert send(rig, "Full", number, entry("B")) == "Failed"
    assert known(rig) == {"A"}


def test_emptied_list_is_as_at_the_beginning() -> None:
    """Emptied by a full update, one with version 0 too, or entry by entry: version 0."""
    for update in (("Full", 6), ("Full", 0), ("Differential", 6, entry("A", None))):
        rig = listed("A")
        assert send(rig, *update) == "Accepted"
        assert (version(rig), known(rig)) == (0, set())
        assert send(rig, "Differential", 1, entry("B")) == "Accepted"


def test_absent_list_is_an_empty_one() -> None:
    """localAuthorizationList may be left out."""
    rig = listed("A")
    assert rig.ask("SendLocalList", {"updateType": "Differential", "listVersion": 6}) == {
        "status": "Accepted"
    }
    assert (version(rig), known(rig)) == (6, {"A"})


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        (["A"], "TypeConstraintViolation"),
        ([{}], "ProtocolError"),
        ([{"idTag": "A", "idTagInfo": {}}], "ProtocolError"),
        ([{"idTag": "A", "idTagInfo": {"status": "Good"}}], "PropertyConstraintViolation"),
        ([{"idTag": "A" * 21}], "PropertyConstraintViolation"),
        ([{"idTag": "A", "x": 1}], "FormationViolation"),
        ([entry("A", expiryDate="soon")], "TypeConstraintViolation"),
        ([entry("A", expiryDate="0001-01-01T00:00:00+14:00")], "TypeConstraintViolation"),
    ],
)
def test_malformed_entries_are_errors(entries: list[Any], code: str) -> None:
    """What is not as §7.28 wants it gets the error of its fault, and nothing changes."""
    rig = listed("A")
    assert send(rig, "Full", 6, *entries) == code
    assert known(rig) == {"A"}


def test_list_survives_power_loss() -> None:
    """List and version are kept without power."""
    rig = listed("A")
    rig.do("power_off")
    rig.drop()
    rig.do("power_on")
    rig.connect()

    assert (version(rig), known(rig)) == (5, {"A"})


def test_list_comes_before_the_cache() -> None:
    """A listed card starts without asking, whatever the cache thinks; an unlisted one asks."""
    rig = Rig(keys={**CALM, "LocalPreAuthorize": "true"})
    rig.answers["Authorize"] = lambda _: {"idTagInfo": {"status": "Blocked"}}
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.take()
    send(rig, "Full", 1, entry("A"))
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A", connector_id=1)
    assert rig.story() == ["Status 1 Preparing", "Start 1 A", "Status 1 Charging"]
    rig.do("present_tag", id_tag="B", connector_id=2)
    assert rig.story() == ["Authorize B"]


def test_listed_card_starts_offline() -> None:
    """Without a connection the list decides; entries past their date do not count."""
    rig = Rig(keys=CALM)
    old = entry("B", expiryDate="2026-01-01T00:00:00Z")
    send(rig, "Full", 1, entry("A"), old, entry("C", "Blocked"))
    rig.drop()
    for id_tag in ("C", "B", "A"):
        rig.do("present_tag", id_tag=id_tag, connector_id=1)
    rig.do("plug_in", connector_id=1)
    rig.take()
    rig.connect()

    assert rig.story() == ["Status 1 Charging", "Start 1 A"]


def test_conflict_with_a_live_answer_is_told() -> None:
    """The CSMS says something else than its list: LocalListConflict on connector 0, until a new
    list comes."""
    rig = listed("A", "B")
    rig.answers["Authorize"] = lambda _: {"idTagInfo": {"status": "Blocked"}}
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.do("present_tag", id_tag="B", connector_id=1)
    assert rig.story() == ["Authorize A", "Status 0 Available LocalListConflict", "Authorize B"]
    send(rig, "Differential", 5, entry("A", "Blocked"))
    assert rig.story() == []
    send(rig, "Differential", 6, entry("A", "Blocked"))
    assert rig.story() == ["Status 0 Available"]
    rig.do("present_tag", id_tag="A", connector_id=1)
    assert rig.story() == ["Authorize A"]


def test_concurrent_transaction_is_no_conflict() -> None:
    """ConcurrentTx is about the moment; an unlisted card cannot be in conflict."""
    rig = listed("A")
    rig.answers["Authorize"] = lambda _: {"idTagInfo": {"status": "ConcurrentTx"}}
    rig.do("present_tag", id_tag="A", connector_id=1)
    rig.answers["Authorize"] = lambda _: {"idTagInfo": {"status": "Blocked"}}
    rig.do("present_tag", id_tag="X", connector_id=1)

    assert rig.story() == ["Authorize A", "Authorize X"]


def test_passive_charge_point_keeps_a_list_and_says_nothing() -> None:
    """Answers follow the list; a conflict in a script's own frames is not reported."""
    rig = Rig(boots=False)
    rig.charge_point.is_active = False
    rig.connect()
    rig.by_hand("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    assert send(rig, "Full", 3, entry("A")) == "Accepted"
    assert version(rig) == 3
    rig.take()
    rig.answers["Authorize"] = lambda _: {"idTagInfo": {"status": "Blocked"}}
    rig.by_hand("Authorize", {"idTag": "A"})

    assert rig.story() == ["Authorize A"]
