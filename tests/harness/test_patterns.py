"""Payloads and patterns in scenario files."""
# ruff: noqa: E501 -- a row of the table below is one fault and what is said about it

from __future__ import annotations

import pytest

from tests.harness.scenario_texts import wrong_step


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{send: Authorize}", "x.yaml:7:5: Authorize.req needs a payload with idTag"),
        ("{send: Authorize, payload: {}}", "x.yaml:7:32: Authorize.req needs the field idTag"),
        ("{send: Authorize, payload: {idtag: a, idTag: b}}", "x.yaml:7:33: Authorize.req has no field idtag here (did you mean idTag?)"),
        ("{send: Authorize, payload: {idTag: 5}}", "x.yaml:7:40: 5 should be of type string (put it in quotes)"),
        ("{send: Authorize, payload: {idTag: aaaaaaaaaaaaaaaaaaaaa}}", "x.yaml:7:40: is longer than the 20 characters of this field"),
        ("{send: StatusNotification, payload: {connectorId: 1, errorCode: NoErr, status: Available}}", "x.yaml:7:69: 'NoErr' is no value of this field (did you mean NoError?)"),
        ("{send: StartTransaction, payload: {connectorId: 1, idTag: a, meterStart: 0, timestamp: now}}", "x.yaml:7:92: 'now' is no date-time (such as $now-60s)"),
        ("{send: MeterValues, payload: {connectorId: 1, meterValue: []}}", "x.yaml:7:63: MeterValues.req needs at least 1 here"),
        ("{send: MeterValues, payload: {connectorId: 1, meterValue: [{timestamp: $now, sampledValue: [{valu: a, value: b}]}]}}", "x.yaml:7:98: MeterValues.req has no field valu here (did you mean value?)"),
        ("{send: Heartbeat, payload: {}, expect: {currentTim: {present: true}}}", "x.yaml:7:45: Heartbeat.conf has no field currentTim here (did you mean currentTime?)"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {status: Acepted}}}", "x.yaml:7:73: 'Acepted' is no value of this field (did you mean Accepted?)"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {equals: {}, status: Accepted}}}", "x.yaml:7:77: the operator equals and the field status cannot stand together"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {status: {one_of: Accepted}}}}", "x.yaml:7:82: a list of values stands here"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {status: {one_of: [Accepted, Inval]}}}}", "x.yaml:7:93: 'Inval' is no value of this field (did you mean Invalid?)"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {status: {present: yes}}}}", "x.yaml:7:83: present: true is the only way to say it"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {absent: true, equals: a}}}}", "x.yaml:7:78: absent cannot hold together with another operator"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {status: null}}}", "x.yaml:7:73: null is never right in OCPP"),
        ("{send: Authorize, payload: {idTag: a}, expect: {present: true}}", "x.yaml:7:52: here stand the fields of the payload"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: Accepted}}", "x.yaml:7:64: 'Accepted' should be of type object"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: [a]}}", "x.yaml:7:64: this field is of type object, not array"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {matches: '(?=a)'}}}}", "x.yaml:7:88: not a regular expression of the linear-time kind"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {expiryDate: {approximately: $now}}}}", "x.yaml:7:93: a time and its tolerance stand here"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {absent_if: {idTagInf.status: Accepted}}}}}", "x.yaml:7:91: Authorize.conf has no field idTagInf here (did you mean idTagInfo?)"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {capture: Card}}}}", "x.yaml:7:88: 'Card' is no name"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {capture: identity}}}}", "x.yaml:7:88: $identity is given and cannot be captured"),
        ("{send: Authorize, payload: {idTag: a}, warn: {idTagInfo: {parentIdTag: {capture: card}}}}", "x.yaml:7:77: nothing can be captured under warn"),
        ("{send: Authorize, payload: {idTag: a}, expect: {idTagInfo: {parentIdTag: {decoded_length_between: [5, 3]}}}}", "x.yaml:7:103: two lengths in bytes stand here"),
        ("{send: StartTransaction, payload: {connectorId: 1, idTag: a, meterStart: 0, timestamp: $now}, expect: {transactionId: {at_least: many}}}", "x.yaml:7:134: a number stands here"),
        ("{receive: Reset, answer: {status: Done}}", "x.yaml:7:39: 'Done' is no value of this field"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_payload_is_said(step: str, said: str) -> None:
    """What no message can hold, and what no operator can take, is said while loading."""
    found = wrong_step(f"  - {step}\n")

    assert any(line.startswith(said) for line in found), found
