"""Systems we do not know, driven through the files that are shipped for them: exact verdicts.

Each stands in for a product, see tests/stand_ins; its OCPP is right. What its interface can do
passes, what it cannot is told so, and whatever goes wrong between interface and charge point never
makes a verdict that the frames do not bear out.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

from harness.declaration import Declaration
from harness.drivers.http_spec import HttpDriverSpec
from harness.engine import EngineError
from harness.model import Profile
from harness.pacing import Limits
from harness.results import CaseResult, RunResult, Verdict
from harness.sut import SystemUnderTest
from tests.stand_ins.citrineos import Citrineos
from tests.stand_ins.evtivity import Evtivity
from tests.stand_ins.products import CITRINEOS, EVTIVITY, STEVE, TZI
from tests.stand_ins.runs import Expected, Product, official_cases, run
from tests.stand_ins.stand_in import StandIn, Trouble

pytestmark = pytest.mark.slow

HASTY_S: Final = 1.0  # where nothing is to come

PRODUCTS: Final = {one.file: one for one in (EVTIVITY, CITRINEOS, STEVE, TZI)}

CORE: Final = (
    "001 003 004_1 004_2 005_1 007 010 011_1 011_2 012 013 014 017_1 017_2 018_1 019_1 019_2 021 "
    "023_1 023_2 023_3 024 026 028 030 031 032_1 037_1 037_3 039 040_1 040_2 061 064 "
)
FIRMWARE: Final = "044_1 044_2 044_3 045_1 045_2 "
LISTS: Final = "042_1 042_2 043_1 043_3 043_4 043_5 "
RESERVATIONS: Final = "046 047 048_1 048_2 048_3 048_4 049 051 052 "  # and 053
TRIGGERS: Final = "054 055 "
NOT_WITHOUT_TLS: Final = {
    "security profile 3 is not declared": "074 077 087",
    "security profile 2 or 3 is not declared": "075_1 075_2 078 086",
    "security profile 1 and 2 or 2 and 3 is not declared": "083",
}
NOT_WITHOUT_PASSWORDS: Final = {
    **NOT_WITHOUT_TLS,
    "security profile 1 or 2 is not declared": "073 085",
    "security profile 1 or 2 or 3 is not declared": "079 080 081",
}
WEB_PAGES: Final = "charging profiles are made on its web pages"

EXPECTED: Final[Mapping[str, Expected]] = {
    "evtivity": Expected(
        passed=CORE
        + FIRMWARE
        + LISTS
        + RESERVATIONS
        + TRIGGERS
        + "056 057 059 066 067 073 076 079 080 081 085 088",
        inconclusive={"There is no id tag of role 'parent': no request": "053"},
        not_applicable=NOT_WITHOUT_TLS,
    ),
    "citrineos": Expected(
        passed=CORE + FIRMWARE + TRIGGERS + "056 057 059 066 067 088",
        inconclusive={
            "the driver cannot do it: its interface for OCPP 1.6 has no local lists": LISTS,
            "cannot do it: its interface for OCPP 1.6 has no reservations": f"{RESERVATIONS} 053",
            "cannot do it: its interface has no security extension": "076",
        },
        not_applicable=NOT_WITHOUT_PASSWORDS,
    ),
    "steve": Expected(
        passed=CORE + FIRMWARE + LISTS + RESERVATIONS + TRIGGERS + "053 066 088",
        inconclusive={
            f"SetChargingProfile was not observed, and the driver cannot do it: {WEB_PAGES}": (
                "056 057 067"
            ),
            f"RemoteStartTransaction was not observed, and the driver cannot do it: {WEB_PAGES}": (
                "059"
            ),
            "DeleteCertificate was not observed, and the driver cannot do it": "076",
        },
        not_applicable=NOT_WITHOUT_PASSWORDS,
    ),
    "tzi-octt": Expected(
        passed=CORE
        + FIRMWARE
        + LISTS
        + RESERVATIONS
        + TRIGGERS
        + "053 056 057 059 066 067 073 076 079 080 081 085 088",
        not_applicable=NOT_WITHOUT_TLS,
    ),
}

# What a right run warns of, besides; EVtivity sends settings after every boot, asked or not.
WARNINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "evtivity": {"cleanup.credentials": "073"},
    "citrineos": {},
    "steve": {"rule.ReserveNow.req": "053"},  # its form has no parent
    "tzi-octt": {},
}

# Cases that the interface cannot drive to their end, but begins.
BEGUN: Final[Mapping[str, str]] = {"citrineos": "048_3", "steve": "076"}

# One case for each action, so that each of them meets each trouble.
OF_EACH_ACTION: Final = (
    "001 010 012 013 017_1 019_1 021 028 040_2 042_2 043_4 044_1 045_1 047 048_3 051 054 056 059 "
    "061 066 067 073 076 079 080"
)


def described(product: Product, stand_in: StandIn, run_dir: Path) -> SystemUnderTest:
    """Return the shipped file, but let nothing in it take long."""
    sut = product.load(stand_in, run_dir)
    sut = replace(sut, limits=Limits())  # held by a test of its own
    driver = sut.driver
    if isinstance(driver, HttpDriverSpec) and driver.callback is not None:
        callback = replace(driver.callback, wait_s=HASTY_S / 3 if stand_in.trouble else 20)
        sut = replace(sut, driver=replace(driver, callback=callback))
    return sut


async def run_all(product: Product, stand_in: StandIn, run_dir: Path, cases: str = "") -> RunResult:
    """Run the official cases, or some of them, through the shipped file."""
    if isinstance(stand_in, Evtivity):
        stand_in.messages_per_second = 1000  # held by a test of its own
    wanted = {f"TC_{number}_CSMS" for number in cases.split()}
    scenarios = [one for one in official_cases() if not wanted or one.id in wanted]
    nothing_comes = {Trouble.OFFLINE, Trouble.TIMED_OUT, Trouble.REFUSED, Trouble.NO_FRAME}
    timeout_s = {"action_timeout_s": HASTY_S} if stand_in.trouble in nothing_comes else {}
    sut = described(product, stand_in, run_dir)
    return await run(sut, run_dir, scenarios, **timeout_s)


def rules(one: CaseResult) -> set[str]:
    """Return the rules of a case's findings, but for what EVtivity does by habit."""
    return {found.rule for found in one.findings} - {"wire.unasked-call"}


def named(results: RunResult, rule: str) -> set[str]:
    """Return the numbers of the cases in which a rule was found."""
    found = [one.case_id for one in results.cases if rule in rules(one)]
    return {one.removeprefix("TC_").removesuffix("_CSMS") for one in found}


# --- right runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
async def test_every_case_comes_to_what_the_interface_allows(
    product: Product, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All 77 verdicts are exact, and the interface refuses nothing that the file asks of it."""
    async with product.make() as stand_in:
        results = await run_all(product, stand_in, tmp_path)

    with capsys.disabled():  # what a product lets us see is to be seen
        count = Counter(one.verdict.value for one in results.cases)
        sys.stdout.write(f"\n{product.file}: {dict(count)}\n")
    assert EXPECTED[product.file].differences(results.cases) == []
    assert len(results.cases) == 77
    assert [request for request in stand_in.requests if request[1] >= 400] == []
    warned = {
        rule: named(results, rule)
        for one in results.cases
        if one.verdict is Verdict.PASSED
        for rule in rules(one)
    }
    assert warned == {rule: {case} for rule, case in WARNINGS[product.file].items()}
    assert results.stopped == ""


async def test_settings_that_nobody_ordered_are_told(tmp_path: Path) -> None:
    """EVtivity's own ChangeConfiguration after a boot are warnings in every case that boots."""
    async with Evtivity() as stand_in:
        results = await run_all(EVTIVITY, stand_in, tmp_path, cases="001 021 040_1 088")

    unasked = {
        one.case_id: sum(found.rule == "wire.unasked-call" for found in one.findings)
        for one in results.cases
    }
    assert {one.verdict for one in results.cases} == {Verdict.PASSED}
    assert unasked == {"TC_001_CSMS": 5, "TC_021_CSMS": 5, "TC_040_1_CSMS": 5, "TC_088_CSMS": 0}


async def test_what_is_declared_absent_does_not_apply(tmp_path: Path) -> None:
    """A vendor who declares no reservations and lists is not asked for what cannot be driven."""
    profiles = {Profile.CORE, Profile.FIRMWARE_MANAGEMENT, Profile.SMART_CHARGING}
    async with Citrineos() as stand_in:
        sut = described(CITRINEOS, stand_in, tmp_path)
        declared = replace(sut, declaration=Declaration(profiles=frozenset(profiles)))
        cases = [one for one in official_cases() if one.profile is Profile.RESERVATION]
        results = await run(declared, tmp_path, cases)

    assert len(results.cases) == 10
    assert {one.verdict for one in results.cases} == {Verdict.NOT_APPLICABLE}
    assert {one.reason for one in results.cases} == {
        "profile Reservation is not declared (pics.profiles)"
    }


# --- what nobody registered ----------------------------------------------------------------------


async def test_cards_that_nobody_made_leave_cases_open(tmp_path: Path) -> None:
    """Where the database is empty, only the cases fail that are about cards that are known."""
    unknown = (
        "003 004_1 004_2 005_1 007 010 011_1 011_2 012 018_1 024 028 032_1 037_1 039 057 059 067"
    )
    expected = EXPECTED["citrineos"].only(
        " ".join({one[3:-5] for one in EXPECTED["citrineos"].by_case()} - set(unknown.split()))
    )
    kept = " ".join(one for one in expected.passed.split() if one not in ("023_2", "023_3"))
    excused = {"knows no id tag of role 'valid'": unknown}
    expected = replace(
        expected,
        passed=kept,
        inconclusive={**expected.inconclusive, **excused},
        failed={'should be "Expired", but is "Invalid"': "023_2", 'should be "Blocked"': "023_3"},
    )
    product = replace(CITRINEOS, cards=frozenset())
    async with Citrineos() as stand_in:
        results = await run_all(product, stand_in, tmp_path)

    assert expected.differences(results.cases) == []


async def in_database(run_dir: Path, stations: int) -> RunResult:
    """Run all cases but one that is about connecting; so many charge points are registered."""
    async with Citrineos() as stand_in:
        sut = described(replace(CITRINEOS, has_stations=False), stand_in, run_dir)
        for one in sut.identities[:stations]:
            stand_in.add_station(one.identity)
        cases = [one for one in official_cases() if one.id != "TC_088_CSMS"]
        return await run(sut, run_dir, cases)


async def test_charge_points_that_nobody_made_fail_no_case(tmp_path: Path) -> None:
    """Of eight, four are not let in: each leaves one case open, the others do all the rest."""
    results = await in_database(tmp_path, stations=4)

    refused = [one for one in results.cases if "does not let" in one.reason]
    assert [one.verdict for one in refused] == [Verdict.INCONCLUSIVE] * 4
    left = {one.case_id for one in results.cases} - {one.case_id for one in refused}
    expected = EXPECTED["citrineos"].only(" ".join(one[3:-5] for one in left))
    assert expected.differences([one for one in results.cases if one.case_id in left]) == []
    assert [one.rule for one in results.findings] == ["provisioning.identity"]


async def test_where_nobody_is_let_in_the_run_ends_soon(tmp_path: Path) -> None:
    """No case fails for it, and most are not even tried."""
    results = await in_database(tmp_path, stations=0)

    count = Counter(one.verdict.value for one in results.cases)
    assert count.keys() == {"inconclusive", "not_run", "not_applicable"}
    assert 5 <= count["inconclusive"] <= 8
    assert "identities` are registered" in results.stopped
    assert results.findings[0].rule == "provisioning.identity"


# --- orders that come to nothing -----------------------------------------------------------------

NOT_SENT: Final[Mapping[str, Mapping[Trouble, str]]] = {
    "evtivity": {
        Trouble.OFFLINE: 'has not said anything yet: HTTP 202 {"status": "queued"',
        Trouble.TIMED_OUT: 'was refused: HTTP 504 {"status": "timeout"',
        Trouble.REFUSED: 'was refused: HTTP 502 {"status": "error"',
    },
    "citrineos": {
        Trouble.OFFLINE: (
            'was refused: HTTP 200 [{"success": false, "payload": "No connection found'
        ),
        Trouble.REFUSED: 'was refused: HTTP 200 [{"success": false',
    },
    "steve": {
        Trouble.OFFLINE: "was refused: HTTP 200",
        Trouble.TIMED_OUT: "was refused: HTTP 200",
        Trouble.REFUSED: "was refused: HTTP 200",
    },
    "tzi-octt": {
        Trouble.OFFLINE: "was refused: HTTP 404",
        Trouble.TIMED_OUT: "was refused: HTTP 504",
        Trouble.REFUSED: "failed: HTTP 500",
    },
}
# Where all cases meet a trouble, and not just one of each action.
ALL_CASES: Final = {("evtivity", Trouble.OFFLINE), ("citrineos", Trouble.OFFLINE)}


async def in_trouble(name: str, trouble: Trouble, run_dir: Path, cases: str) -> RunResult:
    """Run cases against a stand-in that has a trouble."""
    product = PRODUCTS[name]
    async with product.make() as stand_in:
        stand_in.trouble = trouble
        if isinstance(stand_in, Evtivity) and trouble not in NOT_SENT[name]:
            stand_in.settings = ()  # or else some would be taken for what was ordered
        return await run_all(product, stand_in, run_dir / trouble.name, cases)


@pytest.mark.parametrize("name", NOT_SENT)
async def test_what_was_not_sent_was_not_observed(name: str, tmp_path: Path) -> None:
    """Offline, queued, timed out, success false: no order fails a case, none passes one.

    Not even where the system sends a request of the same kind by itself meanwhile.
    """

    async def complaints(trouble: Trouble) -> list[str]:
        cases = "" if (name, trouble) in ALL_CASES else OF_EACH_ACTION
        results = await in_trouble(name, trouble, tmp_path, cases)
        words = f"the driver {NOT_SENT[name][trouble]}"
        expected = EXPECTED[name].instead("inconclusive", words, also=BEGUN.get(name, ""))
        expected = expected.only(cases) if cases else expected
        claims = sorted(named(results, "driver.claims"))
        return [f"{trouble}: {one}" for one in (*expected.differences(results.cases), *claims)]

    found = await asyncio.gather(*map(complaints, NOT_SENT[name]))

    assert list(chain.from_iterable(found)) == []


@pytest.mark.parametrize("name", PRODUCTS)
async def test_a_driver_that_claims_what_no_frame_shows_is_told(name: str, tmp_path: Path) -> None:
    """Its word is worth nothing: the cases fail, and it is named in each."""
    results = await in_trouble(name, Trouble.NO_FRAME, tmp_path, OF_EACH_ACTION)

    expected = EXPECTED[name].instead("failed", "did not come within 1 s", also=BEGUN.get(name, ""))
    assert expected.only(OF_EACH_ACTION).differences(results.cases) == []
    failed = {one.case_id for one in results.cases if one.verdict is Verdict.FAILED}
    assert failed
    for one in results.cases:
        claims = {"request.missing", "driver.claims"} if one.case_id in failed else set()
        assert rules(one) & {"request.missing", "driver.claims"} == claims, one.case_id


# --- words that are wrong about orders that were carried out -------------------------------------

# Here the charge point's answer has no status, or none that could be the false one.
UNTOLD: Final = {"017_1", "019_1", "042_2", "043_4", "044_1", "045_1"}


@pytest.mark.parametrize("name", PRODUCTS)
async def test_the_frames_decide_whatever_is_said(name: str, tmp_path: Path) -> None:
    """What left and was answered passes; that the driver was told otherwise is a warning."""
    lost, false = await asyncio.gather(
        in_trouble(name, Trouble.ANSWER_LOST, tmp_path, OF_EACH_ACTION),
        in_trouble(name, Trouble.ANSWER_FALSE, tmp_path, OF_EACH_ACTION),
    )

    ordered = EXPECTED[name].instead("failed", "ordered", also=BEGUN.get(name, ""))
    all_orders = set(ordered.only(OF_EACH_ACTION).failed["ordered"].split())
    expected = EXPECTED[name].only(OF_EACH_ACTION)
    assert expected.differences(false.cases) == []
    if name == "steve":  # its list is another than the one that was ordered
        left = " ".join(set(OF_EACH_ACTION.split()) - {"043_4"})
        other = {"came, but not what was ordered, and the driver was refused": "043_4"}
        expected = expected.only(left)
        expected = replace(expected, inconclusive={**expected.inconclusive, **other})
    assert expected.differences(lost.cases) == []
    assert named(false, "driver.differs") == all_orders - UNTOLD
    # Who waits for a callback in vain was told nothing that is wrong.
    assert named(lost, "driver.differs") == (set() if name == "citrineos" else all_orders)


async def test_callbacks_of_strangers_are_not_believed(tmp_path: Path) -> None:
    """Answers at other addresses, and those that come again, change nothing and are remarked."""
    async with Citrineos() as stand_in:
        stand_in.foreign, stand_in.calls_twice = [{"status": "Rejected"}, "no answer"], True
        results = await run_all(CITRINEOS, stand_in, tmp_path, OF_EACH_ACTION)

    assert EXPECTED["citrineos"].only(OF_EACH_ACTION).differences(results.cases) == []
    assert not named(results, "driver.differs")
    answered = [one for one, _ in stand_in.requests if "callbackUrl" in one.query]
    # Of each order's six: two strangers at two addresses each, the answer, the answer again.
    assert Counter(stand_in.heard) == {404: 5 * len(answered), 204: len(answered)}
    assert any(found.rule == "driver.callback" for found in results.findings)


# --- credentials ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "variable", "place"),
    [
        (EVTIVITY, "EVTIVITY_PASSWORD", "/auth/login"),
        (STEVE, "STEVE_PASSWORD", "/steve/api/v1/ocppTags"),
    ],
    ids=["evtivity", "steve"],
)
async def test_a_wrong_password_ends_the_run_before_it_begins(
    product: Product, variable: str, place: str, tmp_path: Path
) -> None:
    """The error names the request and its status, not the password."""
    async with product.make() as stand_in:
        sut = product.load(stand_in, tmp_path, {variable: "a wrong secret"})
        with pytest.raises(EngineError) as caught:
            await run(sut, tmp_path, official_cases())

    assert "401" in str(caught.value)
    assert place in str(caught.value)
    assert "a wrong secret" not in str(caught.value)


async def test_a_login_that_ends_in_the_middle_is_renewed_once(tmp_path: Path) -> None:
    """All commands that are refused at a time wait for one new login, and are asked again."""
    async with Evtivity() as stand_in:
        stand_in.expires_at_command = 7
        results = await run_all(EVTIVITY, stand_in, tmp_path, OF_EACH_ACTION)

    assert EXPECTED["evtivity"].only(OF_EACH_ACTION).differences(results.cases) == []
    assert not named(results, "driver.differs")
    assert stand_in.logins == 2
    assert 401 in {status for _, status in stand_in.requests}


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("are_kept", [True, False])
async def test_the_file_keeps_to_what_a_station_may_send(are_kept: bool, tmp_path: Path) -> None:
    """With the file's limit no message is refused; without it, some are."""
    cases = [one for one in official_cases() if one.profile is Profile.CORE][:10]
    async with Evtivity() as stand_in:
        stand_in.messages_per_second = 50
        sut = EVTIVITY.load(stand_in, tmp_path)
        sut = replace(sut, identities=sut.identities[:1])
        if not are_kept:
            sut = replace(sut, limits=Limits())
        results = await run(sut, tmp_path, cases, settle_s=0.0)

    assert (named(results, "answer.call-error") == set()) is are_kept
    assert ({one.verdict for one in results.cases} == {Verdict.PASSED}) is are_kept
