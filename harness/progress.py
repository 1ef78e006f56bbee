"""How far a run is: a bar and what cases wait for on a terminal, plain lines elsewhere.

In CI nothing is told of cases that pass: the log is for what has to be read.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

from harness.activity import Activity
from harness.report.summary import STYLES
from harness.results import Verdict

_SHOWN: Final = 4  # cases that are named on a terminal
_LONG_S: Final = 1.0  # what waits for less than this is not named
_QUIET_S: Final = 10.0  # plain lines say what is waited for when nothing ended for so long
_REFRESHES_PER_S: Final = 4  # more would disturb what is measured
_NO: Final = ("", "0", "false", "no")


class Progress:
    """The progress of one run, on standard error.

    Attributes:
        is_live: whether it is drawn anew in place.
        tells_each: whether each case that ended well gets a line.
    """

    def __init__(
        self,
        console: Console,
        total: int,
        activities: Callable[[], Sequence[Activity]],
        *,
        environment: Mapping[str, str] | None = None,
        quiet_s: float = _QUIET_S,
    ) -> None:
        """Prepare; nothing is shown yet.

        Args:
            activities: what cases wait for, the longest wait first; called from any thread.
            quiet_s: after so long without a result, plain lines say what is waited for.
        """
        environment = os.environ if environment is None else environment
        self._console = console
        self._total = total
        self._activities = activities
        self._quiet_s = quiet_s
        self._counts: Counter[Verdict] = Counter()
        self._lock = threading.Lock()
        # Not is_terminal: FORCE_COLOR makes that true of files, too.
        self.is_live = console.file.isatty() and not console.is_dumb_terminal
        is_ci = environment.get("CI", "").lower() not in _NO
        self.tells_each = not self.is_live and not is_ci
        self._live: Live | None = None
        self._ended = threading.Event()
        self._moved = threading.Event()
        self._reminder = threading.Thread(target=self._remind, name="progress", daemon=True)

    def start(self) -> None:
        """Begin to show it."""
        if self.is_live:
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task("starting", total=self._total)
            self._live = Live(
                get_renderable=self._drawn,
                console=self._console,
                refresh_per_second=_REFRESHES_PER_S,
                transient=True,
            )
            self._live.start()
        elif self.tells_each:
            self._reminder.start()

    def advance(self, verdict: Verdict) -> None:
        """Count a case that ended. From any thread."""
        with self._lock:
            self._counts[verdict] += 1
            counts = self._counts.copy()
        self._moved.set()
        if self._live is not None:
            words = "  ".join(
                f"[{STYLES[one]}]{counts[one]} {one.value.replace('_', ' ')}[/]"
                for one in Verdict
                if counts[one]
            )
            self._bar.update(self._task, advance=1, description=words)

    def stop(self) -> None:
        """Show it no more."""
        self._ended.set()
        self._moved.set()
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._reminder.is_alive():
            self._reminder.join()

    def _drawn(self) -> RenderableType:
        lines = [
            Text(f"  {words(one)}", style="dim", no_wrap=True, overflow="ellipsis")
            for one in self._activities()
            if one.for_s >= _LONG_S
        ]
        return Group(self._bar, *lines[:_SHOWN])

    def _remind(self) -> None:
        """Say what is waited for whenever nothing ended for a while."""
        while not self._ended.is_set():
            self._moved.clear()
            if self._moved.wait(self._quiet_s):
                continue
            with self._lock:
                done = self._counts.total()
            waiting = self._activities()
            what = f": {words(waiting[0])}" if waiting else ""
            more = f", and {len(waiting) - 1} more" if len(waiting) > 1 else ""
            line = f"{done} of {self._total} done{what}{more}"
            self._console.print(Text(line, style="dim"), soft_wrap=True)


def words(activity: Activity) -> str:
    """Return what a case waits for, in one line."""
    return f"{activity.case_id} waits for {activity.waits_for}, {activity.for_s:.0f} s"
