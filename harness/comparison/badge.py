"""A badge of one system as SVG: its name, and how it stands. Pure.

It never claims a certificate: the words are counts of cases, the colour is the readiness of the
preview, and the title says both. Names come from reports and are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from harness.comparison.matrix import system_names
from harness.report.document import Report
from harness.report.frames import printable
from harness.report.official_list import ListedCase, official_list
from harness.report.readiness import Readiness, Standing, assess

# Each with white text at least 4.5:1 (WCAG 2.2, 1.4.3).
_COLOURS: Final = {
    Readiness.READY: "#2e7d32",
    Readiness.AT_RISK: "#4d7c0f",
    Readiness.NOT_SHOWN: "#b45309",
    Readiness.NOT_READY: "#b91c1c",
}
_NAME_COLOUR: Final = "#3f4650"
_LONGEST_NAME: Final = 36
_PADDING: Final = 8
_HEIGHT: Final = 22
# Widths in Verdana at 11 px, roughly; `textLength` makes any other font fit.
_NARROW: Final = re.compile(r"[ijl.,:;'!|()\[\] frt-]")
_WIDE: Final = re.compile(r"[mwMWOQ@%]")


@dataclass(frozen=True, slots=True)
class Badge:
    """A badge and the name of its file."""

    file: str
    svg: str


def badges(reports: Sequence[Report], listed: Sequence[ListedCase] | None = None) -> list[Badge]:
    """Return a badge for each report.

    Args:
        listed: the official case list, the shipped one by default.
    """
    listed = official_list() if listed is None else listed
    made: list[Badge] = []
    for name, report in zip(system_names(reports), reports, strict=True):
        taken = {badge.file for badge in made}
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "system"
        number = next(n for n in range(1, len(made) + 2) if _file(stem, n) not in taken)
        made.append(Badge(_file(stem, number), _svg(report, listed)))
    return made


def _file(stem: str, number: int) -> str:
    return f"{stem}.svg" if number == 1 else f"{stem}-{number}.svg"


def _svg(report: Report, listed: Sequence[ListedCase]) -> str:
    name = printable(report.run.sut_name, limit=_LONGEST_NAME)
    assessment = assess(report, listed)
    counts = assessment.tally()
    passed, failed = counts.of(Standing.PASSED), counts.of(Standing.FAILED)
    outcome = f"{passed} of {counts.asked} passed" + (f", {failed} failed" if failed else "")
    label = f"OCPP 1.6 preview · {name}"
    title = (
        f"{printable(report.run.sut_name)}: {assessment.readiness.value}."
        f" Of {counts.asked} official cases {passed} passed and {failed} failed;"
        f" case list {printable(report.run.edition)}, {report.run.started_at:%Y-%m-%d}."
        " A preview, not a certificate."
    )
    left, right = _width(label), _width(outcome)
    whole = left + right
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{_HEIGHT}" \
viewBox="0 0 {whole} {_HEIGHT}" role="img" aria-labelledby="t">
<title id="t">{escape(title)}</title>
<clipPath id="c"><rect width="{whole}" height="{_HEIGHT}" rx="4"/></clipPath>
<g clip-path="url(#c)">
<rect width="{left}" height="{_HEIGHT}" fill="{_NAME_COLOUR}"/>
<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{_COLOURS[assessment.readiness]}"/>
</g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" aria-hidden="true">
<text x="{_PADDING}" y="15" textLength="{left - 2 * _PADDING}" lengthAdjust="spacingAndGlyphs">\
{escape(label)}</text>
<text x="{left + _PADDING}" y="15" textLength="{right - 2 * _PADDING}" \
lengthAdjust="spacingAndGlyphs">{escape(outcome)}</text>
</g>
</svg>
"""


def _width(text: str) -> int:
    narrow, wide = len(_NARROW.findall(text)), len(_WIDE.findall(text))
    others = sum(ord(char) > 0x2E7F for char in text)  # as wide as they are high
    width = 6.9 * (len(text) - narrow - wide - others) + 4.3 * narrow + 10 * wide + 11 * others
    return round(width) + 2 * _PADDING
