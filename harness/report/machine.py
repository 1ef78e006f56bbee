"""What `preflight run --json` prints: how a run ended, without its frames. Pure.

The frames, steps and times of every answer are in `report.json`, whose place it names.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final

from harness.report.document import Report, encode
from harness.report.official_list import official_list
from harness.report.readiness import assess
from harness.results import CaseResult, Verdict

SCHEMA_VERSION: Final = 1  # rises with every change that a reader would notice


def to_json(report: Report | None, *, exit_code: int, reason: str = "", directory: str = "") -> str:
    """Return one JSON document, also for a run that never began.

    Args:
        reason: why the run proves nothing or could not be written, empty where it did.
        directory: where its files are.
    """
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "exit_code": exit_code,
        "reason": reason,
        "directory": directory,
        "run": None,
    }
    if report is not None:
        document["run"] = _run(report)
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)


def _run(report: Report) -> dict[str, Any]:
    run = report.run
    assessment = assess(report, official_list())
    counts = Counter(case.verdict for case in run.cases)
    known = {entry.case_id for entry in report.known}
    return {
        "version": report.version,
        "started_at": encode(run.started_at),
        "duration_s": run.duration_s,
        "system_under_test": run.sut_name,
        "edition": run.edition,
        "readiness": assessment.readiness.name.lower(),
        "readiness_reasons": list(assessment.reasons),
        "stopped": run.stopped,
        "problems": list(report.problems),
        "verdicts": {verdict.value: counts[verdict] for verdict in Verdict},
        "profiles": encode(report.profiles),
        "sets": encode(report.sets),
        "performance": encode(report.performance),
        "findings": encode(run.findings),
        "cases": [_case(case, is_known=case.case_id in known) for case in run.cases],
    }


def _case(case: CaseResult, *, is_known: bool) -> dict[str, Any]:
    return {
        "id": case.case_id,
        "title": case.title,
        "profile": case.profile.value,
        "requirement": case.requirement.value,
        "case_set": case.case_set.value,
        "verdict": case.verdict.value,
        "is_known": is_known,
        "reason": case.reason,
        "duration_s": case.duration_s,
        "findings": encode(case.findings),
        "reproduce": case.reproduce,
    }
