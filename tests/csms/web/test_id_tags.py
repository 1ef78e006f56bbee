"""Id tags over HTTP."""

from urllib.parse import quote

import httpx
import pytest

from tests.csms.web.stations import Connect


async def test_put_replaces(api: httpx.AsyncClient) -> None:
    """A PUT says everything about a tag: what it leaves out has its default again."""
    full = {"status": "Blocked", "expiryDate": "2030-01-01T02:00:00+02:00", "parentIdTag": "GROUP"}

    first = await api.put("/id-tags/TAG1", json=full)
    again = await api.put("/id-tags/TAG1", json=full)
    bare = await api.put("/id-tags/TAG1", json={})

    assert (first.status_code, again.status_code, bare.status_code) == (201, 200, 200)
    assert (
        first.json()
        == again.json()
        == {
            "idTag": "TAG1",
            "status": "Blocked",
            "expiryDate": "2030-01-01T00:00:00.000Z",
            "parentIdTag": "GROUP",
        }
    )
    assert bare.json() == {
        "idTag": "TAG1",
        "status": "Accepted",
        "expiryDate": None,
        "parentIdTag": None,
    }
    assert (await api.get("/id-tags/TAG1")).json() == bare.json()


async def test_lookup_ignores_case(api: httpx.AsyncClient) -> None:
    """One tag in two spellings is one tag (CS-DATA-04)."""
    await api.put("/id-tags/DeadBeef", json={})

    other = await api.put("/id-tags/DEADBEEF", json={"status": "Blocked"})

    assert other.status_code == 200
    assert (await api.get("/id-tags/deadbeef")).json()["status"] == "Blocked"
    assert len((await api.get("/id-tags")).json()["items"]) == 1
    assert (await api.delete("/id-tags/dEADbEEF")).status_code == 204
    assert (await api.get("/id-tags/DeadBeef")).status_code == 404


@pytest.mark.parametrize("id_tag", ["a/b", "A B", "%", "ÄÖ", "01234567890123456789"])
async def test_any_tag_works_percent_encoded(api: httpx.AsyncClient, id_tag: str) -> None:
    """Nothing is assumed about a tag's form (CS-DATA-06)."""
    url = f"/id-tags/{quote(id_tag, safe='')}"

    assert (await api.put(url, json={})).json()["idTag"] == id_tag
    assert (await api.get(url)).json()["idTag"] == id_tag


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("id_tag", "body", "field"),
    [
        ("x" * 21, {}, "id_tag"),
        ("TAG", {"status": "ConcurrentTx"}, "status"),
        ("TAG", {"status": "accepted"}, "status"),
        ("TAG", {"expiryDate": "tomorrow"}, "expiryDate"),
        ("TAG", {"expiryDate": 5}, "expiryDate"),
        ("TAG", {"parentIdTag": "x" * 21}, "parentIdTag"),
        ("TAG", {"parentIdTag": ""}, "parentIdTag"),
        ("TAG", {"expirydate": None}, "expirydate"),
        ("TAG", {"expiry_date": None}, "expiry_date"),
    ],
)
async def test_unusable_tag_names_the_field(
    shared_api: httpx.AsyncClient, id_tag: str, body: dict[str, object], field: str
) -> None:
    """What cannot be a tag is refused by the name of the field."""
    answer = await shared_api.put(f"/id-tags/{id_tag}", json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_charge_point_is_told_what_the_operator_said(
    api: httpx.AsyncClient, connect: Connect
) -> None:
    """Status, expiry and group of a tag reach a charge point's Authorize."""
    await api.put("/charge-points/CP1", json={})
    await api.put("/id-tags/GOOD", json={"parentIdTag": "GROUP"})
    await api.put("/id-tags/BLOCKED", json={"status": "Blocked"})
    await api.put("/id-tags/OLD", json={"expiryDate": "2020-01-01T00:00:00Z"})
    station = await connect("CP1")
    await station.boot()

    answers = {
        tag: (await station.call("Authorize", {"idTag": tag}))[2]["idTagInfo"]
        for tag in ("good", "BLOCKED", "OLD", "UNKNOWN")
    }

    assert {tag: info["status"] for tag, info in answers.items()} == {
        "good": "Accepted",
        "BLOCKED": "Blocked",
        "OLD": "Expired",
        "UNKNOWN": "Invalid",
    }
    assert answers["good"]["parentIdTag"] == "GROUP"


async def test_list_is_paged_by_folded_name(api: httpx.AsyncClient) -> None:
    """The order of the pages does not depend on case, and nothing is lost between them."""
    for tag in ("b", "A", "C", "d"):
        await api.put(f"/id-tags/{tag}", json={})

    first = (await api.get("/id-tags?limit=3")).json()
    second = (await api.get("/id-tags", params={"limit": 3, "cursor": first["next"]})).json()

    assert [tag["idTag"] for tag in first["items"] + second["items"]] == ["A", "b", "C", "d"]
    assert second["next"] is None


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_unknown_tag_is_a_problem(shared_api: httpx.AsyncClient, method: str) -> None:
    """A tag nobody issued is 404 in problem form."""
    answer = await shared_api.request(method, "/id-tags/NOBODY")

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:ocpp-csms:problem:unknown-id-tag"
