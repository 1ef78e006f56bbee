"""The http driver: templates become requests, answers become outcomes."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from harness.drivers.driver import Credentials, NoDriver, Operation, Outcome, ProvisioningError
from harness.drivers.http import HttpDriver, read_spec
from harness.model import Json


class Interface:
    """An operator's interface that remembers requests and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answers: dict[str, httpx.Response] = {}

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.get(request.url.raw_path.decode(), httpx.Response(200, json={}))

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]

    def driver(self, **section: Json) -> HttpDriver:
        whole: dict[str, Json] = {"base_url": "http://csms", "command": {"path": "/$identity/x"}}
        driver = HttpDriver(read_spec(whole | section), timeout_s=1.0)
        driver._http = httpx.AsyncClient(
            base_url="http://csms", transport=httpx.MockTransport(self.handle)
        )
        return driver


@pytest.fixture
def interface() -> Interface:
    return Interface()


async def test_command_sends_the_payload(interface: Interface) -> None:
    """By default the OCPP payload is posted as it is."""
    driver = interface.driver(headers={"Authorization": "Bearer t"})
    outcome = await driver.command("CP/1", Operation.RESET, {"type": "Soft"})
    await driver.close()

    (request,) = interface.requests
    assert (request.method, request.url.raw_path) == ("POST", b"/CP%2F1/x")
    assert request.headers["Authorization"] == "Bearer t"
    assert interface.bodies() == [{"type": "Soft"}]
    assert outcome.outcome is Outcome.DONE


async def test_an_action_may_have_its_own_form(interface: Interface) -> None:
    """Overrides replace parts of the default command, the rest stays."""
    actions: Json = {"Reset": {"path": "/reset", "body": {"resetType": "$payload.type"}}}
    driver = interface.driver(command={"path": "/$action", "method": "PUT"}, actions=actions)
    await driver.command("CP1", Operation.RESET, {"type": "Hard"})
    await driver.command("CP1", Operation.CLEAR_CACHE, {})
    await driver.close()

    assert [(r.method, r.url.path) for r in interface.requests] == [
        ("PUT", "/reset"),
        ("PUT", "/ClearCache"),
    ]
    assert interface.bodies() == [{"resetType": "Hard"}, {}]


@pytest.mark.parametrize(
    ("status", "command", "expected"),
    [
        (200, {}, Outcome.DONE),
        (202, {}, Outcome.DONE),
        (202, {"pending": [202]}, Outcome.PENDING),
        (404, {}, Outcome.REFUSED),
        (409, {}, Outcome.REFUSED),
        (500, {}, Outcome.FAILED),
        (504, {"refused": [404, 504]}, Outcome.REFUSED),
        (401, {"refused": [404]}, Outcome.FAILED),
        (200, {"done": [201]}, Outcome.FAILED),
        (200, {"done_if": {"/0/success": True}}, Outcome.DONE),
        (200, {"done_if": {"/0/success": False}}, Outcome.REFUSED),
    ],
)
async def test_status_tells_the_outcome(
    interface: Interface, status: int, command: dict[str, Json], expected: Outcome
) -> None:
    """What counts as done or refused is the file's to say, with usual meanings by default."""
    interface.answers["/c"] = httpx.Response(status, json=[{"success": True}])
    driver = interface.driver(command={"path": "/c", **command})
    outcome = await driver.command("CP1", Operation.RESET, {})
    await driver.close()

    assert outcome.outcome is expected
    assert f"HTTP {status}" in outcome.summary


async def test_answer_of_the_charge_point_is_handed_on(interface: Interface) -> None:
    """A pointer tells where the charge point's own answer stands."""
    interface.answers["/c"] = httpx.Response(200, json={"response": {"status": "Rejected"}})
    driver = interface.driver(command={"path": "/c", "answer": "/response"})
    outcome = await driver.command("CP1", Operation.RESET, {})
    await driver.close()

    assert outcome.answer == {"status": "Rejected"}


async def test_dead_interface_is_a_failure_not_an_exception() -> None:
    """Nothing listens: the outcome says so."""
    section: dict[str, Json] = {"base_url": "http://127.0.0.1:9", "command": {"path": "/"}}
    driver = HttpDriver(read_spec(section), timeout_s=1.0)
    outcome = await driver.command("CP1", Operation.RESET, {})
    await driver.close()

    assert outcome.outcome is Outcome.FAILED
    assert "http://127.0.0.1:9" in outcome.summary


async def test_provisioning_registers_identities_and_tags(interface: Interface) -> None:
    """Identities with their keys and every tag of a named role, parents before the rest."""
    provision: Json = {
        "identities": [{"path": "/cp/$identity", "method": "PUT", "body": {"k": "$password_hex"}}],
        "id_tags": {
            "valid": [{"path": "/tag/$id_tag", "body": {"parent": "$parent_id_tag"}}],
            "parent": [{"path": "/tag/$id_tag"}],
        },
    }
    driver = interface.driver(provision=provision)
    tags = {"valid": ["A", "B"], "parent": ["P", "Q"], "blocked": ["X"]}
    await driver.prepare([Credentials("C 1", b"\x01\xff")], tags)
    await driver.close()

    sent = [(r.method, r.url.raw_path.decode(), r.content) for r in interface.requests]
    assert {path for _, path, _ in sent[:2]} == {"/tag/P", "/tag/Q"}
    assert ("PUT", "/cp/C%201", b'{"k": "01ff"}') in sent
    assert ("POST", "/tag/B", b'{"parent": "Q"}') in sent
    assert len(sent) == 5


async def test_captured_values_reach_later_requests(interface: Interface) -> None:
    """A token from the setup and an id from registering are used by what follows."""
    interface.answers["/login"] = httpx.Response(200, json={"token": "T"})
    interface.answers["/cp"] = httpx.Response(201, json={"id": 7})
    provision: Json = {
        "setup": [{"path": "/login", "capture": {"token": "/token"}}],
        "identities": [
            {"path": "/cp", "headers": {"X": "$token"}, "capture": {"number": "/id"}},
            {"path": "/cp/$number/approve"},
        ],
    }
    driver = interface.driver(
        provision=provision, command={"path": "/cp/$number/go", "headers": {"X": "$token"}}
    )
    await driver.prepare([Credentials("CP1")], {})
    await driver.command("CP1", Operation.RESET, {})
    await driver.close()

    assert [r.url.path for r in interface.requests] == [
        "/login",
        "/cp",
        "/cp/7/approve",
        "/cp/7/go",
    ]
    assert [r.headers.get("X") for r in interface.requests] == [None, "T", None, "T"]


async def test_refused_provisioning_names_the_request(interface: Interface) -> None:
    """The first refusal ends provisioning and tells which object, request and answer."""
    interface.answers["/cp/B"] = httpx.Response(403, text="no rights")
    driver = interface.driver(provision={"identities": [{"path": "/cp/$identity"}]})
    with pytest.raises(ProvisioningError, match=r"identity B .*POST http://csms/cp/B .*403 no ri"):
        await driver.prepare([Credentials(name) for name in "ABC"], {})
    await driver.close()


async def test_no_driver_asks_for_nothing_and_says_why() -> None:
    """Without a driver an operator step is not observed, with the remedy."""
    outcome = await NoDriver().command("CP1", Operation.RESET, {})

    assert outcome.outcome is Outcome.UNSUPPORTED
    assert "add a `driver`" in outcome.summary
