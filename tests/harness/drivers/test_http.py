"""The http driver: templates become requests, answers become outcomes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.drivers.driver import (
    COMMANDS,
    Credentials,
    NoDriver,
    Operation,
    Outcome,
    ProvisioningError,
)
from harness.model import Json
from tests.harness.drivers.interface import Asked, Interface, Reply, http_driver, post

RESET = Operation.RESET


@pytest.fixture
async def interface() -> AsyncIterator[Interface]:
    async with Interface().running() as running:
        yield running


# --- requests --------------------------------------------------------------------------------


async def test_command_sends_the_payload(tmp_path: Path, interface: Interface) -> None:
    """By default the OCPP payload is posted as it is."""
    section: dict[str, Json] = {
        "headers": {"Authorization": "Bearer t"},
        "command": {"path": "/$identity/x?a=$action"},
    }
    async with http_driver(tmp_path, interface, section) as driver:
        outcome = await driver.command("CP/1", RESET, {"type": "Soft"})

    (request,) = interface.requests
    assert (request.method, request.target) == ("POST", "/CP%2F1/x?a=Reset")
    assert request.headers["authorization"] == "Bearer t"
    assert request.body == {"type": "Soft"}
    assert outcome.outcome is Outcome.DONE


async def test_an_action_may_have_its_own_form(tmp_path: Path, interface: Interface) -> None:
    """Overrides replace parts of the default command, the rest stays."""
    section: dict[str, Json] = {
        "command": {"path": "/$action", "method": "PUT"},
        "actions": {"Reset": {"path": "/reset", "body": {"resetType": "$payload.type"}}},
    }
    async with http_driver(tmp_path, interface, section) as driver:
        await driver.command("CP1", RESET, {"type": "Hard"})
        await driver.command("CP1", Operation.CLEAR_CACHE, {})

    asked = [(one.method, one.path, one.body) for one in interface.requests]
    assert asked == [("PUT", "/reset", {"resetType": "Hard"}), ("PUT", "/ClearCache", {})]


async def test_own_names_for_ocpps_values(tmp_path: Path, interface: Interface) -> None:
    """A table gives what the interface calls a value; what it has no name for is not supported."""
    section: dict[str, Json] = {
        "tables": {"kinds": {"Hard": 1}},
        "command": {"path": "/c", "body": {"kind": "${payload.type|kinds}"}},
    }
    async with http_driver(tmp_path, interface, section) as driver:
        done = await driver.command("CP1", RESET, {"type": "Hard"})
        other = await driver.command("CP1", RESET, {"type": "Soft"})

    assert interface.bodies == [{"kind": 1}]
    assert done.outcome is Outcome.DONE
    assert other.outcome is Outcome.UNSUPPORTED
    assert "'kinds' has nothing for 'Soft'" in other.summary


async def test_variants_by_payload(tmp_path: Path, interface: Interface) -> None:
    """The first variant whose `when` holds is used; none means not supported."""
    section: dict[str, Json] = {
        "actions": {
            "Reset": [
                {"when": {"/payload/type": "Hard"}, "path": "/hard"},
                {"when": {"/payload/type": "Soft"}, "unsupported": "it has no soft reset"},
            ]
        }
    }
    async with http_driver(tmp_path, interface, section) as driver:
        told = [await driver.command("CP1", RESET, {"type": kind}) for kind in ("Hard", "Soft", "")]

    assert interface.paths == ["/hard"]
    unsupported = Outcome.UNSUPPORTED
    assert [one.outcome for one in told] == [Outcome.DONE, unsupported, unsupported]
    assert told[1].summary == "it has no soft reset"
    assert "no variant of driver.actions.Reset" in told[2].summary


async def test_objects_that_must_exist_first(tmp_path: Path, interface: Interface) -> None:
    """What a command needs is made before it, and named by the key that its making gave."""
    interface.replies["/profiles"] = Reply(201, {"pk": 7})
    actions: Json = {
        "SetChargingProfile": {
            "before": [
                {
                    "path": "/profiles",
                    "body": {"level": "$payload.csChargingProfiles.stackLevel"},
                    "capture": {"profile": "/pk"},
                }
            ],
            "path": "/set",
            "body": {"profile": "$profile"},
        }
    }
    async with http_driver(tmp_path, interface, {"actions": actions}) as driver:
        payload: dict[str, Json] = {"csChargingProfiles": {"stackLevel": 3}}
        outcome = await driver.command("CP1", Operation.SET_CHARGING_PROFILE, payload)

    assert [(one.path, one.body) for one in interface.requests] == [
        ("/profiles", {"level": 3}),
        ("/set", {"profile": 7}),
    ]
    assert outcome.outcome is Outcome.DONE


@pytest.mark.parametrize(
    ("reply", "expected", "words"),
    [
        (Reply(422, {"why": "level"}), Outcome.REFUSED, 'before it, POST .*422 {"why": "level"}'),
        (Reply(500), Outcome.FAILED, "500"),
        (Reply(200, {"id": 1}), Outcome.FAILED, "without anything at '/pk'"),
        (Reply(200, {"pk": None}), Outcome.FAILED, r"which should give \$profile"),
    ],
)
async def test_an_object_that_was_not_made_ends_the_command(
    tmp_path: Path, interface: Interface, reply: Reply, expected: Outcome, words: str
) -> None:
    """The command itself is not sent, and the outcome names the request before it."""
    interface.replies["/first"] = reply
    command: Json = {
        "before": [{"path": "/first", "capture": {"profile": "/pk"}}],
        "path": "/c/$profile",
    }
    async with http_driver(tmp_path, interface, {"command": command}) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert interface.paths == ["/first"]
    assert outcome.outcome is expected
    assert re.search(words, outcome.summary)


# --- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "command", "expected"),
    [
        (200, {}, Outcome.DONE),
        (202, {}, Outcome.DONE),
        (202, {"pending": [202]}, Outcome.PENDING),
        (404, {}, Outcome.REFUSED),
        (409, {}, Outcome.REFUSED),
        (500, {}, Outcome.FAILED),
        (302, {}, Outcome.FAILED),
        (504, {"refused": [404, 504]}, Outcome.REFUSED),
        (401, {"refused": [404]}, Outcome.FAILED),
        (200, {"done": [201]}, Outcome.FAILED),
        (200, {"done_if": {"/0/success": True}}, Outcome.DONE),
        (200, {"done_if": {"/0/success": False}}, Outcome.REFUSED),
        (200, {"done_if": {"/0/success": 1}}, Outcome.REFUSED),
        (200, {"done_if": {"/0/success": {"present": True}}}, Outcome.DONE),
        (200, {"done_if": {"/1": {"present": True}}}, Outcome.REFUSED),
        (200, {"refused_if": {"/0/code": {"one_of": [4, 5]}}}, Outcome.REFUSED),
        (200, {"refused_if": {"/0/code": 6}}, Outcome.DONE),
        (500, {"refused_if": {"/0/code": 5}}, Outcome.REFUSED),
        (200, {"pending_if": {"/0/code": 5}}, Outcome.PENDING),
        (500, {"pending_if": {"/0/code": 5}}, Outcome.FAILED),
    ],
)
async def test_status_and_body_tell_the_outcome(
    tmp_path: Path,
    interface: Interface,
    status: int,
    command: dict[str, Json],
    expected: Outcome,
) -> None:
    """What counts as done or refused is the file's to say, with usual meanings by default."""
    interface.replies["/c"] = Reply(status, [{"success": True, "code": 5}])
    async with http_driver(tmp_path, interface, {"command": {"path": "/c", **command}}) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert outcome.outcome is expected
    assert f"HTTP {status}" in outcome.summary


async def test_answer_of_the_charge_point_is_handed_on(
    tmp_path: Path, interface: Interface
) -> None:
    """A pointer tells where the charge point's own answer stands."""
    interface.replies["/c"] = Reply(200, {"response": {"status": "Rejected"}})
    command: Json = {"path": "/c", "answer": "/response"}
    async with http_driver(tmp_path, interface, {"command": command}) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert outcome.answer == {"status": "Rejected"}


# --- what it cannot do -----------------------------------------------------------------------


async def test_what_the_interface_cannot_do_is_known_before(
    tmp_path: Path, interface: Interface
) -> None:
    """Reasons of the file, missing requests and tables without the action are told at once."""
    section: dict[str, Json] = {
        "tables": {"module": {"Reset": "configuration"}},
        "command": {"path": "/${action|module}"},
        "actions": {"ReserveNow": {"unsupported": "it has no reservations"}},
        "provision": {
            "identities": {"unsupported": "by hand"},
            "id_tags": {"blocked": {"unsupported": "it blocks nobody"}, "valid": [{"path": "/t"}]},
        },
    }
    async with http_driver(tmp_path, interface, section) as driver:
        reasons = {one: driver.cannot(one) for one in Operation}
        outcome = await driver.command("CP1", Operation.RESERVE_NOW, {})
        unnamed = await driver.command("CP1", Operation.CLEAR_CACHE, {})

    assert interface.requests == []
    can = {one for one, reason in reasons.items() if not reason}
    assert can == {RESET, Operation.VALID_TAG}
    assert reasons[Operation.RESERVE_NOW] == outcome.summary == "it has no reservations"
    assert "'module' has nothing for 'ClearCache'" in reasons[Operation.CLEAR_CACHE]
    assert reasons[Operation.STATION] == "by hand"
    assert reasons[Operation.BLOCKED_TAG] == "it blocks nobody"
    assert "driver.provision.id_tag.expired" in reasons[Operation.EXPIRED_TAG]
    assert (outcome.outcome, unnamed.outcome) == (Outcome.UNSUPPORTED, Outcome.UNSUPPORTED)


async def test_actions_alone_leave_the_others_out(tmp_path: Path, interface: Interface) -> None:
    """Without a general command, only the actions named can be asked for."""
    async with http_driver(tmp_path, interface, {"actions": {"Reset": {"path": "/r"}}}) as driver:
        can = [one for one in COMMANDS if not driver.cannot(one)]

    assert can == [RESET]


async def test_no_driver_asks_for_nothing_and_says_why() -> None:
    """Without a driver an operator step is not observed, with the remedy."""
    outcome = await NoDriver().command("CP1", RESET, {})

    assert outcome.outcome is Outcome.UNSUPPORTED
    assert "add a `driver`" in outcome.summary
    assert all(NoDriver().cannot(one) for one in Operation)


# --- callbacks -------------------------------------------------------------------------------

WITH_CALLBACK: dict[str, Json] = {
    "callback": {"answer": "/conf", "refused_if": {"/error": {"present": True}}},
    "command": {"path": "/c?to=$callback_url", "pending": [202]},
}


def called_back(*contents: bytes, status: int = 200, statuses: list[int] | None = None) -> Any:
    """Return a handler that brings these to the callback before it answers."""

    async def handle(asked: Asked) -> Reply:
        (url,) = parse_qs(urlsplit(asked.target).query)["to"]
        for content in contents:
            brought = await post(url, content)
            if statuses is not None:
                statuses.append(brought)
        return Reply(status)

    return handle


async def test_answer_comes_to_the_callback(tmp_path: Path, interface: Interface) -> None:
    """The command's own path takes the charge point's answer."""
    interface.replies["/c"] = called_back(b'{"conf": {"status": "Accepted"}}')
    async with http_driver(tmp_path, interface, WITH_CALLBACK) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert (outcome.outcome, outcome.answer) == (Outcome.DONE, {"status": "Accepted"})
    assert driver.remarks() == ()


async def test_commands_side_by_side_have_paths_of_their_own(
    tmp_path: Path, interface: Interface
) -> None:
    """Every answer finds its command, whatever the order."""
    waiting: list[str] = []
    both = asyncio.Event()

    async def swap(asked: Asked) -> Reply:
        waiting.append(parse_qs(urlsplit(asked.target).query)["to"][0])
        mine = len(waiting) - 1
        if len(waiting) == 2:
            both.set()
        await both.wait()
        await post(waiting[mine], b'{"conf": {"n": %d}}' % mine)
        return Reply()

    interface.replies["/c"] = swap
    async with http_driver(tmp_path, interface, WITH_CALLBACK) as driver:
        told = await asyncio.gather(*(driver.command(name, RESET, {}) for name in ("A", "B")))

    assert sorted(str(one.answer) for one in told) == ["{'n': 0}", "{'n': 1}"]
    assert len(set(waiting)) == 2
    assert all(len(url.rpartition("/")[2]) >= 32 for url in waiting)


async def test_a_callback_ends_what_was_pending(tmp_path: Path, interface: Interface) -> None:
    """A command that was queued is done once its answer is brought."""
    interface.replies["/c"] = called_back(b'{"conf": 1}', status=202)
    async with http_driver(tmp_path, interface, WITH_CALLBACK) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert outcome.outcome is Outcome.DONE


async def test_a_callback_may_refuse(tmp_path: Path, interface: Interface) -> None:
    """What the file calls a refusal is one, though the command had been accepted."""
    interface.replies["/c"] = called_back(b'{"error": "offline"}')
    async with http_driver(tmp_path, interface, WITH_CALLBACK) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert outcome.outcome is Outcome.REFUSED


async def test_without_a_callback_the_first_word_stays(
    tmp_path: Path, interface: Interface
) -> None:
    """That nothing was brought in time is told beside what the interface had said."""
    section: dict[str, Json] = {**WITH_CALLBACK, "callback": {"wait_s": 0.05}}
    async with http_driver(tmp_path, interface, section) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert (outcome.outcome, outcome.answer) == (Outcome.DONE, None)
    assert "no callback came within 0.05 s" in outcome.summary


async def test_a_refused_command_awaits_no_callback(tmp_path: Path, interface: Interface) -> None:
    """What the interface refused will have no answer."""
    interface.replies["/c"] = Reply(404)
    async with http_driver(tmp_path, interface, WITH_CALLBACK) as driver:
        outcome = await driver.command("CP1", RESET, {})

    assert outcome.outcome is Outcome.REFUSED


async def test_only_the_first_callback_is_believed(tmp_path: Path, interface: Interface) -> None:
    """What follows it is noted."""
    statuses: list[int] = []
    contents = (b'{"conf": 1}', b'{"conf": 2}')
    interface.replies["/c"] = called_back(*contents, statuses=statuses)
    async with http_driver(tmp_path, interface, WITH_CALLBACK) as driver:
        outcome = await driver.command("CP1", RESET, {})
        remarks = driver.remarks()

    assert (outcome.answer, statuses) == (1, [204, 404])
    assert remarks == ("A callback for Reset of CP1 came twice; only the first was believed.",)


async def test_late_and_foreign_callbacks_are_not_believed(
    tmp_path: Path, interface: Interface
) -> None:
    """A command that is over takes nothing more; nor does a path that no command has."""
    urls: list[str] = []

    def note(asked: Asked) -> Reply:
        urls.extend(parse_qs(urlsplit(asked.target).query)["to"])
        return Reply(404)

    interface.replies["/c"] = note
    async with http_driver(tmp_path, interface, WITH_CALLBACK) as driver:
        await driver.command("CP1", RESET, {})
        late = await post(urls[0], b"{}")
        foreign = await post(f"{urls[0]}x", b"{}")
        remarks = driver.remarks()

    assert (late, foreign) == (404, 404)
    assert remarks == (
        "A callback for Reset of CP1 came late, and was not believed.",
        "A callback came to a path that no command has, and was not believed.",
    )


# --- provisioning ----------------------------------------------------------------------------


async def test_provisioning_registers_identities_and_tags(
    tmp_path: Path, interface: Interface
) -> None:
    """Identities with their keys and every tag of a named role, parents before the rest."""
    provision: Json = {
        "identities": [{"path": "/cp/$identity", "method": "PUT", "body": {"k": "$password_hex"}}],
        "id_tags": {
            "valid": [{"path": "/tag/$id_tag", "body": {"parent": "$parent_id_tag"}}],
            "parent": [{"path": "/tag/$id_tag"}],
        },
    }
    tags = {"valid": ["A", "B"], "parent": ["P", "Q"], "blocked": ["X"]}
    async with http_driver(tmp_path, interface, {"provision": provision}) as driver:
        await driver.prepare([Credentials("C 1", b"\x01\xff")], tags)

    sent = [(one.method, one.target, one.body) for one in interface.requests]
    assert {path for _, path, _ in sent[:2]} == {"/tag/P", "/tag/Q"}
    assert ("PUT", "/cp/C%201", {"k": "01ff"}) in sent
    assert ("POST", "/tag/B", {"parent": "Q"}) in sent
    assert len(sent) == 5


async def test_requests_for_some_identities_only(tmp_path: Path, interface: Interface) -> None:
    """A request whose `when` does not hold is not sent."""
    provision: Json = {
        "identities": [{"path": "/pw/$identity", "when": {"/password": {"present": True}}}]
    }
    async with http_driver(tmp_path, interface, {"provision": provision}) as driver:
        await driver.prepare([Credentials("A"), Credentials("B", b"pw")], {})

    assert interface.paths == ["/pw/B"]


async def test_captured_values_reach_later_requests(tmp_path: Path, interface: Interface) -> None:
    """A value from the setup and an id from registering are used by what follows."""
    interface.replies["/tenant"] = Reply(200, {"key": "T"})
    interface.replies["/cp"] = Reply(201, {"id": 7})
    section: dict[str, Json] = {
        "provision": {
            "setup": [{"path": "/tenant", "capture": {"tenant": "/key"}}],
            "identities": [
                {"path": "/cp", "headers": {"X": "$tenant"}, "capture": {"number": "/id"}},
                {"path": "/cp/$number/approve"},
            ],
        },
        "command": {"path": "/cp/$number/go", "headers": {"X": "$tenant"}},
    }
    async with http_driver(tmp_path, interface, section) as driver:
        await driver.prepare([Credentials("CP1")], {})
        await driver.command("CP1", RESET, {})

    assert interface.paths == ["/tenant", "/cp", "/cp/7/approve", "/cp/7/go"]
    assert [one.headers.get("x") for one in interface.requests] == [None, "T", None, "T"]


async def test_an_identity_is_put_back_by_its_own_requests(
    tmp_path: Path, interface: Interface
) -> None:
    """`restore` replaces the registration where that exists already, and knows its captures."""
    interface.replies["/cp"] = Reply(201, {"id": 7})
    provision: Json = {
        "identities": [{"path": "/cp", "capture": {"number": "/id"}}],
        "restore": [{"path": "/cp/$number", "method": "PATCH", "body": {"password": "$password"}}],
    }
    async with http_driver(tmp_path, interface, {"provision": provision}) as driver:
        station = Credentials("CP1", b"pw")
        await driver.prepare([station], {})
        restored = await driver.restore(station)

    assert restored
    assert interface.paths == ["/cp", "/cp/7"]
    assert interface.bodies[1] == {"password": "pw"}


async def test_nothing_puts_back_what_nothing_registers(
    tmp_path: Path, interface: Interface
) -> None:
    """Without requests for identities, nobody claims to have restored one."""
    async with http_driver(tmp_path, interface) as driver:
        assert not await driver.restore(Credentials("CP1"))


async def test_refused_provisioning_names_the_request(tmp_path: Path, interface: Interface) -> None:
    """The first refusal ends provisioning and tells which object, request and answer."""
    interface.replies["/cp/B"] = Reply(403, b"no rights")
    provision: Json = {"identities": [{"path": "/cp/$identity"}]}
    message = r"identity B .*POST http://.*/cp/B .*403 no ri"
    async with http_driver(tmp_path, interface, {"provision": provision}) as driver:
        with pytest.raises(ProvisioningError, match=message):
            await driver.prepare([Credentials(name) for name in "ABC"], {})


async def test_accepted_statuses_are_the_files_to_say(tmp_path: Path, interface: Interface) -> None:
    """What exists already is as good as made, where the file says so."""
    interface.replies["/cp"] = Reply(409)
    provision: Json = {"identities": [{"path": "/cp", "accept": [201, 409]}]}
    async with http_driver(tmp_path, interface, {"provision": provision}) as driver:
        await driver.prepare([Credentials("A")], {})

    assert interface.paths == ["/cp"]
