"""Registration at the CSMS: which messages lead from one state to the next.

Spec: OCPP 1.6 ed. 2 §4.2. The table is the rule; `simulator.charge_point` only sends and waits.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Registration(Enum):
    """Where a charge point stands with its CSMS."""

    OFF = auto()  # no power
    STARTING = auto()  # a BootNotification is due as soon as there is a connection
    BOOTING = auto()  # it was sent, its answer is awaited
    FAILED = auto()  # no usable answer came; again at our own pace
    PENDING = auto()  # stay, answer, send nothing; again after the interval
    REJECTED = auto()  # send nothing, answer nothing; again after the interval
    ACCEPTED = auto()


class BootEvent(Enum):
    """What moves a registration."""

    POWER_ON = auto()
    POWER_OFF = auto()
    RESTART = auto()
    BOOT_SENT = auto()
    ACCEPTED_RECEIVED = auto()
    PENDING_RECEIVED = auto()
    REJECTED_RECEIVED = auto()
    ANSWER_FAILED = auto()
    CONNECTION_LOST = auto()
    RETRY_DUE = auto()


_R, _E = Registration, BootEvent

# Every legal move; a pair that is absent is an error.
TRANSITIONS: Final[dict[tuple[Registration, BootEvent], Registration]] = {
    (_R.OFF, _E.POWER_ON): _R.STARTING,
    (_R.STARTING, _E.BOOT_SENT): _R.BOOTING,
    (_R.BOOTING, _E.ACCEPTED_RECEIVED): _R.ACCEPTED,
    (_R.BOOTING, _E.PENDING_RECEIVED): _R.PENDING,
    (_R.BOOTING, _E.REJECTED_RECEIVED): _R.REJECTED,
    (_R.BOOTING, _E.ANSWER_FAILED): _R.FAILED,
    # The answer cannot come any more; the next connection starts with a new request.
    (_R.BOOTING, _E.CONNECTION_LOST): _R.STARTING,
    (_R.FAILED, _E.RETRY_DUE): _R.STARTING,
    (_R.PENDING, _E.RETRY_DUE): _R.STARTING,
    (_R.REJECTED, _E.RETRY_DUE): _R.STARTING,
    # Any state with power can lose it or start anew.
    **{(state, _E.POWER_OFF): _R.OFF for state in Registration if state is not Registration.OFF},
    **{(state, _E.RESTART): _R.STARTING for state in Registration if state is not Registration.OFF},
}

# The answer's status, and what it does.
EVENT_OF_STATUS: Final = {
    "Accepted": BootEvent.ACCEPTED_RECEIVED,
    "Pending": BootEvent.PENDING_RECEIVED,
    "Rejected": BootEvent.REJECTED_RECEIVED,
}
