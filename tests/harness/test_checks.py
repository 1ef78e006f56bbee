"""The table of checks."""

from __future__ import annotations

import re
from pathlib import Path

from harness.checks import CHECKS, SURROUNDINGS, finding
from harness.results import Severity

ROOT = Path(__file__).parents[2]


def test_every_rule_id_in_the_code_is_in_a_table() -> None:
    """No finding has an id that the reference does not explain, and no id is there for nothing."""
    written: set[str] = set()
    for path in (ROOT / "harness").rglob("*.py"):
        if path.name == "checks.py":
            continue
        text = path.read_text()
        written |= set(re.findall(r'finding\(\s*"([a-z-]+\.[a-z0-9-]+)"', text))
        written |= set(
            re.findall(
                r'"((?:json|frame|error|call|answer|response|schema|time|id-tag|'
                r"boot|transaction|handshake|close|ping|request|run|harness|sut|"
                r'leftover|cleanup|driver|provisioning|wire)\.[a-z0-9_-]+)"',
                text,
            )
        )
    keywords = {rule for rule in CHECKS if rule.startswith("schema.")}
    modules_and_files = {
        "json",
        "yaml",
        "log",
        "plugin",
        "report",
        "terminal",
        "drivers",
        "operator",
    }
    rules = {rule for rule in written if rule.partition(".")[2] not in modules_and_files}

    assert rules <= set(CHECKS) | set(SURROUNDINGS)
    assert set(CHECKS) | set(SURROUNDINGS) <= rules | keywords


def test_the_reference_explains_every_check() -> None:
    """`make reference` was run after the last change of the tables."""
    page = (ROOT / "docs" / "reference" / "checks.md").read_text()

    for rule, info in (dict(CHECKS) | dict(SURROUNDINGS)).items():
        assert f"`{rule}`" in page
        assert info.what.replace("|", "\\|") in page


def test_a_finding_takes_its_weight_from_the_table() -> None:
    """Strict runs take the stricter weight where there is one; a severity given wins."""
    assert finding("response.target", "m").severity is Severity.WARNING
    assert finding("response.target", "m", strict=True).severity is Severity.FAILURE
    assert finding("answer.late", "m", strict=True).severity is Severity.FAILURE
    assert finding("answer.late", "m", severity=Severity.WARNING).severity is Severity.WARNING
    assert finding("answer.late", "m").requirement == CHECKS["answer.late"].requirement


def test_words_of_findings_can_be_written_anywhere() -> None:
    """Halves of surrogate pairs, which a CSMS may send, become escapes."""
    assert finding("answer.late", "a\ud800b", actual="\udfff").message == "a\\ud800b"
