"""The known-failures file can excuse, but only shrink."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.known_failures import KnownFailures, KnownFailuresError, load
from harness.results import Verdict
from tests.harness.report_samples import case

GOOD = """
[[known]]
pattern = "TC_01*_CSMS"
reason = "answers late under load"
where = "ISSUE-7"
"""


def written(folder: Path, text: str) -> KnownFailures:
    """Return the entries of a file with this text."""
    path = folder / "known_failing.toml"
    path.write_text(text, "utf-8")
    return load(path)


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.INCONCLUSIVE])
def test_a_listed_failure_is_excused_with_its_reason(tmp_path: Path, verdict: Verdict) -> None:
    """What is listed and fails is known, with reason and place."""
    known = written(tmp_path, GOOD).excuse(case("TC_010_CSMS", verdict=verdict))

    assert known is not None
    assert (known.case_id, known.reason, known.where) == (
        "TC_010_CSMS",
        "answers late under load",
        "ISSUE-7",
    )


@pytest.mark.parametrize(
    "verdict",
    [Verdict.ERROR, Verdict.PASSED, Verdict.NOT_APPLICABLE, Verdict.NOT_RUN],
)
def test_nothing_else_is_excused(tmp_path: Path, verdict: Verdict) -> None:
    """An error of the harness stays an error, listed or not."""
    assert written(tmp_path, GOOD).excuse(case("TC_010_CSMS", verdict=verdict)) is None


def test_a_case_that_is_not_listed_is_not_excused(tmp_path: Path) -> None:
    """Patterns cover what they name and nothing else."""
    assert written(tmp_path, GOOD).excuse(case("TC_021_CSMS", verdict=Verdict.FAILED)) is None


def test_a_listed_case_that_passes_is_a_problem(tmp_path: Path) -> None:
    """The entry has to go once the fault is mended."""
    problems = written(tmp_path, GOOD).problems([case("TC_010_CSMS")], all_ids=["TC_010_CSMS"])

    assert len(problems) == 1
    assert "TC_010_CSMS passes but is listed by 'TC_01*_CSMS'" in problems[0]


def test_a_pattern_that_matches_no_case_is_a_problem(tmp_path: Path) -> None:
    """A typing mistake cannot hide in the list."""
    problems = written(tmp_path, GOOD).problems([], all_ids=["TC_001_CSMS"])

    assert problems == [
        f"{tmp_path}/known_failing.toml: 'TC_01*_CSMS' matches no case; remove or correct the entry"
    ]


def test_a_pattern_may_match_a_case_that_was_not_selected(tmp_path: Path) -> None:
    """A run of a few cases does not make the rest of the list wrong."""
    known = written(tmp_path, GOOD)

    assert known.problems([case("TC_021_CSMS")], all_ids=["TC_010_CSMS", "TC_021_CSMS"]) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("known = 1", "no list of tables"),
        ("[[knwon]]", "unknown key 'knwon'"),
        ("[[known]]\npattern = 'a'\nreason = 'b'", "needs `where`"),
        ("[[known]]\npattern = 'a'\nreason = ' '\nwhere = 'c'", "needs `reason`"),
        ("[[known]]\npattern = 1\nreason = 'b'\nwhere = 'c'", "needs `pattern`, a text"),
        ("[[known]]\nid = 'a'", "unknown key 'id'"),
        ("[[known", "end of an array declaration"),
        ("known = ['a']", "entry 1 is no table"),
    ],
)
def test_a_wrong_file_is_refused_with_what_would_be_right(
    tmp_path: Path, text: str, words: str
) -> None:
    """The shape is closed, and errors name the file."""
    with pytest.raises(KnownFailuresError) as error:
        written(tmp_path, text)

    assert words in str(error.value)
    assert "known_failing.toml" in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is no empty list."""
    with pytest.raises(KnownFailuresError, match="No such file"):
        load(tmp_path / "nowhere.toml")
