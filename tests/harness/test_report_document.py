"""`report.json` is written, held against its schema and read back."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from harness.report.document import (
    Known,
    Report,
    UnreadableReport,
    encode,
    from_text,
    make_report,
    to_text,
    validator,
)
from harness.results import CaseResult, Verdict
from tests.harness.report_samples import run


def sample() -> Report:
    """Return a report of a run with a case of every verdict."""
    known = [Known("TC_010_CSMS", "TC_010*", "vendor fixes it in 2.1", "ISSUE-7")]
    return make_report(run(), version="0.1.0", exit_code=1, known=known, problems=["a problem"])


def test_a_report_survives_writing_and_reading() -> None:
    """What is read back equals what was written, frames and all."""
    report = sample()

    assert from_text(to_text(report)) == report


def test_the_document_has_the_shape_of_its_schema() -> None:
    """The schema is closed, so a new field without a place in it fails here."""
    document = json.loads(to_text(sample()))

    assert list(validator().iter_errors(document)) == []
    document["run"]["cases"][0]["surprise"] = 1
    assert not validator().is_valid(document)


def test_the_schema_names_every_field_of_a_case() -> None:
    """Schema and results do not drift apart."""
    case = encode(sample().run.cases[0])

    assert set(case) == {field.name for field in fields(CaseResult)}


def test_another_version_is_refused_by_name() -> None:
    """A reader says which version it found and which it reads."""
    text = to_text(sample()).replace('"schema_version": 1', '"schema_version": 99')

    with pytest.raises(UnreadableReport, match=r"schema_version is 99; this program reads 1"):
        from_text(text)


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 1}', '{"schema_version": 1, "run'])
def test_what_is_no_report_is_refused(text: str) -> None:
    """Cut-off and foreign files give a message instead of a stack trace."""
    with pytest.raises(UnreadableReport):
        from_text(text)


def test_the_summary_counts_each_case_once() -> None:
    """A known failure is counted as known, not as failed; warnings are counted beside."""
    (line,) = sample().profiles

    assert (line.passed, line.failed, line.inconclusive, line.error) == (1, 0, 1, 1)
    assert (line.not_applicable, line.not_run, line.known, line.warnings) == (1, 1, 1, 1)


def test_an_error_is_never_excused() -> None:
    """An entry of the known-failures file does not turn an error into a known failure."""
    report = sample()
    known = [replace(report.known[0], case_id="TC_014_CSMS")]

    again = make_report(report.run, version="0", exit_code=1, known=known)

    assert (again.profiles[0].error, again.profiles[0].known) == (1, 0)
    assert report.run.cases[3].verdict is Verdict.ERROR


def test_declared_limits_come_from_the_settings() -> None:
    """The certificate table shows the declared limits beside the measured seconds."""
    values = {value.name: value.declared_s for value in sample().performance.certificate}

    assert values == {"OCPP response timeout": 30.0, "Response time Authorize": 30.0}
