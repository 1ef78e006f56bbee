"""What machines get at the end of a run."""

from __future__ import annotations

import json

from harness.report.document import Known, make_report
from harness.report.machine import SCHEMA_VERSION, to_json
from tests.harness.report_samples import failed_case, passed_case, run


def test_a_run_in_short() -> None:
    """Verdicts, findings and times; the frames stay in report.json."""
    failed = failed_case()
    known = Known(failed.case_id, "*", "late", "TRACKER-1")
    report = make_report(run(passed_case(), failed), version="9", exit_code=1, known=[known])

    document = json.loads(to_json(report, exit_code=1, directory="reports/runs/x"))

    assert (document["schema_version"], document["exit_code"]) == (SCHEMA_VERSION, 1)
    assert document["directory"] == "reports/runs/x"
    found = document["run"]
    assert (found["verdicts"]["passed"], found["verdicts"]["failed"]) == (1, 1)
    assert found["readiness"] == "not_shown"
    cases = {one["id"]: one for one in found["cases"]}
    assert cases[failed.case_id]["is_known"] is True
    assert [one["rule"] for one in cases[failed.case_id]["findings"]] == [
        one.rule for one in failed.findings
    ]
    assert "events" not in cases[failed.case_id]
    assert [one["name"] for one in found["performance"]["certificate"]]


def test_a_run_that_never_began() -> None:
    """The reason takes the place of the run."""
    document = json.loads(to_json(None, exit_code=2, reason="cannot reach ws://x"))

    assert document == {
        "schema_version": SCHEMA_VERSION,
        "exit_code": 2,
        "reason": "cannot reach ws://x",
        "directory": "",
        "run": None,
    }
