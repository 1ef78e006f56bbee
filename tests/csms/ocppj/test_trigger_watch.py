"""Messages find the trigger they follow, and cost nothing where there is none."""

from datetime import UTC, datetime, timedelta

from csms.domain.triggers import Expectation
from csms.ocppj.trigger_watch import TriggerWatch

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _expect(watch: TriggerWatch, record_id: int, *, is_accepted: bool = True) -> None:
    until = AT + timedelta(seconds=60)
    watch.expect(
        "CP1", Expectation(record_id, "Heartbeat", None, until=until, is_accepted=is_accepted)
    )


def test_message_counts_for_one_trigger_the_first_asked() -> None:
    """The next of its kind counts for the next, and then for none."""
    watch = TriggerWatch()
    for record_id in (1, 2):
        _expect(watch, record_id)

    found = [watch.match("CP1", "Heartbeat", None, AT) for _ in range(3)]

    assert found == [1, 2, None]


def test_accepted_trigger_comes_before_one_without_answer() -> None:
    """What was promised is more likely what came."""
    watch = TriggerWatch()
    _expect(watch, 1, is_accepted=False)
    _expect(watch, 2)

    assert [watch.match("CP1", "Heartbeat", None, AT) for _ in range(2)] == [2, 1]


def test_other_charge_points_are_not_meant() -> None:
    """Each is waited for by itself."""
    watch = TriggerWatch()
    _expect(watch, 1)

    assert watch.match("CP2", "Heartbeat", None, AT) is None
    assert watch.match("CP1", "Heartbeat", None, AT) == 1


def test_any_message_clears_what_is_over() -> None:
    """What never came is not kept in memory for ever."""
    watch = TriggerWatch()
    _expect(watch, 1)

    watch.match("CP1", "MeterValues", 1, AT + timedelta(minutes=2))

    assert watch._waiting == {}
