"""`trace.jsonl`: every frame of a run, one JSON object a line, appended as cases end.

The first line names the run, each event has a line with its case and step, and a line with the
verdict and the findings closes each case; so a run that is killed keeps every case that had ended.
The format is described in `docs/reference/report.md`. Pure: `harness.report.directory` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from harness.report.document import encode
from harness.results import CaseResult

TRACE_VERSION: Final = 1


def head_line(*, started_at: datetime, sut_name: str, edition: str) -> str:
    """Return the line a trace begins with."""
    return _line(
        {
            "type": "run",
            "trace_version": TRACE_VERSION,
            "started_at": encode(started_at),
            "sut_name": sut_name,
            "edition": edition,
        }
    )


def case_lines(case: CaseResult) -> str:
    """Return the lines of one case: its events in order, then how it ended."""
    steps = {index: step.path for step in reversed(case.steps) for index in step.events}
    lines = [
        _line(
            {
                "type": "event",
                "case_id": case.case_id,
                "step": steps.get(index, ""),
                "index": index,
                **encode(event),
            }
        )
        for index, event in enumerate(case.events)
    ]
    lines.append(
        _line(
            {
                "type": "case",
                "case_id": case.case_id,
                "identity": case.identity,
                "verdict": case.verdict.value,
                "reason": case.reason,
                "started_at": encode(case.started_at),
                "duration_s": case.duration_s,
                "findings": encode(case.findings),
            }
        )
    )
    return "".join(lines)


def _line(entry: Mapping[str, object]) -> str:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
