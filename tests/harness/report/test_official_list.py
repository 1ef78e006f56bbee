"""The official list as the preview reads it."""

from harness.loader import library_directory
from harness.model import NEWEST_EDITION, Profile, Requirement
from harness.report.official_list import official_list


def test_it_has_every_shipped_official_case() -> None:
    """Each official scenario is in the list once, and each entry has a scenario."""
    shipped = sorted(path.stem for path in library_directory().glob("*/TC_*.yaml"))

    assert sorted(case.case_id for case in official_list()) == shipped


def test_an_entry_says_where_the_case_stands() -> None:
    """Profile, demand and section come with each case."""
    (case,) = (case for case in official_list() if case.case_id == "TC_001_CSMS")

    assert case.profile is Profile.CORE
    assert case.requirement is Requirement.MANDATORY
    assert case.section == "3.1.1"
    assert case.editions.includes(NEWEST_EDITION)
