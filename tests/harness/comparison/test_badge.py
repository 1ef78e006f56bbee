"""Badges: what they say, and that nothing gets out of them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from harness.comparison.badge import _COLOURS, _NAME_COLOUR, badges
from harness.model import EditionRange, Profile, Requirement
from harness.report.document import Report
from harness.report.official_list import ListedCase
from harness.results import Verdict
from tests.harness.comparison.hostile import HOSTILE, hostile_report
from tests.harness.comparison.test_compare import report
from tests.harness.report_samples import case

LISTED = [
    ListedCase(
        case_id=name,
        profile=Profile.CORE,
        requirement=Requirement.MANDATORY,
        section="",
        editions=EditionRange(),
    )
    for name in ("TC_001_CSMS", "TC_002_CSMS")
]
SVG = "{http://www.w3.org/2000/svg}"


def texts(made: Report) -> list[str]:
    """Return the title and the words of a badge, which must be well-formed."""
    (badge,) = badges([made], LISTED)
    root = ElementTree.fromstring(badge.svg)  # noqa: S314 - our own
    assert root.find(f"{SVG}title") is not None
    return [(one.text or "") for one in root.iter() if one.tag in (f"{SVG}title", f"{SVG}text")]


@pytest.mark.parametrize(
    ("verdicts", "words", "answer"),
    [
        ([Verdict.PASSED, Verdict.PASSED], "2 of 2 passed", "Ready"),
        ([Verdict.PASSED], "1 of 2 passed", "Not shown"),  # the other was not selected
        ([Verdict.PASSED, Verdict.INCONCLUSIVE], "1 of 2 passed", "Not shown"),
        ([Verdict.PASSED, Verdict.FAILED], "1 of 2 passed, 1 failed", "Not ready"),
    ],
)
def test_a_badge_says_what_was_shown(verdicts: list[Verdict], words: str, answer: str) -> None:
    """Counts of the whole official list, and never more than a preview."""
    cases = [case(f"TC_00{n}_CSMS", verdict=verdict) for n, verdict in enumerate(verdicts, start=1)]
    title, label, outcome = texts(report(*cases))

    assert (label, outcome) == ("OCPP 1.6 preview · Our CSMS", words)
    assert title.startswith(f"Our CSMS: {answer}")
    assert title.endswith("A preview, not a certificate.")


def test_names_are_escaped_and_files_are_plain() -> None:
    """A name cannot add elements, and its file cannot leave the folder."""
    (badge,) = badges([hostile_report(is_new=True)], LISTED)
    root = ElementTree.fromstring(badge.svg)  # noqa: S314 - our own

    assert {one.tag.removeprefix(SVG) for one in root.iter()} == {
        *("svg", "title", "clipPath", "g", "rect", "text")
    }
    assert re.fullmatch(r"[a-z0-9-]+\.svg", badge.file)
    assert HOSTILE not in badge.svg


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "…", "ÄÖ"])
def test_any_name_makes_a_file(name: str) -> None:
    """Two systems of the same name have two files."""
    made = badges([report(case(), sut_name=name), report(case(), sut_name=name)], LISTED)

    assert len({badge.file for badge in made}) == 2
    assert all(re.fullmatch(r"[a-z0-9-]+\.svg", badge.file) for badge in made)


@pytest.mark.parametrize("colour", [*_COLOURS.values(), _NAME_COLOUR])
def test_white_can_be_read_on_every_colour(colour: str) -> None:
    """At least 4.5:1 (WCAG 2.2, 1.4.3)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert 1.05 / (luminance + 0.05) >= 4.5
