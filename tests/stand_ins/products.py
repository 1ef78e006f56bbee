"""The products that files are shipped for, each with its stand-in and what leads the file to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.stand_ins import evtivity, steve
from tests.stand_ins.citrineos import Citrineos
from tests.stand_ins.evtivity import Evtivity
from tests.stand_ins.runs import Product
from tests.stand_ins.steve import Steve
from tests.stand_ins.tzi import Tzi


def _evtivity(stand_in: Evtivity) -> Mapping[str, str]:
    return {
        "EVTIVITY_OCPP_URL": stand_in.ocpp.url,
        "EVTIVITY_API_URL": f"{stand_in.api_url}/v1",
        "EVTIVITY_EMAIL": evtivity.EMAIL,
        "EVTIVITY_PASSWORD": evtivity.PASSWORD,
    }


def _citrineos(stand_in: Citrineos) -> Mapping[str, str]:
    return {"CITRINEOS_OCPP_URL": stand_in.ocpp.url, "CITRINEOS_API_URL": stand_in.api_url}


def _steve(stand_in: Steve) -> Mapping[str, str]:
    return {
        "STEVE_OCPP_URL": stand_in.ocpp.url,
        "STEVE_API_URL": f"{stand_in.api_url}/steve/api/v1",
        "STEVE_USER": steve.USER,
        "STEVE_PASSWORD": steve.PASSWORD,
    }


def _tzi(stand_in: Tzi) -> Mapping[str, str]:
    return {"OCTT_OCPP_URL": stand_in.ocpp.url, "OCTT_API_URL": stand_in.api_url}


EVTIVITY: Final = Product("evtivity", Evtivity, _evtivity)
CITRINEOS: Final = Product(
    "citrineos",
    Citrineos,
    _citrineos,
    cards=frozenset({"valid", "valid_2", "parent", "expired", "blocked"}),
    has_stations=True,
)
STEVE: Final = Product("steve", Steve, _steve, cards=frozenset({"expired"}), has_stations=True)
TZI: Final = Product(
    "tzi-octt", Tzi, _tzi, cards=frozenset({"valid", "valid_2", "parent"}), has_stations=True
)
