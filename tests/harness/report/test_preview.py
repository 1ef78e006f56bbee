"""The preview as a reader meets it: the page itself."""

from __future__ import annotations

import base64
import hashlib
import re
import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model import CaseSet, Profile, Requirement
from harness.report.document import Known, Report, from_text, make_report, to_text
from harness.report.official_list import ListedCase
from harness.report.preview import css_text, render
from harness.report.preview_content import FUNCTIONALITIES
from harness.results import Finding, RunResult, Severity, Verdict
from tests.harness.report.page import Element, read_page, rows, section
from tests.harness.report_samples import (
    RECEIVED,
    SENT,
    case,
    failed_case,
    frame,
    inconclusive_case,
    passed_case,
    run,
)

LISTED = (
    ListedCase(
        case_id="TC_099_CSMS",
        profile=Profile.SECURITY,
        requirement=Requirement.MANDATORY,
        section="3.99",
    ),
)
# Everything a page of ours may be made of.
ELEMENTS = frozenset(
    {"html", "head", "meta", "title", "style", "body", "main", "header", "section", "nav"}
    | {"article", "footer", "div", "p", "span", "strong", "b", "em", "h1", "h2", "h3", "ul", "li"}
    | {"dl", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th", "td", "a", "code"}
    | {"pre", "br", "time", "figure", "svg", "g", "text", "tspan", "rect", "line", "path"}
)


def page_of(found: RunResult, *, listed: tuple[ListedCase, ...] = (), **more: object) -> Element:
    """Return the preview of a run."""
    report = make_report(found, version="1.2", exit_code=1, **more)  # type: ignore[arg-type]
    return read_page(render(report, listed))


def assert_safe(page: Element) -> None:
    """Hold a page to what it promises: it fetches nothing, runs nothing, and leads nowhere else."""
    ids = [one.attributes["id"] for one in page.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in page.all():
        assert one.name in ELEMENTS, one.name
        for name, value in one.attributes.items():
            assert not name.startswith("on"), name
            assert name not in ("style", "src", "srcset", "action", "xlink:href"), name
            if name == "href":
                assert value.startswith("#"), value
                assert value[1:] in ids, value


def test_the_page_is_whole_and_closed_in_itself() -> None:
    """Every element is closed, every link leads to something on the page."""
    page = page_of(run(), listed=LISTED)

    assert_safe(page)
    assert page.first("html").attributes["lang"] == "en"


def test_its_policy_allows_its_own_style_sheet_and_nothing_else() -> None:
    """Whoever smuggles in a script or a picture finds it forbidden."""
    text = render(make_report(run(), version="1.2", exit_code=1), LISTED)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    (policy,) = (
        one.attributes["content"]
        for one in read_page(text).all("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert policy.split("; ") == [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        f"style-src 'sha256-{digest}'",
    ]
    assert "url(" not in style
    assert "@import" not in style


def test_it_says_what_it_is() -> None:
    """A preview, not a certificate; performance has no limit in the official procedure."""
    page = page_of(run())

    assert page.first("header", of_class="cover").text.endswith("Preview not a certificate")
    assert "not a certificate" in page.first("p", of_class="disclaimer").text
    assert "records performance without a limit" in page.first("p", of_class="disclaimer").text
    assert "without a limit" in section(page, "performance").text
    assert 'content:"Certification preview: not a certificate"' in str(
        page.first("style").children[0]
    )


def test_the_summary_has_a_line_for_each_functionality() -> None:
    """The seven that a certificate lists, each with description and result."""
    found = rows(section(page_of(run(), listed=LISTED), "summary").first("table"))

    assert [row["Functionality"] for row in found] == [name for name, _ in FUNCTIONALITIES.values()]
    by_name = {row["Functionality"]: row for row in found}
    assert by_name["Core"]["Result"] == "Not shown"  # nothing mandatory failed, much is open
    assert by_name["Security"]["Result"] == "Not shown"
    assert by_name["Reservation"]["Result"] == "Not tested"
    assert all(row["Description"] for row in found)


@pytest.mark.parametrize(
    ("verdict", "requirement", "result"),
    [
        (Verdict.PASSED, Requirement.MANDATORY, "Passed"),
        (Verdict.FAILED, Requirement.MANDATORY, "Failed"),
        (Verdict.FAILED, Requirement.CONDITIONAL, "Failed"),
        (Verdict.FAILED, Requirement.UNCONFIRMED, "At risk"),
        (Verdict.INCONCLUSIVE, Requirement.MANDATORY, "Not shown"),
        (Verdict.ERROR, Requirement.CONDITIONAL, "Not shown"),
        (Verdict.INCONCLUSIVE, Requirement.UNCONFIRMED, "At risk"),
        (Verdict.NOT_RUN, Requirement.MANDATORY, "Not shown"),
        (Verdict.NOT_APPLICABLE, Requirement.MANDATORY, "Switched off"),
    ],
)
def test_only_what_passed_is_passed(
    verdict: Verdict, requirement: Requirement, result: str
) -> None:
    """Whatever else becomes of a case, its functionality has not passed."""
    one = case(verdict=verdict, requirement=requirement, reason="x", profile=Profile.REMOTE_TRIGGER)
    found = rows(section(page_of(run(one)), "summary").first("table"))

    (row,) = (row for row in found if row["Functionality"] == "Remote Trigger")
    assert row["Result"] == result


def test_a_profile_that_is_not_declared_is_told_apart() -> None:
    """Not declared is no failure, and no pass."""
    off = case(
        verdict=Verdict.NOT_APPLICABLE,
        requirement=Requirement.CONDITIONAL,
        profile=Profile.RESERVATION,
        reason="profile Reservation is not declared (pics.profiles)",
    )
    found = replace(
        run(case("TC_003_CSMS"), off), settings={"system_under_test": {"profiles": ["Core"]}}
    )
    page = page_of(found)

    by_name = {row["Functionality"]: row for row in rows(section(page, "summary").first("table"))}
    assert by_name["Reservation"]["Result"] == "Not declared"
    (row,) = rows(section(page, "off").first("table"))
    assert row["Why"] == "profile Reservation is not declared (pics.profiles)"
    assert row["Demand"] == "1 conditional"


def test_what_is_mandatory_of_an_undeclared_profile_does_not_make_it_pass() -> None:
    """Two mandatory cases of Firmware Management do not make it declared."""
    passed = case(profile=Profile.FIRMWARE_MANAGEMENT)
    off = replace(
        case("TC_044_1_CSMS", verdict=Verdict.NOT_APPLICABLE, reason="x"),
        requirement=Requirement.CONDITIONAL,
        profile=Profile.FIRMWARE_MANAGEMENT,
    )
    found = replace(run(passed, off), settings={"system_under_test": {"profiles": ["Core"]}})

    by_name = {
        row["Functionality"]: row for row in rows(section(page_of(found), "summary").first("table"))
    }
    assert by_name["Firmware Management"]["Result"] == "Not declared"
    assert by_name["Firmware Management"]["Cases"] == "1 of 1 passed, 1 switched off"


def test_a_failure_is_one_row_that_leads_to_its_evidence() -> None:
    """Case, rule, expected, actual and time; links to frame, diagram and place."""
    page = page_of(run(failed_case()))
    table = section(page, "blockers").first("table")
    first, second = rows(table)

    assert first["Case"].startswith("TC_010_CSMS unconfirmed Remote start")
    assert first["Rule"].startswith("rule.Authorize.conf")
    assert "TC_010_CSMS §3.4.1" in first["Rule"]
    assert (first["Expected"], first["Actual"]) == ('"Accepted"', '"Invalid"')
    assert first["Time (UTC)"].startswith("12:00:00.573 frame · diagram")
    assert second["Expected"] == "Every CALL is answered, within the limit and a third of it."
    row = next(table.first("tbody").all("tr"))
    targets = {link.text: link.attributes["href"] for link in row.all("a")}
    shown = {one.attributes["id"]: one for one in page.all() if "id" in one.attributes}
    assert '"status":"Invalid"' in shown[targets["frame"][1:]].text
    assert next(shown[targets["diagram"][1:]].all("svg"))
    assert "Test case document" in shown[targets["TC_010_CSMS §3.4.1"][1:]].text
    assert next(row.all("time")).attributes["datetime"] == "2026-01-31T12:00:00.573Z"


def test_failures_of_a_broken_case_are_not_held_against_the_csms() -> None:
    """Where the tester went wrong, nothing that it saw stops a certification."""
    fault = Finding("harness.error", Severity.ERROR, "The harness itself failed.")
    broken = failed_case()
    broken = replace(broken, verdict=Verdict.ERROR, findings=(*broken.findings, fault))
    page = page_of(run(case(), broken))

    assert not list(section(page, "blockers").all("table"))
    assert "tester's error" in section(page, "unobserved").text


def test_a_known_failure_still_stops_and_says_that_it_is_known() -> None:
    """No laboratory reads the list."""
    entry = Known("TC_010_CSMS", "TC_0*", "late under load", "ISSUE-7")
    page = page_of(run(failed_case()), known=[entry])

    (first, _) = rows(section(page, "blockers").first("table"))
    assert "known: late under load (ISSUE-7)" in first["Case"]


def test_what_is_open_is_told_with_its_remedy() -> None:
    """Inconclusive, errors, not run and not selected each have a row."""
    page = page_of(run(), listed=LISTED)
    found = rows(section(page, "unobserved").first("table"))

    assert [row["Cases"].split(" ", 1)[0] for row in found] == ["1"] * 4
    assert {row["Cases"].rpartition(" ")[2] for row in found} == {
        "TC_013_CSMS", "TC_014_CSMS", "TC_023_CSMS", "TC_099_CSMS",
    }  # fmt: skip
    assert all(row["How to make it observable"] for row in found)


def test_warnings_and_killers_stand_apart() -> None:
    """A known killer has its own heading and its reason; what failed besides is no blocker."""
    hostile = case(
        "ROBUST_NO_JSON",
        verdict=Verdict.FAILED,
        case_set=CaseSet.ROBUSTNESS,
        requirement=Requirement.ADDITIONAL,
        findings=(Finding("close.during-case", Severity.FAILURE, "It closed.", expected="open"),),
    )
    page = page_of(run(passed_case(), hostile))
    warnings = section(page, "warnings")

    (killer,) = warnings.all("section", of_class="killer")
    assert killer.first("h3").text == "Requests that nobody asked for"
    assert "wire.unasked-call" in killer.text
    assert "ROBUST_NO_JSON" in warnings.text
    assert "run.leftovers" in warnings.text
    assert not list(section(page, "blockers").all("table"))


def test_nothing_run_looks_like_nothing_run() -> None:
    """The page of an empty run is whole, and its answer is no."""
    page = page_of(replace(run(), cases=(), findings=(), settings={}), listed=LISTED)

    assert_safe(page)
    answer = page.first("section", of_class="answer")
    assert answer.first("h2").text == "Not ready"
    assert "TC_099_CSMS" in section(page, "unobserved").text
    assert "not measured" in section(page, "performance").text


def test_a_ready_product_has_a_ready_page() -> None:
    """Nothing in the way, nothing open, nothing to show."""
    found = replace(
        run(case()),
        findings=(),
        settings={"strict": True, "system_under_test": {"profiles": ["Core"]}},
    )
    page = page_of(found)

    answer = page.first("section", of_class="answer")
    assert answer.first("h2").text == "Ready, as far as this preview can tell"
    assert "tone-passed" in answer.attributes["class"]
    assert section(page, "blockers").first("p").text == "No official case was seen to fail."
    assert not list(page.all("article"))


def test_it_is_the_same_from_the_report_file() -> None:
    """The preview made afterwards from report.json is that of the run."""
    report = make_report(run(), version="1.2", exit_code=1)

    assert render(from_text(to_text(report)), LISTED) == render(report, LISTED)


def test_long_cases_keep_what_is_wrong_in_sight() -> None:
    """Of thousands of frames both ends and what the findings point at are shown."""
    events = tuple(
        frame(n / 100, SENT if n % 2 else RECEIVED, f'[2,"{n}","Heartbeat",{{}}]')
        for n in range(3000)
    )
    wrong = Finding("call.direction", Severity.FAILURE, "x", event=1500)
    page = page_of(run(case(verdict=Verdict.FAILED, events=events, findings=(wrong,))))

    assert_safe(page)
    table = page.first("table", of_class="frames")
    texts = [row.text for row in table.first("tbody").all("tr")]
    assert len(texts) < 60
    assert any('"1500"' in text for text in texts)
    assert any("more in trace.jsonl" in text for text in texts)


HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</style><img src=x onerror=alert(1)>",
        "</title></svg><b>",
        "\u202egnp.exe",
        '"><a href="https://evil.example">',
        "{{ 7 * 7 }}{% raw %}",
        "\ud800 half",
        "a\nb\x00c",
        "]]>--><!--",
        "\\00003c/style>",
    ]
)


def poisoned(text: str) -> Report:
    """Return a report in which a hostile system chose every text it can choose."""
    one = failed_case()
    finding = Finding(
        text, Severity.FAILURE, text, requirement=text, expected=text, actual=text, event=4
    )
    events = (*one.events, frame(5, RECEIVED, text), frame(6, RECEIVED, f'[2,"1","{text}",{{}}]'))
    bad = replace(
        one,
        case_id=text or "x",
        title=text,
        identity=text,
        reason=text,
        findings=(finding, replace(finding, severity=Severity.WARNING)),
        events=events,
        sut_log=text,
        reproduce=text,
        driver_reports=(replace(one.driver_reports[0], action=text, summary=text),),
    )
    off = replace(inconclusive_case(), verdict=Verdict.NOT_APPLICABLE, reason=text)
    sut = {
        "product": {"vendor": text, "name": text, "version": text},
        "communication": text,
        "ocpp_url": text,
        "variables": {text: text},
        "profiles": [text],
    }
    found = replace(
        run(bad, inconclusive_case(), replace(off, case_id="TC_OFF")),
        sut_name=text,
        edition=text,
        stopped=text,
        settings={"system_under_test": sut},
    )
    known = Known(text or "x", text, text, text)
    return make_report(found, version=text, exit_code=1, known=[known], problems=[text])


@pytest.mark.slow
@given(HOSTILE)
@settings(max_examples=80, deadline=None)
def test_no_text_gets_out_of_its_place(text: str) -> None:
    """Whatever a CSMS, a file or a frame says is words on the page, and visible ones."""
    page_text = render(poisoned(text), LISTED)

    assert_safe(read_page(page_text))
    assert not {char for char in page_text if not char.isprintable()} - {"\n"}


@given(st.text(max_size=40))
def test_text_in_a_style_sheet_stays_text(text: str) -> None:
    """No quote, backslash, bracket or line end of a name ends the string it is in."""
    quoted = css_text(text)

    assert quoted[0] == quoted[-1] == '"'
    assert not set(quoted[1:-1]) - set(string.ascii_letters + string.digits + " .,:-_\\")
