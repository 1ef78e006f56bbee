"""In which order a person meets the cases: so that screens are switched least. Pure.

Every case is a way from the screen of its first operation to that of its last. Two cases follow
each other without a switch where the second begins on the screen the first ends on. The fewest
switches are those of the fewest trails that use every way once, which Euler's theorem gives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_BREAK: Final = -1  # a way that no case stands for: here the person switches


def in_order(operations: Sequence[Sequence[str]]) -> list[int]:
    """Return the places of cases in the order in which a person does them.

    Args:
        operations: what the person does in each case, in order. Cases without anything come
            first, as they stand.
    """
    alone = [at for at, own in enumerate(operations) if not own]
    ways = [(at, own[0], own[-1]) for at, own in enumerate(operations) if own]
    return alone + [at for trail in _trails(ways) for at in trail]


def switches(operations: Sequence[Sequence[str]]) -> int:
    """Return how often a person comes to another screen in doing cases one after the other."""
    screens = [screen for own in operations for screen in own]
    return sum(one != other for one, other in pairwise(screens))


def _trails(ways: list[tuple[int, str, str]]) -> list[list[int]]:
    found: list[list[int]] = []
    for part in _connected(ways):
        outgoing: dict[str, list[tuple[int, str]]] = defaultdict(list)
        balance: dict[str, int] = defaultdict(int)
        for at, begin, end in part:
            outgoing[begin].append((at, end))
            balance[begin] += 1
            balance[end] -= 1
        sources = [name for name in balance for _ in range(max(0, balance[name]))]
        sinks = [name for name in balance for _ in range(max(0, -balance[name]))]
        # The ways back make every screen left as often as it is reached; each is one switch.
        for sink, source in zip(sinks, sources, strict=True):
            outgoing[sink].append((_BREAK, source))
        for own in outgoing.values():
            own.reverse()  # taken from the end: first the case that stands first
        start = sources[0] if sources else part[0][1]
        found += _cut(_circuit(outgoing, start))
    return found


def _connected(ways: list[tuple[int, str, str]]) -> list[list[tuple[int, str, str]]]:
    """Return the ways by what hangs together, in the order of their first ones."""
    group: dict[str, str] = {}

    def root(name: str) -> str:
        group.setdefault(name, name)
        while group[name] != name:
            name = group[name]
        return name

    for _, begin, end in ways:
        group[root(end)] = root(begin)
    parts: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for way in ways:
        parts[root(way[1])].append(way)
    return list(parts.values())


def _circuit(outgoing: dict[str, list[tuple[int, str]]], start: str) -> list[int]:
    """Return all ways of one part, each once, so that every one begins where the last ended."""
    stack, circuit = [(_BREAK, start)], list[int]()
    while stack:
        at, name = stack[-1]
        if outgoing[name]:
            stack.append(outgoing[name].pop())
        else:
            circuit.append(at)
            stack.pop()
    return circuit[::-1][1:]


def _cut(circuit: list[int]) -> list[list[int]]:
    """Cut a circuit where the person switches; begin it at such a place."""
    if _BREAK in circuit:
        first = circuit.index(_BREAK)
        circuit = circuit[first + 1 :] + circuit[:first]
    trails: list[list[int]] = [[]]
    for at in circuit:
        if at == _BREAK:
            trails.append([])
        else:
            trails[-1].append(at)
    return [trail for trail in trails if trail]
