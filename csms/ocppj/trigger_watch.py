"""Recognises the messages that charge points were triggered to send.

Only in memory and only while something is waited for: nearly all messages pass without a look at
the database. A restart forgets; the messages are stored as ever, but not matched to a trigger.
"""

from datetime import datetime

from csms.domain.triggers import Expectation


class TriggerWatch:
    """What is waited for, by charge point, in the order of asking."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Expectation]] = {}

    def expect(self, identity: str, expectation: Expectation) -> None:
        """Wait for what a trigger asks for."""
        self._waiting.setdefault(identity, []).append(expectation)

    def match(
        self, identity: str, action: str, connector_id: int | None, at: datetime
    ) -> int | None:
        """Return the record of the trigger a message follows, None for a message unasked for.

        A message counts once: for the trigger asked first, an accepted one before others.
        """
        waiting = self._waiting.get(identity)
        if waiting is None:
            return None
        meeting = [one for one in waiting if one.meets(action, connector_id, at)]
        found = next((one for one in meeting if one.is_accepted), next(iter(meeting), None))
        if found is not None:
            found.seen.add(connector_id)
        still = [one for one in waiting if one.until >= at and not one.is_met]
        if still:
            self._waiting[identity] = still
        else:
            del self._waiting[identity]
        return None if found is None else found.record_id
