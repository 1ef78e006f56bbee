"""A comparison in which everything that can come from outside is hostile."""

from __future__ import annotations

from dataclasses import replace

from harness.comparison.compare import Comparison, compare
from harness.report.document import Report, make_report
from harness.results import Finding, Severity, Verdict
from tests.harness.report_samples import RECEIVED, SENT, case, exchange, frame, run

HOSTILE = (
    "x | <script>alert(1)</script> `c` ``d`` \\| **b** [l](http://e.example) @me \x1b[31m\n# h"
)


def hostile_report(*, is_new: bool) -> Report:
    """Return a report whose names, findings and frames try to break out."""
    which = "new" if is_new else "old"
    answer = '[3,"a",{"' + HOSTILE.encode("unicode_escape").decode() + f'":"{which}"}}]'
    action = HOSTILE.replace("\x1b", "").replace("\n", " ").replace("\\", "")
    changed = case(
        f"CASE {HOSTILE}",
        title=HOSTILE,
        events=(frame(0, SENT, f'[2,"a","{action}",{{}}]'), frame(1, RECEIVED, answer)),
        exchanges=tuple(exchange(HOSTILE, 2.0 if is_new else 0.001) for _ in range(9)),
        findings=(Finding(HOSTILE + which, Severity.WARNING, HOSTILE),),
    )
    red = case(
        "TC_002",
        title=HOSTILE,
        verdict=Verdict.FAILED if is_new else Verdict.PASSED,
        findings=(Finding(HOSTILE, Severity.FAILURE, HOSTILE),) if is_new else (),
    )
    result = replace(run(changed, red), sut_name=HOSTILE, stopped=HOSTILE, findings=())
    return make_report(result, version=HOSTILE + which, exit_code=0)


def hostile_comparison() -> Comparison:
    """Return a comparison of two such reports."""
    return compare(hostile_report(is_new=False), hostile_report(is_new=True))
