"""Wherever a kill hits our CSMS, what it says after a restart is true or unknown, never false.

Stories follow the official cases 043_5, 044_1, 045_1, 046 and 067. A kill leaves what was committed
when it hit: after each frame a snapshot of the database is taken, and a Central System is started
on every one of them. At some frames the program really is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from csms.app import central_system
from csms.config import Settings
from tests.programs import TOKEN, BareStation, CsmsProgram

pytestmark = pytest.mark.slow

IDENTITY = "CP1"
PATH = f"/charge-points/{IDENTITY}"


class KilledError(Exception):
    """The frame has come after which the story is cut."""


@dataclass
class Wire:
    """A charge point's connection on which every frame is counted.

    Attributes:
        after_frame: called with what was exchanged so far: ``>Action`` and ``<Action`` are CALLs of
            the charge point and of the CSMS, with ``.conf`` their answers.
    """

    socket: ClientConnection
    after_frame: Callable[[list[str]], Awaitable[None]]
    seen: list[str] = field(default_factory=list)
    waiting: list[list[Any]] = field(default_factory=list)

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a CALL and return the payload of its CALLRESULT."""
        message_id = f"cp-{len(self.seen)}"
        await self.socket.send(json.dumps([2, message_id, action, payload]))
        await self._note(f">{action}")
        while True:
            frame = json.loads(await self.socket.recv())
            if frame[0] == 2:
                self.waiting.append(frame)
                continue
            assert frame[:2] == [3, message_id], frame
            await self._note(f"<{action}.conf")
            return frame[2]  # type: ignore[no-any-return]

    async def answer(self, action: str, answer: dict[str, Any]) -> dict[str, Any]:
        """Take the CSMS's CALL, answer it, and return its payload."""
        frame = self.waiting.pop(0) if self.waiting else json.loads(await self.socket.recv())
        assert frame[2] == action, frame
        await self._note(f"<{action}")
        await self.socket.send(json.dumps([3, frame[1], answer]))
        await self._note(f">{action}.conf")
        return frame[3]  # type: ignore[no-any-return]

    async def _note(self, what: str) -> None:
        self.seen.append(what)
        await self.after_frame(self.seen)


def stamp(seconds: int = 0) -> str:
    """Write a time that far from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


Order = Callable[[str, dict[str, Any]], Coroutine[Any, Any, None]]


@dataclass
class Story:
    """What one case does on the wire, with an operator who orders through the HTTP API."""

    wire: Wire
    api: httpx.AsyncClient
    orders: list[asyncio.Task[Any]] = field(default_factory=list)

    async def obey(
        self, action: str, payload: dict[str, Any], answer: dict[str, Any]
    ) -> dict[str, Any]:
        """Let the operator order something and the charge point answer it."""
        order = asyncio.create_task(self.api.post(f"{PATH}/commands/{action}", json=payload))
        self.orders.append(order)
        sent = await self.wire.answer(action, answer)
        await order
        return sent

    async def notify(self, action: str, *statuses: str) -> None:
        """Send notifications one after the other."""
        for status in statuses:
            await self.wire.call(action, {"status": status})

    async def status(self, status: str, *connectors: int) -> None:
        """Send StatusNotifications."""
        for connector in connectors:
            payload = {"connectorId": connector, "errorCode": "NoError", "status": status}
            await self.wire.call("StatusNotification", payload)

    async def start(self, **more: Any) -> int:
        """Start a transaction."""
        start = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": stamp(), **more}
        return int((await self.wire.call("StartTransaction", start))["transactionId"])


def local_list(version: int, kind: str, id_tag: str) -> dict[str, Any]:
    """Return a SendLocalList payload with one card."""
    entry = {"idTag": id_tag, "idTagInfo": {"status": "Accepted"}}
    return {"listVersion": version, "updateType": kind, "localAuthorizationList": [entry]}


async def story_043_5(story: Story) -> None:
    await story.obey("SendLocalList", local_list(1, "Full", "A"), {"status": "Accepted"})
    await story.obey("SendLocalList", local_list(2, "Differential", "B"), {"status": "Accepted"})


async def story_044_1(story: Story) -> None:
    update = {"location": "http://127.0.0.1:9/firmware.bin", "retrieveDate": stamp()}
    await story.obey("UpdateFirmware", update, {})
    await story.notify("FirmwareStatusNotification", "Downloading", "Downloaded")
    await story.status("Unavailable", 0, 1, 2)
    await story.notify("FirmwareStatusNotification", "Installing")
    await story.wire.call(
        "BootNotification",
        {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "2"},
    )
    await story.status("Available", 0, 1, 2)
    await story.notify("FirmwareStatusNotification", "Installed")


async def story_045_1(story: Story) -> None:
    wanted = {"location": "ftp://127.0.0.1/diagnostics/"}
    await story.obey("GetDiagnostics", wanted, {"fileName": "log.txt"})
    await story.notify("DiagnosticsStatusNotification", "Uploading", "Uploaded")


async def story_046(story: Story) -> None:
    reservation = {
        "connectorId": 1,
        "idTag": "TAG",
        "reservationId": 7,
        "expiryDate": stamp(3600),
    }
    await story.obey("ReserveNow", reservation, {"status": "Accepted"})
    await story.status("Reserved", 1)
    await story.wire.call("Authorize", {"idTag": "TAG"})
    await story.status("Preparing", 1)
    await story.start(reservationId=7)
    await story.status("Charging", 1)


def profile(number: int, purpose: str, connector: int, **more: Any) -> dict[str, Any]:
    """Return a SetChargingProfile payload."""
    periods = [{"startPeriod": 0, "limit": 6.0}]
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods}
    return {
        "connectorId": connector,
        "csChargingProfiles": {
            "chargingProfileId": number,
            "stackLevel": 0,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": "Relative",
            "chargingSchedule": schedule,
            **more,
        },
    }


async def story_067(story: Story) -> None:
    transaction_id = await story.start()
    accepted = {"status": "Accepted"}
    set_profile = "SetChargingProfile"
    await story.obey(set_profile, profile(1, "ChargePointMaxProfile", 0), accepted)
    await story.obey(set_profile, profile(2, "TxDefaultProfile", 1), accepted)
    tx_profile = profile(3, "TxProfile", 1, transactionId=transaction_id)
    await story.obey(set_profile, tx_profile, accepted)
    clear = "ClearChargingProfile"
    await story.obey(clear, {"id": 1}, accepted)
    await story.obey(
        clear, {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile"}, accepted
    )
    await story.obey(clear, {}, accepted)


# --- what may be said afterwards -----------------------------------------------------------------


async def items(api: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """Read one page of a list."""
    answer = await api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]  # type: ignore[no-any-return]


async def check_043_5(api: httpx.AsyncClient, seen: list[str]) -> None:
    state = (await api.get(f"{PATH}/local-list")).json()
    received, confirmed = (seen.count(one) for one in ("<SendLocalList", ">SendLocalList.conf"))
    if state["isKnown"]:
        # What is known was confirmed, and nothing newer is under way.
        assert (state["version"] or 0) <= confirmed
        assert (state["version"] or 0) >= received
    if state["version"] is not None:
        assert state["version"] <= confirmed


def check_job(kind: str, notification: str) -> Callable[[httpx.AsyncClient, list[str]], Any]:
    """Return the check of a firmware or diagnostics job."""

    async def check(api: httpx.AsyncClient, seen: list[str]) -> None:
        jobs = [
            (await api.get(f"{PATH}/{kind}/{job['id']}")).json()
            for job in await items(api, f"{PATH}/{kind}")
        ]
        action = "UpdateFirmware" if kind == "firmware-updates" else "GetDiagnostics"
        assert len(jobs) <= 1
        if f"<{action}" in seen:
            assert len(jobs) == 1
        told = [one["status"] for job in jobs for one in job["statuses"]]
        sent, acknowledged = seen.count(f">{notification}"), seen.count(f"<{notification}.conf")
        order = {
            "FirmwareStatusNotification": ["Downloading", "Downloaded", "Installing", "Installed"],
            "DiagnosticsStatusNotification": ["Uploading", "Uploaded"],
        }[notification]
        assert told == order[: len(told)]
        assert acknowledged <= len(told) <= sent
        for job in jobs:
            if f">{action}.conf" not in seen:
                assert job["command"] in ("Requested", "Unknown")
            assert job["command"] in ("Requested", "Unknown", "Answered")

    return check


async def check_046(api: httpx.AsyncClient, seen: list[str]) -> None:
    found = [one["state"] for one in await items(api, f"{PATH}/reservations")]
    transactions = await items(api, f"/transactions?chargePoint={IDENTITY}")
    if "<StartTransaction.conf" in seen:
        assert found == ["InUse"]
        assert [one["stoppedAt"] for one in transactions] == [None]
    elif ">StartTransaction" in seen:
        assert found in (["InUse"], ["Accepted"])
    elif "<StatusNotification.conf" in seen:
        assert found == ["Accepted"]
    elif ">ReserveNow.conf" in seen:
        assert set(found) <= {"Requested", "Unknown", "Accepted"}
        assert len(found) == 1
    elif "<ReserveNow" in seen:
        assert found in (["Requested"], ["Unknown"])


async def check_067(api: httpx.AsyncClient, seen: list[str]) -> None:
    states = {
        one["chargingProfileId"]: one["state"]
        for one in await items(api, f"{PATH}/charging-profiles")
    }
    sets, set_confs = seen.count("<SetChargingProfile"), seen.count(">SetChargingProfile.conf")
    clears = seen.count("<ClearChargingProfile")
    clear_confs = seen.count(">ClearChargingProfile.conf")
    for number in (1, 2, 3):
        state = states.get(number)
        may_be_there, is_there = number <= sets, number <= set_confs
        may_be_gone = clears >= number or clears == 3
        is_gone = clear_confs >= number or clear_confs == 3
        if state == "Installed":
            assert is_there, "said to be there before that was known"
            assert not may_be_gone, "said to be there although it may be gone"
        if state is None and may_be_there:
            assert is_gone or may_be_gone, "not known, although it may be there"


CASES = {
    "TC_043_5": (story_043_5, check_043_5),
    "TC_044_1": (story_044_1, check_job("firmware-updates", "FirmwareStatusNotification")),
    "TC_045_1": (story_045_1, check_job("diagnostics", "DiagnosticsStatusNotification")),
    "TC_046": (story_046, check_046),
    "TC_067": (story_067, check_067),
}


# --- kills -----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running(database: Path) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """Run a Central System on a database; gives its OCPP address and a client of its API."""
    settings = Settings(
        ocpp_port=0,
        http_port=0,
        database=f"sqlite:///{database}",
        api_token=TOKEN,
        files_directory=str(database.parent / "files"),
    )
    async with (
        central_system(settings) as system,
        httpx.AsyncClient(
            base_url=f"{system.http_url}/api/v1",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
            trust_env=False,
        ) as api,
    ):
        yield system.ocpp_url, api


async def play(
    name: str,
    url: str,
    api: httpx.AsyncClient,
    after_frame: Callable[[list[str]], Awaitable[None]],
) -> None:
    """Register a charge point and go through a case until it ends or is cut."""
    assert (await api.put(PATH, json={})).is_success
    assert (await api.put("/id-tags/TAG", json={})).is_success
    station = await BareStation.connect(url, IDENTITY)
    await station.boot()
    story = Story(Wire(station.socket, after_frame), api)
    try:
        await CASES[name][0](story)
    except (KilledError, ConnectionClosed):
        pass
    finally:
        for order in story.orders:
            order.cancel()
        await asyncio.gather(*story.orders, return_exceptions=True)
        await station.socket.close()


@pytest.mark.parametrize("name", CASES)
async def test_every_snapshot_tells_the_truth(tmp_path: Path, name: str) -> None:
    """What was committed after each frame says what is true or unknown, never something false."""
    database = tmp_path / "csms.sqlite3"
    points: list[tuple[Path, list[str]]] = []

    async def snapshot(seen: list[str]) -> None:
        copy = tmp_path / f"{len(seen)}" / "csms.sqlite3"
        copy.parent.mkdir()
        with (
            contextlib.closing(sqlite3.connect(database)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        points.append((copy, list(seen)))

    async with running(database) as (url, api):
        await play(name, url, api, snapshot)

    assert len(points) > 3
    for copy, seen in points:
        async with running(copy) as (_, api):
            await CASES[name][1](api, seen)


@pytest.mark.parametrize("name", CASES)
async def test_a_killed_program_tells_the_truth(tmp_path: Path, name: str) -> None:
    """The program killed right after a frame says the same kinds of things."""
    for point in (2, 4):
        folder = tmp_path / str(point)
        folder.mkdir()
        csms = CsmsProgram(folder, arguments=["--files-directory", str(folder / "files")])
        cut: list[str] = []

        async def kill(
            seen: list[str],
            point: int = point,
            csms: CsmsProgram = csms,
            cut: list[str] = cut,
        ) -> None:
            if len(seen) == point:
                csms.kill()
                cut.extend(seen)
                raise KilledError

        with csms:
            async with csms.api() as api:
                await play(name, csms.ocpp_url, api, kill)
        async with running(csms.database) as (_, api):
            await CASES[name][1](api, cut)
