"""The terminal as a face: what to do in words, one key for each thing to say.

On a terminal single keys are read; from a pipe lines are, of which the first letter is the key and
the rest the reason.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Iterator
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from harness.operator.desk import Desk, View
from harness.operator.table import KEYS, NEEDS_REASON, Act, Phase
from harness.operator.words import span_words
from harness.report.frames import printable
from harness.wire import monotonic_s

_ACTS: Final = {key: act for act, (key, _) in KEYS.items()}
_PASSWORDS: Final = "w"
_TICK_S: Final = 1.0


class TerminalFace:
    """Prints what is asked, reads keys. On a thread of its own."""

    def __init__(self, desk: Desk, *, out: TextIO, keys: TextIO, url: str = "") -> None:
        """Prepare.

        Args:
            url: of the page, to be told.
        """
        self._desk = desk
        self._console = Console(file=out, highlight=False, soft_wrap=True)
        self._keys = keys
        self._url = url
        self._thread = threading.Thread(target=self._run, name="operator keys", daemon=True)
        self._wake_read, self._wake_write = os.pipe()
        self._is_over = False
        self._shown: tuple[object, ...] = ()
        self._verdicts = 0
        self._pending: Act | None = None  # waits for its reason
        self._typed = ""

    def start(self) -> None:
        """Begin to show and to read."""
        if self._url:
            line = Text.assemble("The same in a browser: ", (self._url, "bold underline"))
            self._console.print(line)
        self._desk.subscribe(self._changed)
        self._thread.start()

    def stop(self) -> None:
        """End, and give the terminal back as it was."""
        self._is_over = True
        self._desk.unsubscribe(self._changed)
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")
        self._thread.join(timeout=5)
        for end in (self._wake_read, self._wake_write):
            with contextlib.suppress(OSError):
                os.close(end)

    def _changed(self, view: View) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")

    # --- on its thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        with self._single_keys() as descriptor:
            while not self._is_over:
                self._show(self._desk.view)
                sources = [self._wake_read] + ([descriptor] if descriptor is not None else [])
                ready, _, _ = select.select(sources, [], [], _TICK_S)
                if self._wake_read in ready:
                    os.read(self._wake_read, 4096)
                if descriptor is not None and descriptor in ready:
                    data = os.read(descriptor, 1024)
                    if not data:
                        descriptor = None  # nobody types; the page may still be used
                    self._read(data.decode("utf-8", "replace"))
                self._tick(self._desk.view)
            self._clear_line()

    @contextlib.contextmanager
    def _single_keys(self) -> Iterator[int | None]:
        """Read keys as they are pressed, where there is a terminal."""
        try:
            descriptor = self._keys.fileno()
        except (OSError, ValueError, AttributeError):
            yield None
            return
        self._is_tty = os.isatty(descriptor)
        if not self._is_tty or sys.platform == "win32":
            yield descriptor
            return
        import termios
        import tty

        before = termios.tcgetattr(descriptor)
        try:
            tty.setcbreak(descriptor)
            yield descriptor
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    _is_tty = False

    def _read(self, text: str) -> None:
        for char in text:
            if char in "\r\n":
                self._line(self._typed)
                self._typed = ""
            elif char in "\x7f\b":
                self._typed = self._typed[:-1]
            elif self._is_tty and self._pending is None:
                self._key(char)
            elif char.isprintable():
                self._typed += char

    def _key(self, char: str) -> None:
        if char == _PASSWORDS:
            self._show_passwords()
            return
        act = _ACTS.get(char.lower())
        if act is None or act not in self._desk.view.choices:
            return
        if act in NEEDS_REASON:
            self._clear_line()
            self._pending, self._typed = act, ""
            self._console.print(Text("Why? ", style="bold"), end="")
            return
        self._say(act, "")

    def _line(self, line: str) -> None:
        if self._pending is not None:
            act, self._pending = self._pending, None
            self._say(act, line)
        elif line.strip():
            key, _, reason = line.strip().partition(" ")
            if key == _PASSWORDS:
                self._show_passwords()
            elif key.lower() in _ACTS:
                self._say(_ACTS[key.lower()], reason)

    def _say(self, act: Act, reason: str) -> None:
        trouble = self._desk.say(act, reason)
        if trouble:
            self._clear_line()
            self._console.print(Text(f"{trouble[0].upper()}{trouble[1:]}.", style="yellow"))

    # --- showing ---------------------------------------------------------------------------------

    def _show(self, view: View) -> None:
        self._show_verdicts(view)
        now = (view.phase, id(view.instruction), view.explanation, view.preparation)
        if now == self._shown:
            return
        self._shown = now
        self._clear_line()
        if view.phase is Phase.PREPARE and view.preparation is not None:
            self._show_preparation(view)
        elif view.instruction is not None and view.phase in (Phase.ASKED, Phase.WRONG):
            self._show_instruction(view)
        elif view.phase is Phase.PRESSED:
            self._console.print(Text("Waiting for what you pressed …", style="dim"))
        if view.choices and view.phase not in (Phase.RUNNING, Phase.STARTING, Phase.ENDED):
            self._console.print(self._menu(view))

    def _show_verdicts(self, view: View) -> None:
        done = [line for line in view.cases if line.verdict is not None]
        if len(done) == self._verdicts:
            return
        if self._verdicts == 0 and len(done) > 1:
            self._verdicts = len(done)  # of an earlier part
            return
        self._clear_line()
        self._verdicts = len(done)
        words = f"{len(done)} of {len(view.cases)} cases done"
        self._console.print(Text(words, style="dim"))

    def _show_instruction(self, view: View) -> None:
        instruction = view.instruction
        if instruction is None:
            return
        out = self._console
        out.print()
        place = f"{view.done + 1} of {len(view.cases)}"
        out.print(Text(f"{'─' * 8} {view.case_id}  {view.title}  ({place})", style="dim"))
        if view.explanation:
            out.print(Text(f"✗ {printable(view.explanation)}", style="bold red"))
        out.print(Text(f"▶ {printable(instruction.headline)}", style="bold"))
        out.print(Text(f"  Screen: {instruction.screen}. {instruction.note}", style="dim"))
        for name, value in instruction.details:
            out.print(Text(f"  {name:<20} {printable(value)}"))
        if instruction.empty:
            out.print(Text(f"  Leave empty: {', '.join(instruction.empty)}"))
        for file in instruction.files:
            out.print(Text(f"  {file.name}:", style="dim"))
            for line in file.text.splitlines():
                out.print(Text(f"  {printable(line)}"))

    def _show_preparation(self, view: View) -> None:
        preparation = view.preparation
        if preparation is None:
            return
        out = self._console
        out.print()
        out.print(
            Text(f"▶ Make sure that {printable(view.sut_name)} knows all of this.", style="bold")
        )
        for station in preparation.stations:
            out.print(Text(f"  Charge point {printable(station.identity)}  {station.words}"))
        for tag in preparation.tags:
            out.print(Text(f"  Tags {printable(', '.join(tag.tags))}  {printable(tag.words)}"))
        if any(station.password for station in preparation.stations):
            out.print(Text(f"  [{_PASSWORDS}] shows the passwords"))

    def _show_passwords(self) -> None:
        preparation = self._desk.view.preparation
        for station in preparation.stations if preparation is not None else ():
            if station.password:
                self._console.print(Text(f"  {printable(station.identity)}  {station.password}"))

    def _menu(self, view: View) -> Text:
        words = Text("  ")
        for act in view.choices:
            key, label = KEYS[act]
            words.append(f"[{key}]", style="bold cyan")
            words.append(f" {label}   ")
        return words

    def _tick(self, view: View) -> None:
        """Show how long is left, in one line that is written over."""
        if not self._console.is_terminal or self._pending is not None or view.deadline_s is None:
            return
        left_s = max(0.0, view.deadline_s - monotonic_s())
        action = view.instruction.operation if view.instruction is not None else ""
        minutes, seconds = divmod(int(left_s), 60)
        text = f"  waiting for {action}: {minutes}:{seconds:02} left of {span_words(view.time_s)}"
        self._console.file.write(f"\r\x1b[2K\x1b[2m{text}\x1b[0m")
        self._console.file.flush()

    def _clear_line(self) -> None:
        if self._console.is_terminal:
            self._console.file.write("\r\x1b[2K")
