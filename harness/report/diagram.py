"""The sequence diagram of what really happened in one case, as a self-contained SVG.

Arrows are the recorded frames with their times; the one where the case left the right way is drawn
in the colour of its verdict, with what was expected below it. Frames nobody asked for and answers
that never came are marked. Every text may come from a hostile peer, so it is escaped, freed of
control characters and cut. Pure.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape

from harness.report.frames import Frame, FrameKind, printable, printable_lines, read_frames
from harness.report.life import words_of
from harness.results import CaseResult, Finding, Severity, StepResult, Verdict
from simulator.trace import Direction, Event, EventKind

_WIDTH: Final = 980
_LEFT: Final = 196  # lifeline of the charge point
_RIGHT: Final = 784  # lifeline of the Central System
_MIDDLE: Final = (_LEFT + _RIGHT) / 2
_GAP_S: Final = 0.25  # silence from here on is drawn as a gap
_SHOWN_EVENTS: Final = 400  # more than that no reader follows; the trace has them all
_LABEL_COLUMNS: Final = 82  # characters that fit between the lifelines
_NOTE_COLUMNS: Final = 92
INLINE_CLASS: Final = "sequence"
_UNASKED_RULE: Final = "wire.unasked-call"

_LIGHT: Final = {
    "page": "#ffffff", "edge": "#d8dee4", "text": "#1f2328", "muted": "#656d76",
    "line": "#afb8c1", "box": "#f6f8fa", "sent": "#0969da", "received": "#1a7f37",
    "failure": "#cf222e", "failure-fill": "#ffebe9", "inconclusive": "#bc4c00",
    "inconclusive-fill": "#fff1e5", "error": "#8250df", "error-fill": "#fbefff",
    "warning": "#9a6700", "warning-fill": "#fff8c5", "passed": "#1a7f37",
}  # fmt: skip
_DARK: Final = {
    "page": "#0d1117", "edge": "#30363d", "text": "#e6edf3", "muted": "#8d96a0",
    "line": "#484f58", "box": "#161b22", "sent": "#58a6ff", "received": "#3fb950",
    "failure": "#ff7b72", "failure-fill": "#3c1618", "inconclusive": "#ffa657",
    "inconclusive-fill": "#341c0a", "error": "#d2a8ff", "error-fill": "#271a3d",
    "warning": "#e3b341", "warning-fill": "#2e2109", "passed": "#3fb950",
}  # fmt: skip

_MARKS: Final = {
    Severity.FAILURE: "✗",
    Severity.INCONCLUSIVE: "?",
    Severity.ERROR: "⚡",
    Severity.WARNING: "!",
}
_WORST_FIRST: Final = (
    Severity.ERROR,
    Severity.FAILURE,
    Severity.INCONCLUSIVE,
    Severity.WARNING,
)
_PAINT_OF: Final = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "failure",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.ERROR: "error",
    Verdict.NOT_APPLICABLE: "muted",
    Verdict.NOT_RUN: "muted",
}


def draw(case: CaseResult, *, sut_name: str = "") -> str:
    """Return the diagram of one case as an SVG document."""
    return _Drawing(case, sut_name).document(style=f"<style>{_style()}</style>") + "\n"


def draw_inline(case: CaseResult, *, sut_name: str = "", label: str = "") -> str:
    """Return the diagram as an element of a page that has `inline_style` or `live_style`.

    Args:
        label: stands where the verdict would, while there is none.
    """
    return _Drawing(case, sut_name, label).document(classes=INLINE_CLASS)


@dataclass(slots=True)
class _Drawing:
    case: CaseResult
    sut_name: str
    label: str = ""
    y: float = 0.0
    parts: list[str] = field(default_factory=list)

    def document(self, *, style: str = "", classes: str = "") -> str:
        case = self.case
        self._title()
        self._actors()
        top = self.y
        lines_at = len(self.parts)
        self._body()
        self.y += 14
        lines = [_line(x, top, x, self.y, "life") for x in (_LEFT, _RIGHT)]
        self.parts[lines_at:lines_at] = lines
        self.y += 14
        height = round(self.y)
        name = _safe(f"{case.case_id} {case.title}: {case.verdict.value}", 200)
        return "".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
                f' width="{_WIDTH}" height="{height}" role="img"',
                f' class="{classes}">' if classes else ">",
                f"<title>{name}</title>{style}",
                f'<rect class="page" x="0.5" y="0.5" width="{_WIDTH - 1}"',
                f' height="{height - 1}" rx="10"/>',
                *self.parts,
                "</svg>",
            )
        )

    # --- the head ------------------------------------------------------------------------------

    def _title(self) -> None:
        case = self.case
        self.parts.append(
            f'<text x="24" y="34"><tspan class="heading">{_safe(case.case_id, 40)}</tspan>'
            f'<tspan class="subheading" dx="10">{_safe(_cut(case.title, 68), None)}</tspan></text>'
        )
        verdict = self.label or case.verdict.value.replace("_", " ")
        width = 7.6 * len(verdict) + 22
        paint = _PAINT_OF[case.verdict]
        self.parts.append(
            f'<rect class="pill stroke-{paint}" x="{_WIDTH - 24 - width:.1f}" y="18"'
            f' width="{width:.1f}" height="24" rx="12"/>'
        )
        x = _WIDTH - 24 - width / 2
        self._text(x, 34.5, verdict, f"strong fill-{paint}", anchor="middle")
        self.y = 60

    def _actors(self) -> None:
        for x, name, role in (
            (_LEFT, self.case.identity or "charge point", "charge point"),
            (_RIGHT, self.sut_name or "CSMS", "Central System"),
        ):
            self.parts.append(
                f'<rect class="box" x="{x - 95}" y="{self.y}" width="190" height="42" rx="7"/>'
            )
            self._text(x, self.y + 18, name, "strong", anchor="middle", limit=24)
            self._text(x, self.y + 33, role, "small", anchor="middle")
        self.y += 42

    # --- what happened -------------------------------------------------------------------------

    def _body(self) -> None:
        case = self.case
        frames = read_frames(case.events)
        answered = {frame.call_event for frame in frames.values()}
        at_event, at_end = _place_findings(case)
        diverging = _first_divergence(at_event)
        steps = {index: step for step in reversed(case.steps) for index in step.events}
        shown = _shown(len(case.events), keep=at_event)
        orders = [step for step in case.steps if step.kind == "operator" and step.started_at]
        last_of_steps = max(steps, default=len(case.events))
        current = ""
        previous: Event | None = None
        left_out = 0
        for index, event in enumerate(case.events):
            if index not in shown or event.kind in (EventKind.PING, EventKind.PONG):
                left_out += index not in shown
                previous = event
                continue
            if left_out:
                self._gap(f"{left_out:,} more events: see the trace")
                left_out = 0
            elif previous is not None and event.monotonic_s - previous.monotonic_s >= _GAP_S:
                self._gap(f"{_duration(event.monotonic_s - previous.monotonic_s)} of silence")
            previous = event
            while orders and orders[0].started_at and orders[0].started_at <= event.at:
                self._order(orders.pop(0))
            step = steps.get(index)
            if step is not None and step.path != current:
                current = step.path
                self._step(step.path, step.title)
            elif index > last_of_steps and current and not self.label:
                current = ""
                self._step("", "after the last step: watched, cleaned up, closed")
            findings = at_event.get(index, ())
            frame = frames.get(index)
            if frame is None:
                self._life(event, findings)
            else:
                is_unanswered = frame.kind is FrameKind.CALL and index not in answered
                self._frame(event, frame, findings, is_unanswered, index == diverging)
            self._notes(findings)
        for step in orders:
            self._order(step)
        for finding in at_end:
            if finding.rule.startswith("request."):
                self._missing(_title_of_step(case, finding), finding.severity)
            self._notes((finding,))
        if not case.events:
            self._gap("nothing crossed the wire")

    def _frame(
        self,
        event: Event,
        frame: Frame,
        findings: Sequence[Finding],
        is_unanswered: bool,
        is_diverging: bool,
    ) -> None:
        is_sent = event.direction is Direction.SENT
        # A CALL of ours that was not answered is right itself; what is wrong is the silence.
        is_silence = is_sent and is_unanswered
        worst = None if is_silence else _worst(findings)
        paint = worst.value if worst else ("sent" if is_sent else "received")
        start, end = (_LEFT, _RIGHT) if is_sent else (_RIGHT, _LEFT)
        room = _LABEL_COLUMNS - _columns(frame.name) - 2
        self.parts.append(f"<g><title>{_safe(event.text, 2000)}</title>")
        self.parts.append(
            f'<text x="{_MIDDLE}" y="{self.y + 20:.1f}" text-anchor="middle">'
            f'<tspan class="strong fill-{paint}">{_safe(frame.name, 60)}</tspan>'
            f'<tspan class="mono" dx="8">{_safe(_cut(frame.summary, room), None)}</tspan></text>'
        )
        style = "answer" if frame.kind in (FrameKind.RESULT, FrameKind.ERROR) else "call"
        weight = " heavy" if worst in _WORST_FIRST[:3] else ""
        self._arrow(start, end, self.y + 30, f"{style}{weight} stroke-{paint}", paint)
        self.parts.append("</g>")
        self._time(event, self.y + 33.5)
        remarks = []
        if frame.latency_s is not None:
            remarks.append(_duration(frame.latency_s))
        if any(finding.rule == _UNASKED_RULE for finding in findings):
            remarks.append("unasked")
        if is_diverging and not is_silence:
            remarks.append("◀ diverges here")
        paint = worst.value if worst else "muted"
        self._text(_RIGHT + 14, self.y + 33.5, " · ".join(remarks), f"small fill-{paint}")
        self.y += 44
        if is_silence and _worst(findings) is not None:
            self._missing("no answer", _worst(findings) or Severity.FAILURE)

    def _missing(self, label: str, severity: Severity) -> None:
        """Draw the arrow that should have come from the Central System."""
        paint = severity.value
        self._text(_MIDDLE, self.y + 18, label, f"strong fill-{paint}", anchor="middle", limit=70)
        y = self.y + 30
        self.parts.append(_line(_RIGHT - 3, y, _MIDDLE + 14, y, f"ghost stroke-{paint}"))
        self._text(_MIDDLE, y + 5, "✗", f"strong fill-{paint}", anchor="middle")
        self._text(_RIGHT + 14, y + 4, "never came", f"small fill-{paint}")
        self.y += 44

    def _life(self, event: Event, findings: Sequence[Finding]) -> None:
        worst = _worst(findings)
        paint = worst.value if worst else "muted"
        label = _cut(words_of(event), 96)
        width = 6.6 * _columns(label) + 24
        y = self.y + 18
        stroke = f"stroke-{worst.value}" if worst else "edge"
        self.parts.append(_line(_LEFT, y, _RIGHT, y, f"session {stroke}"))
        self.parts.append(
            f'<rect class="pill {stroke}" x="{_MIDDLE - width / 2:.1f}" y="{y - 11:.1f}"'
            f' width="{width:.1f}" height="22" rx="11"/>'
        )
        self._text(_MIDDLE, y + 4, label, f"small fill-{paint}", anchor="middle")
        self._time(event, y + 4)
        self.y += 36

    def _step(self, path: str, title: str) -> None:
        self.y += 6
        self._text(24, self.y + 12, path, "step", limit=14)
        self._text(_LEFT + 14, self.y + 12, title, "step", limit=86)
        self.y += 14

    def _order(self, step: StepResult) -> None:
        """Draw what the operator, outside of OCPP, told the Central System to do."""
        self._step(step.path, step.title)
        y = self.y - 6
        self._text(_WIDTH - 24, y - 5, "operator", "small", anchor="end")
        self._arrow(_WIDTH - 24, _RIGHT, y, "call stroke-muted", "muted")
        self.y += 4

    def _notes(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            paint = finding.severity.value
            text = f"{_MARKS[finding.severity]} {finding.message}"
            lines = [
                part
                for line in printable_lines(text, limit=600)
                for part in textwrap.wrap(line, _NOTE_COLUMNS)
            ][:4]
            for name, value in (("expected", finding.expected), ("actual", finding.actual)):
                if value:
                    lines.append(
                        _cut(
                            f"{name:<10}{printable(value, limit=300)}",
                            _NOTE_COLUMNS,
                        )
                    )
            origin = " · ".join(filter(None, (finding.rule, finding.requirement)))
            lines.append(_cut(printable(origin, limit=200), _NOTE_COLUMNS))
            height = 15 * len(lines) + 12
            self.parts.append(
                f'<rect class="tint-{paint}" x="{_LEFT + 12}" y="{self.y + 3:.1f}"'
                f' width="{_RIGHT - _LEFT - 24}" height="{height}" rx="5"/>'
                f'<rect class="bar-{paint}" x="{_LEFT + 12}" y="{self.y + 3:.1f}"'
                f' width="4" height="{height}" rx="2"/>'
            )
            for number, line in enumerate(lines):
                is_last = number == len(lines) - 1
                style = "note" if not is_last else f"note fill-{paint}"
                self._text(_LEFT + 28, self.y + 20 + 15 * number, line, style)
            self.y += height + 10

    def _gap(self, label: str) -> None:
        for x in (_LEFT, _RIGHT):
            self.parts.append(
                f'<rect class="blank" x="{x - 4}" y="{self.y + 4:.1f}" width="8" height="20"/>'
                + _line(x, self.y + 5, x, self.y + 24, "break")
            )
        self._text(_MIDDLE, self.y + 18, f"⋯  {label}  ⋯", "small", anchor="middle")
        self.y += 28

    # --- strokes -------------------------------------------------------------------------------

    def _time(self, event: Event, y: float) -> None:
        after_s = event.monotonic_s - self.case.events[0].monotonic_s
        self._text(_LEFT - 14, y, f"+{after_s:.3f} s", "time", anchor="end")

    def _arrow(self, start: float, end: float, y: float, style: str, paint: str) -> None:
        back = -9 if end > start else 9
        self.parts.append(_line(start, y, end + back * 0.7, y, style))
        self.parts.append(
            f'<path class="head fill-{paint}" d="M{end} {y:.1f} l{back} -4.5 l0 9 z"/>'
        )

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        style: str,
        *,
        anchor: str = "start",
        limit: int | None = None,
    ) -> None:
        if text:
            self.parts.append(
                f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
                f"{_safe(text if limit is None else _cut(text, limit), None)}</text>"
            )


def _place_findings(
    case: CaseResult,
) -> tuple[dict[int, tuple[Finding, ...]], tuple[Finding, ...]]:
    """Return the findings by the event that shows them, and those that no event shows."""
    by_event: dict[int, list[Finding]] = defaultdict(list)
    rest = []
    last_of_step = {step.path: max(step.events) for step in case.steps if step.events}
    for finding in case.findings:
        if finding.event is not None and 0 <= finding.event < len(case.events):
            by_event[finding.event].append(finding)
        elif finding.step in last_of_step and not finding.rule.startswith("request."):
            by_event[last_of_step[finding.step]].append(finding)
        else:
            rest.append(finding)
    return {index: tuple(found) for index, found in by_event.items()}, tuple(rest)


def _first_divergence(at_event: Mapping[int, Sequence[Finding]]) -> int | None:
    wrong = [
        index
        for index, findings in at_event.items()
        if any(finding.severity is not Severity.WARNING for finding in findings)
    ]
    return min(wrong, default=None)


def _worst(findings: Iterable[Finding]) -> Severity | None:
    severities = {finding.severity for finding in findings}
    return next((severity for severity in _WORST_FIRST if severity in severities), None)


def _title_of_step(case: CaseResult, finding: Finding) -> str:
    titles = {step.path: step.title for step in case.steps}
    return titles.get(finding.step, "") or "the request"


def _shown(count: int, *, keep: Iterable[int]) -> set[int]:
    """Return which events are drawn: all, or both ends and the neighbourhood of findings."""
    if count <= _SHOWN_EVENTS:
        return set(range(count))
    half = _SHOWN_EVENTS // 2
    shown = set(range(half)) | set(range(count - half, count))
    for index in sorted(keep)[:50]:
        shown |= set(range(max(0, index - 2), min(count, index + 3)))
    return shown


def _duration(seconds: float) -> str:
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _safe(text: str, limit: int | None) -> str:
    return escape(printable(text, limit=limit))


def _columns(text: str) -> int:
    return len(text) + sum(unicodedata.east_asian_width(char) in "WF" for char in text)


def _cut(text: str, columns: int) -> str:
    """Return `text` cut so that it takes at most `columns`, wide characters counting twice."""
    if _columns(text) <= columns:
        return text
    while text and _columns(text) > columns - 1:
        text = text[: -max(1, (_columns(text) - columns) // 2)]
    return text + "…"


def _style() -> str:
    """Return the style sheet of a diagram that stands alone, in both colour schemes."""
    dark = f"@media (prefers-color-scheme:dark){{{_rules(_paint(_DARK))}}}"
    return "svg{color-scheme:light dark}" + _rules(_shape() + _paint(_LIGHT)) + dark


def inline_style() -> str:
    """Return the style sheet of diagrams inside a page: for paper, and for nothing else there."""
    return _rules(_shape() + _paint(_LIGHT), scope=f".{INLINE_CLASS} ")


def live_style() -> str:
    """Return the style sheet of diagrams inside a page on a screen, in both colour schemes."""
    scope = f".{INLINE_CLASS} "
    dark = _rules(_paint(_DARK), scope=scope)
    return f"{inline_style()}@media (prefers-color-scheme:dark){{{dark}}}"


def _rules(rules: Sequence[tuple[str, str]], *, scope: str = "") -> str:
    return "".join(
        ",".join(f"{scope}{selector}" for selector in selectors.split(",")) + f"{{{declarations}}}"
        for selectors, declarations in rules
    )


def _shape() -> list[tuple[str, str]]:
    sans = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
    mono = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
    return [
        ("text", f"font:12.5px {sans}"),
        (".heading", "font-size:16px;font-weight:700"),
        (".subheading", "font-size:15px"),
        (".strong", "font-weight:600"),
        (".small", "font-size:11.5px"),
        (".step", "font-size:11px;font-weight:600;letter-spacing:.02em"),
        (".mono,.note,.time", f"font-family:{mono};font-size:11px"),
        (".note", "font-size:10.5px;white-space:pre"),
        (".time", "font-variant-numeric:tabular-nums"),
        ("line", "stroke-width:1.5"),
        (".life", "stroke-width:1.2"),
        (".answer", "stroke-dasharray:6 4"),
        (".heavy", "stroke-width:2.6"),
        (".ghost", "stroke-dasharray:2 5;stroke-width:2.2;stroke-linecap:round"),
        (".session", "stroke-width:1"),
        (".break", "stroke-dasharray:1.5 4;stroke-linecap:round"),
        (".head", "stroke:none"),
    ]


def _paint(colours: Mapping[str, str]) -> list[tuple[str, str]]:
    rules = [
        (".page,.pill,.blank", f"fill:{colours['page']}"),
        (".page,.box,.edge", f"stroke:{colours['edge']}"),
        (".box", f"fill:{colours['box']}"),
        ("text", f"fill:{colours['text']}"),
        (".small,.step,.time,.mono,.subheading", f"fill:{colours['muted']}"),
        (".life,.break", f"stroke:{colours['line']}"),
    ]
    for name, colour in colours.items():
        if f"{name}-fill" in colours:
            rules.append((f".tint-{name}", f"fill:{colours[f'{name}-fill']}"))
            rules.append((f".bar-{name}", f"fill:{colour}"))
        if not name.endswith("-fill"):
            rules.append((f".fill-{name}", f"fill:{colour}"))
            rules.append((f".stroke-{name}", f"stroke:{colour}"))
    return rules
