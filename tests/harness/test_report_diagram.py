"""The diagram shows what happened and survives what was sent."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.diagram import draw
from harness.results import Finding, Severity, Verdict
from tests.harness.report_samples import (
    RECEIVED,
    SENT,
    case,
    exchange,
    failed_case,
    frame,
    inconclusive_case,
    passed_case,
)

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    """Return every text of the drawing, as a reader sees it."""
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314  # our own text


def classes(svg: str, tag: str) -> list[str]:
    """Return the classes of every element of this kind."""
    return [node.get("class", "") for node in ET.fromstring(svg).iter(SVG + tag)]  # noqa: S314  # our own text


def test_every_frame_is_an_arrow_with_its_time() -> None:
    """Messages appear in order with action, fields and seconds since the start."""
    drawn = texts(draw(passed_case(), sut_name="Our CSMS"))

    assert "BootNotification.reqchargePointModel=M chargePointVendor=V" in drawn
    assert "+0.022 s" in drawn
    assert "12.0 ms" in drawn
    assert {"PF0001", "Our CSMS", "TC_001_CSMSCold boot", "passed"} <= set(drawn)


def test_silence_is_drawn() -> None:
    """A pause that a reader should notice has its length written into the diagram."""
    assert "⋯  1.65 s of silence  ⋯" in texts(draw(failed_case()))


def test_the_diverging_arrow_is_marked_once() -> None:
    """The first frame that is wrong carries colour, weight, mark, and what was expected."""
    svg = draw(failed_case())

    marked = [text for text in texts(svg) if "diverges here" in text]
    assert marked == ["430 ms · ◀ diverges here"]
    assert "answer heavy stroke-failure" in classes(svg, "line")
    assert 'expected  "Accepted"' in texts(svg)


def test_an_answer_that_never_came_is_drawn_as_missing() -> None:
    """A silent CSMS is shown where its answer should be, not as a fault of our CALL."""
    svg = draw(failed_case())

    assert {"no answer", "never came"} <= set(texts(svg))
    assert "ghost stroke-failure" in classes(svg, "line")
    assert "call heavy stroke-failure" not in classes(svg, "line")


def test_a_request_that_never_came_is_drawn_as_missing() -> None:
    """What the operator should have caused appears as the arrow that is not there."""
    svg = draw(inconclusive_case())

    assert {"receive Reset", "never came"} <= set(texts(svg))
    assert "ghost stroke-inconclusive" in classes(svg, "line")


def test_a_frame_nobody_asked_for_is_marked() -> None:
    """Unasked requests stand out in the colour of a warning."""
    svg = draw(passed_case())

    assert "unasked" in texts(svg)
    assert "call stroke-warning" in classes(svg, "line")


def test_a_passed_case_shows_no_failure() -> None:
    """Nothing is red where nothing is wrong."""
    svg = draw(passed_case())

    assert not [
        name for tag in ("line", "rect", "text") for name in classes(svg, tag) if "failure" in name
    ]


def test_the_operator_appears_beside_the_central_system() -> None:
    """An order that came from outside of OCPP stands before the request it caused."""
    drawn = texts(draw(failed_case()))

    assert drawn.index("operator") < drawn.index("receive RemoteStartTransaction")
    assert "operator RemoteStartTransaction" in drawn


def test_what_follows_the_last_step_is_told_apart() -> None:
    """Cleaning up does not look like part of the case."""
    drawn = texts(draw(passed_case()))

    assert drawn.count("after the last step: watched, cleaned up, closed") == 1


def test_markup_in_a_frame_stays_text() -> None:
    """A peer cannot put elements, scripts or entities into the drawing."""
    text = '[2,"1","</text><script>alert(1)</script>",{"a":"<b>&amp;\\u0000]]>"}]'

    svg = draw(case(events=(frame(0.0, RECEIVED, text),)))

    root = ET.fromstring(svg)  # noqa: S314  # our own text
    assert {node.tag for node in root.iter()} <= {
        SVG + name
        for name in ("svg", "title", "style", "rect", "g", "text", "tspan", "line", "path")
    }
    assert any("</text><script>" in text for text in texts(svg))


@given(
    st.lists(st.tuples(st.sampled_from([SENT, RECEIVED]), st.text()), max_size=8),
    st.text(),
    st.sampled_from(list(Severity)),
)
def test_every_diagram_is_well_formed(
    frames: list[tuple[object, str]], words: str, severity: Severity
) -> None:
    """Whatever was sent and said, the drawing parses as XML."""
    events = tuple(
        frame(0.2 * number, direction, text)  # type: ignore[arg-type]
        for number, (direction, text) in enumerate(frames)
    )
    finding = Finding("x." + words, severity, words, words, words, words, words, None, 3)

    svg = draw(case(title=words, identity=words, events=events, findings=(finding,)))

    assert ET.fromstring(svg).tag == f"{SVG}svg"  # noqa: S314  # our own text


@pytest.mark.slow
def test_a_flood_of_frames_is_cut_but_its_findings_stay() -> None:
    """A diagram stays readable; what is left out is said, what is wrong is shown."""
    events = tuple(frame(0.001 * n, SENT, f'[2,"{n}","Heartbeat",{{}}]') for n in range(5000))
    finding = Finding("answer.missing", Severity.FAILURE, "the 2500th", event=2500)

    svg = draw(case(verdict=Verdict.FAILED, events=events, findings=(finding,)))

    assert "✗ the 2500th" in texts(svg)
    assert any("more events: see the trace" in text for text in texts(svg))
    assert len(svg) < 1_000_000


def test_a_case_without_a_wire_says_so() -> None:
    """A case that never connected still has a diagram."""
    assert "⋯  nothing crossed the wire  ⋯" in texts(draw(case(exchanges=(exchange("A", None),))))
