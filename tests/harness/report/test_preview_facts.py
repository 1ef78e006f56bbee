"""What the preview tells about product, settings and times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.model import CaseSet
from harness.report import preview_facts as facts
from harness.report.document import Report, make_report
from harness.results import CaseResult, Verdict
from tests.harness.report_samples import case, exchange, run

DECLARED: Mapping[str, Any] = {
    "product": {"vendor": "Example GmbH", "name": "Chargeway", "version": "4.2.0"},
    "communication": "Fixed line, public internet",
    "performance": {"ocpp_response_timeout_s": 30, "authorize_s": 2.5},
}


def report(*cases: CaseResult, sut: Mapping[str, Any] = {}, **settings: object) -> Report:
    """Return a report of a run with these settings."""
    found = replace(run(*(cases or (case(),))), settings={"system_under_test": sut, **settings})
    return make_report(found, version="1.2", exit_code=0)


def named(found: tuple[facts.Fact, ...]) -> dict[str, facts.Fact]:
    """Return facts by their name."""
    return {fact.name: fact for fact in found}


def test_what_is_declared_is_told() -> None:
    """Product, version and communication are the vendor's own words."""
    head = named(facts.head(report(sut=DECLARED)))

    assert head["Product"].value == "Example GmbH Chargeway"
    assert head["Version"].value == "4.2.0"
    assert head["Communication"].value == "Fixed line, public internet"
    assert not any(fact.is_open for fact in head.values())


def test_a_declaration_may_stand_under_pics() -> None:
    """The place in the settings is the one it has in the file."""
    assert facts.product(report(sut={"pics": DECLARED}).run) == "Example GmbH Chargeway"


def test_what_is_not_declared_is_told_as_such() -> None:
    """Nothing is made up for want of a declaration."""
    head = named(facts.head(report(sut={"ocpp_url": "wss://csms.example/ocpp"})))

    assert (head["Product"].value, head["Product"].is_open) == ("Our CSMS", True)
    assert (head["Version"].value, head["Version"].is_open) == ("not declared", True)
    assert head["Communication"].value == "JSON, WebSocket over TLS"
    assert head["Communication"].is_open


def test_odd_settings_do_no_harm() -> None:
    """A report that somebody else wrote is printed as far as it makes sense."""
    for odd in (
        {"product": "Chargeway", "performance": [], "budgets": 7, "station": None},
        {"product": {"name": None}, "performance": {"authorize_s": "soon"}, "profiles": "Core"},
        {},
    ):
        found = report(sut=odd)
        assert facts.head(found)
        assert facts.configuration(found)
        assert facts.performance(found)
    broken = replace(run(case()), settings={"system_under_test": "none"})
    assert facts.head(make_report(broken, version="0", exit_code=0))


def test_performance_is_measured_over_the_official_cases() -> None:
    """Minimum, median, 95th percentile and maximum are those of what was trusted."""
    times = (0.010, 0.020, 0.030, 0.5)
    official = case(exchanges=tuple(exchange("Authorize", time_s) for time_s in times))
    disturbed = case("TC_003_CSMS", exchanges=(exchange("Authorize", 9.0, is_disturbed=True),))
    unanswered = case("TC_007_CSMS", exchanges=(exchange("Heartbeat", None),))
    beyond = case("B", case_set=CaseSet.BEYOND, exchanges=(exchange("Authorize", 20.0),))
    cut = case("TC_010_CSMS", verdict=Verdict.NOT_RUN, exchanges=(exchange("Authorize", 7.0),))

    found = report(official, disturbed, unanswered, beyond, cut, sut=DECLARED)
    response, authorize = facts.performance(found)

    assert [one.value for one in authorize.spread] == ["10.0 ms", "25.0 ms", "500.0 ms", "500.0 ms"]
    assert authorize.declared.value == "2.5 s"
    assert (authorize.measured, response.measured) == ("0 s", "1 s")
    assert response.declared.value == "30 s"
    assert response.notes == (
        "4 of 6 requests measured",
        "1 never answered, in no statistic",
        "1 left out: the tester itself lagged",
    )


def test_an_undeclared_performance_shows_the_limit_of_the_run() -> None:
    """The limit of the file is no PICS value, and does not pass for one."""
    found = report(sut={"budgets": {"authorize": {"limit_s": 12}}})
    response, authorize = facts.performance(found)

    assert (authorize.declared.value, authorize.declared.is_open) == ("12 s", True)
    assert "no PICS value" in authorize.declared.note
    assert response.declared.value == "not declared"
    assert response.measured == "not measured"


def test_actions_are_listed_with_their_minimum() -> None:
    """All of them together stand last."""
    found = report(
        case(exchanges=(exchange("Heartbeat", 0.3), exchange("Authorize", 0.1))), sut=DECLARED
    )

    assert [(row.line.action, row.min_s) for row in facts.actions(found)] == [
        ("Authorize", 0.1),
        ("Heartbeat", 0.3),
        ("all", 0.1),
    ]


def test_the_configuration_tells_the_limits() -> None:
    """Milliseconds in time stamps, limits and strictness are what a laboratory asks for."""
    found = named(
        facts.configuration(
            report(
                sut={
                    "ocpp_url": "ws://h/ocpp",
                    "budgets": {"ocpp_response_timeout": {"limit_s": 30, "target_s": 1}},
                    "profiles": ["Core"],
                    "basic_auth": False,
                },
                strict=False,
                milliseconds=True,
                workers=3,
                concurrency=1,
            )
        )
    )

    assert found["Milliseconds in time stamps"].value.startswith("yes")
    assert found["Limit of an answer"].value == "30 s, target 1 s"
    assert found["Unasked requests, missed targets"].value == "warn only (tolerant)"
    assert found["Profiles declared"].value == "Core"
    assert found["Cases at a time"].value == "3, in as many processes"
    assert found["Authentication"].value == "none"


def test_durations_have_their_unit() -> None:
    """Milliseconds below a second."""
    assert facts.duration(0.0005) == "0.5 ms"
    assert facts.duration(12.5) == "12.50 s"
    assert facts.duration(None) == "–"  # noqa: RUF001
