"""Local authorization lists, brought to charge points when an operator says so (CS-LAL).

Every SendLocalList and GetLocalListVersion is followed here, whoever sent it. On top of that a
whole list is sent: in portions where the charge point takes only so much at a time, and in full
again where a change is refused.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from csms.domain.authorization import fold
from csms.domain.local_lists import (
    Entry,
    LocalList,
    Update,
    UpdateStatus,
    UpdateType,
    difference,
    entry_of,
    plan,
    read_status,
    read_update,
    write_update,
)
from csms.domain.model import IdTag
from csms.domain.numbers import whole_number
from csms.ocppj import command_rules
from csms.ocppj.outcomes import Answered, CommandOutcome, Refused
from csms.operations.commanding import Commanding, Order, Send
from csms.operations.locks import Locks
from csms.operations.recording import send_recorded
from csms.storage import capabilities, charge_points, id_tags, local_lists
from csms.storage.store import Store

# What another try in full may help; all else would fail in full as well.
_WORTH_FULL = frozenset({UpdateStatus.FAILED, UpdateStatus.VERSION_MISMATCH})


class SendLocalListEffect:
    """What a SendLocalList makes true of the list we know; one at a time to a charge point."""

    def __init__(self, store: Store, locks: Locks, now: Callable[[], datetime]) -> None:
        self._store = store
        self._locks = locks
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Write the update down, send it, settle it."""
        if command_rules.problems(order.action, order.payload):
            return await send()  # which refuses it
        update = read_update(order.payload)
        async with self._locks.of(order.identity):
            record_id = await self._store.write(
                partial(local_lists.request, identity=order.identity, sent=update, at=self._now())
            )
            order.on_recorded(record_id)

            async def withdraw() -> None:
                await self._store.write(partial(local_lists.withdraw, record_id=record_id))

            async def settle(outcome: CommandOutcome | None) -> None:
                await self._store.write(
                    partial(
                        local_lists.settle,
                        record_id=record_id,
                        status=_status(outcome),
                        at=self._now(),
                    )
                )

            return await send_recorded(send, withdraw=withdraw, settle=settle)


class GetLocalListVersionEffect:
    """What the version a charge point reports tells of its list."""

    def __init__(self, store: Store, locks: Locks, now: Callable[[], datetime]) -> None:
        self._store = store
        self._locks = locks
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Send the order and read its answer, with no update under way."""
        async with self._locks.of(order.identity):
            outcome = await send()
            if isinstance(outcome, Answered):
                version = whole_number(outcome.payload.get("listVersion"))
                if version is not None:
                    await self._store.write(
                        partial(
                            local_lists.record_version,
                            identity=order.identity,
                            version=version,
                            at=self._now(),
                        )
                    )
        return outcome


def _status(outcome: CommandOutcome | None) -> UpdateStatus:
    match outcome:
        case Answered(payload):
            return read_status(payload)
        case Refused():
            return UpdateStatus.REFUSED
    return UpdateStatus.UNKNOWN


class UnknownTags(ValueError):
    """Tags to be put on a list that nobody issued.

    Attributes:
        id_tags: as they were named.
    """

    def __init__(self, unknown: Sequence[str]) -> None:
        super().__init__("not issued: " + ", ".join(unknown))
        self.id_tags = tuple(unknown)


class ListTooLong(ValueError):
    """A list longer than the charge point says it can hold (LocalAuthListMaxLength)."""


@dataclass(frozen=True, slots=True)
class SentUpdate:
    """One update of a list on its way."""

    version: int
    update_type: UpdateType
    entry_count: int
    status: UpdateStatus


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a list.

    Attributes:
        outcome: how the last update ended; None where nothing had changed.
        updates: all that were sent, in their order.
    """

    outcome: CommandOutcome | None
    updates: tuple[SentUpdate, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known when a list is to be built; tags and entries by their folded names."""

    known: LocalList
    entries: Mapping[str, Entry]
    tags: Mapping[str, IdTag]
    portion: int | None
    capacity: int | None


class LocalLists:
    """Builds lists from the issued tags and brings them to charge points."""

    def __init__(self, store: Store, commanding: Commanding, now: Callable[[], datetime]) -> None:
        self._store = store
        self._commanding = commanding
        self._now = now
        self._locks = Locks()

    async def send_full(self, identity: str, names: Iterable[str] | None) -> Delivery:
        """Make a charge point's list consist of these tags, or of all that were issued.

        Raises:
            UnknownTags: a name nobody issued.
            ListTooLong: the charge point cannot hold so many.
            InvalidCommand: the charge point must not be commanded now.
        """
        async with self._locks.of(identity):
            facts = await self._store.read(partial(_facts, identity=identity))
            target = {
                fold(tag.id_tag): entry_of(tag, at=self._now()) for tag in _named(facts, names)
            }
            _check_capacity(facts, target)
            return await self._in_full(identity, target)

    async def send_differential(
        self, identity: str, names: Iterable[str] | None, removed: Iterable[str] | None
    ) -> Delivery:
        """Change a charge point's list; with no names, to all tags that were issued.

        Where what the charge point holds is not known, or it refuses the change, the whole list
        is sent instead: what it accepted so far, with the change.

        Raises:
            UnknownTags: a name nobody issued.
            ListTooLong: the charge point cannot hold so many.
            InvalidCommand: the charge point must not be commanded now.
        """
        async with self._locks.of(identity):
            facts = await self._store.read(partial(_facts, identity=identity))
            target = dict(facts.entries)
            if names is None and removed is None:
                target = {key: entry_of(tag, at=self._now()) for key, tag in facts.tags.items()}
                changes = difference(facts.entries, target)
            else:
                changed: dict[str, Entry] = {}
                for name in removed or ():
                    changed[fold(name)] = Entry(name, None)
                    target.pop(fold(name), None)
                for tag in _named(facts, () if names is None else names):
                    changed[fold(tag.id_tag)] = entry_of(tag, at=self._now())
                target |= {key: entry for key, entry in changed.items() if entry.info}
                changes = list(changed.values())
            _check_capacity(facts, target)
            if facts.known.needs_full:
                return await self._in_full(identity, target)
            if not changes:
                return Delivery(None, ())
            try:
                updates = plan(
                    changes,
                    UpdateType.DIFFERENTIAL,
                    after_version=facts.known.last_version,
                    max_length=facts.portion,
                )
            except ValueError:  # versions are used up; only a full list can begin anew
                return await self._in_full(identity, target)
            delivery = await self._deliver(identity, updates)
            if delivery.updates[-1].status not in _WORTH_FULL:
                return delivery
            return await self._in_full(identity, target, before=delivery.updates)

    async def _in_full(
        self, identity: str, target: Mapping[str, Entry], *, before: tuple[SentUpdate, ...] = ()
    ) -> Delivery:
        """Send a whole list, once more from its start where it fails midway."""
        for _ in range(2):
            facts = await self._store.read(partial(_facts, identity=identity))
            updates = plan(
                list(target.values()),
                UpdateType.FULL,
                after_version=facts.known.last_version,
                max_length=facts.portion,
            )
            delivery = await self._deliver(identity, updates)
            before += delivery.updates
            last = delivery.updates[-1]
            if last.status not in _WORTH_FULL or last.update_type is UpdateType.FULL:
                break
        return Delivery(delivery.outcome, before)

    async def _deliver(self, identity: str, updates: Sequence[Update]) -> Delivery:
        """Send updates one after the other, as far as they are accepted."""
        is_split = len(updates) > 1
        if is_split:
            first, last = updates[0].version, updates[-1].version
            await self._store.write(
                partial(local_lists.begin_split, identity=identity, first=first, last=last)
            )
        sent: list[SentUpdate] = []
        try:
            for update in updates:
                outcome = await self._commanding.send(
                    identity, "SendLocalList", write_update(update)
                )
                status = _status(outcome)
                count = len(update.entries)
                sent.append(SentUpdate(update.version, update.update_type, count, status))
                if status is not UpdateStatus.ACCEPTED:
                    break
        finally:
            if is_split:
                await self._store.write(partial(local_lists.end_split, identity=identity))
        return Delivery(outcome, tuple(sent))


def _facts(connection: Connection, identity: str) -> _Facts:
    charge_point = charge_points.get(connection, identity)
    told = capabilities.get(connection, identity)
    declared = None if charge_point is None else charge_point.send_local_list_max_length
    return _Facts(
        known=local_lists.get(connection, identity),
        entries=local_lists.entries(connection, identity),
        tags={fold(tag.id_tag): tag for tag in id_tags.everything(connection)},
        portion=declared or _limit(told.get("SendLocalListMaxLength")),
        capacity=_limit(told.get("LocalAuthListMaxLength")),
    )


def _limit(value: str | None) -> int | None:
    """Read a limit as configuration keys have it; nonsense limits nothing."""
    number = None if value is None else whole_number(value)
    return number if number is not None and number > 0 else None


def _named(facts: _Facts, names: Iterable[str] | None) -> list[IdTag]:
    if names is None:
        return list(facts.tags.values())
    named = list(names)
    unknown = [name for name in named if fold(name) not in facts.tags]
    if unknown:
        raise UnknownTags(unknown)
    return [facts.tags[fold(name)] for name in named]


def _check_capacity(facts: _Facts, target: Mapping[str, Entry]) -> None:
    if facts.capacity is not None and len(target) > facts.capacity:
        raise ListTooLong(
            f"{len(target)} tags; the charge point holds at most {facts.capacity}"
            " (LocalAuthListMaxLength)"
        )
