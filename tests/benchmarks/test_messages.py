"""The load speaks valid OCPP 1.6, and no two messages of a station are equal."""

import json
from itertools import islice
from pathlib import Path

import jsonschema_rs
import ocpp.v16
import pytest

from benchmarks.messages import (
    SESSION_LENGTH,
    WORKLOADS,
    Voice,
    heartbeats,
    meter_values,
    sessions,
)

SCHEMAS = Path(ocpp.v16.__file__).parent / "schemas"
ACCEPTED = b'[3,"1",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]'


def said(workload: str, count: int) -> list[tuple[str, dict[str, object]]]:
    """Return the first actions and payloads of a workload whose calls are all accepted."""
    script = WORKLOADS[workload](Voice("TAG0001"))
    texts = [next(script), *(script.send(ACCEPTED) for _ in range(count - 1))]
    return [(action, payload) for _, _, action, payload in map(json.loads, texts)]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_payload_keeps_its_official_schema(workload: str) -> None:
    """What a station sends is what a real one may send."""
    for action, payload in said(workload, 2 * SESSION_LENGTH):
        schema = json.loads((SCHEMAS / f"{action}.json").read_text(encoding="utf-8-sig"))
        jsonschema_rs.validate(schema, payload)


def test_a_session_goes_from_boot_to_boot() -> None:
    """A session has as many messages as its constant says, and the next one follows at once."""
    actions = [action for action, _ in said("Session", SESSION_LENGTH + 1)]

    assert actions[0] == actions[-1] == "BootNotification"
    assert actions[1:-1].count("MeterValues") == 3
    assert "BootNotification" not in actions[1:-1]


def test_meter_values_carry_nine_samples_of_the_open_transaction() -> None:
    """The measured MeterValues belong to the transaction that the server opened."""
    (start, _), (action, payload) = said("MeterValues", 2)

    assert (start, action) == ("StartTransaction", "MeterValues")
    assert payload["transactionId"] == 7
    assert len(payload["meterValue"][0]["sampledValue"]) == 9  # type: ignore[index]


def test_no_two_messages_are_equal() -> None:
    """A server that recognises repeated content must not be able to save work."""
    voice = Voice("TAG0001")
    texts = [voice.meter_values(7).split(b",", 2)[2] for _ in range(2000)]

    assert len(set(texts)) == 2000


def test_message_ids_are_not_repeated() -> None:
    """Two scripts of one station share its message ids."""
    voice = Voice("TAG0001")
    texts = [*islice(heartbeats(voice), 3), *islice(heartbeats(voice), 3)]

    assert len({json.loads(text)[1] for text in texts}) == 6


def test_a_transaction_left_open_is_stopped_first() -> None:
    """A script that was interrupted leaves its transaction to the next one."""
    voice = Voice("TAG0001")
    interrupted = meter_values(voice)
    next(interrupted)
    interrupted.send(ACCEPTED)
    later = meter_values(voice)

    _, _, action, payload = json.loads(next(later))

    assert (action, payload["transactionId"]) == ("StopTransaction", 7)
    assert json.loads(later.send(ACCEPTED))[2] == "StartTransaction"


def test_a_refused_transaction_ends_the_measurement() -> None:
    """Figures of a server that refuses the load would be worth nothing."""
    script = sessions(Voice("TAG0001"))
    next(script)
    for _ in range(4):
        script.send(b'[3,"1",{}]')

    with pytest.raises(ValueError, match="Invalid"):
        script.send(b'[3,"5",{"transactionId":1,"idTagInfo":{"status":"Invalid"}}]')
