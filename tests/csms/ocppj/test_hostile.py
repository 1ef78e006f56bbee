"""Hostile frames against a running listener with real handlers and a real database.

The list is the one of `ocpp-python-library.md` §2 and more: each costs its own message at most.
"""

import asyncio
import gc
import json
import logging
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from tests.csms.ocppj.fakes import BOOT
from tests.csms.ocppj.test_server import System, ask, running

AT = "2026-01-31T12:34:56Z"
SAMPLE = {"timestamp": AT, "sampledValue": [{"value": "1"}]}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
START = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": AT}
STOP = {"transactionId": -1, "meterStop": 1, "timestamp": AT}


def call(action: Any, payload: Any, message_id: Any = "h") -> str:
    return json.dumps([2, message_id, action, payload])


# What is sent, and what must come back: a code, "result", or nothing.
HOSTILE: list[tuple[str | bytes, str | None]] = [
    ("", None),
    ("{", None),
    ("not json", None),
    ('{"a":1}', None),
    ("[]", None),
    ('"text"', None),
    ('[2,"h","Heartbeat",{}', None),
    ('[2,"h"]', "FormationViolation"),
    ('[2,"h","Heartbeat"]', "FormationViolation"),
    ('[2,"h","Heartbeat",{},1]', "FormationViolation"),
    ('[5,"h","Heartbeat",{}]', None),
    ('["2","h","Heartbeat",{}]', None),
    ('[2.0,"h","Heartbeat",{}]', None),
    ('[null,"h","Heartbeat",{}]', None),
    ('[3,"never-asked",{}]', None),
    ('[3,"never-asked"]', None),
    ('[4,"never-asked","GenericError","",{}]', None),
    ('[4,"never-asked","GenericError"]', None),
    ('[4,"never-asked"]', None),
    (call("Heartbeat", {}, 7), "result"),
    (call("Heartbeat", {}, ""), "result"),
    (call("Heartbeat", {}, ["h"]), None),
    (call("Heartbeat", {}, None), None),
    (call("Heartbeat", {}, "x" * 36), "result"),
    (call("Heartbeat", {}, "x" * 37), "FormationViolation"),
    (call("Heartbeat", {}, "x" * 60), "FormationViolation"),
    (call("Heartbeat", {}, "x" * 100_000), None),
    (call("Heartbeat", None), "result"),
    (call("Heartbeat", []), "FormationViolation"),
    (call("Heartbeat", "x"), "FormationViolation"),
    (call(["Heartbeat"], {}), "FormationViolation"),
    (call({"a": 1}, {}), "FormationViolation"),
    (call("heartbeat", {}), "NotImplemented"),
    (call("CustomOperation", {"a": 1}), "NotImplemented"),
    (call("x" * 10_000, {}), "NotImplemented"),
    (call("SignCertificate", {"csr": "x"}), "result"),
    (call("Reset", {"type": "Soft"}), "NotSupported"),
    (call("Authorize", {}), "ProtocolError"),
    (call("Authorize", {"idTag": 12}), "TypeConstraintViolation"),
    (call("Authorize", {"idTag": "x" * 21}), "result"),
    (call("Authorize", {"idTag": ""}), "result"),
    (call("Authorize", {"idTag": "\u0000'; DROP TABLE id_tags; --"}), "result"),
    (call("Authorize", {"idTag": "A", "connectorId": 1}), "result"),
    (call("StatusNotification", {"connectorId": 1}), "ProtocolError"),
    (call("StatusNotification", {**STATUS, "errorCode": "x"}), "PropertyConstraintViolation"),
    (call("StatusNotification", {**STATUS, "connectorId": -1}), "PropertyConstraintViolation"),
    (call("StatusNotification", {**STATUS, "connectorId": 1.0}), "result"),
    (call("StatusNotification", {**STATUS, "status": "Occupied"}), "result"),
    (call("StatusNotification", {**STATUS, "timestamp": "x"}), "result"),
    (call("MeterValues", {"connectorId": 1, "meterValue": []}), "result"),
    (call("MeterValues", {"connectorId": -1, "meterValue": [SAMPLE]}), "result"),
    (call("MeterValues", {"connectorId": 1, "meterValue": [7]}), "TypeConstraintViolation"),
    (call("MeterValues", {"connectorId": 1}), "ProtocolError"),
    ('[2,"h","MeterValues",{"connectorId":1,"meterValue":[NaN]}]', "FormationViolation"),
    ('[2,"h","MeterValues",{"connectorId":1,"meterValue":[1e999]}]', "FormationViolation"),
    ('[2,"h","Heartbeat",{"a":' + "9" * 5000 + "}]", "FormationViolation"),
    ('[2,"h","Heartbeat",{"a":' + "9" * 200 + "}]", "result"),
    ('[2,"h","Heartbeat",' + '{"a":' * 900 + "1" + "}" * 900 + "]", "result"),
    ('[2,"h","Heartbeat",' + '{"a":' * 9000 + "1" + "}" * 9000 + "]", "FormationViolation"),
    ("[" * 100_000, None),
    ('[2,"h","Heartbeat",{"a":1,"a":2}]', "result"),
    ('[2,"h","Heartbeat",{"\\ud800":1}]', "FormationViolation"),
    (b'[2,"h","Heartbeat",{}]', "result"),
    (b'\xff\xfe[2,"h","Heartbeat",{}]', None),
    (b'[2,"h","Heartbeat",{"a":"\xe4"}]', "result"),
    (b"\x00" * 1000, None),
    (call("StopTransaction", STOP), "result"),
    (call("StopTransaction", {**STOP, "transactionId": 2**63 - 1}), "result"),
    (call("StopTransaction", {**STOP, "transactionId": 2**64}), "result"),
    (call("StopTransaction", {**STOP, "transactionId": 0, "meterStop": 1.5}), "result"),
    (call("StopTransaction", {**STOP, "transactionId": "7"}), "TypeConstraintViolation"),
    (call("StartTransaction", {**START, "idTag": None}), "result"),
    (call("StartTransaction", {**START, "connectorId": 2**63, "meterStart": 2**62}), "result"),
    (call("StartTransaction", {**START, "timestamp": "1970"}), "result"),
    (call("DataTransfer", {"vendorId": "v", "data": "x" * 500_000}), "result"),
    (call("DataTransfer", {"vendorId": "v", "data": {"x": 1}}), "TypeConstraintViolation"),
    (call("BootNotification", {"chargePointVendor": "V" * 999, "chargePointModel": ""}), "result"),
]


async def answers_to(client: ClientConnection, frame: str | bytes, number: int) -> list[Any]:
    """Send a frame and a Heartbeat behind it; return what came before the Heartbeat's answer."""
    marker = f"marker-{number}"
    await client.send(frame, text=True)
    await client.send(call("Heartbeat", {}, marker))
    answers: list[Any] = []
    while True:
        answer = json.loads(await asyncio.wait_for(client.recv(), 10))
        if answer[1] == marker:
            assert answer[0] == 3
            return answers
        answers.append(answer)


@pytest.mark.slow
async def test_each_hostile_frame_gets_its_answer_and_costs_no_more(tmp_path: Path) -> None:
    """One connection survives them all, one after the other."""
    async with running(tmp_path) as system, system.connect() as client:
        await ask(client, "BootNotification", BOOT)
        wrong = []
        for number, (frame, expected) in enumerate(HOSTILE):
            answers = await answers_to(client, frame, number)
            got = [answer[2] if answer[0] == 4 else "result" for answer in answers]
            if got != ([] if expected is None else [expected]):
                wrong.append((frame[:80], expected, answers))

        assert wrong == []


async def _talk(system: System, identity: str, until: asyncio.Event) -> int:
    """Be a sane charge point until told to stop; return how many answers came."""
    await system.register(identity)
    async with system.connect(identity) as client:
        await ask(client, "BootNotification", BOOT)
        count = 0
        while not until.is_set():
            assert (await ask(client, "Heartbeat", {}, f"n{count}"))[:2] == [3, f"n{count}"]
            count += 1
            await asyncio.sleep(0.01)
        return count


def _bent(source: random.Random) -> str:
    """Return a sound frame with a few characters changed, dropped or doubled."""
    text, _ = source.choice(HOSTILE)
    characters = list(text[:2000] if isinstance(text, str) else text.decode("latin-1"))
    for _ in range(source.randint(1, 6)):
        if not characters:
            break
        at = source.randrange(len(characters))
        characters[at] = source.choice(["", characters[at] * 2, '"', "[", "}", "0", "é", "\x00"])
    return "".join(characters)


@pytest.mark.slow
async def test_a_thousand_hostile_frames_leave_the_others_served(tmp_path: Path) -> None:
    """Sane charge points talk on meanwhile, and memory does not grow."""
    logging.getLogger("csms").setLevel(logging.CRITICAL)
    source = random.Random(7)
    async with running(tmp_path) as system:
        done = asyncio.Event()
        others = [asyncio.create_task(_talk(system, f"SANE{n}", done)) for n in range(5)]
        async with system.connect(max_queue=None) as client:
            await ask(client, "BootNotification", BOOT)
            sizes = []
            tracemalloc.start()
            try:
                for round_ in range(4):
                    for number in range(250):
                        await client.send(_bent(source))
                        if number % 25 == 0:
                            await answers_to(client, "", round_ * 1000 + number)
                    await answers_to(client, "", round_ * 1000 + 999)
                    await system.store.flush()
                    gc.collect()
                    sizes.append(tracemalloc.get_traced_memory()[0])
            finally:
                tracemalloc.stop()
        done.set()
        counts = await asyncio.gather(*others)
    logging.getLogger("csms").setLevel(logging.NOTSET)

    assert min(counts) > 5
    # The first rounds fill caches; afterwards a round leaves next to nothing behind.
    assert sizes[3] - sizes[1] < 500_000, sizes
