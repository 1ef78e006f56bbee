"""What a run with a person keeps on disk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.operator.journal import JOURNAL, CannotResume, Journal, resume
from harness.report.directory import TRACE
from harness.results import OperatorAnswer, Verdict
from tests.harness.report_samples import passed_case

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """Settings and results come back as they were; what was not run does not."""
    journal = Journal(tmp_path)
    answer = OperatorAnswer(AT, "1", "skip", "no time", None)
    case = replace(passed_case(), operator_answers=(answer,))
    journal.begin(started_at=AT, settings={"sut": "x.yaml"})
    journal.add(case)
    journal.add(replace(case, case_id="TC_999", verdict=Verdict.NOT_RUN))
    earlier = resume(tmp_path)
    assert earlier.cases == (case,)
    assert earlier.settings == {"sut": "x.yaml"}
    assert earlier.started_at == AT


def test_half_a_line_is_cut_away(tmp_path: Path) -> None:
    """A kill in the middle of writing costs the case at hand, in journal and trace."""
    journal = Journal(tmp_path)
    journal.begin(started_at=AT, settings={})
    journal.add(passed_case())
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(whole + b'{"type":"case","ca')
    (tmp_path / TRACE).write_text('{"type":"run"}\n{"type":"case"}\n{"type":"event"}\n{"ty')
    assert len(resume(tmp_path).cases) == 1
    assert (tmp_path / JOURNAL).read_bytes() == whole
    assert (tmp_path / TRACE).read_text() == '{"type":"run"}\n{"type":"case"}\n'


@pytest.mark.parametrize("text", [None, "", "no json\n", '{"type":"run","version":99}\n'])
def test_what_is_no_journal_is_told(tmp_path: Path, text: str | None) -> None:
    """A folder of another kind, or of another version, is refused in words."""
    if text is not None:
        (tmp_path / JOURNAL).write_text(text)
    with pytest.raises(CannotResume, match=JOURNAL):
        resume(tmp_path)
