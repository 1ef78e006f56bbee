"""Who charges where: identification, transactions, and what ends them.

Spec: OCPP 1.6 ed. 2 §3.4-3.6, §4.1, §4.8, §4.10, §5.11, §5.12. Every method is one thing that
happens; statuses follow from the inputs it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from simulator import payloads
from simulator.authorization import (
    Decision,
    IdTagInfo,
    IdTagStore,
    decide,
    is_same_group,
    is_same_tag,
    read_id_tag_info,
)
from simulator.clock import Moment
from simulator.connector import Connector, Permission, Status, status_of
from simulator.delivery import Delivery
from simulator.frames import CallResult
from simulator.local_list import LocalList, is_conflict
from simulator.metering import Metering
from simulator.queue import Message
from simulator.reporting import StatusReports
from simulator.reservation import Reserving
from simulator.session import Outcome, Reply
from simulator.transactions import NO_ID, Reason, Transaction
from simulator.wire import Wire

_Then = Callable[[Moment], object]

EV_SIDE_DISCONNECTED: Final = "EV side disconnected"
LOCK_FAILURE: Final = "ConnectorLockFailure"


class Charging:
    """The connectors > 0 of one charge point and everything that happens at them."""

    def __init__(
        self,
        wire: Wire,
        connectors: Mapping[int, Connector],
        *,
        reports: StatusReports,
        delivery: Delivery,
        metering: Metering,
        power_w: float,
        holds_back: bool,
        on_list_conflict: Callable[[str, Moment], None],
    ) -> None:
        """Begin with empty connectors.

        Args:
            on_list_conflict: told of an idTag of which the CSMS says something else than the list.
        """
        self._wire = wire
        self._connectors = {number: one for number, one in connectors.items() if number > 0}
        self._reports = reports
        self._delivery = delivery
        self._metering = metering
        self._power_w = power_w
        self._holds_back = holds_back
        self._on_list_conflict = on_list_conflict
        self.cache = IdTagStore()
        self.local_list = LocalList()
        self.reserving = Reserving(wire, connectors, refresh=self._refresh)
        self.is_closing = False  # a soft reset is under way: nothing new begins

    # --- cable and EV ----------------------------------------------------------------------------

    def plug_in(self, connector: Connector, now: Moment) -> None:
        """A cable with an EV at its other end is put in."""
        connector.change(is_plugged=True, is_ev_connected=True, is_ev_ready=True)
        connector.info = ""
        connector.meter.reconnect_ev()
        if connector.permission is None or connector.inputs.is_faulted:
            self._refresh(connector, now)
        self.try_start(connector, now)

    def unplug(self, connector: Connector, now: Moment) -> None:
        """The cable is taken out."""
        if connector.transaction is not None:
            self.disconnect_ev(connector, now)  # only a fixed cable can go while one runs
        connector.change(is_plugged=False, is_ev_connected=False, is_ev_ready=False, is_done=False)
        connector.info = ""
        self._refresh(connector, now)

    def disconnect_ev(self, connector: Connector, now: Moment) -> None:
        """The cable is taken out of the EV.

        Spec: §9.1.23, §9.1.36 and the notes of §4.9. Pressing the plug's release makes the EV stop
        drawing before the contacts part, so SuspendedEV comes first in every case.
        """
        if connector.transaction is not None:
            connector.info = EV_SIDE_DISCONNECTED
        connector.change(is_ev_ready=False)
        self._refresh(connector, now)
        connector.change(is_ev_connected=False)
        transaction = connector.transaction
        if transaction is None:
            if not connector.has_lock:  # a fixed cable hangs on its hook now
                connector.change(is_plugged=False, is_done=False)
            self._refresh(connector, now)
            return
        if self._wire.keys.boolean("StopTransactionOnEVSideDisconnect"):
            if not connector.has_lock:  # back on its hook: nothing is left to do
                connector.change(is_plugged=False)
                connector.info = ""
            unlocks = self._wire.keys.boolean("UnlockConnectorOnEVSideDisconnect")
            kept_for = Permission(transaction.id_tag, transaction.parent_id_tag)
            self.stop(
                connector,
                Reason.EV_DISCONNECTED,
                now,
                kept_for=None if unlocks or not connector.has_lock else kept_for,
            )
        else:
            self._refresh(connector, now)

    def set_inputs(self, connector: Connector, now: Moment, **changes: bool) -> None:
        """Change inputs that have no consequences but the status and the flow of energy."""
        connector.change(**changes)
        self._refresh(connector, now)

    # --- identification --------------------------------------------------------------------------

    def choose(self, id_tag: str) -> Connector:
        """Return the connector a presented idTag is meant for: running, plugged, free, any."""

        def rank(connector: Connector) -> int:
            transaction, kept_for = connector.transaction, connector.kept_for
            if transaction is not None:
                return 0 if is_same_tag(transaction.id_tag, id_tag) else 5
            if kept_for is not None:
                return 1 if is_same_tag(kept_for.id_tag, id_tag) else 6
            if status_of(connector.inputs) in (Status.UNAVAILABLE, Status.FAULTED):
                return 7
            permission = connector.permission
            if permission is not None:
                return 1 if is_same_tag(permission.id_tag, id_tag) else 4
            reservation = self.reserving.book.at(connector.id)
            if reservation is not None:
                return 1 if reservation.may_be_for(id_tag) else 6
            return 2 if connector.inputs.is_plugged else 3

        return min(self._connectors.values(), key=lambda one: (rank(one), one.id))

    def present_tag(self, connector: Connector, id_tag: str, now: Moment) -> None:
        """Somebody holds an idTag before the reader: to start, to stop, or to give up."""
        if connector.asking is not None:
            self._wire.notice(f"Connector {connector.id}: please wait")
        elif connector.transaction is not None:
            self._present_to_stop(connector, connector.transaction, id_tag, now)
        elif connector.kept_for is not None:
            self._present_to_unlock(connector, connector.kept_for, id_tag, now)
        elif not self.can_start(connector):
            status = status_of(connector.inputs)
            self._wire.notice(f"Connector {connector.id}: no charging now ({status})")
        elif connector.permission and is_same_tag(connector.permission.id_tag, id_tag):
            self._wire.notice(f"Connector {connector.id}: {id_tag} gave up")
            self._withdraw(connector, now)
        elif not self.is_open_to(connector, id_tag):
            self._wire.notice(f"Connector {connector.id}: reserved for somebody else")
        else:
            self.identify_to_start(connector, id_tag, now)

    def can_start(self, connector: Connector) -> bool:
        """Whether somebody may begin something here."""
        return (
            not self.is_closing
            and self._wire.was_registered
            and connector.transaction is None
            and connector.kept_for is None
            and not connector.inoperative_scheduled
            and not connector.update_scheduled
            and status_of(connector.inputs)
            in (Status.AVAILABLE, Status.PREPARING, Status.FINISHING, Status.RESERVED)
        )

    def is_open_to(self, connector: Connector, id_tag: str) -> bool:
        """Whether nobody else reserved the connector, as far as can be said without the group."""
        reservation = self.reserving.book.at(connector.id)
        return reservation is None or reservation.may_be_for(id_tag)

    def known_parent(self, id_tag: str, now: Moment) -> str | None:
        """Return the group of an idTag, as far as list and cache know it."""
        _, known = self._decide(id_tag, now, is_online=False)
        return None if known is None else known.parent_id_tag

    def identify_to_start(self, connector: Connector, id_tag: str, now: Moment) -> None:
        """Find out whether an idTag may start, in the order list, cache, CSMS (§3.5)."""
        decision, known = self._decide(id_tag, now, is_online=self._wire.is_online)
        if decision is Decision.ASK:
            connector.asking = id_tag
            then = partial(self._asked_to_start, connector, id_tag)
            self._wire.call("Authorize", {"idTag": id_tag}, then)
        else:
            self._decided(connector, id_tag, decision, known, now)

    def permit(self, connector: Connector, permission: Permission, now: Moment) -> None:
        """Let somebody charge here: at once if the cable is in, else once it is."""
        reservation = self.reserving.book.at(connector.id)
        if reservation and not reservation.is_for(permission.id_tag, permission.parent_id_tag):
            self._wire.notice(f"Connector {connector.id}: reserved for somebody else")
            return
        connector.permission = permission
        connector.change(is_permitted=True, is_done=False, is_reserved=False)
        self._refresh(connector, now)
        self.try_start(connector, now)

    def _decide(
        self, id_tag: str, now: Moment, *, is_online: bool
    ) -> tuple[Decision, IdTagInfo | None]:
        return decide(
            id_tag,
            is_online=is_online,
            at=self._wire.local_time(now),
            keys=self._wire.keys,
            local_list=self.local_list,
            cache=self.cache,
        )

    def _asked_to_start(self, connector: Connector, id_tag: str, reply: Reply, now: Moment) -> None:
        if connector.asking is None:
            return  # a restart came between
        connector.asking = None
        info = self._take_answer(id_tag, reply, now)
        if reply.outcome in (Outcome.TIMED_OUT, Outcome.DISCONNECTED):
            # Nobody answers: that is being offline, whatever the socket says.
            decision, info = self._decide(id_tag, now, is_online=False)
        else:
            is_accepted = info is not None and info.is_accepted
            decision = Decision.START if is_accepted else Decision.REFUSE
        self._decided(connector, id_tag, decision, info, now)

    def _decided(
        self,
        connector: Connector,
        id_tag: str,
        decision: Decision,
        info: IdTagInfo | None,
        now: Moment,
    ) -> None:
        if decision is not Decision.START:
            why = info.status if info is not None else "not known"
            self._wire.notice(f"Connector {connector.id}: {id_tag} refused ({why})")
        elif not self.can_start(connector):
            self._wire.notice(f"Connector {connector.id}: no charging any more")
        else:
            parent = info.parent_id_tag if info is not None else None
            self.permit(connector, Permission(id_tag, parent), now)

    def _take_answer(self, id_tag: str, reply: Reply, now: Moment) -> IdTagInfo | None:
        if not isinstance(reply.answer, CallResult):
            return None
        return self.learn(id_tag, reply.answer.payload, now)

    def learn(self, id_tag: str, payload: Mapping[str, object], now: Moment) -> IdTagInfo | None:
        """Read `idTagInfo` of an answer and remember it, unless the list has the id (§3.5.1)."""
        info = read_id_tag_info(payload)
        keys = self._wire.keys
        at = self._wire.local_time(now)
        is_listed = keys.boolean("LocalAuthListEnabled") and id_tag in self.local_list
        if info is not None and not is_listed and keys.boolean("AuthorizationCacheEnabled"):
            self.cache.put(id_tag, info, at)
        if is_listed and is_conflict(self.local_list.find(id_tag, at), info):
            self._on_list_conflict(id_tag, now)
        return info

    # --- the wait between id and cable -----------------------------------------------------------

    def _watch_preparing(self, connector: Connector, now: Moment) -> None:
        """Run ConnectionTimeOut from the start of Preparing (errata 3.21)."""
        name = ("preparing", connector.id)
        timeout_s = self._wire.keys.integer("ConnectionTimeOut")
        is_preparing = status_of(connector.inputs) is Status.PREPARING
        if not is_preparing or timeout_s <= 0 or not self._wire.has_power:
            self._wire.timers.cancel(name)
        elif name not in self._wire.timers:
            expire = partial(self._preparing_expired, connector)
            self._wire.timers.set(name, now.s + timeout_s, expire)

    def _preparing_expired(self, connector: Connector, now: Moment) -> None:
        self._wire.notice(f"Connector {connector.id}: nothing happened within ConnectionTimeOut")
        self._withdraw(connector, now)

    def _withdraw(self, connector: Connector, now: Moment) -> None:
        """Take the permission back; with the cable still in, the user has to act (cell B6)."""
        connector.permission = None
        connector.change(is_permitted=False, is_done=connector.inputs.is_plugged)
        self._refresh(connector, now)

    # --- transactions ----------------------------------------------------------------------------

    def try_start(self, connector: Connector, now: Moment) -> None:
        """Lock the cable and begin, if somebody may and the EV is there.

        A lock that fails is a fault, and nothing begins.
        """
        permission, inputs = connector.permission, connector.inputs
        if permission is None or not inputs.is_ev_connected or inputs.is_faulted:
            return
        connector.permission = None
        if connector.has_lock:
            if connector.lock_fails:
                connector.error_code = LOCK_FAILURE
                connector.change(is_permitted=False, is_faulted=True)
                self._refresh(connector, now)
                return
            connector.is_locked = True
        transaction = Transaction(
            connector_id=connector.id,
            id_tag=permission.id_tag,
            parent_id_tag=permission.parent_id_tag,
            meter_start_wh=connector.meter.register_wh(now.s),
            started_s=now.s,
        )
        connector.transaction = transaction
        reservation_id = self.reserving.use(connector, permission)
        start = payloads.start_transaction(
            connector_id=connector.id,
            id_tag=transaction.id_tag,
            meter_start_wh=transaction.meter_start_wh,
            timestamp=self._wire.stamp(now),
            reservation_id=reservation_id,
        )
        self._metering.begin(connector, transaction, now)
        self._delivery.put(
            Message(
                action="StartTransaction",
                payload=lambda: start,
                on_result=partial(self._started, connector, transaction),
                on_dropped=partial(self._start_dropped, transaction),
            ),
            now,
        )
        connector.change(has_transaction=True, is_permitted=False, is_done=False)
        self._refresh(connector, now)
        if reservation_id is not None:
            self.reserving.settle_all(now)

    def _started(
        self,
        connector: Connector,
        transaction: Transaction,
        payload: Mapping[str, object],
        now: Moment,
    ) -> None:
        """Take the answer to StartTransaction; a refusal ends or suspends the charging (§4.8)."""
        given = payload.get("transactionId")
        is_id = isinstance(given, int) and not isinstance(given, bool)
        transaction.transaction_id = int(str(given)) if is_id else NO_ID
        info = self.learn(transaction.id_tag, payload, now)
        if info is None:
            return
        transaction.parent_id_tag = info.parent_id_tag or transaction.parent_id_tag
        if info.is_accepted or connector.transaction is not transaction:
            return
        self._wire.notice(f"Connector {connector.id}: {transaction.id_tag} refused ({info.status})")
        if self._wire.keys.boolean("StopTransactionOnInvalidId"):
            kept_for = Permission(transaction.id_tag, transaction.parent_id_tag)
            self.stop(
                connector,
                Reason.DE_AUTHORIZED,
                now,
                kept_for=kept_for if connector.has_lock else None,
            )
            return
        allowed_wh = self._wire.keys.integer("MaxEnergyOnInvalidId")
        if allowed_wh > 0 and self._power_w > 0:
            delay_s = allowed_wh * 3600.0 / self._power_w
            withhold = partial(self._withhold, connector, transaction)
            self._wire.timers.set(("allowance", connector.id), now.s + delay_s, withhold)
        else:
            self.set_inputs(connector, now, is_withheld=True)

    def _withhold(self, connector: Connector, transaction: Transaction, now: Moment) -> None:
        if connector.transaction is transaction:
            self.set_inputs(connector, now, is_withheld=True)

    def _start_dropped(self, transaction: Transaction) -> None:
        transaction.transaction_id = NO_ID

    def _present_to_stop(
        self, connector: Connector, transaction: Transaction, id_tag: str, now: Moment
    ) -> None:
        """Stop with the tag that started, without asking, or with one of its group (§3.6)."""
        if is_same_tag(transaction.id_tag, id_tag):
            self.stop(connector, Reason.LOCAL, now, id_tag=id_tag)
            return
        self._identify_in_group(
            connector,
            id_tag,
            transaction.parent_id_tag,
            now,
            then=lambda now: (
                self.stop(connector, Reason.LOCAL, now, id_tag=id_tag)
                if connector.transaction is transaction
                else None
            ),
        )

    def _present_to_unlock(
        self, connector: Connector, kept_for: Permission, id_tag: str, now: Moment
    ) -> None:
        """Give the cable back to the one it is kept for, or to the same group (errata 3.5)."""

        def unlock(now: Moment) -> None:
            connector.kept_for = None
            connector.is_locked = False
            self._wire.notice(f"Connector {connector.id}: cable unlocked")

        if is_same_tag(kept_for.id_tag, id_tag):
            unlock(now)
        else:
            self._identify_in_group(connector, id_tag, kept_for.parent_id_tag, now, then=unlock)

    def _identify_in_group(
        self,
        connector: Connector,
        id_tag: str,
        parent_id_tag: str | None,
        now: Moment,
        *,
        then: _Then,
    ) -> None:
        """Do `then` if the idTag is valid and of this group: by list, cache, else Authorize."""

        def judge(info: IdTagInfo | None, now: Moment) -> None:
            is_member = info is not None and is_same_group(info.parent_id_tag, parent_id_tag)
            if info is not None and info.is_accepted and is_member:
                then(now)
            else:
                self._wire.notice(f"Connector {connector.id}: {id_tag} may not stop this")

        def asked(reply: Reply, now: Moment) -> None:
            if connector.asking is None:
                return  # a restart came between
            connector.asking = None
            judge(self._take_answer(id_tag, reply, now), now)

        _, known = self._decide(id_tag, now, is_online=self._wire.is_online)
        is_known_good = known is not None and known.is_accepted
        if is_known_good or not self._wire.is_online or parent_id_tag is None:
            judge(known, now)
        else:
            connector.asking = id_tag
            self._wire.call("Authorize", {"idTag": id_tag}, asked)

    def stop(
        self,
        connector: Connector,
        reason: Reason,
        now: Moment,
        *,
        id_tag: str | None = None,
        kept_for: Permission | None = None,
    ) -> None:
        """End the running transaction and queue its StopTransaction.

        Args:
            id_tag: who stopped it, where somebody presented one.
            kept_for: who gets the cable back; None unlocks it.
        """
        transaction = connector.transaction
        if transaction is None:
            return
        self._metering.end(connector, transaction, now)
        self._wire.timers.cancel(("allowance", connector.id))
        meter_stop_wh = connector.meter.register_wh(now.s)
        timestamp = self._wire.stamp(now)
        max_values = self._wire.keys.integer("StopTransactionMaxMeterValues")
        data = transaction.data(max_values)
        early_id = transaction.id_on_the_wire

        def payload() -> Mapping[str, object]:
            late_id = transaction.id_on_the_wire
            return payloads.stop_transaction(
                transaction_id=late_id if self._holds_back else early_id,
                id_tag=id_tag,
                meter_stop_wh=meter_stop_wh,
                timestamp=timestamp,
                reason=reason,
                data=data,
            )

        def stopped(answer: Mapping[str, object], now: Moment) -> None:
            if id_tag is not None:
                self.learn(id_tag, answer, now)

        self._delivery.put(
            Message(action="StopTransaction", payload=payload, on_result=stopped), now
        )
        connector.transaction = None
        connector.kept_for = kept_for
        connector.is_locked = connector.has_lock and kept_for is not None
        connector.change(
            has_transaction=False, is_withheld=False, is_done=connector.inputs.is_plugged
        )
        self._refresh(connector, now)

    def stop_all(self, reason: Reason, now: Moment) -> None:
        """End every running transaction."""
        for connector in self._connectors.values():
            self.stop(connector, reason, now)

    def forget_volatile(self, now: Moment) -> None:
        """Lose what does not survive a restart: who was about to charge."""
        for connector in self._connectors.values():
            connector.asking = None
            connector.permission = None
            connector.change(is_permitted=False)
            self._refresh(connector, now)
        self.is_closing = False

    # --- common ----------------------------------------------------------------------------------

    def _refresh(self, connector: Connector, now: Moment) -> None:
        """Let status, scheduled unavailability and the flow of energy follow the inputs."""
        self.reserving.release(connector)
        goes = connector.inoperative_scheduled and not is_busy(connector)
        pauses = connector.update_scheduled and not _is_used(connector)
        if goes or pauses:
            if connector.report.status is Status.PREPARING:
                self._reports.refresh(connector, now)  # there is no cell B8
            connector.change(is_done=False)
        if goes:
            connector.inoperative_scheduled = False
            connector.change(is_available=False)
        if pauses:
            connector.update_scheduled = False
            connector.change(is_updating=True)
        self._reports.refresh(connector, now)
        if self.reserving.follow(connector, now):
            self._reports.refresh(connector, now)
        self._watch_preparing(connector, now)
        power_w = min(self._power_w, connector.limit_w) if connector.flows else 0.0
        connector.meter.set_power(power_w, now.s)


def is_busy(connector: Connector) -> bool:
    """Whether a user is at it, so that taking it out of service has to wait.

    The table has no move Preparing -> Unavailable: a connector somebody prepares is busy too.
    """
    return _is_used(connector) or status_of(connector.inputs) is Status.RESERVED


def _is_used(connector: Connector) -> bool:
    is_preparing = status_of(connector.inputs) is Status.PREPARING
    return connector.transaction is not None or is_preparing
