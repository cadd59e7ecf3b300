"""Open mHealth and IEEE 1752.1 data points -> FHIR Observations with the ontology's codes.

What is measured is decided by the schema and by what the body says of it, never by the number: a heart rate is a
resting one only if it was taken at rest, glucose is that of a continuous monitor only if its specimen is interstitial
fluid, and a variability is SDNN only if its algorithm is. What has no code of ours is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from cds_app.domain.time import time_in
from cds_app.fabric.references import is_id
from cds_app.fabric.shapes import MAX_TEXT, Object, as_object, number, objects, word

LOINC: Final = "http://loinc.org"
SUBJECT: Final = "Patient/person"
_UCUM: Final = "http://unitsofmeasure.org"
_UNITS: Final = {
    "beats/min": "/min", "steps": "{steps}", "sec": "s", "min": "min", "h": "h", "ms": "ms",
    "MGDL": "mg/dL",  # what CommonHealth makes of Health Connect
}  # fmt: skip
_SPECIMENS: Final[Mapping[str, Mapping[str, str]]] = {
    "interstitial fluid": {"mg/dL": "99504-3", "mmol/L": "105272-9"},
    "capillary blood": {"": "41653-7"},
    "plasma": {"": "2345-7"},
    "serum": {"": "2345-7"},
    "whole blood": {"": "2339-0"},
    "": {"": "2339-0"},  # what the schema itself refers to
}
_STAGES: Final = {
    "light_sleep_duration": "93830-8",
    "deep_sleep_duration": "93831-6",
    "rem_sleep_duration": "93829-0",
    "total_sleep_time": "93832-4",
}
_AT_ONCE: Final = timedelta(minutes=5)
"""The average over a longer time is no heart rate of any moment in it."""
_CENTRAL: Final = frozenset({"", "average", "median"})
_DAY: Final = timedelta(hours=24)
_DAY_MARGIN: Final = timedelta(hours=1, minutes=1)  # clocks are put forward and back; a day may end at 23:59

Refusal = Literal["malformed", "unsupported-type", "no-message-id", "no-identifier", "no-time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPoint:
    """One data point, read.

    Parameters
    ----------
    message : str
        The device's own name for it.
    user : str
        Whose it is, as the source names people.
    device : str
    sensed : bool
        Whether a device measured it; False for what a person stated.
    resources : tuple
        FHIR Observations about `SUBJECT`.
    """

    message: str
    user: str
    device: str
    sensed: bool
    resources: tuple[Mapping[str, Any], ...]


class _Refused(Exception):
    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason: Refusal = reason


_Value = tuple[str, float, str]  # LOINC, number, unit as sent
_Span = tuple[datetime, datetime]


def read_point(value: object) -> DataPoint | Refusal:
    """Read one data point. Nothing in it raises."""
    try:
        return _point(value)
    except _Refused as refused:
        return refused.reason


def _point(value: object) -> DataPoint:
    point = as_object(value) or {}
    header, body = as_object(point.get("header")), as_object(point.get("body"))
    if header is None or body is None:
        raise _Refused("malformed")
    message = word(header.get("id")) or word(header.get("uuid"))
    user = header.get("user_id")
    if not message:
        raise _Refused("no-message-id")
    if not isinstance(user, str) or not 0 < len(user) <= MAX_TEXT:
        raise _Refused("no-identifier")
    schema = as_object(header.get("schema_id")) or {}
    reader = _READERS.get(word(schema.get("name")))
    if reader is None or word(schema.get("namespace")) not in ("omh", "ieee"):
        raise _Refused("unsupported-type")
    span = _span(body)
    origin = as_object(header.get("acquisition_provenance")) or {}
    found = tuple(_observation(one, message, span, header) for one in reader(body, span))
    if not found:
        raise _Refused("malformed")
    return DataPoint(
        message=message,
        user=user,
        device=word(origin.get("source_name")) or _maker(header),
        sensed=(word(origin.get("modality")) or word(header.get("modality"))) == "sensed",
        resources=found,
    )


def _maker(header: Object) -> str:
    """What IEEE 1752.1 says in the place of a source's name."""
    sheets = objects(header.get("external_datasheets"))
    named = (one for one in sheets if word(one.get("datasheet_type")) == "manufacturer")
    return next((word(one.get("datasheet_reference")) for one in named), word(header.get("source_name")))


def _steps(body: Object, span: _Span) -> Iterator[_Value]:
    held = body.get("step_count")
    count = number(held) if as_object(held) is None else number((as_object(held) or {}).get("value"))
    if count is None:
        raise _Refused("malformed")
    whole_day = abs((span[1] - span[0]) - _DAY) <= _DAY_MARGIN
    yield ("41950-7", count, "{steps}/(24.h)") if whole_day else ("55423-8", count, "{steps}")


def _heart_rate(body: Object, span: _Span) -> Iterator[_Value]:
    _check_statistic(body)
    value, unit = _quantity(body.get("heart_rate"))
    resting = word(body.get("temporal_relationship_to_physical_activity")) == "at rest"
    if not resting and span[1] - span[0] > _AT_ONCE:
        raise _Refused("unsupported-type")
    yield ("40443-4" if resting else "8867-4"), value, unit


def _variability(body: Object, span: _Span) -> Iterator[_Value]:
    _check_statistic(body)
    algorithm = body.get("algorithm", body.get("heart_rate_variability_algorithm"))
    if word(algorithm).upper() != "SDNN":
        raise _Refused("unsupported-type")
    yield ("80404-7", *_quantity(body.get("heart_rate_variability")))


def _sleep_duration(body: Object, span: _Span) -> Iterator[_Value]:
    if word(body.get("descriptive_statistic")):
        raise _Refused("unsupported-type")  # an average over nights is no night
    yield ("93832-4", *_quantity(body.get("sleep_duration", body.get("total_sleep_time"))))


def _sleep_episode(body: Object, span: _Span) -> Iterator[_Value]:
    if body.get("is_main_sleep") in (False, "false"):
        raise _Refused("unsupported-type")  # a nap is no night's sleep
    for field, code in reversed(_STAGES.items()):
        if field in body:
            yield (code, *_quantity(body[field]))


def _glucose(body: Object, span: _Span) -> Iterator[_Value]:
    _check_statistic(body)
    value, unit = _quantity(body.get("blood_glucose"))
    codes = _SPECIMENS.get(word(body.get("specimen_source")), {})
    code = codes.get(_UNITS.get(unit, unit)) or codes.get("")
    if code is None:
        raise _Refused("unsupported-type")
    yield code, value, unit


_READERS: Final[Mapping[str, Callable[[Object, _Span], Iterator[_Value]]]] = {
    "step-count": _steps,
    "heart-rate": _heart_rate,
    "heart-rate-variability": _variability,
    "sleep-duration": _sleep_duration,
    "total-sleep-time": _sleep_duration,
    "sleep-episode": _sleep_episode,
    "blood-glucose": _glucose,
}


def _check_statistic(body: Object) -> None:
    """A maximum or a deviation is not what its code says."""
    if word(body.get("descriptive_statistic")) not in _CENTRAL:
        raise _Refused("unsupported-type")


def _quantity(value: object) -> tuple[float, str]:
    held = as_object(value) or {}
    found, unit = number(held.get("value")), word(held.get("unit"))
    if found is None or not unit:
        raise _Refused("malformed")
    return found, unit


def _span(body: Object) -> _Span:
    """Begin and end of what was measured; both the same for an instant."""
    frame = as_object(body.get("effective_time_frame")) or {}
    at = _instant(frame.get("date_time"))
    if at is not None:
        return at, at
    interval = as_object(frame.get("time_interval")) or {}
    start, end = _instant(interval.get("start_date_time")), _instant(interval.get("end_date_time"))
    length = _length(interval.get("duration"))
    if start is None and end is not None and length is not None:
        start = _moved(end, -length)
    elif end is None and start is not None and length is not None:
        end = _moved(start, length)
    if start is None or end is None or end < start:
        raise _Refused("no-time")
    return start, end


def _instant(value: object) -> datetime | None:
    """An instant with its zone: a wall clock without one is none."""
    if not isinstance(value, str) or "T" not in value:
        return None
    clock = value.partition("T")[2]
    if not clock.endswith(("Z", "z")) and "+" not in clock and "-" not in clock:
        return None
    found = time_in(value)
    return found.start if found is not None else None


def _length(value: object) -> timedelta | None:
    held = as_object(value) or {}
    found = number(held.get("value"))
    unit = {"sec": "seconds", "min": "minutes", "h": "hours", "d": "days"}.get(word(held.get("unit")))
    if found is None or unit is None or not 0 <= found <= 10**7:
        return None
    return timedelta(**{unit: found})


def _moved(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:
        raise _Refused("no-time") from None


def _observation(value: _Value, message: str, span: _Span, header: Object) -> Mapping[str, Any]:
    code, amount, unit = value
    ucum = _UNITS.get(unit, unit)
    start, end = (one.isoformat() for one in span)
    when = {"effectiveDateTime": end} if start == end else {"effectivePeriod": {"start": start, "end": end}}
    key = f"omh-{message}-{code}" if code in _STAGES.values() else f"omh-{message}"
    made = header.get("creation_date_time", header.get("source_creation_date_time"))
    return {
        "resourceType": "Observation",
        **({"id": key} if is_id(key) else {}),
        "meta": {"lastUpdated": made} if isinstance(made, str) else {},
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": SUBJECT},
        **when,
        "valueQuantity": {"value": amount, "unit": unit, "system": _UCUM, "code": ucum},
    }
