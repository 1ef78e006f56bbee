"""A comparison as Markdown: nothing in it means more than it says."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.comparison.markdown import as_markdown, code, words
from tests.harness.comparison.hostile import hostile_comparison

# What cannot be part of anything but a cell: code spans, our own tags, entities.
SPAN = re.compile(r"`[^`\n|]*`|<code>(?:[A-Za-z0-9 ]|&#\d+;)*</code>")


@given(st.text(max_size=60))
def test_a_text_as_code_is_one_closed_span(text: str) -> None:
    """Whatever it holds, a text is one span without line ends or pipes that means itself."""
    shown = code(text)

    assert not text.strip() or SPAN.fullmatch(shown)
    assert "|" not in shown
    assert "\n" not in shown
    inner = html.unescape(shown[6:-7]) if shown.startswith("<code>") else shown[1:-1]
    assert not text.isprintable() or not text.strip() or inner == text


@pytest.mark.parametrize("text", ["Cold boot", "It passed, twice (so far).", "broken off: why"])
def test_words_stay_words(text: str) -> None:
    """Plain sentences need no code."""
    assert words(text) == text


@pytest.mark.parametrize(
    "text",
    ["a@b", "www.e.example", "http://e", "#12", "<b>", "*x*", "a_b", "[l]", "a|b", "!x", "&amp;"],
)
def test_whatever_might_mean_something_is_code(text: str) -> None:
    """Mentions, links, references and marks are taken literally."""
    assert SPAN.fullmatch(words(text))


def test_nothing_hostile_gets_out_of_its_cell() -> None:
    """With the spans taken out, only our own Markdown is left, and tables keep their columns."""
    bare = [SPAN.sub("", line) for line in as_markdown(hostile_comparison()).splitlines()]

    assert not [line for line in bare if re.search(r"script|alert|@|\]\(|\\|`", line)]
    assert {tag for line in bare for tag in re.findall(r"<[^>]*>", line)} <= {
        "<br>",
        "<sub>",
        "</sub>",
    }
    tables = re.findall(r"(?:^\|.*\n)+", "\n".join(bare) + "\n", re.M)
    assert len(tables) == 5
    for one in tables:
        assert len({line.count("|") for line in one.splitlines()}) == 1


def test_every_section_is_there() -> None:
    """Outcome first, then verdicts, times, frames and findings."""
    text = as_markdown(hostile_comparison())

    assert re.findall(r"^#+ (.*)$", text, re.M) == [
        "✘ Worse: 1 newly red, 1 slower, 1 changed frame, 1 new finding, 1 run broken off."
        " 2 cases compared.",
        "Newly red (1)",
        "Slower beyond noise (1)",
        "Frames that changed (1)",
        "New findings (1)",
        "Findings that are gone (1)",
    ]
    assert "Mann-Whitney" in text
