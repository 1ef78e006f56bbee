"""What a Central System opens, what it demands there, and what it refuses to start with."""

import resource
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from csms.app import CannotStart, _allow_many_files, central_system
from csms.config import Settings
from csms.ocppj.tls import TlsFiles
from tests.csms.conftest import TOKEN
from tests.csms.pki.material import ec_key, rsa_key
from tests.csms.tls_files import Authority, client_authority, client_context, server_files
from tests.csms.web.stations import Station

pytestmark = pytest.mark.slow  # each opens a database of its own


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return server_files(tmp_path, trusted=[client_authority()])


def with_tls(settings: Settings, files: TlsFiles, **others: Any) -> Settings:
    """Return settings with the files of a test."""
    rsa, ec = files.certificates
    given: dict[str, Any] = {
        "tls_port": 0,
        "tls_certificate": str(rsa.chain),
        "tls_key": str(rsa.key),
        "tls_ec_certificate": str(ec.chain),
        "tls_ec_key": str(ec.key),
    }
    return replace(settings, **given | others)


async def test_without_tls_port_there_is_no_tls(settings: Settings) -> None:
    """And no key is made for it."""
    async with central_system(settings) as system:
        assert system.tls_url is None
        assert not system.ocpp.has_tls
        assert system.ocpp.is_serving
        assert not any("TLS" in line for line in system.start_lines())


async def test_the_built_in_ca_makes_server_certificates(
    settings: Settings, tmp_path: Path
) -> None:
    """Where the operator names none: with the names he gave, for both listeners."""
    given = replace(settings, tls_port=0, http_tls=True, tls_names=("localhost", "127.0.0.1"))
    async with central_system(given) as system:
        context = ssl.create_default_context(cafile=str(tmp_path / "csms.sqlite3.ca" / "roots.pem"))
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            ready = await client.get(f"{system.http_url}/health/ready")
            assert ready.status_code == 200
            await client.put(
                f"{system.http_url}/api/v1/charge-points/CP1",
                headers={"Authorization": f"Bearer {TOKEN}"},
                json={"authorizationKey": "aa" * 20, "securityProfile": 2},
            )
        context.set_ciphers("AES128-GCM-SHA256")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        station = Station(f"{system.tls_url}/", "CP1", password=b"\xaa" * 20, tls=context)
        await station
        assert (await station.boot())["status"] == "Accepted"
        await station.close()


async def test_http_api_over_tls_hands_out_https_addresses(
    settings: Settings, files: TlsFiles
) -> None:
    """Charge points fetch their files from the same listener."""
    async with central_system(with_tls(settings, files, http_tls=True)) as system:
        assert system.http_url.startswith("https://127.0.0.1:")
        async with httpx.AsyncClient(
            base_url=f"{system.http_url}/api/v1",
            headers={"Authorization": f"Bearer {TOKEN}"},
            verify=client_context(),
            trust_env=False,
        ) as api:
            await api.put("/charge-points/CP1", json={})
            plain = system.http_url.replace("https", "http")
            with pytest.raises(httpx.HTTPError):
                await api.get(f"{plain}/health/live")
            station = Station(f"{system.ocpp_url}/", "CP1", password=None)
            await station
            await station.boot()
            asked = await api.post("/charge-points/CP1/diagnostics", json={})
            assert asked.is_success, asked.text
            _, payload = await station.commands.get()
            assert payload["location"].startswith(f"{system.http_url}/files/")
            await station.close()


# --- what is open --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "lowest", "expected"),
    [
        ("127.0.0.1", None, 0),
        ("127.1.2.3", None, 0),
        ("localhost", None, 0),
        ("0.0.0.0", None, 1),
        ("0.0.0.0", 0, 0),
        ("127.0.0.1", 2, 2),
    ],
)
async def test_beyond_loopback_nobody_gets_in_without_a_password(
    settings: Settings, host: str, lowest: int | None, expected: int
) -> None:
    """Unless the operator says so; where the station comes from does not matter."""
    given = replace(
        settings,
        ocpp_host=host,
        lowest_security_profile=lowest,
        unknown_charge_points="Accepted",
    )
    async with central_system(given) as system:
        assert system.ocpp.lowest_security_profile == expected
        address = "127.0.0.1" if host in ("0.0.0.0", "localhost") else host
        station = Station(f"ws://{address}:{system.ocpp.port}/ocpp/", "NEW", password=None)
        if expected == 0:
            await station
            await station.close()
            return
        with pytest.raises(InvalidStatus) as refused:
            await station
        assert refused.value.response.status_code == {1: 401, 2: 403}[expected]


async def test_profile_below_the_lowest_is_refused_by_the_api(settings: Settings) -> None:
    """An operator hears of it before the station does."""
    async with (
        central_system(replace(settings, lowest_security_profile=1)) as system,
        httpx.AsyncClient(
            base_url=f"{system.http_url}/api/v1",
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
        ) as api,
    ):
        answer = await api.put("/charge-points/CP1", json={"securityProfile": 0})
        no_tls = await api.put(
            "/charge-points/CP1", json={"securityProfile": 2, "authorizationKey": "aa" * 20}
        )

    assert answer.status_code == no_tls.status_code == 422
    assert "lowest_security_profile is 1" in answer.json()["detail"]
    assert "tls_port" in no_tls.json()["detail"]


@pytest.mark.parametrize(
    ("lowest", "plain", "tls"),
    [
        (0, "may connect without", "a key or password, or a client certificate is required"),
        (1, "a key or password is required", "a key or password, or a client certificate"),
        (2, "everyone is refused", "a key or password, or a client certificate is required"),
        (3, "everyone is refused", "; a client certificate is required"),
    ],
)
async def test_start_lines_tell_what_each_listener_demands(
    settings: Settings, files: TlsFiles, lowest: int, plain: str, tls: str
) -> None:
    """With their real addresses; a first start says what to do next."""
    given = with_tls(settings, files, lowest_security_profile=lowest)
    async with central_system(given) as system:
        ocpp, http, over_tls, first = system.start_lines()

    assert ocpp.startswith("OCPP-J listens on ws://127.0.0.1:")
    assert plain in ocpp
    assert "not encrypted" in ocpp
    assert "a bearer token is required; not encrypted" in http
    assert over_tls.startswith("OCPP-J over TLS listens on wss://127.0.0.1:")
    assert ":0/" not in over_tls
    assert tls in over_tls
    assert "No charge point is registered yet" in first


async def test_hint_of_the_first_start_is_given_once(settings: Settings) -> None:
    """Who has charge points, or takes any, needs none."""
    async with central_system(settings) as system:
        assert len(system.start_lines()) == 3
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.put(
                f"{system.http_url}/api/v1/charge-points/CP1",
                headers={"Authorization": f"Bearer {TOKEN}"},
                json={},
            )
    async with central_system(settings) as system:
        assert len(system.start_lines()) == 2
    given = replace(
        settings, database=settings.database + ".other", unknown_charge_points="Pending"
    )
    async with central_system(given) as system:
        assert len(system.start_lines()) == 2


# --- what cannot be used -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "spoil", "words"),
    [
        ({"tls_key": None}, None, ["tls_certificate", "tls_key"]),
        ({"tls_ec_certificate": None}, None, ["tls_ec_certificate", "tls_ec_key"]),
        ({"tls_client_ca": "/nowhere/ca.pem"}, None, ["tls_client_ca", "/nowhere/ca.pem"]),
        ({}, "rsa.pem", ["rsa.pem"]),
        ({}, "ec.key", ["ec.key"]),
        ({"tls_port": None, "http_tls": True}, "rsa.key", ["rsa.key"]),
    ],
)
async def test_unusable_tls_settings_are_explained(
    settings: Settings,
    files: TlsFiles,
    tmp_path: Path,
    others: dict[str, Any],
    spoil: str | None,
    words: list[str],
) -> None:
    """The message names the setting or the file."""
    if spoil is not None:
        (tmp_path / spoil).write_text("spoilt")

    with pytest.raises(CannotStart) as caught:
        async with central_system(with_tls(settings, files, **others)):
            pass

    assert all(word in str(caught.value) for word in words), str(caught.value)


async def test_name_that_no_certificate_can_have_is_explained(settings: Settings) -> None:
    """A typo is told, not served."""
    with pytest.raises(CannotStart, match="tls_names: 'not a name'"):
        async with central_system(replace(settings, tls_port=0, tls_names=("not a name",))):
            pass
    async with central_system(settings):  # the database is free again
        pass


async def test_taken_tls_port_is_explained(settings: Settings, files: TlsFiles) -> None:
    """It names the flags."""
    async with central_system(with_tls(settings, files)) as system:
        given = with_tls(settings, files, tls_port=system.ocpp.tls_port)
        other = replace(given, database=settings.database + ".other")
        with pytest.raises(CannotStart, match="--tls-port"):
            async with central_system(other):
                pass


async def test_certificates_are_read_again_while_charge_points_are_connected(
    settings: Settings, files: TlsFiles
) -> None:
    """Who is connected stays; who comes next is shown the new one."""
    async with central_system(with_tls(settings, files)) as system:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.put(
                f"{system.http_url}/api/v1/charge-points/CP1",
                headers={"Authorization": f"Bearer {TOKEN}"},
                json={"authorizationKey": "aa" * 20, "securityProfile": 2},
            )
        url, key = f"{system.tls_url}/", b"\xaa" * 20
        station = Station(url, "CP1", password=key, tls=client_context())
        await station
        other = Authority("New Root", number=5)
        folder = files.certificates[0].chain.parent
        for stem, own_key in (("rsa", rsa_key(2048, 77)), ("ec", ec_key(77))):
            other.issue("localhost", own_key, is_server=True).write(folder, stem)

        assert (await station.boot())["status"] == "Accepted"
        await station.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await Station(url, "CP1", password=key, tls=client_context())
        trusting = client_context()
        trusting.load_verify_locations(cadata=other.pem)
        again = Station(url, "CP1", password=key, tls=trusting)
        await again
        await again.close()


def test_as_many_files_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each charge point takes a descriptor, and shells allow 1024."""
    limits = [(1024, 1_048_576), (1024, 4096), (100_000, 1_048_576)]
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits.pop(0))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: taken.append(both))

    for _ in range(3):
        _allow_many_files()

    assert taken == [(65_536, 1_048_576), (4096, 4096)]
