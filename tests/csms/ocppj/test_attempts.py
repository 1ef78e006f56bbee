"""Failed attempts are slowed, and nobody else pays for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.ocppj import attempts as module
from csms.ocppj.attempts import OF_ADDRESS, OF_IDENTITY, OF_PAIR, Attempts


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(now_s=clock)


def fail(attempts: Attempts, identity: str = "CP1", address: str = "10.0.0.1") -> int:
    """Make an attempt that fails where it is checked; return what it has to wait."""
    wait_s = attempts.begin(identity, address, b"wrong")
    if wait_s == 0:
        attempts.failed(identity, address, b"wrong")
    return wait_s


def succeed(
    attempts: Attempts,
    identity: str = "CP1",
    address: str = "10.0.0.1",
    *,
    is_proof: bool = True,
) -> int:
    """Make an attempt with the right credentials; return what it has to wait."""
    wait_s = attempts.begin(identity, address, b"right")
    if wait_s == 0:
        attempts.admitted(identity, address, b"right", is_proof=is_proof)
    return wait_s


def test_failures_in_a_row_have_to_wait(attempts: Attempts, clock: Clock) -> None:
    """After some at once, one for each refill."""
    assert [fail(attempts) for _ in range(OF_PAIR.burst)] == [0] * OF_PAIR.burst
    assert fail(attempts) == OF_PAIR.refill_s

    clock.now_s += OF_PAIR.refill_s - 1
    assert fail(attempts) == 1
    clock.now_s += 1
    assert fail(attempts) == 0
    assert fail(attempts) == OF_PAIR.refill_s


def test_the_right_credentials_wait_like_others_until_they_are_proven(
    attempts: Attempts, clock: Clock
) -> None:
    """Else trying them would tell that they are right."""
    for _ in range(OF_PAIR.burst):
        fail(attempts)

    assert succeed(attempts) > 0
    clock.now_s += OF_PAIR.refill_s
    assert succeed(attempts) == 0
    assert [fail(attempts) for _ in range(OF_PAIR.burst)] == [0] * OF_PAIR.burst


def test_who_proved_itself_passes_whatever_others_do(attempts: Attempts) -> None:
    """The same identity and address are under attack; only what was proven passes."""
    succeed(attempts)
    for _ in range(1000):
        fail(attempts)

    assert fail(attempts) > 0
    assert succeed(attempts) == 0
    assert fail(attempts, address="10.0.0.1") == 0  # a success ends what its own pair owes
    assert succeed(attempts, address="10.0.0.2") == 0


def test_what_was_proven_and_is_wrong_now_is_proven_no_more(attempts: Attempts) -> None:
    """A changed password makes the old one a guess like any other."""
    succeed(attempts)
    for _ in range(OF_PAIR.burst):
        assert attempts.begin("CP1", "10.0.0.1", b"right") == 0
        attempts.failed("CP1", "10.0.0.1", b"right")

    assert attempts.begin("CP1", "10.0.0.1", b"right") > 0


def test_others_wrong_guesses_do_not_unprove(attempts: Attempts) -> None:
    """Only its own failure does."""
    succeed(attempts)
    for n in range(100):
        fail(attempts, address=f"10.0.1.{n}")

    for _ in range(100):
        fail(attempts)
    assert succeed(attempts) == 0


def test_an_identity_is_guarded_from_many_addresses(attempts: Attempts, clock: Clock) -> None:
    """A botnet has its first guesses, then one for each refill of the identity."""
    first = [fail(attempts, address=f"10.1.{n // 250}.{n % 250}") for n in range(500)]
    assert first == [0] * 500
    second = [fail(attempts, address=f"10.1.{n // 250}.{n % 250}") for n in range(500)]

    assert min(second) == OF_IDENTITY.refill_s
    clock.now_s += OF_IDENTITY.refill_s
    assert sum(fail(attempts, address=f"10.1.0.{n}") == 0 for n in range(250)) == 1


def test_a_newcomer_is_checked_though_its_identity_is_attacked(attempts: Attempts) -> None:
    """No identity is locked as a whole: its owner may come from a new address."""
    for n in range(2000):
        fail(attempts, address=f"10.{n % 250}.0.1")

    assert succeed(attempts, address="192.0.2.1") == 0


def test_an_address_is_slowed_over_many_identities(attempts: Attempts, clock: Clock) -> None:
    """Spraying has one guess for each identity, then one for each refill of the address."""
    identities = [f"CP{n}" for n in range(300)]
    assert {fail(attempts, identity) for identity in identities} == {0}

    assert min(fail(attempts, identity) for identity in identities) == OF_ADDRESS.refill_s
    clock.now_s += OF_ADDRESS.refill_s
    assert sum(fail(attempts, identity) == 0 for identity in identities) == 1


def test_a_shared_address_is_never_locked_as_a_whole(attempts: Attempts) -> None:
    """Who never failed gets in beside an attacker, the first time and ever after."""
    for n in range(5000):
        fail(attempts, f"CP{n % 500}")

    assert [succeed(attempts, f"HONEST{n}") for n in range(50)] == [0] * 50
    for n in range(5000):
        fail(attempts, f"CP{n % 500}")
    assert [succeed(attempts, f"HONEST{n}") for n in range(50)] == [0] * 50


def test_guesses_under_way_count(attempts: Attempts) -> None:
    """Many different ones at once are no more than one after the other."""
    waits = [attempts.begin("CP1", "10.0.0.1", str(n).encode()) for n in range(50)]

    assert waits.count(0) == OF_PAIR.burst


def test_the_same_credentials_many_times_at_once_are_one_guess(attempts: Attempts) -> None:
    """A charge point that reconnects in a hurry is not kept out."""
    waits = [attempts.begin("CP1", "10.0.0.1", b"right") for _ in range(50)]
    for _ in range(50):
        attempts.admitted("CP1", "10.0.0.1", b"right", is_proof=True)

    assert waits == [0] * 50


def test_what_could_not_be_checked_is_not_counted(attempts: Attempts) -> None:
    """A database that cannot be read is nobody's guilt."""
    for _ in range(100):
        assert attempts.begin("CP1", "10.0.0.1", b"right") == 0
        attempts.abandoned("CP1", "10.0.0.1", b"right")


def test_coming_in_without_proof_clears_nothing(attempts: Attempts) -> None:
    """Else guesses at a station that is open would be free."""
    for _ in range(OF_PAIR.burst - 1):
        fail(attempts)
    assert succeed(attempts, is_proof=False) == 0
    fail(attempts)

    assert fail(attempts) > 0
    assert succeed(attempts, is_proof=False) == 0  # it came so before


def test_a_decision_about_an_identity_forgives_it(attempts: Attempts) -> None:
    """After a corrected password nobody has to wait; others are not forgiven."""
    for _ in range(OF_PAIR.burst):
        fail(attempts)
        fail(attempts, "CP2")

    attempts.forgive("CP1")

    assert succeed(attempts) == 0
    assert succeed(attempts, "CP2") > 0


def test_a_decision_while_an_attempt_is_checked(attempts: Attempts) -> None:
    """The attempt ends like any other, and holds no place for ever."""
    fail(attempts)
    attempts.begin("CP1", "10.0.0.1", b"wrong")
    attempts.forgive("CP1")
    attempts.failed("CP1", "10.0.0.1", b"wrong")

    assert [fail(attempts) for _ in range(OF_PAIR.burst - 1)] == [0] * (OF_PAIR.burst - 1)
    assert fail(attempts) > 0
    assert attempts._under_way == {}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("a socket", "a socket", True),
    ],
)
def test_an_address_is_what_one_customer_holds(
    attempts: Attempts, one: str, other: str, is_same: bool
) -> None:
    """Half an IPv6 address is handed out at a time; else each guess had an address of its own."""
    for _ in range(OF_PAIR.burst):
        fail(attempts, address=one)

    assert (fail(attempts, address=other) > 0) == is_same


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, attempts: Attempts) -> None:
    """Whatever strangers make up, the newest is remembered and the oldest forgotten."""
    monkeypatch.setattr(module, "MAX_REMEMBERED", 50)
    for n in range(500):
        fail(attempts, f"CP{n}", f"10.0.{n // 250}.{n % 250}")
        succeed(attempts, f"OK{n}", "10.0.0.1")
        attempts.forgive(f"CP{n}")
    for buckets in (attempts._of_pair, attempts._of_identity, attempts._of_address):
        assert len(buckets) <= 50

    assert len(attempts._proven) == len(attempts._forgiven) == 50
    assert attempts._under_way == {}


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("12"), st.floats(0, 5))))
def test_no_pair_fails_faster_than_its_limit(tries: list[tuple[str, str, float]]) -> None:
    """Whatever the order: never more than the burst and what was refilled since the start."""
    clock = Clock()
    attempts = Attempts(now_s=clock)
    failed: dict[tuple[str, str], int] = {}
    for identity, network, pause_s in tries * 3:
        clock.now_s += pause_s
        if fail(attempts, identity, f"10.0.0.{network}") == 0:
            failed[identity, network] = failed.get((identity, network), 0) + 1

    passed_s = clock.now_s - 1000
    assert all(
        count <= OF_PAIR.burst + passed_s / OF_PAIR.refill_s + 1e-6 for count in failed.values()
    )
