"""`preflight compare` and `preflight matrix` as they are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.report.document import to_text
from harness.results import Verdict
from tests.harness.comparison.test_compare import ALWAYS, report
from tests.harness.report_samples import case


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Return report files: a good run, a worse one, one of another version, and no report."""
    good = to_text(report(ALWAYS, case()))
    texts = {
        "good": good,
        "worse": to_text(report(ALWAYS, case(verdict=Verdict.FAILED))),
        "other": to_text(report(case("TC_777_CSMS"))),
        "future": good.replace('"schema_version": 1', '"schema_version": 99'),
        "cut": good[: len(good) // 2],
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.json").write_text(text, "utf-8")
    return {name: str(tmp_path / f"{name}.json") for name in texts}


def invoke(*arguments: str) -> tuple[int, str]:
    """Run `preflight` and return its exit code and all it printed."""
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize("form", [[], ["--markdown"], ["--json"]])
def test_the_exit_code_says_whether_something_is_worse(
    files: dict[str, str], form: list[str]
) -> None:
    """In every form."""
    assert invoke("compare", files["good"], files["worse"], *form)[0] == 1
    assert invoke("compare", files["worse"], files["good"], *form)[0] == 0
    assert invoke("compare", files["good"], files["good"], *form)[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("good", "future", "schema_version is 99; this program reads 1"),
        ("cut", "good", "not JSON"),
        ("good", "other", "no case ran in both"),
    ],
)
def test_reports_that_cannot_be_compared_are_wrong_use(
    files: dict[str, str], old: str, new: str, words: str
) -> None:
    """The reason is said, and the exit code is 2."""
    code, text = invoke("compare", files[old], files[new])

    assert code == 2
    assert words in " ".join(text.split())


def test_wrong_use_is_2(files: dict[str, str]) -> None:
    """Two forms at once, one report, none at all."""
    assert invoke("compare", files["good"], files["good"], "--json", "--markdown")[0] == 2
    assert invoke("compare", files["good"])[0] == 2
    assert invoke("matrix")[0] == 2
    assert invoke("matrix", files["cut"])[0] == 2


def test_json_has_everything(files: dict[str, str]) -> None:
    """Names are those of the data; what is worse and the exit code are in it."""
    document = json.loads(invoke("compare", files["good"], files["worse"], "--json")[1])

    assert document["comparison_version"] == 1
    assert document["exit_code"] == 1
    assert document["worse"] == {"newly red": 1}
    assert document["verdicts"][0]["case_id"] == "TC_001_CSMS"
    assert document["old"]["verdicts"] == {"passed": 2}


def test_the_matrix_and_its_badges(files: dict[str, str], tmp_path: Path) -> None:
    """Markdown goes to standard output, badges into the folder."""
    result = CliRunner().invoke(
        main, ["matrix", files["good"], files["worse"], "--badge", str(tmp_path / "badges")]
    )

    assert result.exit_code == 0
    assert result.stdout.startswith("# Systems and cases\n")
    assert "| `TC_001_CSMS` Cold boot | ✔ | **✘** |" in result.stdout
    assert len(list((tmp_path / "badges").glob("*.svg"))) == 2


def test_badges_that_cannot_be_written_are_said(files: dict[str, str]) -> None:
    """A folder that is a file is wrong use."""
    code, text = invoke("matrix", files["good"], "--badge", files["cut"] + "/badges")

    assert code == 2
    assert "cannot write" in text
