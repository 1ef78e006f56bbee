"""Like SteVe: field names of its own, many charge boxes at once, objects that must exist first.

Each operation has a form, which is turned into OCPP here; what a form does not take is refused.
Reservations and requests of logs and firmware get their numbers here. Charging profiles are made
on its web pages (`add_profile`), and so are charge boxes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, TypeAlias

from cryptography import x509

from tests.stand_ins.stand_in import Card, Done, StandIn, Told, needed
from tests.stand_ins.web import Reply, Request

Form: TypeAlias = dict[str, Any]

MANY: Final = "chargeBoxIdList"
DIAGNOSTICS: Final = "location retries retryInterval start stop"
FIRMWARE: Final = "location retries retryInterval retrieveDateTime"

# The fields of each form, beside the charge boxes.
FORMS: Final = {
    "CancelReservation": "reservationId",
    "ChangeAvailability": "connectorId availType",
    "ChangeConfiguration": "keyType confKey customConfKey value",
    "ClearCache": "",
    "ClearChargingProfile": (
        "filterType chargingProfilePk connectorId chargingProfilePurpose stackLevel"
    ),
    "DataTransfer": "vendorId messageId data",
    "DeleteCertificate": "installedCertificateId",
    "ExtendedTriggerMessage": "triggerMessage connectorId",
    "GetCompositeSchedule": "connectorId durationInSeconds chargingRateUnit",
    "GetConfiguration": "confKeyList commaSeparatedCustomConfKeys",
    "GetDiagnostics": DIAGNOSTICS,
    "GetInstalledCertificateIds": "certificateType",
    "GetLocalListVersion": "",
    "GetLog": f"logType {DIAGNOSTICS}",
    "InstallCertificate": "certificateType certificate",
    "RemoteStartTransaction": "connectorId idTag chargingProfilePk",
    "RemoteStopTransaction": "transactionId",
    "ReserveNow": "connectorId idTag expiry",
    "Reset": "resetType",
    "SendLocalList": "listVersion updateType sendEmptyListWhenFull addUpdateList deleteList",
    "SetChargingProfile": "connectorId chargingProfilePk transactionId",
    "SignedUpdateFirmware": f"{FIRMWARE} signature signingCertificate installDateTime",
    "TriggerMessage": "triggerMessage connectorId",
    "UnlockConnector": "connectorId",
    "UpdateFirmware": FIRMWARE,
}
# Of one charge box each; the others take many.
SINGLE: Final = frozenset(
    {
        "CancelReservation",
        "DeleteCertificate",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ReserveNow",
        "UnlockConnector",
    }
)
# Of the forms that have OCPP's own names; all their other fields are required.
OPTIONAL: Final = frozenset({"messageId", "data"})

# Configuration keys that it offers by name; any other is a custom one.
_KEYS: Final = (
    "AuthorizeRemoteTxRequests ClockAlignedDataInterval ConnectionTimeOut HeartbeatInterval "
    "LocalAuthorizeOffline LocalPreAuthorize MeterValuesSampledData MeterValueSampleInterval "
    "MinimumStatusDuration NumberOfConnectors SupportedFeatureProfiles WebSocketPingInterval "
    "UnlockConnectorOnEVSideDisconnect AuthorizationKey SecurityProfile"
)
PREDEFINED: Final = frozenset(_KEYS.split())

USER: Final = "admin"
PASSWORD: Final = "right password"
API_KEY: Final = "right key"


class Unfit(Exception):
    """A form is not filled in as it should be; the message says what."""


class Steve(StandIn):
    """The stand-in.

    Attributes:
        profiles: the charging profiles of its web pages, by their key.
        certificates: what charge points told of their certificates, by the key it has here.
    """

    def __init__(
        self,
        *,
        user: str = USER,
        password: str = PASSWORD,
        api_key: str = API_KEY,
        client_roots: Sequence[x509.Certificate] = (),
    ) -> None:
        super().__init__(client_roots=client_roots)
        self.profiles: dict[int, dict[str, Any]] = {}
        self.certificates: dict[int, dict[str, Any]] = {}
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._basic, self._api_key = f"Basic {basic}", api_key
        self._numbers = count(1)

    def add_profile(self, profile: dict[str, Any]) -> int:
        """Make a charging profile as on the web pages; return its key."""
        key = next(self._numbers)
        self.profiles[key] = profile | {"chargingProfileId": key}
        return key

    async def handle(self, request: Request) -> Reply:
        """Answer a request of the API."""
        if request.parts[:3] != ("steve", "api", "v1"):
            return _problem(404, "No static resource")
        headers = request.headers
        if (
            headers.get("authorization") != self._basic
            and headers.get("steve-api-key") != self._api_key
        ):
            return _problem(401, "Full authentication is required to access this resource")
        try:
            match request.method, request.parts[3:]:
                case "POST", ("ocppTags",):
                    return self._add_tag(request.fields)
                case "POST", ("operations", action) if action in FORMS:
                    return await self._operate(action, request.fields)
        except Unfit as error:
            return _problem(400, str(error))
        return _problem(404, "No static resource")

    # --- id tags -----------------------------------------------------------------------------

    def _add_tag(self, form: Form) -> Reply:
        id_tag, parent = needed(form, "idTag"), form.get("parentIdTag") or None
        if id_tag.casefold() in self.cards:
            return _problem(422, "A user with this ID tag already exists.")
        if parent is not None and parent.casefold() not in self.cards:
            return _problem(500, "Cannot add or update a child row")
        _future(form, "expiryDate")
        is_blocked = form.get("maxActiveTransactionCount") == 0
        self.add_card(id_tag, Card("Blocked" if is_blocked else "Accepted", parent))
        return Reply(201, {"ocppTagPk": next(self._numbers), "idTag": id_tag})

    # --- operations --------------------------------------------------------------------------

    async def _operate(self, action: str, form: Form) -> Reply:
        boxes = form.get(MANY)
        if not isinstance(boxes, list) or not boxes:
            raise Unfit("Charge point selection is required")
        if action in SINGLE and len(boxes) != 1:
            raise Unfit("Exactly one charge point must be selected")
        if unknown := form.keys() - {MANY, *FORMS[action].split()}:
            raise Unfit(f"Unrecognized field {', '.join(sorted(unknown))}")
        payload = self._payload(action, form)
        done = [(box, await self.order(box, action, payload)) for box in boxes]
        return Reply(200, {"taskId": next(self._numbers), "taskFinished": True, **_told(done)})

    def _payload(self, action: str, form: Form) -> dict[str, Any]:
        """Return the OCPP request that a form stands for."""
        make: dict[str, Callable[[Form], dict[str, Any]]] = {
            "ChangeAvailability": lambda form: {
                "connectorId": _required(form, "connectorId"),
                "type": _choice(form, "availType", "OPERATIVE", "INOPERATIVE"),
            },
            "ChangeConfiguration": _configuration,
            "ClearCache": lambda form: {},
            "ClearChargingProfile": _cleared_profiles,
            "DeleteCertificate": self._certificate,
            "ExtendedTriggerMessage": _triggered,
            "GetCompositeSchedule": lambda form: {
                "connectorId": _required(form, "connectorId"),
                "duration": _required(form, "durationInSeconds"),
                **_given(form, "chargingRateUnit"),
            },
            "GetConfiguration": _keys,
            "GetDiagnostics": _diagnostics,
            "GetLocalListVersion": lambda form: {},
            "GetLog": self._log,
            "RemoteStartTransaction": self._remote_start,
            "ReserveNow": self._reservation,
            "Reset": lambda form: {"type": _choice(form, "resetType", "HARD", "SOFT")},
            "SendLocalList": self._local_list,
            "SetChargingProfile": self._set_profile,
            "SignedUpdateFirmware": self._signed_firmware,
            "TriggerMessage": _triggered,
            "UpdateFirmware": _firmware,
        }
        if action in make:
            return make[action](form)
        names = FORMS[action].split()
        required = {name: _required(form, name) for name in names if name not in OPTIONAL}
        return required | _given(form, *OPTIONAL & set(names))

    def _profile(self, form: Form) -> dict[str, Any]:
        key = _required(form, "chargingProfilePk")
        if key not in self.profiles:
            raise Unfit(f"There is no charging profile {key}")
        return self.profiles[key]

    def _remote_start(self, form: Form) -> dict[str, Any]:
        payload = {"idTag": _required(form, "idTag"), **_given(form, "connectorId")}
        if form.get("chargingProfilePk") is not None:
            payload["chargingProfile"] = self._profile(form)
        return payload

    def _set_profile(self, form: Form) -> dict[str, Any]:
        profile = self._profile(form) | _given(form, "transactionId")
        return {"connectorId": _required(form, "connectorId"), "csChargingProfiles": profile}

    def _reservation(self, form: Form) -> dict[str, Any]:
        id_tag = _required(form, "idTag")
        if id_tag.casefold() not in self.cards:
            raise Unfit(f"There is no ID tag {id_tag}")
        _required(form, "expiry")
        return {
            "connectorId": _required(form, "connectorId"),
            "idTag": id_tag,
            "expiryDate": _future(form, "expiry"),
            "reservationId": next(self._numbers),
        }

    def _local_list(self, form: Form) -> dict[str, Any]:
        kind = _choice(form, "updateType", "FULL", "DIFFERENTIAL")
        added, deleted = form.get("addUpdateList") or [], form.get("deleteList") or []
        if kind == "Differential" and not (added or deleted):
            raise Unfit("Either Add/Update or Delete list should not be empty")
        if kind == "Full" and not added and not form.get("sendEmptyListWhenFull"):
            added = list(self.cards)  # all that it knows
        entries: list[dict[str, Any]] = [
            {"idTag": id_tag, "idTagInfo": self._standing(id_tag)} for id_tag in added
        ]
        entries += [{"idTag": id_tag} for id_tag in deleted]
        return {
            "listVersion": _required(form, "listVersion"),
            "updateType": kind,
            "localAuthorizationList": entries,
        }

    def _log(self, form: Form) -> dict[str, Any]:
        about = {
            "remoteLocation": _required(form, "location"),
            **_renamed(form, oldestTimestamp="start", latestTimestamp="stop"),
        }
        return {
            "logType": _required(form, "logType"),
            "requestId": next(self._numbers),
            "log": about,
            **_given(form, "retries", "retryInterval"),
        }

    def _signed_firmware(self, form: Form) -> dict[str, Any]:
        _required(form, "retrieveDateTime")
        _future(form, "installDateTime")
        firmware = {
            "location": _required(form, "location"),
            "retrieveDateTime": _future(form, "retrieveDateTime"),
            "signingCertificate": _required(form, "signingCertificate"),
            "signature": _required(form, "signature"),
            **_given(form, "installDateTime"),
        }
        return {
            "requestId": next(self._numbers),
            "firmware": firmware,
            **_given(form, "retries", "retryInterval"),
        }

    def _certificate(self, form: Form) -> dict[str, Any]:
        key = _required(form, "installedCertificateId")
        if key not in self.certificates:
            raise Unfit(f"There is no installed certificate {key}")
        return {"certificateHashData": self.certificates[key]}

    async def order(self, identity: str, action: str, payload: dict[str, Any]) -> Done:
        """Send a request; note which certificates a charge point tells of."""
        done = await super().order(identity, action, payload)
        if action == "GetInstalledCertificateIds" and isinstance(done.payload, dict):
            for found in done.payload.get("certificateHashData", ()):
                self.certificates[next(self._numbers)] = found
        return done


def _required(form: Form, name: str) -> Any:
    if form.get(name) is None or form[name] == "":
        raise Unfit(f"{name} is required")
    return form[name]


def _given(form: Form, *names: str) -> dict[str, Any]:
    return {name: form[name] for name in names if form.get(name) is not None}


def _renamed(form: Form, **fields: str) -> dict[str, Any]:
    return {name: form[field] for name, field in fields.items() if form.get(field) is not None}


def _choice(form: Form, name: str, *allowed: str) -> str:
    """Return a choice as OCPP spells it: the forms have them in capitals."""
    value = _required(form, name)
    if value not in allowed:
        raise Unfit(f"{name} {value!r} is none of {', '.join(allowed)}")
    return str(value).capitalize()


def _future(form: Form, name: str) -> str:
    """Return a time that must be in the future; "" where none is given."""
    text = form.get(name)
    if text is None:
        return ""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Unfit(f"{name} is no date and time") from None
    if (at if at.tzinfo else at.replace(tzinfo=UTC)) <= datetime.now(UTC):
        raise Unfit(f"{name} must be in future")
    return str(text)


def _configuration(form: Form) -> dict[str, Any]:
    kind = form.get("keyType", "PREDEFINED")
    if kind == "PREDEFINED":
        key = _required(form, "confKey")
        if key not in PREDEFINED:
            raise Unfit(f"confKey {key!r} is not known")
    elif kind == "CUSTOM":
        key = _required(form, "customConfKey")
    else:
        raise Unfit(f"keyType {kind!r} is none of PREDEFINED, CUSTOM")
    return {"key": key, "value": _required(form, "value")}


def _keys(form: Form) -> dict[str, Any]:
    keys = list(form.get("confKeyList") or [])
    if unknown := set(keys) - PREDEFINED:
        raise Unfit(f"confKeyList: {', '.join(sorted(unknown))} is not known")
    custom = form.get("commaSeparatedCustomConfKeys") or ""
    keys += [key.strip() for key in custom.split(",") if key.strip()]
    return {"key": keys} if keys else {}


def _cleared_profiles(form: Form) -> dict[str, Any]:
    if _required(form, "filterType") == "ChargingProfileId":
        return {"id": _required(form, "chargingProfilePk")}
    if form["filterType"] != "OtherParameters":
        raise Unfit("filterType is none of ChargingProfileId, OtherParameters")
    return _given(form, "connectorId", "chargingProfilePurpose", "stackLevel")


def _triggered(form: Form) -> dict[str, Any]:
    return {
        "requestedMessage": _required(form, "triggerMessage"),
        **_given(form, "connectorId"),
    }


def _diagnostics(form: Form) -> dict[str, Any]:
    return {
        "location": _required(form, "location"),
        **_given(form, "retries", "retryInterval"),
        **_renamed(form, startTime="start", stopTime="stop"),
    }


def _firmware(form: Form) -> dict[str, Any]:
    _required(form, "retrieveDateTime")
    return {
        "location": _required(form, "location"),
        "retrieveDate": _future(form, "retrieveDateTime"),
        **_given(form, "retries", "retryInterval"),
    }


def _problem(status: int, message: str) -> Reply:
    return Reply(status, {"status": status, "message": message})


def _told(done: list[tuple[str, Done]]) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    exceptions: list[dict[str, Any]] = []
    why = {
        Told.OFFLINE: "Charge point is not connected",
        Told.TIMED_OUT: "No response within the timeout",
        Told.REFUSED: "Sending failed",
    }
    for box, one in done:
        about = {"chargeBoxId": box}
        if one.told is Told.ANSWERED:
            answers.append(about | {"response": _bare(one.payload)})
        elif one.told is Told.ERROR:
            code, description = one.payload
            errors.append(about | {"errorCode": code, "errorDescription": description})
        else:
            exceptions.append(about | {"exceptionMessage": why[one.told]})
    return {"successResponses": answers, "errorResponses": errors, "exceptions": exceptions}


def _bare(answer: dict[str, Any]) -> Any:
    """Return a status or number alone where there is nothing else."""
    alone = answer.keys() in ({"status"}, {"listVersion"})
    return next(iter(answer.values())) if alone else answer
