"""The files that are shipped for products we do not make: they load, and say what they are from."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.drivers.driver import COMMANDS, Operation, Outcome
from harness.drivers.http import HttpDriver
from harness.drivers.http_spec import HttpDriverSpec
from harness.model import Json
from harness.sut import SutError, SystemUnderTest, load
from harness.sut_file import suts_directory
from tests.harness.drivers.interface import Interface, Reply

FOREIGN = ("tzi-octt", "evtivity", "citrineos", "steve")
VARIABLE = re.compile(r"\$\{env:(\w+)\}")


def text_of(name: str) -> str:
    """Return a shipped file."""
    return (suts_directory() / f"{name}.yaml").read_text(encoding="utf-8")


def shipped(name: str, tmp_path: Path, api_url: str = "http://127.0.0.1:1") -> SystemUnderTest:
    """Return a shipped file with all that it asks for."""
    environment = dict.fromkeys(VARIABLE.findall(text_of(name)), "pa$$word")
    environment |= {key: "ws://127.0.0.1:1" for key in environment if key.endswith("_OCPP_URL")}
    environment |= {key: api_url for key in environment if key.endswith("_API_URL")}
    path = suts_directory() / f"{name}.yaml"
    return load(path, run_dir=tmp_path, environment=environment)


def http_spec(sut: SystemUnderTest) -> HttpDriverSpec:
    """Return its driver."""
    assert isinstance(sut.driver, HttpDriverSpec)
    return sut.driver


@pytest.mark.parametrize("name", FOREIGN)
def test_heading_says_what_is_known(name: str) -> None:
    """From which facts it is written, what was not tried, and which variables it wants."""
    heading = text_of(name).partition("\nname:")[0]

    assert "# Written from:" in heading
    assert "# Not tried:" in heading
    assert set(VARIABLE.findall(text_of(name))) <= set(re.findall(r"\b[A-Z_]{5,}\b", heading))


@pytest.mark.parametrize("name", FOREIGN)
def test_all_missing_variables_are_told_at_once(name: str, tmp_path: Path) -> None:
    """With file and line of each."""
    with pytest.raises(SutError) as told:
        load(suts_directory() / f"{name}.yaml", run_dir=tmp_path, environment={})

    missing = re.findall(r"yaml:\d+:\d+: .*environment variable (\w+) is not set", str(told.value))
    assert set(missing) == set(VARIABLE.findall(text_of(name)))


@pytest.mark.parametrize("name", FOREIGN)
def test_secrets_of_the_environment_are_kept(name: str, tmp_path: Path) -> None:
    """What looks like a password is not written anywhere."""
    if "_PASSWORD}" in text_of(name):
        assert "pa$$word" in shipped(name, tmp_path).sensitive


@pytest.mark.parametrize("name", FOREIGN)
def test_every_operation_is_asked_for_or_has_a_reason(name: str, tmp_path: Path) -> None:
    """Nothing is left open: neither commands nor the roles of the file's id tags."""
    sut = shipped(name, tmp_path)
    spec = http_spec(sut)
    reasons = {one: spec.cannot(one) for one in Operation}

    assert not [reason for reason in reasons.values() if "driver." in reason]
    assert sum(not reasons[one] for one in COMMANDS) >= 15


STEVE: list[tuple[Operation, dict[str, Json], dict[str, Json]]] = [
    (Operation.RESET, {"type": "Hard"}, {"resetType": "HARD"}),
    (Operation.CLEAR_CACHE, {}, {}),
    (
        Operation.CHANGE_AVAILABILITY,
        {"connectorId": 0, "type": "Inoperative"},
        {"connectorId": 0, "availType": "INOPERATIVE"},
    ),
    (
        Operation.CHANGE_CONFIGURATION,
        {"key": "HeartbeatInterval", "value": "5"},
        {"keyType": "CUSTOM", "customConfKey": "HeartbeatInterval", "value": "5"},
    ),
    (Operation.GET_CONFIGURATION, {}, {}),
    (
        Operation.GET_CONFIGURATION,
        {"key": ["A", "B"]},
        {"commaSeparatedCustomConfKeys": "A,B"},
    ),
    (Operation.REMOTE_START_TRANSACTION, {"idTag": "T"}, {"idTag": "T"}),
    (
        Operation.RESERVE_NOW,
        {"connectorId": 1, "idTag": "T", "expiryDate": "2099", "reservationId": 5},
        {"connectorId": 1, "idTag": "T", "expiry": "2099"},
    ),
    (
        Operation.SEND_LOCAL_LIST,
        {"listVersion": 1, "updateType": "Full"},
        {"listVersion": 1, "updateType": "FULL", "sendEmptyListWhenFull": True},
    ),
    (
        Operation.SEND_LOCAL_LIST,
        {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [{"idTag": "A"}]},
        {"listVersion": 1, "updateType": "FULL", "sendEmptyListWhenFull": False},
    ),
    (
        Operation.SEND_LOCAL_LIST,
        {
            "listVersion": 2,
            "updateType": "Differential",
            "localAuthorizationList": [{"idTag": "A", "idTagInfo": {}}, {"idTag": "B"}],
        },
        {
            "listVersion": 2,
            "updateType": "DIFFERENTIAL",
            "addUpdateList": ["A"],
            "deleteList": ["B"],
        },
    ),
    (
        Operation.TRIGGER_MESSAGE,
        {"requestedMessage": "Heartbeat"},
        {"triggerMessage": "Heartbeat"},
    ),
    (
        Operation.CLEAR_CHARGING_PROFILE,
        {"id": 4},
        {"filterType": "ChargingProfileId", "chargingProfilePk": 4},
    ),
    (
        Operation.CLEAR_CHARGING_PROFILE,
        {"connectorId": 1, "stackLevel": 0},
        {"filterType": "OtherParameters", "connectorId": 1, "stackLevel": 0},
    ),
    (
        Operation.GET_LOG,
        {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "ftp://x"}},
        {"logType": "SecurityLog", "location": "ftp://x"},
    ),
]


@pytest.fixture
async def interface() -> AsyncIterator[Interface]:
    async with Interface().running() as running:
        yield running


@pytest.mark.parametrize(("operation", "payload", "form"), STEVE)
async def test_steves_forms(
    tmp_path: Path,
    interface: Interface,
    operation: Operation,
    payload: dict[str, Json],
    form: dict[str, Json],
) -> None:
    """OCPP's names become those of the forms; what is absent stays so."""
    path = f"/operations/{operation}"
    answered = [{"chargeBoxId": "PF01", "response": "Accepted"}]
    interface.replies[path] = Reply(200, {"successResponses": answered, "exceptions": []})
    driver = HttpDriver(http_spec(shipped("steve", tmp_path, interface.url)), timeout_s=5.0)
    outcome = await driver.command("PF01", operation, payload)
    await driver.close()

    (request,) = interface.requests
    assert (request.path, request.body) == (path, {"chargeBoxIdList": ["PF01"], **form})
    assert request.headers["authorization"].startswith("Basic ")
    assert (outcome.outcome, outcome.answer) == (Outcome.DONE, "Accepted")


@pytest.mark.parametrize("place", ["errorResponses", "exceptions"])
async def test_steve_refuses_with_200(tmp_path: Path, interface: Interface, place: str) -> None:
    """A charge box that is not among the successes was not reached, or answered by an error."""
    body: dict[str, object] = {"successResponses": [], "errorResponses": [], "exceptions": []}
    interface.replies["/operations/ClearCache"] = Reply(
        200, {**body, place: [{"chargeBoxId": "X"}]}
    )
    driver = HttpDriver(http_spec(shipped("steve", tmp_path, interface.url)), timeout_s=5.0)
    outcome = await driver.command("PF01", Operation.CLEAR_CACHE, {})
    await driver.close()

    assert outcome.outcome is Outcome.REFUSED


async def test_steve_makes_no_profiles(tmp_path: Path, interface: Interface) -> None:
    """Neither alone nor with a remote start: nothing is sent that would be something else."""
    driver = HttpDriver(http_spec(shipped("steve", tmp_path, interface.url)), timeout_s=5.0)
    payload: dict[str, Json] = {"idTag": "T", "chargingProfile": {"chargingProfileId": 1}}
    told = [
        await driver.command("PF01", Operation.REMOTE_START_TRANSACTION, payload),
        await driver.command("PF01", Operation.SET_CHARGING_PROFILE, {}),
    ]
    await driver.close()

    assert [one.outcome for one in told] == [Outcome.UNSUPPORTED] * 2
    assert interface.requests == []


async def test_firmware_is_retrieved_soon(tmp_path: Path, interface: Interface) -> None:
    """A time that lies in the future when it is looked at."""
    driver = HttpDriver(http_spec(shipped("steve", tmp_path, interface.url)), timeout_s=5.0)
    payload: dict[str, Json] = {"location": "ftp://x", "retrieveDate": "2020-01-01T00:00:00Z"}
    await driver.command("PF01", Operation.UPDATE_FIRMWARE, payload)
    await driver.close()

    at = datetime.fromisoformat(interface.bodies[0]["retrieveDateTime"])
    assert timedelta(0) < at - datetime.now(UTC) <= timedelta(minutes=1)


async def test_citrineos_paths_have_modules(tmp_path: Path, interface: Interface) -> None:
    """Module and action in the path, station and callback in the query; false is refused."""
    path = "/ocpp/1.6/evdriver/clearCache"
    interface.replies[path] = Reply(200, [{"success": False, "payload": "No connection found"}])
    driver = HttpDriver(http_spec(shipped("citrineos", tmp_path, interface.url)), timeout_s=5.0)
    outcome = await driver.command("PF01", Operation.CLEAR_CACHE, {})
    await driver.close()

    (request,) = interface.requests
    query = parse_qs(urlsplit(request.target).query)
    assert request.path == path
    assert (query["identifier"], query["tenantId"]) == (["PF01"], ["1"])
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}", query["callbackUrl"][0])
    assert outcome.outcome is Outcome.REFUSED


async def test_evtivity_adds_the_station_to_the_payload(
    tmp_path: Path, interface: Interface
) -> None:
    """One object with both, and a token from the login."""
    interface.replies["/auth/login"] = Reply(200, {"token": "T"})
    interface.replies["/ocpp/commands/v16/Reset"] = Reply(202, {"status": "queued"})
    driver = HttpDriver(http_spec(shipped("evtivity", tmp_path, interface.url)), timeout_s=5.0)
    outcome = await driver.command("PF01", Operation.RESET, {"type": "Soft"})
    await driver.close()

    assert interface.bodies[-1] == {"stationId": "PF01", "type": "Soft"}
    assert interface.requests[-1].headers["authorization"] == "Bearer T"
    assert outcome.outcome is Outcome.PENDING
