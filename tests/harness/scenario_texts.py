"""Scenarios as text, for tests of the loader and what it is made of."""

from __future__ import annotations

from textwrap import dedent

import pytest

from harness.loader import States, load_text
from harness.model import Scenario
from harness.yaml_source import ScenarioError, parse

HEAD = """\
id: X_1
title: A case
profile: Core
requirement: mandatory
start: none
"""
BOOT = "  - {send: BootNotification, payload: {chargePointVendor: a, chargePointModel: b}}\n"


def scenario(steps: str, *, head: str = HEAD, states: States | None = None) -> Scenario:
    return load_text(head + "steps:\n" + steps, file="x.yaml", states=states)


def problems(text: str, *, states: States | None = None) -> list[str]:
    """Return what is said about a text that must not load, one line each."""
    with pytest.raises(ScenarioError) as caught:
        load_text(text, file="x.yaml", states=states)
    return [str(problem) for problem in caught.value.problems]


def wrong_step(steps: str, *, head: str = HEAD, states: States | None = None) -> list[str]:
    """Like `problems`, for the steps of an otherwise good scenario; these begin in line 7."""
    return problems(head + "steps:\n" + steps, states=states)


def states(*texts: str) -> States:
    return States.of(parse(dedent(text), file=f"s{n}.yaml") for n, text in enumerate(texts))
