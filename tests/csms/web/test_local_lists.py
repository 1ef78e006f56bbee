"""Local authorization lists over HTTP: built, split, followed, never believed too much (CS-LAL)."""

import asyncio
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.csms.web.stations import Connect, Station

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def station(shared_api: httpx.AsyncClient, shared_connect: Connect, identity: str) -> Station:
    """A booted charge point, and three tags nobody else uses."""
    station = shared_connect(identity)
    await shared_api.put(station.resource, json={})
    await station
    await station.boot()
    for name in _tags(station):
        await shared_api.put(f"/id-tags/{name}", json={"parentIdTag": "GROUP"})
    return station


def _tags(station: Station) -> list[str]:
    number = station.resource.rpartition("-")[2]
    return [f"T{number}A", f"T{number}B", f"T{number}C"]


def _answers(station: Station, *statuses: str | list[Any] | None) -> None:
    """Let the station answer with these, one after the other; the last for ever."""
    left = list(statuses)

    def answer(message_id: str, action: str, payload: dict[str, Any]) -> list[Any] | None:
        status = left.pop(0) if len(left) > 1 else left[0]
        if status is None:
            return None
        if isinstance(status, list):
            return [status[0], message_id, *status[1:]]
        return [3, message_id, {"status": status}]

    station.answer = answer


async def _sent(station: Station, count: int) -> list[tuple[int, str, list[str]]]:
    """Return version, type and tags of the updates that arrived."""
    found = []
    for _ in range(count):
        action, payload = await station.commands.get()
        assert action == "SendLocalList"
        tags = [one["idTag"] for one in payload["localAuthorizationList"]]
        found.append((payload["listVersion"], payload["updateType"], tags))
    assert station.commands.empty()
    return found


async def _known(api: httpx.AsyncClient, station: Station) -> dict[str, Any]:
    answer = await api.get(f"{station.resource}/local-list")
    assert answer.status_code == 200
    known: dict[str, Any] = answer.json()
    return known


async def _entries(api: httpx.AsyncClient, station: Station) -> list[str]:
    answer = await api.get(f"{station.resource}/local-list/entries")
    return [one["idTag"] for one in answer.json()["items"]]


async def _full(api: httpx.AsyncClient, station: Station, *tags: str) -> httpx.Response:
    return await api.post(f"{station.resource}/local-list/full", json={"idTags": list(tags)})


async def test_full_list_is_known_once_accepted(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Version and entries are kept after Accepted; each entry says what its tag may do."""
    first, second, _ = _tags(station)
    before = await _known(shared_api, station)

    answer = await _full(shared_api, station, first, second.lower())

    assert (before["version"], before["isKnown"]) == (None, False)
    assert answer.json()["status"] == "Accepted"
    action, payload = await station.commands.get()
    assert action == "SendLocalList"
    assert payload == {
        "listVersion": 1,
        "updateType": "Full",
        "localAuthorizationList": [
            {"idTag": tag, "idTagInfo": {"status": "Accepted", "parentIdTag": "GROUP"}}
            for tag in (first, second)
        ],
    }
    known = await _known(shared_api, station)
    assert (known["version"], known["isKnown"], known["isComplete"]) == (1, True, True)
    assert await _entries(shared_api, station) == [first, second]


async def test_differential_carries_only_the_change(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Tags are added and removed by name; the version rises."""
    first, second, third = _tags(station)
    await _full(shared_api, station, first, second)
    await _sent(station, 1)

    answer = await shared_api.post(
        f"{station.resource}/local-list/differential",
        json={"idTags": [third], "remove": [first.lower()]},
    )

    assert answer.json()["status"] == "Accepted"
    assert await _sent(station, 1) == [(2, "Differential", [first.lower(), third])]
    assert await _entries(shared_api, station) == [second, third]
    assert (await _known(shared_api, station))["version"] == 2


async def test_differential_without_names_brings_what_changed(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """Against all issued tags; afterwards there is nothing left to send."""
    tags = _tags(station)
    await shared_api.post(f"{station.resource}/local-list/full", json={})
    await station.commands.get()
    await shared_api.put(f"/id-tags/{tags[1]}", json={"status": "Blocked"})
    await shared_api.delete(f"/id-tags/{tags[2]}")

    url = f"{station.resource}/local-list/differential"
    answers = [(await shared_api.post(url, json={})).json() for _ in range(2)]

    assert [one["status"] for one in answers] == ["Accepted", "Unchanged"]
    _, payload = await station.commands.get()
    assert payload["localAuthorizationList"] == [
        {"idTag": tags[2]},
        {"idTag": tags[1], "idTagInfo": {"status": "Blocked"}},
    ]
    assert station.commands.empty()
    assert answers[1]["updates"] == []


@pytest.mark.parametrize("declared", ["by the operator", "by the charge point"])
async def test_long_list_is_split(
    shared_api: httpx.AsyncClient, station: Station, declared: str
) -> None:
    """First Full, then Differential, versions rising by one (CS-LAL-05)."""
    if declared == "by the operator":
        await shared_api.patch(station.resource, json={"sendLocalListMaxLength": 2})
    else:
        keys = [{"key": "sendlocallistmaxlength", "readonly": True, "value": "2"}]
        _answers(station, [3, {"configurationKey": keys}], "Accepted")
        await shared_api.post(f"{station.resource}/commands/GetConfiguration", json={})
        await station.commands.get()
    first, second, third = _tags(station)

    answer = await _full(shared_api, station, first, second, third)

    assert await _sent(station, 2) == [
        (1, "Full", [first, second]),
        (2, "Differential", [third]),
    ]
    assert answer.json()["list"]["isComplete"]
    assert await _entries(shared_api, station) == [first, second, third]


async def test_operators_word_on_length_counts_more(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """The setting stands above what the charge point says."""
    keys = [{"key": "SendLocalListMaxLength", "readonly": True, "value": "1"}]
    _answers(station, [3, {"configurationKey": keys}], "Accepted")
    await shared_api.post(f"{station.resource}/commands/GetConfiguration", json={})
    await station.commands.get()
    await shared_api.patch(station.resource, json={"sendLocalListMaxLength": 5})

    await _full(shared_api, station, *_tags(station))

    assert await _sent(station, 1) == [(1, "Full", _tags(station))]


async def test_split_that_fails_midway_begins_again_in_full(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """No half list is left when the second try goes through."""
    await shared_api.patch(station.resource, json={"sendLocalListMaxLength": 1})
    first, second, _ = _tags(station)
    _answers(station, "Accepted", "Failed", "Accepted")

    answer = await _full(shared_api, station, first, second)

    assert await _sent(station, 4) == [
        (1, "Full", [first]),
        (2, "Differential", [second]),
        (3, "Full", [first]),
        (4, "Differential", [second]),
    ]
    statuses = [one["status"] for one in answer.json()["updates"]]
    assert statuses == ["Accepted", "Failed", "Accepted", "Accepted"]
    known = await _known(shared_api, station)
    assert (known["version"], known["isKnown"], known["isComplete"]) == (4, True, True)


async def test_half_a_list_is_never_called_complete(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """When the second try fails as well, the list is half sent; the next change goes in full."""
    await shared_api.patch(station.resource, json={"sendLocalListMaxLength": 1})
    first, second, third = _tags(station)
    _answers(station, "Accepted", "Failed", "Accepted", "VersionMismatch", "Accepted")

    answer = await _full(shared_api, station, first, second)
    half = await _known(shared_api, station)
    entries = await _entries(shared_api, station)
    await _sent(station, 4)
    await shared_api.patch(station.resource, json={"sendLocalListMaxLength": None})
    await shared_api.post(
        f"{station.resource}/local-list/differential", json={"idTags": [second, third]}
    )

    assert answer.json()["status"] == "VersionMismatch"
    assert half["isComplete"] is False
    assert entries == [first]
    assert await _sent(station, 1) == [(5, "Full", [first, second, third])]
    known = await _known(shared_api, station)
    assert (known["isKnown"], known["isComplete"]) == (True, True)


@pytest.mark.parametrize("status", ["VersionMismatch", "Failed"])
async def test_refused_change_goes_in_full(
    shared_api: httpx.AsyncClient, station: Station, status: str
) -> None:
    """The whole list follows: what was accepted, with the change (CS-LAL-06)."""
    first, second, _ = _tags(station)
    _answers(station, "Accepted", status, "Accepted")
    await _full(shared_api, station, first)

    answer = await shared_api.post(
        f"{station.resource}/local-list/differential", json={"idTags": [second]}
    )

    assert answer.json()["status"] == "Accepted"
    assert (await _sent(station, 3))[1:] == [
        (2, "Differential", [second]),
        (3, "Full", [first, second]),
    ]
    assert await _entries(shared_api, station) == [first, second]


@pytest.mark.parametrize(
    ("status", "times"), [("Failed", 1), ("NotSupported", 1), ("VersionMismatch", 1)]
)
async def test_refused_full_list_is_given_up(
    shared_api: httpx.AsyncClient, station: Station, status: str, times: int
) -> None:
    """Nothing is believed, the station's word is told, and it is not tried for ever."""
    _answers(station, status)

    answer = await _full(shared_api, station, _tags(station)[0])

    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert len(await _sent(station, times)) == times
    known = await _known(shared_api, station)
    assert (known["version"], known["isKnown"], known["entryCount"]) == (None, False, 0)


async def test_unsupported_change_is_given_up(
    shared_api: httpx.AsyncClient, station: Station
) -> None:
    """NotSupported: a full list would not be supported either."""
    _answers(station, "NotSupported")

    answer = await shared_api.post(
        f"{station.resource}/local-list/differential", json={"idTags": _tags(station)[:1]}
    )

    assert answer.json()["status"] == "NotSupported"
    assert len(await _sent(station, 1)) == 1


async def test_lost_answer_makes_the_list_unknown_and_the_next_full(
    shared_api: httpx.AsyncClient, shared_connect: Connect, station: Station, identity: str
) -> None:
    """What may have been applied is neither believed nor denied."""
    first, second, third = _tags(station)
    await _full(shared_api, station, first)

    await station.commands.get()
    station.answer = lambda *_: None
    lost = asyncio.create_task(
        shared_api.post(f"{station.resource}/local-list/differential", json={"idTags": [second]})
    )
    await station.commands.get()
    await station.close()
    answer = await lost
    known = await _known(shared_api, station)
    again = await shared_connect(identity)
    await shared_api.post(f"{again.resource}/local-list/differential", json={"idTags": [third]})

    assert answer.status_code == 409
    assert [one["status"] for one in answer.json()["updates"]] == ["Unknown"]
    assert (known["version"], known["isKnown"]) == (1, False)
    assert known["unconfirmed"]["version"] == 2
    assert await _sent(again, 1) == [(3, "Full", [first, third])]
    assert (await _known(shared_api, station))["isKnown"]
