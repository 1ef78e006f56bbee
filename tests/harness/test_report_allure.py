"""What allure-pytest's results are filled with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import allure_commons
import pytest
from allure_commons.logger import AllureMemoryLogger
from allure_commons.model2 import Label
from allure_commons.model2 import TestResult as AllureResult

from harness.model import CaseSet, Scenario
from harness.report.allure import (
    CATEGORIES,
    AllureCase,
    AllureFiller,
    environment,
    environment_text,
)
from harness.report.document import Known, make_report
from harness.results import CaseResult, Verdict
from tests.harness.report_samples import case, failed_case, inconclusive_case, passed_case, run

Result = dict[str, object]


class Written:
    """What Allure would find in its results folder."""

    def __init__(self) -> None:
        self.filler = AllureFiller(sut_name="Our CSMS", edition="2025-11", links={})
        self.log = AllureMemoryLogger()  # type: ignore[no-untyped-call]

    def fill(self, result: CaseResult, *, known: Known | None = None) -> dict:  # type: ignore[type-arg]
        """Return the result that is written for a case."""
        scenario = Scenario(
            id=result.case_id,
            title=result.title,
            profile=result.profile,
            requirement=result.requirement,
            position=result.position,
            purpose="A purpose.",
        )
        self.filler.current = AllureCase(scenario, result, known)
        test = AllureResult(name="x", labels=[Label("parentSuite", "scenarios.core")])
        allure_commons.plugin_manager.hook.report_result(result=test)
        written: dict = self.log.test_cases[-1]  # type: ignore[type-arg]
        return written


@pytest.fixture
def written() -> Iterator[Written]:
    """A filler and a memory in the place of Allure's files."""
    written = Written()
    allure_commons.plugin_manager.register(written.filler)
    allure_commons.plugin_manager.register(written.log)
    yield written
    allure_commons.plugin_manager.unregister(written.filler)
    allure_commons.plugin_manager.unregister(written.log)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.PASSED, "passed"),
        (Verdict.FAILED, "failed"),
        (Verdict.INCONCLUSIVE, "broken"),
        (Verdict.ERROR, "broken"),
        (Verdict.NOT_APPLICABLE, "skipped"),
    ],
)
def test_each_verdict_has_its_status(written: Written, verdict: Verdict, status: str) -> None:
    """The table of verdicts, as Allure knows them."""
    assert written.fill(case(verdict=verdict, reason="why"))["status"] == status


def test_a_case_is_found_by_profile_severity_and_id(written: Written) -> None:
    """Suites follow the profile, severity the requirement, the link carries the id."""
    result = written.fill(failed_case())

    labels = {label["name"]: label["value"] for label in result["labels"]}
    assert (labels["parentSuite"], labels["suite"]) == ("Core", "unconfirmed")
    assert labels["severity"] == "minor"
    assert result["name"] == "TC_010_CSMS  Remote start, cable plugged in first"
    assert {(link["type"], link["name"]) for link in result["links"]} == {("tms", "TC_010_CSMS")}


def test_extended_sets_are_suites_of_their_own(written: Written) -> None:
    """They carry the names of the summary, not those of the folders."""
    result = written.fill(replace(failed_case(), case_set=CaseSet.BEYOND))

    assert result["titlePath"] == ["Beyond the official cases", "Core"]


def test_times_are_those_of_the_case(written: Written) -> None:
    """Start, stop and steps show when things happened, not when pytest reported them."""
    result = written.fill(failed_case())

    assert result["start"] == 1769860800123
    assert result["stop"] - result["start"] == 4200
    authorize = result["steps"][2]
    assert authorize["stop"] - authorize["start"] == 430
    assert [step["status"] for step in result["steps"]] == [
        "passed", "passed", "failed", "failed", "skipped", "passed",
    ]  # fmt: skip


def test_steps_hold_their_frames(written: Written) -> None:
    """Below each step stand the frames that belong to it, in order."""
    steps = written.fill(failed_case())["steps"]

    assert [frame["name"] for frame in steps[2]["steps"]] == [
        "→ Authorize.req  idTag=VALID0001",
        "← Authorize.conf  idTagInfo.status=Invalid",
    ]
    assert "rule.Authorize.conf" in steps[2]["statusDetails"]["message"]


def test_a_red_case_carries_all_evidence(written: Written) -> None:
    """Diagram, findings, times, frames and the log of the program are attached."""
    result = written.fill(failed_case())

    names = [attachment["name"] for attachment in result["attachments"]]
    assert names == [
        "Sequence diagram", "Findings", "Response times", "Frames", "Log of the CSMS",
    ]  # fmt: skip
    bodies = [written.log.attachments[one["source"]].decode() for one in result["attachments"]]
    assert bodies[0].startswith("<svg")
    assert "Reproduce with:" in bodies[1]
    assert "Authorize,result,430.00,authorize" in bodies[2]
    assert bodies[3].count("\n") == len(failed_case().events)
    assert bodies[4] == "ERROR no such tag\n"


def test_frames_are_attached_uncut(written: Written) -> None:
    """The attachment has the whole text of a long frame."""
    from tests.harness.report_samples import RECEIVED, frame

    long = '[2,"1","DataTransfer",{"data":"' + "x" * 5000 + '"}]'

    result = written.fill(case(events=(frame(0.0, RECEIVED, long),)))

    source = next(one["source"] for one in result["attachments"] if one["name"] == "Frames")
    assert long in written.log.attachments[source].decode()


@pytest.mark.parametrize(
    ("result", "known", "category"),
    [
        (failed_case(), None, "Failed: the CSMS is wrong"),
        (inconclusive_case(), None, "Inconclusive: not observed"),
        (case(verdict=Verdict.ERROR, reason="x"), None, "Errors of the harness"),
        (passed_case(), None, "Passed with warnings"),
        (case(verdict=Verdict.NOT_APPLICABLE, reason="x"), None, "Not applicable"),
        (failed_case(), Known("TC_010_CSMS", "p", "late", "ISSUE-7"), "Known failures"),
        (case(), None, ""),
    ],
)
def test_each_kind_of_result_has_its_category(
    written: Written, result: CaseResult, known: Known | None, category: str
) -> None:
    """The first category that fits is the right one; a clean pass has none."""
    test = written.fill(result, known=known)

    message = test.get("statusDetails", {}).get("message", "")
    fitting = [
        str(rule["name"])
        for rule in CATEGORIES
        if test["status"] in rule.get("matchedStatuses", [test["status"]])
        and re.fullmatch(str(rule.get("messageRegex", r"[\s\S]*")), message)
    ]
    assert next(iter(fitting), "") == category


def test_a_case_that_was_not_run_is_no_result(written: Written) -> None:
    """Allure has no word for it, so the file gets a name it does not read."""
    scenario_result = case(verdict=Verdict.NOT_RUN)
    written.filler.current = AllureCase(
        Scenario(
            id="TC_1",
            title="t",
            profile=scenario_result.profile,
            requirement=scenario_result.requirement,
            position=scenario_result.position,
        ),
        scenario_result,
    )
    test = AllureResult(name="x")
    allure_commons.plugin_manager.hook.report_result(result=test)

    assert not test.file_pattern.endswith("-result.json")


def test_results_of_other_tests_are_left_alone(written: Written) -> None:
    """Without a case of ours the result stays as allure-pytest made it."""
    test = AllureResult(name="test_something")
    allure_commons.plugin_manager.hook.report_result(result=test)

    assert written.log.test_cases[-1] == {"name": "test_something"}


def test_a_full_disk_does_not_end_the_run(written: Written) -> None:
    """An error of the file system is remembered, not raised into pytest."""

    class Full:
        @allure_commons.hookimpl
        def report_result(self, result: object) -> None:
            raise OSError(28, "No space left on device")

    full = Full()
    allure_commons.plugin_manager.register(full)
    try:
        written.filler.current = None
        allure_commons.plugin_manager.hook.report_result(result=AllureResult(name="x"))
    finally:
        allure_commons.plugin_manager.unregister(full)

    assert isinstance(written.filler.trouble, OSError)


def test_the_wrong_frame_is_marked_and_answers_take_their_time(written: Written) -> None:
    """A reader sees which frame was wrong, and how long the CSMS took for it."""
    call, answer = written.fill(failed_case())["steps"][2]["steps"]

    assert (call["status"], answer["status"]) == ("passed", "failed")
    assert answer["stop"] - answer["start"] == 430


def test_the_environment_tells_how_the_run_was_made() -> None:
    """Edition, time stamps and budgets are there, in words."""
    values = environment(make_report(run(), version="0.1.0", exit_code=0))

    assert values["Case list"] == "2025-11"
    assert values["Milliseconds sent"] == "yes"
    assert values["Budget authorize"] == "limit 30 s, target 0.5 s"


def test_the_environment_is_a_properties_file() -> None:
    """Spaces in names are escaped, line ends stay inside."""
    assert environment_text({"case list": "2025-11", "name": "a\nb"}) == (
        "case\\ list=2025-11\nname=a\\\\u000ab\n"
    )
