"""Open transactions: told from the wire, remembered over the death of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.leftovers import Journal, Ledger, OpenTransaction
from simulator.trace import Direction, Event, EventKind

URL = "ws://csms/ocpp"
ONE = OpenTransaction(
    identity="CP1", transaction_id=7, connector_id=2, id_tag="CARD", meter_start=100
)


def frame(direction: Direction, *parts: object) -> Event:
    return Event(
        EventKind.FRAME, "CP1", 1, datetime.now(UTC), 0.0, direction, text=json.dumps(parts)
    )


def sent(*parts: object) -> Event:
    return frame(Direction.SENT, *parts)


def received(*parts: object) -> Event:
    return frame(Direction.RECEIVED, *parts)


START = sent(2, "a", "StartTransaction", {"connectorId": 2, "idTag": "CARD", "meterStart": 100})


def ledger_of(*events: Event) -> Ledger:
    ledger = Ledger()
    for event in events:
        ledger.note(event)
    return ledger


def test_answered_start_opens_a_transaction() -> None:
    """The Central System's number makes it, with what is needed to stop it."""
    assert ledger_of(START, received(3, "a", {"transactionId": 7})).open == {7: ONE}


def test_refused_card_opens_one_as_well() -> None:
    """A number given with Invalid is held open by the Central System all the same."""
    info = {"idTagInfo": {"status": "Invalid"}, "transactionId": 7}

    assert set(ledger_of(START, received(3, "a", info)).open) == {7}


def test_answered_stop_closes_it() -> None:
    """An unanswered stop does not count, an answered one does."""
    events = [START, received(3, "a", {"transactionId": 7})]
    events.append(sent(2, "b", "StopTransaction", {"transactionId": 7}))

    assert set(ledger_of(*events, received(4, "b", "InternalError", "", {})).open) == {7}
    assert ledger_of(*events, received(3, "b", {})).open == {}


def test_numbers_that_are_none() -> None:
    """No number, 0, -1, texts and truth values open nothing, and break nothing."""
    for number in (None, 0, -1, "7", True, 1.5):
        assert ledger_of(START, received(3, "a", {"transactionId": number})).open == {}


def test_last_status_of_each_connector() -> None:
    """What the charge point reported last is what has to be taken back."""
    ledger = ledger_of(
        sent(2, "a", "StatusNotification", {"connectorId": 1, "status": "Preparing"}),
        sent(2, "b", "StatusNotification", {"connectorId": 0, "status": "Available"}),
        sent(2, "c", "StatusNotification", {"connectorId": 1, "status": "Charging"}),
        sent(2, "d", "StatusNotification", {"connectorId": "x"}),
        received("no", "frame"),
    )

    assert ledger.statuses == {0: "Available", 1: "Charging"}


def test_what_a_living_process_noted_is_no_leftover(tmp_path: Path) -> None:
    """A second run at the same time leaves the first one's transactions alone."""
    path = tmp_path / "leftovers.jsonl"
    Journal(path, URL).sync("CP1", [ONE])

    assert Journal(path, URL).leftovers() == []


def test_what_a_dead_process_noted_is(tmp_path: Path) -> None:
    """What a killed run left is found again, under its own URL only."""
    path = tmp_path / "leftovers.jsonl"
    code = (
        "from pathlib import Path; import os\n"
        "from harness.leftovers import *\n"
        f"Journal(Path({str(path)!r}), {URL!r}).sync('CP1', [{ONE!r}])\n"
        "os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, cwd=Path.cwd())

    assert Journal(path, URL).leftovers() == [ONE]
    assert Journal(path, "ws://other/ocpp").leftovers() == []


def test_ended_transactions_are_forgotten(tmp_path: Path) -> None:
    """What was stopped, by its own run or as a leftover, is not found again."""
    path = tmp_path / "leftovers.jsonl"
    journal = Journal(path, URL)
    journal.sync("CP1", [ONE])
    journal.sync("CP1", [])
    rewrite(path, pid=2**22 + 1)

    assert journal.leftovers() == []


def test_pid_used_again_is_another_process(tmp_path: Path) -> None:
    """A living process with the dead one's number does not hide its leftovers."""
    path = tmp_path / "leftovers.jsonl"
    Journal(path, URL).sync("CP1", [ONE])
    rewrite(path, pid=os.getpid(), born="1")

    assert Journal(path, URL).leftovers() == [ONE]


def test_old_and_broken_lines_are_passed_over(tmp_path: Path) -> None:
    """A week later nobody remembers; half a line swallows nothing that follows."""
    path = tmp_path / "leftovers.jsonl"
    journal = Journal(path, URL)
    journal.sync("CP1", [ONE])
    rewrite(path, pid=2**22 + 1, at=(datetime.now(UTC) - timedelta(days=8)).isoformat())
    path.write_text(path.read_text() + '[]\n"x"\n{"open": 3}\n{"at": "half')
    assert journal.leftovers() == []

    Journal(path, URL).sync("CP1", [ONE])
    assert path.read_text().count("\n") == 6
    rewrite(path, pid=2**22 + 1)
    assert Journal(path, URL).leftovers() == [ONE]


def test_journal_vanishes_when_nothing_is_open(tmp_path: Path) -> None:
    """Somebody else's open transaction keeps it, otherwise it is removed."""
    path = tmp_path / "leftovers.jsonl"
    other, journal = Journal(path, "ws://other/ocpp"), Journal(path, URL)
    other.sync("CP1", [ONE])
    journal.sync("CP1", [ONE])
    journal.sync("CP1", [])
    journal.compact()
    assert path.exists()

    other.sync("CP1", [])
    journal.compact()
    assert not path.exists()


def test_journal_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full or forbidden disk does not end the run."""
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "leftovers.jsonl", URL)
    journal.sync("CP1", [ONE])
    journal.sync("CP1", [])
    journal.compact()

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "leftovers are not noted" in caplog.text


def rewrite(path: Path, **changes: object) -> None:
    """Change members of every line that can be read."""
    lines = []
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            lines.append(line)
            continue
        is_entry = isinstance(entry, dict) and "url" in entry
        lines.append(json.dumps(entry | changes) if is_entry else line)
    path.write_text("\n".join(lines) + "\n")
