"""Diagnostics: a file of its own, sent where the CSMS wants it, every step told (§4.4, §5.9)."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from simulator.clock import format_time
from simulator.errors import LocalProtocolError
from simulator.logs import CHUNK_BYTES
from simulator.moves import advance
from simulator.outputs import Upload
from simulator.uploads import TRANSITIONS, Phase, Step
from tests.simulator.rig import Rig

URL = "ftp://user:word@csms.example/logs/"


def ask(rig: Rig, **more: object) -> dict[str, Any]:
    """Ask for diagnostics."""
    answer = rig.ask("GetDiagnostics", {"location": URL, **more})
    assert isinstance(answer, dict)
    return answer


def ready(**options: Any) -> Rig:
    """Return an idle charge point."""
    rig = Rig(**options)
    rig.dialogue()
    return rig


def uploading(rig: Rig) -> Upload:
    """Return the upload that is wanted."""
    (transfer,) = rig.transfers
    assert isinstance(transfer, Upload)
    return transfer


def trigger(rig: Rig) -> list[str]:
    """Ask for the status; return what came."""
    rig.take()
    rig.ask("TriggerMessage", {"requestedMessage": "DiagnosticsStatusNotification"})
    return rig.story()


def test_file_is_named_sent_and_told() -> None:
    """The answer names the file; then Uploading and Uploaded, and Idle if asked."""
    rig = ready()
    name = ask(rig)["fileName"]
    assert rig.dialogue() == ["conf", "Diagnostics Uploading"]
    upload = uploading(rig)
    assert (upload.directory, upload.file_name) == (URL, name)
    assert trigger(rig) == ["Diagnostics Uploading"]
    rig.transferred()
    assert rig.story() == ["Diagnostics Uploaded"]
    assert trigger(rig) == ["Diagnostics Idle"]


def test_failed_uploads_are_tried_again() -> None:
    """`retries` further attempts (errata 3.50), each beginning with Uploading."""
    rig = ready()
    ask(rig, retries=1, retryInterval=20)
    first = uploading(rig)
    rig.transferred("refused")
    rig.advance(19.9)
    assert rig.story() == ["Diagnostics Uploading", "Diagnostics UploadFailed"]
    assert trigger(rig) == ["Diagnostics UploadFailed"]
    rig.advance(0.2)
    assert rig.story() == ["Diagnostics Uploading"]
    again = uploading(rig)
    assert again.file_name == first.file_name
    assert b"".join(again.content()) == b"".join(first.content())
    rig.transferred("refused")
    rig.advance(100)
    assert rig.story() == ["Diagnostics UploadFailed"]
    assert not rig.transfers
    assert trigger(rig) == ["Diagnostics Idle"]


def test_arranged_upload_failure() -> None:
    """The input makes so many uploads fail without touching the network."""
    rig = ready()
    rig.do("upload_failure")
    ask(rig, retries=1, retryInterval=5)
    assert rig.story() == ["Diagnostics Uploading", "Diagnostics UploadFailed"]
    rig.advance(5)
    rig.transferred()
    assert rig.story() == ["Diagnostics Uploading", "Diagnostics Uploaded"]


@pytest.mark.parametrize(
    ("start_h", "stop_h", "has_file"),
    [
        (None, None, True),
        (-1, None, True),
        (None, -1, True),
        (-2, -1, True),
        (-200, -1, True),
        (1, None, False),
        (None, -48, False),
        (-1, -2, False),
        (-100, -50, False),
    ],
)
def test_nothing_for_that_time(start_h: int | None, stop_h: int | None, has_file: bool) -> None:
    """Without anything of the time asked for there is no name and no upload."""
    rig = ready()
    times = {
        name: format_time(rig.now.at + timedelta(hours=hours), milliseconds=True)
        for name, hours in (("startTime", start_h), ("stopTime", stop_h))
        if hours is not None
    }
    assert ("fileName" in ask(rig, **times)) is has_file
    assert rig.story() == (["Diagnostics Uploading"] if has_file else [])


@pytest.mark.parametrize("size_bytes", [10, 3_000, CHUNK_BYTES, 3 * CHUNK_BYTES + 1])
def test_file_has_its_length_and_small_pieces(size_bytes: int) -> None:
    """The file is as long as set, in pieces that are never large."""
    rig = ready(diagnostics_bytes=size_bytes)
    ask(rig)
    upload = uploading(rig)
    pieces = list(upload.content())
    assert sum(map(len, pieces)) == upload.size_bytes == size_bytes
    assert max(map(len, pieces)) <= CHUNK_BYTES


def test_file_tells_of_the_charge_point() -> None:
    """Identity, connectors and keys are in it."""
    rig = ready(firmware_version="1.0")
    rig.do("plug_in", connector_id=1)
    ask(rig)
    text = b"".join(uploading(rig).content()).decode()
    for words in ("CP1", "firmware 1.0", "connector 1: Preparing", "HeartbeatInterval = 300"):
        assert words in text


def test_name_is_good_for_a_file() -> None:
    """Whatever the identity is, the name has no path in it."""
    rig = ready()
    rig.charge_point.identity = "../CP 1/ä"
    assert ask(rig)["fileName"] == ".._CP_1__-20260131T121640Z.log"


def test_newer_request_takes_over() -> None:
    """A request during an upload ends it; its late end means nothing."""
    rig = ready()
    ask(rig)
    late = rig.transfers.pop()
    ask(rig)
    assert rig.cancelled == [late.number]
    assert rig.story() == [
        *["Diagnostics Uploading", "Diagnostics UploadFailed", "Diagnostics Uploading"],
    ]
    rig.transfers.insert(0, late)
    rig.transferred()
    assert rig.story() == []
    rig.transferred()
    assert rig.story() == ["Diagnostics Uploaded"]


@pytest.mark.parametrize("fails", [True, False])
def test_request_between_attempts(fails: bool) -> None:
    """A request while another waits for its retry takes its place."""
    rig = ready()
    ask(rig, retries=3, retryInterval=50)
    rig.transferred("refused")
    ask(rig)
    rig.take()
    rig.transferred("refused" if fails else "")
    assert rig.story() == [f"Diagnostics {'UploadFailed' if fails else 'Uploaded'}"]
    rig.advance(200)
    assert rig.story() == []


def test_power_loss_during_the_upload() -> None:
    """The upload begins anew after the boot; no attempt is lost by it."""
    rig = ready()
    ask(rig)
    number = rig.transfers.pop().number
    rig.do("power_off")
    rig.drop()
    rig.take()
    rig.do("power_on")
    rig.connect()
    assert rig.cancelled == [number]
    assert rig.story()[-1] == "Diagnostics Uploading"
    rig.transferred()
    assert rig.story() == ["Diagnostics Uploaded"]


def test_end_during_an_offline_time_is_told_later() -> None:
    """What came about without a connection is told with the next one."""
    rig = ready()
    ask(rig)
    rig.drop()
    rig.transferred()
    rig.take()
    rig.connect()
    assert rig.story() == ["Diagnostics Uploaded"]


def test_passive_charge_point_sends_nothing() -> None:
    """It names a file, and the rest is the script's."""
    rig = Rig(boots=False)
    rig.charge_point.is_active = False
    rig.connect()
    assert ask(rig)["fileName"].startswith("CP1-")
    assert rig.dialogue() == ["conf"]
    assert not rig.transfers


def test_moves_are_those_of_the_table() -> None:
    """Whatever is not in the table cannot happen, and every phase can be left."""
    for phase, step in product(Phase, Step):
        if (phase, step) in TRANSITIONS:
            assert advance(TRANSITIONS, phase, step) is TRANSITIONS[phase, step]
        else:
            with pytest.raises(LocalProtocolError):
                advance(TRANSITIONS, phase, step)
    assert {phase for phase, _ in TRANSITIONS} == set(Phase)
    assert set(TRANSITIONS.values()) == set(Phase)
