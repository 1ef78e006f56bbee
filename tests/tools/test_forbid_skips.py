"""CI turns a skipped test into a failure, and says which."""

from pathlib import Path

import pytest

from tools.forbid_skips import main

CLEAN = '<testcase classname="tests.a" name="test_a"/>'
SKIPPED = '<testcase classname="tests.b" name="test_b"><skipped message="needs strace"/></testcase>'


def junit(folder: Path, *cases: str) -> Path:
    """Write a JUnit file as pytest does."""
    skipped = sum("<skipped" in case for case in cases)
    file = folder / "tests.xml"
    file.write_text(
        f'<testsuites><testsuite name="pytest" tests="{len(cases)}" failures="0" errors="0" '
        f'skipped="{skipped}">{"".join(cases)}</testsuite></testsuites>'
    )
    return file


def test_a_run_without_skips_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The totals are printed and nothing else is said."""
    assert main(junit(tmp_path, CLEAN)) == 0
    assert capsys.readouterr() == (
        "== pytest: 1 tests, 0 failures, 0 errors, 0 skipped\n",
        "",
    )


def test_a_skip_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The skipped test and its reason are named."""
    assert main(junit(tmp_path, CLEAN, SKIPPED)) == 1
    assert "tests.b::test_b: needs strace" in capsys.readouterr().err


def test_what_is_outside_of_the_project_may_be_missing(tmp_path: Path) -> None:
    """A comparison with reference material that is not at hand may be skipped."""
    reason = "the catalogue is not part of the project"

    assert main(junit(tmp_path, CLEAN, SKIPPED.replace("needs strace", reason))) == 0


def test_missing_results_are_a_failure(tmp_path: Path) -> None:
    """A run that crashed before it wrote results did not pass."""
    assert main(tmp_path / "none.xml") == 1
