"""A comparison as Markdown, for the summary of a CI job or a merge request.

What comes from a report stands in code spans, where nothing it holds has a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from harness.comparison.compare import Comparison, VerdictChange
from harness.comparison.words import (
    MANY_SLOWER,
    SECTIONS,
    action_words,
    are_many_slower,
    case_words,
    last_words,
    p_words,
    place_words,
    side_words,
    spread,
    together,
    unjudged_words,
    verdict_words,
)
from harness.report.frames import printable

_LONGEST: Final = 400  # characters of one text
# Words without any character that Markdown, or what makes links of texts, gives a meaning to; a dot
# or colon only at the end of a word.
_HARMLESS: Final = re.compile(r"(?:[A-Za-z0-9 ,;?()%-]|[.:](?= |\Z))*", re.ASCII)
_SPECIAL: Final = re.compile(r"[^A-Za-z0-9 ]", re.ASCII)


def code(text: str) -> str:
    """Return a text as code, so that nothing in it is taken for Markdown or HTML."""
    text = printable(text, limit=_LONGEST)
    if not text.strip():
        return ""
    if "`" in text or "|" in text or "\\" in text:  # none of these can be written in a code span
        return f"<code>{_SPECIAL.sub(lambda found: f'&#{ord(found[0])};', text)}</code>"
    return f"`{text}`"


def words(text: str) -> str:
    """Return a text as it is where it holds words alone, else as code."""
    text = printable(text, limit=_LONGEST)
    return text if _HARMLESS.fullmatch(text) else code(text)


def table(head: Iterable[str], rows: Iterable[Iterable[str]], *, right: int = 0) -> Iterator[str]:
    """Yield the lines of a table whose cells are Markdown already.

    Args:
        right: how many columns at the end are aligned to the right.
    """
    names = list(head)
    rules = ["---"] * (len(names) - right) + ["---:"] * right
    for cells in (names, rules, *rows):
        yield f"| {' | '.join(cells)} |"


def as_markdown(comparison: Comparison) -> str:
    """Return a comparison as a Markdown document."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    mark = "✘" if comparison.worse else "✔"
    yield f"## {mark} {last_words(comparison)}"
    yield ""
    for name, side in (("Old", comparison.old), ("New", comparison.new)):
        yield f"- **{name}**: {words(side.sut_name)} · {code(side_words(side))}"
    if comparison.notes:
        yield ""
    yield from (f"> **Note:** {words(note)}\n" for note in comparison.notes)
    for change, title in SECTIONS.items():
        if found := comparison.of(change):
            yield from _head(title, len(found))
            yield from table(
                ("Case", "Verdict", "What", "On the wire"),
                (_verdict(group) for group in together(found)),
            )
    yield from _slower(comparison)
    if comparison.frames:
        yield from _head("Frames that changed", len(comparison.frames))
        yield from table(
            ("Frame", "Difference", "Where"),
            (
                (code(one.frame), _several(one.differences), code(place_words(one.places)))
                for one in comparison.frames
            ),
        )
    for title, findings in (
        ("New findings", comparison.new_findings),
        ("Findings that are gone", comparison.gone_findings),
    ):
        if findings:
            yield from _head(title, len(findings))
            yield from table(
                ("Rule", "Severity", "What", "Where"),
                (
                    (
                        code(one.rule),
                        one.severity.value,
                        code(one.message),
                        code(case_words(one.case_ids)),
                    )
                    for one in findings
                ),
            )


def _head(title: str, count: int) -> Iterator[str]:
    yield ""
    yield f"### {title} ({count})"
    yield ""


def _several(lines: Iterable[str]) -> str:
    return "<br>".join(code(line) for line in lines)


def _verdict(group: Sequence[VerdictChange]) -> tuple[str, ...]:
    one = group[0]
    case = " ".join(code(each.case_id) for each in group)
    if len(group) == 1 and one.title:
        case += f"<br>{words(one.title)}"
    wire = f"{code(one.frame.frame)}<br>{_several(one.frame.differences)}" if one.frame else ""
    return case, verdict_words(one), code(one.words), wire


def _slower(comparison: Comparison) -> Iterator[str]:
    if comparison.slower:
        yield from _head("Slower beyond noise", len(comparison.slower))
        yield from table(
            ("Action", "Answers old, new", "Median / p95 ms, old", "new", "p"),
            (
                (
                    code(action_words(one, comparison.latency)),
                    f"{one.old.count}, {one.new.count}",
                    spread(one.old),
                    f"**{spread(one.new)}**",
                    p_words(one.p_value).replace("<", "&lt;"),
                )
                for one in comparison.slower
            ),
            right=4,
        )
    yield ""
    if not comparison.slower:
        yield "No action is slower beyond noise."
        yield ""
    if are_many_slower(comparison):
        yield MANY_SLOWER
        yield ""
    yield f"<sub>{comparison.noise}</sub>"
    if few := unjudged_words(comparison.latency):
        yield ""
        yield code(few)
