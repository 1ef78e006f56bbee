"""`preview.html`: the run in the shape of the annex of a certificate, as one file.

The page fetches nothing and runs nothing, and its content policy holds it to that: the one style
sheet is allowed by its digest. Names, frames and messages come from untrusted systems; the template
engine escapes every one of them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.report.diagram import inline_style
from harness.report.document import Report
from harness.report.failure import answer_lines
from harness.report.frames import printable, printable_lines
from harness.report.official_list import ListedCase, official_list
from harness.report.preview_content import Preview, compose
from harness.report.preview_facts import duration
from harness.report.readiness import Standing

PREVIEW: Final = "preview.html"
_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'"
_LONGEST_CELL: Final = 180  # characters of an expected or actual value in a table
_MARGIN_TEXT: Final = 70  # characters that fit into the margin of a page


def render(report: Report, listed: Sequence[ListedCase] | None = None) -> str:
    """Return the preview of a run as an HTML document.

    Args:
        listed: the official case list, the shipped one by default.
    """
    preview = compose(report, official_list() if listed is None else listed)
    style = _style(preview)
    # The file needs nothing and runs nothing, whatever a browser would allow it.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("preview.html")
        .render(
            preview=preview,
            style=Markup(style),  # noqa: S704  # ours; what is not is escaped as CSS text
            policy=f"{_POLICY}; style-src 'sha256-{digest}'",
            Standing=Standing,
            answered=[case for case in report.run.cases if case.operator_answers],
            answer_lines=answer_lines,
        )
    )


def _style(preview: Preview) -> str:
    """Return the style sheet, with what stands in the margins of printed pages."""
    name = f"{preview.product} {preview.version}".strip()
    margins = {
        "top-left": name,
        "top-right": "Certification preview: not a certificate",
        "bottom-left": f"{preview.day} · OCPP 1.6 case list {preview.edition}",
    }
    boxes = "".join(f"@{place}{{content:{css_text(words)}}}\n" for place, words in margins.items())
    sheet = _environment().get_template("preview.css").render()
    return f"\n{sheet}\n@page{{{boxes}}}\n{inline_style()}\n"


def css_text(text: str) -> str:
    """Return a text as a string of a style sheet, whatever is in it."""
    text = printable(text, limit=_MARGIN_TEXT)
    escaped = "".join(
        char if char.isascii() and (char.isalnum() or char in " .,:-_") else f"\\{ord(char):x} "
        for char in text
    )
    return f'"{escaped}"'


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["cut"] = _cut
    environment.filters["lines"] = printable_lines
    environment.filters["duration"] = duration
    return environment


def _finalize(value: Any) -> Any:
    """Make visible what would hide or turn around other characters."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value)
    return value


def _cut(text: str) -> str:
    return printable(text, limit=_LONGEST_CELL)
