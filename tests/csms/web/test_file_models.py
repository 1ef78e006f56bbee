"""The views of jobs."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from csms.domain.file_jobs import Transfer
from csms.web.file_models import DiagnosticsView, upload_fields
from tests.csms.domain.test_file_jobs import job

FILE = Transfer(
    record_id=1,
    identity="CP1",
    job_id=1,
    protocol="http",
    name="log",
    started_at=datetime(2026, 3, 1, tzinfo=UTC),
    ended_at=datetime(2026, 3, 1, tzinfo=UTC),
    first_byte=0,
    size_bytes=3,
    is_whole=True,
    sha256="ab",
    stored_as="0" * 32,
    detail="",
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"fileName": "log.zip"}, "log.zip"),
        ({}, None),
        ({"fileName": None}, None),
        ({"fileName": 5}, None),
        (None, None),
        (["odd"], None),
    ],
)
def test_the_file_name_is_shown_where_it_is_one(answer: Any, expected: str | None) -> None:
    """A charge point may answer anything."""
    fields = upload_fields(job(answer=answer), None, wants_file=True)

    assert DiagnosticsView.model_validate(fields).file_name == expected


def test_a_file_is_shown_while_it_is_there() -> None:
    """What was deleted is in the transfers alone."""
    there = upload_fields(job(), FILE, wants_file=False)
    gone = upload_fields(job(), replace(FILE, stored_as=None), wants_file=False)

    shown = DiagnosticsView.model_validate(there).file
    assert shown is not None
    assert (shown.name, shown.size, shown.is_whole) == ("log", 3, True)
    assert DiagnosticsView.model_validate(gone).file is None
