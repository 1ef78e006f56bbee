"""A charge point that sends rubbish harms nobody but itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.programs import BareStation, CsmsProgram

pytestmark = pytest.mark.slow

FRAMES = 1000
HEALTHY = 5
MAX_GROWTH_BYTES = 16 * 2**20

# What brought one known server down or was answered wrongly, and what charge points really sent.
KNOWN: tuple[str | bytes, ...] = (
    "",
    "{",
    "null",
    "true",
    "[]",
    "{}",
    "[2]",
    '[2,"1","Heartbeat"]',
    '[2,"1","Heartbeat",{},{}]',
    "[2.0,1,2,3]",
    '["2","1","Heartbeat",{}]',
    '[5,"1","Heartbeat",{}]',
    '[2,1,"Heartbeat",{}]',
    '[2,["1"],"Heartbeat",{}]',
    '[2,"","Heartbeat",{}]',
    f'[2,"{"x" * 60}","Heartbeat",{{}}]',
    '[2,"1","Heartbeat",null]',
    '[2,"1","heartbeat",{}]',
    '[2,"1",["x"],{}]',
    '[2,"1",{"a":1},{}]',
    '[2,"1",null,{}]',
    '[2,"1","Reset",{"type":"Hard"}]',
    '[2,"1","Authorize",{}]',
    '[2,"1","Authorize",[]]',
    '[2,"1","Authorize",{"idTag":12}]',
    '[2,"1","Authorize",{"idTag":"A","idTag":"B"}]',
    '[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":NaN}]',
    '[2,"1","StartTransaction",{"connectorId":1e400,"idTag":"A","meterStart":0,"timestamp":"x"}]',
    '[3,"nobody asked",{}]',
    '[4,"nobody asked","GenericError","",{}]',
    '[4,"nobody asked","GenericError"]',
    '[3,"1"]',
    "[" * 5000,
    "[" * 5000 + "]" * 5000,
    '[2,"1","Heartbeat",' + '{"a":' * 3000 + "1" + "}" * 3000 + "]",
    f'[2,"1","MeterValues",{{"connectorId":{"9" * 5000},"meterValue":[]}}]',
    '[2,"1","DataTransfer",{"vendorId":"\\ud800"}]',
    '[2,"\\u0000","Heartbeat",{}]',
    '\ufeff[2,"1","Heartbeat",{}]',
    b"\x00\xff\xfe",
    b'[2,"1","Heartbeat",{}]',
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
actions = st.sampled_from(
    (
        *("Authorize", "BootNotification", "StartTransaction", "StopTransaction", "MeterValues"),
        *("StatusNotification", "DataTransfer", "Heartbeat", "FirmwareStatusNotification", "Reset"),
    )
)
hostile_frames = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200),
    json_values.map(json.dumps),
    st.builds(
        lambda kind, rest: json.dumps([kind, *rest]), st.integers(0, 6), st.lists(json_values)
    ),
    st.builds(
        lambda message_id, action, payload: json.dumps([2, message_id, action, payload]),
        st.text(max_size=40),
        actions,
        json_values,
    ),
)


def made_up_frames(number: int) -> list[str | bytes]:
    """Return `number` frames thought up by hypothesis, the same ones in every run."""
    made: list[str | bytes] = []

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(hostile_frames)
    def collect(frame: str | bytes) -> None:
        try:
            if isinstance(frame, str):
                frame.encode()
        except UnicodeEncodeError:
            return  # no WebSocket client could send it as text
        made.append(frame)

    collect()
    return made


async def test_a_thousand_hostile_frames_harm_nobody(tmp_path: Path) -> None:
    """Beside a station that sends rubbish all others are served, and memory stays (CS-WS-19)."""
    made = made_up_frames(FRAMES)
    frames = [*KNOWN, *made, *KNOWN][:FRAMES]
    with CsmsProgram(tmp_path) as csms:
        async with csms.api() as api:
            identities = ["HOSTILE", *(f"HEALTHY{number}" for number in range(HEALTHY))]
            for identity in identities:
                assert (await api.put(f"/charge-points/{identity}", json={})).is_success
        stations = [
            await BareStation.connect(csms.ocpp_url, identity, first_id=500_000, max_size=None)
            for identity in identities
        ]
        for station in stations:
            await station.boot()
        hostile, *healthy = stations
        await attack(hostile, frames)  # once to warm caches up, once to measure
        before = psutil.Process(csms.pid).memory_info().rss

        done = asyncio.Event()
        watching = [asyncio.create_task(beat(station, done)) for station in healthy]
        await attack(hostile, frames)
        done.set()
        beats = await asyncio.gather(*watching)

        grown = psutil.Process(csms.pid).memory_info().rss - before
        assert min(beats) > 0
        assert grown < MAX_GROWTH_BYTES, f"{grown} bytes"
        assert (await hostile.call("Heartbeat", {}))[0] == 3, "even the hostile one is served"
        for station in stations:
            await station.socket.close()


async def attack(station: BareStation, frames: list[str | bytes]) -> None:
    """Send every frame, and read what comes back until a Heartbeat of ours is answered."""
    for batch in batches(frames, 50):
        for frame in batch:
            await station.socket.send(frame)
        assert (await station.call("Heartbeat", {}))[0] == 3


def batches(frames: list[str | bytes], size: int) -> Iterator[list[str | bytes]]:
    """Cut a list into pieces."""
    for start in range(0, len(frames), size):
        yield frames[start : start + size]


async def beat(station: BareStation, done: asyncio.Event) -> int:
    """Send Heartbeats without a pause until `done`; each must be answered."""
    beats = 0
    while not done.is_set():
        answer: list[Any] = await station.call("Heartbeat", {})
        assert answer[0] == 3, answer
        beats += 1
    return beats
