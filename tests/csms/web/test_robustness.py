"""Whatever is asked of the HTTP API, the answer is a result or a problem, never a defect."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RESOURCES = ("charge-points", "id-tags", "transactions", "messages", "quarantine", "orphan-stops")
BELOW = ("", "/connectors", "/statuses", "/connections", "/messages", "/meter-values")
TIMES = ("2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59")

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(TIMES)
values = st.sampled_from(("Accepted", "Pending", "Blocked", "00" * 20, "GROUP")) | scalars
fields = st.sampled_from(
    ("registration", "authorizationKey", "heartbeatInterval", "status", "expiryDate", "parentIdTag")
)
bodies = st.dictionaries(fields, values, max_size=3) | st.lists(scalars, max_size=2) | scalars
segments = st.sampled_from(("A", "b/c", "1", "ä%")) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=30
).filter(lambda text: text not in (".", ".."))
queries = st.dictionaries(
    st.sampled_from(("limit", "cursor", "since", "until", "chargePoint", "isOpen", "connector")),
    st.sampled_from(("1", "-1", "1000", "true", "A", "MQ==", "IkEi", "\0", "9" * 20, *TIMES)),
    max_size=2,
)


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    method=st.sampled_from(("PUT", "GET", "PATCH", "DELETE", "POST")),
    resource=st.sampled_from(RESOURCES),
    segment=st.none() | segments,
    below=st.sampled_from(BELOW),
    query=queries,
    body=bodies,
)
async def test_nothing_asked_is_a_defect(
    shared_api: httpx.AsyncClient,
    method: str,
    resource: str,
    segment: str | None,
    below: str,
    query: dict[str, str],
    body: Any,
) -> None:
    """Every status is below 500, and every refusal a problem."""
    path = f"/{resource}"
    if segment is not None:
        path += f"/{quote(segment, safe='')}{below}"

    answer = await shared_api.request(method, path, params=query, json=body)

    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
