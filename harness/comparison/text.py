"""A comparison for people at a terminal. What comes from a report is made harmless first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.comparison.compare import Change, Comparison, VerdictChange
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

_STYLES = {
    Change.NEWLY_RED: "bold red",
    Change.NO_LONGER_SHOWN: "dark_orange",
    Change.NO_LONGER_RUN: "dark_orange",
    Change.NEWLY_GREEN: "green",
}


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print what is different, the worst first, and the outcome in the last line."""
    for part in _parts(comparison):
        console.print(part)


def _parts(comparison: Comparison) -> Iterator[RenderableType]:
    for name, side in (("Old", comparison.old), ("New", comparison.new)):
        yield Text.assemble(
            (f"{name}  {printable(side.sut_name)}", "bold"), f" · {side_words(side)}"
        )
    for note in comparison.notes:
        yield Text(printable(f"Note: {note}"), style="yellow")
    for change, title in SECTIONS.items():
        if found := comparison.of(change):
            yield from _head(title, len(found))
            for group in together(found):
                yield from _verdict(group)
    yield from _slower(comparison)
    if comparison.frames:
        yield from _head("Frames that changed", len(comparison.frames))
    for frame in comparison.frames:
        yield _row(
            Text.assemble((frame.frame, "bold"), f"  [{printable(place_words(frame.places))}]")
        )
        yield from (_row(Text(printable(line)), indent=4) for line in frame.differences)
    for title, findings in (
        ("New findings", comparison.new_findings),
        ("Findings that are gone", comparison.gone_findings),
    ):
        if findings:
            yield from _head(title, len(findings))
        for finding in findings:
            words = printable(f"{finding.message}  [{case_words(finding.case_ids)}]")
            rule = printable(f"{finding.severity.value} {finding.rule}  ")
            yield _row(Text.assemble((rule, "bold"), words))
    yield Text()
    style = "bold red" if comparison.worse else "bold green"
    yield Text(last_words(comparison), style=style)


def _head(title: str, count: int) -> Iterator[Text]:
    yield Text()
    yield Text(f"{title} ({count})", style="bold underline")


def _row(text: Text, *, indent: int = 2) -> Padding:
    """Return a line; what does not fit goes on under its beginning."""
    return Padding(text, (0, 0, 0, indent), expand=False)


def _verdict(group: Sequence[VerdictChange]) -> Iterator[RenderableType]:
    one = group[0]
    style = _STYLES.get(one.change, "bold")
    if len(group) > 1:
        names = ", ".join(printable(each.case_id) for each in group)
        yield _row(Text.assemble((f"{len(group)} cases  ", style), verdict_words(one)))
        yield _row(Text(names), indent=4)
    else:
        words = f"{verdict_words(one)}  {printable(one.title)}"
        yield _row(Text.assemble((f"{printable(one.case_id)}  ", style), words))
    if one.words:
        yield _row(Text(printable(one.words)), indent=4)
    if one.frame:
        place = one.frame.places[0]
        where = f"step {place.step}" if place.step else "outside the steps"
        words = f"on the wire: {one.frame.frame} ({where}): {'; '.join(one.frame.differences)}"
        yield _row(Text(printable(words), style="dim"), indent=4)


def _slower(comparison: Comparison) -> Iterator[RenderableType]:
    if comparison.slower:
        yield from _head("Slower beyond noise", len(comparison.slower))
        table = Table(box=SIMPLE_HEAD, pad_edge=True)
        table.add_column("Action", overflow="fold")
        for name in ("answers", "median / p95 ms, old", "new", "p"):
            table.add_column(name, justify="right")
        for one in comparison.slower:
            table.add_row(
                Text(printable(action_words(one, comparison.latency))),
                f"{one.old.count}, {one.new.count}",
                spread(one.old),
                Text(spread(one.new), style="bold red"),
                p_words(one.p_value),
            )
        yield table
    else:
        yield Text()
        yield Text("No action is slower beyond noise.")
    if are_many_slower(comparison):
        yield _row(Text(MANY_SLOWER, style="yellow"))
    yield _row(Text(comparison.noise, style="dim"))
    if few := unjudged_words(comparison.latency):
        yield _row(Text(printable(few), style="dim"))
