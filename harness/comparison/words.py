"""Words that the terminal and Markdown share. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.comparison.compare import Change, Comparison, Side, VerdictChange
from harness.comparison.frame_changes import FramePlace
from harness.comparison.latency import ActionChange
from harness.report.measures import Times

# The sections about verdicts, in the order in which they matter.
SECTIONS: Final = {
    Change.NEWLY_RED: "Newly red",
    Change.NO_LONGER_SHOWN: "Passed before, not observed now",
    Change.NO_LONGER_RUN: "No longer run",
    Change.NEWLY_RUN: "Newly run",
    Change.NEWLY_GREEN: "Newly green",
    Change.OTHER_VERDICT: "Other changes of verdicts",
}
MANY_SLOWER: Final = (
    "Most actions are slower at once: a busier machine or network looks just like that."
)
_MOST_PLACES: Final = 3
_MOST_CASES: Final = 4


def verdict_words(change: VerdictChange) -> str:
    """Return the verdicts before and after."""
    old, new = (
        one.value.replace("_", " ") if one else "not in it" for one in (change.old, change.new)
    )
    return f"{old} → {new}{' (known)' * change.is_known}"


def together(changes: Sequence[VerdictChange]) -> list[list[VerdictChange]]:
    """Return cases of which the same is to be said, and nothing more, as one; others alone."""
    groups: dict[object, list[VerdictChange]] = {}
    for one in changes:
        alone = one.case_id if one.frame or one.change is Change.NEWLY_RED else ""
        groups.setdefault((verdict_words(one), one.words, alone), []).append(one)
    return list(groups.values())


def side_words(side: Side) -> str:
    """Return what one of the runs was, but for the name of the system."""
    verdicts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in side.verdicts.items())
    return f"case list {side.edition} · {side.started_at:%Y-%m-%d %H:%M:%S} UTC · {verdicts}"


def place_words(places: Sequence[FramePlace]) -> str:
    """Return where a changed frame stands."""
    shown = [
        f"{place.case_id} {f'step {place.step}' if place.step else 'outside the steps'}"
        for place in places[:_MOST_PLACES]
    ]
    more = len(places) - _MOST_PLACES
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def case_words(case_ids: Sequence[str]) -> str:
    """Return where a finding was made."""
    if not case_ids:
        return "the run"
    more = len(case_ids) - _MOST_CASES
    return ", ".join(case_ids[:_MOST_CASES]) + (f" and {more} more" if more > 0 else "")


def action_words(one: ActionChange, latency: Sequence[ActionChange]) -> str:
    """Return the action, and its budget where that is needed to tell it from another."""
    is_alone = sum(other.action == one.action for other in latency) == 1
    return one.action if is_alone else f"{one.action} ({one.budget})"


def unjudged_words(latency: Sequence[ActionChange]) -> str:
    """Return which actions took much longer but had too few answers to be judged."""
    few = [
        f"{action_words(one, latency)} ({one.old.count} and {one.new.count} answers:"
        f" {ms(one.old.median_s)} → {ms(one.new.median_s)} ms)"
        for one in latency
        if one.is_longer and not one.is_judged
    ]
    return f"Longer, but too few answers to judge: {', '.join(few)}." if few else ""


def are_many_slower(comparison: Comparison) -> bool:
    """Say whether so many actions are slower that the machine may be the cause."""
    judged = sum(one.is_judged for one in comparison.latency)
    return len(comparison.slower) >= 3 and 2 * len(comparison.slower) > judged


def ms(value_s: float | None) -> str:
    """Return a duration in milliseconds."""
    if value_s is None:
        return "-"
    return f"{value_s * 1000:.2f}" if value_s < 0.001 else f"{value_s * 1000:,.1f}"


def spread(times: Times) -> str:
    """Return median and 95th percentile in milliseconds."""
    return f"{ms(times.median_s)} / {ms(times.p95_s)}"


def p_words(p_value: float) -> str:
    """Return a chance of error."""
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def last_words(comparison: Comparison) -> str:
    """Return the outcome in one line."""
    words = f"Worse: {_counted(comparison.worse)}" if comparison.worse else "Nothing is worse"
    if comparison.allowed:
        words += f" (allowed: {_counted(comparison.allowed)})"
    count = comparison.compared
    return f"{words}. {count} case{'s' * (count != 1)} compared."


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
