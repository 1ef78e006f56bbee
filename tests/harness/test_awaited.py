"""Which request of the Central System belongs to which step."""

from __future__ import annotations

from harness.awaited import Awaited
from harness.model import AnyOrder, OperatorStep, Position, Receive, Send, Step, Wait
from simulator.frames import Call

HERE = Position("test.yaml", 1)


def operator(path: str, action: str) -> OperatorStep:
    return OperatorStep(position=HERE, path=path, action=action, payload={})


def receive(path: str, action: str) -> Receive:
    return Receive(position=HERE, path=path, action=action)


def send(path: str) -> Send:
    return Send(position=HERE, path=path, action="Heartbeat", payload={})


def call(action: str) -> Call:
    return Call("id", action, {})


def test_operator_step_opens_its_receive() -> None:
    """Before the operator step begins its request is unasked, after it is taken."""
    reset, wanted = operator("2", "Reset"), receive("4", "Reset")
    awaited = Awaited([send("1"), reset, send("3"), wanted])
    awaited.begin(send("1"))

    assert not awaited.take(call("Reset"), 0)
    awaited.begin(reset)
    assert awaited.take(call("Reset"), 1)
    assert awaited.arrived["4"].event == 1
    assert awaited.operator_of["4"] is reset


def test_each_order_is_worth_one_request() -> None:
    """A second request of the same kind is unasked, unless it was ordered twice."""
    steps: list[Step] = [operator("1", "Reset"), operator("2", "Reset")]
    steps += [receive("3", "Reset"), receive("4", "Reset")]
    awaited = Awaited(steps)

    awaited.begin(steps[0])
    assert awaited.take(call("Reset"), 0)
    assert not awaited.take(call("Reset"), 1)
    awaited.begin(steps[1])
    assert awaited.take(call("Reset"), 2)
    assert [stray.event for stray in awaited.strays] == [1]


def test_request_without_an_operator_follows_the_step_before() -> None:
    """A request our own CALL causes may come as soon as that CALL's step begins."""
    awaited = Awaited([send("1"), send("2"), receive("3", "CertificateSigned")])
    awaited.begin(send("1"))

    assert not awaited.take(call("CertificateSigned"), 0)
    awaited.begin(send("2"))
    assert awaited.take(call("CertificateSigned"), 1)


def test_waiting_is_no_cause() -> None:
    """Time that passes opens nothing: the step before it did."""
    wait = Wait(position=HERE, path="2", seconds=1)
    awaited = Awaited([send("1"), wait, receive("3", "ClearCache")])
    awaited.begin(send("1"))

    assert awaited.take(call("ClearCache"), 0)


def test_group_members_are_open_together() -> None:
    """In a group, each action finds its own step whichever comes first."""
    inner = (receive("2.1", "Reset"), receive("2.2", "ClearCache"))
    awaited = Awaited([send("1"), AnyOrder(position=HERE, path="2", steps=inner)])
    awaited.begin(send("1"))

    assert awaited.take(call("ClearCache"), 0)
    assert awaited.take(call("Reset"), 1)
    assert (awaited.arrived["2.1"].event, awaited.arrived["2.2"].event) == (1, 0)


def test_step_that_ended_takes_no_more() -> None:
    """What comes after a step gave up is unasked."""
    wanted = receive("2", "Reset")
    awaited = Awaited([send("1"), wanted])
    awaited.begin(send("1"))
    awaited.end(wanted)

    assert not awaited.take(call("Reset"), 0)


def test_what_does_not_fit_is_unasked_until_nothing_better_came() -> None:
    """A request of the right action only is taken for the step's own where no other came."""
    order, wanted = operator("1", "Reset"), receive("2", "Reset")
    awaited = Awaited([order, wanted])
    awaited.begin(order)

    assert not awaited.take(call("Reset"), 0, lambda step: False)
    assert [stray.event for stray in awaited.strays] == [0]
    awaited.settle(wanted)
    assert awaited.arrived["2"].event == 0
    assert awaited.strays == []


def test_what_fits_is_preferred_to_what_came_first() -> None:
    """A request that fits leaves the one before it unasked."""
    order, wanted = operator("1", "Reset"), receive("2", "Reset")
    awaited = Awaited([order, wanted])
    awaited.begin(order)

    assert not awaited.take(call("Reset"), 0, lambda step: False)
    assert awaited.take(call("Reset"), 1) is wanted
    awaited.settle(wanted)
    assert awaited.arrived["2"].event == 1
    assert [stray.event for stray in awaited.strays] == [0]
