"""Cursors and pages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.web.paging import cut, read_cursor
from csms.web.problems import Problem


@given(st.lists(st.integers(min_value=0, max_value=2**63 - 1), max_size=20), st.integers(1, 20))
def test_cursor_of_a_page_leads_to_its_last_key(keys: list[int], limit: int) -> None:
    """A page has at most `limit` items, and a cursor exactly when there are more."""
    page, following = cut(keys[: limit + 1], limit, lambda key: key)

    assert list(page) == keys[:limit]
    assert (following is None) == (len(keys) <= limit)
    if following is not None:
        assert read_cursor(following, int) == keys[limit - 1]


@given(st.text(min_size=1))
def test_text_keys_survive(key: str) -> None:
    """Identities of any script can be keys."""
    if not any("\ud800" <= letter <= "\udfff" for letter in key):
        _, following = cut([key, key], 1, lambda one: one)
        assert read_cursor(following, str) == key


@given(st.text())
def test_any_text_is_a_cursor_or_a_problem(cursor: str) -> None:
    """A foreign text is refused, never a defect."""
    try:
        found = read_cursor(cursor, int)
    except Problem:
        return
    assert isinstance(found, int)


@pytest.mark.parametrize("json", ["true", "-1", "9223372036854775808", '"text"', "1.5", "[1]"])
def test_cursor_of_another_list_is_refused(json: str) -> None:
    """Only a key the list can have is taken."""
    with pytest.raises(Problem):
        read_cursor(base64.urlsafe_b64encode(json.encode()).decode(), int)
