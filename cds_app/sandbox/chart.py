"""What a chart page shows, read from the store: identity, readings with trends, problems, medicines, orders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from cds_app.sandbox.people.resources import Resource
from cds_app.sandbox.people.vocabulary import LAB, MEASURES, VITAL
from cds_app.sandbox.records.search import interval
from cds_app.sandbox.records.store import Store
from cds_app.sandbox.trends import Point, Trend, trend

WINDOW: Final = timedelta(hours=24)
_VITAL_GAP: Final = timedelta(hours=5)
_LAB_GAP: Final = timedelta(hours=18)
_STANDING: Final = frozenset({"active", "on-hold", "accepted", "in-progress"})

USUAL: Final[Mapping[str, tuple[float, float]]] = {
    "heart_rate": (60, 100),
    "resp_rate": (12, 20),
    "spo2": (94, 100),
    "temperature": (36.1, 37.8),
    "systolic": (90, 140),
    "diastolic": (60, 90),
    "mean_pressure": (65, 105),
    "gcs": (15, 15),
    "creatinine": (0.6, 1.2),
    "bun": (7, 20),
    "potassium": (3.5, 5.0),
    "sodium": (135, 145),
    "chloride": (98, 107),
    "bicarbonate": (22, 29),
    "glucose": (70, 140),
    "calcium": (8.6, 10.2),
    "magnesium": (1.7, 2.4),
    "bilirubin": (0.1, 1.2),
    "lactate": (0.5, 2.0),
    "wbc": (4.0, 11.0),
    "platelets": (150, 400),
    "haemoglobin": (12.0, 17.0),
    "haematocrit": (36, 50),
    "ph": (7.35, 7.45),
    "pco2": (35, 45),
    "po2": (75, 100),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One quantity as the table shows it.

    Parameters
    ----------
    value : str
        The newest, as text.
    at : datetime
        When it was taken.
    flag : str
        ``high``, ``low`` or nothing, against the usual range.
    note : str
        What the laboratory or nurse remarked on the newest value.
    finding : str
        The trend in words.
    """

    key: str
    label: str
    unit: str
    value: str
    at: datetime
    flag: str
    note: str
    finding: str
    trend: Trend | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A medicine or other order: what, how, in which state."""

    what: str
    how: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Everything on a chart page but the cards."""

    id: str
    name: str
    sex: str
    born: date
    age: int
    number: str
    place: str
    allergies: tuple[str, ...]
    problems: tuple[str, ...]
    vitals: tuple[Row, ...]
    labs: tuple[Row, ...]
    medicines: tuple[Order, ...]
    orders: tuple[Order, ...]


def chart(store: Store, patient_id: str) -> Chart:
    """Read a patient's chart as it is now; NotFound when there is no such patient."""
    who = store.read("Patient", patient_id)
    born = date.fromisoformat(who["birthDate"])
    today = store.now.date()
    readings = _readings(_own(store, "Observation", patient_id))
    stay = encounter(store, patient_id)
    return Chart(
        id=patient_id,
        name=display_name(who),
        sex=who["gender"],
        born=born,
        age=today.year - born.year - ((today.month, today.day) < (born.month, born.day)),
        number=who["identifier"][0]["value"],
        place=stay["type"][0]["text"] if stay else "Not admitted",
        allergies=tuple(one["code"]["text"] for one in _own(store, "AllergyIntolerance", patient_id)),
        problems=tuple(one["code"]["text"] for one in _own(store, "Condition", patient_id)),
        vitals=tuple(_rows(readings, VITAL, store.now)),
        labs=tuple(_rows(readings, LAB, store.now)),
        medicines=tuple(_medicines(store, patient_id)),
        orders=tuple(_orders(store, patient_id)),
    )


def display_name(person: Resource) -> str:
    """Family name, given name."""
    name = person["name"][0]
    return f"{name['family']}, {' '.join(name['given'])}"


def encounter(store: Store, patient_id: str) -> Resource | None:
    """The encounter that runs; the one begun last where there are several."""
    running = [one for one in _own(store, "Encounter", patient_id) if one["status"] == "in-progress"]
    return max(running, key=lambda one: str(one["period"]["start"]), default=None)


def _own(store: Store, kind: str, patient_id: str) -> list[Resource]:
    return [one for one in store.all(kind) if store.patient_of(one) == patient_id]


# --- readings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    at: datetime
    value: float
    note: str


_KEYS: Final = {code: key for key, measure in MEASURES.items() for code, _ in measure.loinc}


def _readings(observations: Sequence[Resource]) -> dict[str, list[_Reading]]:
    found: dict[str, list[_Reading]] = {key: [] for key in MEASURES}
    for one in observations:
        at = interval(one["effectiveDateTime"])[0]
        note = " ".join(str(entry["text"]) for entry in one.get("note", ()))
        for part in one.get("component") or [one]:
            key = _key(part)
            if key is not None and "valueQuantity" in part:
                found[key].append(_Reading(at=at, value=float(part["valueQuantity"]["value"]), note=note))
    return {key: sorted(some, key=lambda one: one.at) for key, some in found.items() if some}


def _key(part: Mapping[str, Any]) -> str | None:
    codes = (coding.get("code") for coding in part["code"].get("coding", ()))
    return next((_KEYS[code] for code in codes if code in _KEYS), None)


def _rows(readings: Mapping[str, Sequence[_Reading]], category: str, now: datetime) -> Iterator[Row]:
    for key, measure in MEASURES.items():
        if measure.category == category and key in readings:
            yield _row(key, readings[key], now)


def _row(key: str, readings: Sequence[_Reading], now: datetime) -> Row:
    measure, newest = MEASURES[key], readings[-1]
    usual = USUAL.get(key)
    points = [(one.at, one.value) for one in readings]
    gap = _VITAL_GAP if measure.category == VITAL else _LAB_GAP
    return Row(
        key=key,
        label=measure.label,
        unit=measure.unit if measure.unit != "[pH]" else "",
        value=f"{newest.value:.{measure.decimals}f}",
        at=newest.at,
        flag=_flag(newest.value, usual),
        note=newest.note,
        finding=_finding(key, [one for one in points if now - one[0] <= WINDOW]),
        trend=trend(points, now - WINDOW, now, usual=usual, gap=gap),
    )


def _flag(value: float, usual: tuple[float, float] | None) -> str:
    if usual is None or usual[0] <= value <= usual[1]:
        return ""
    return "low" if value < usual[0] else "high"


def _finding(key: str, points: Sequence[Point]) -> str:
    if len(points) < 2:
        return ""
    measure = MEASURES[key]

    def text(value: float) -> str:
        return f"{value:.{measure.decimals}f}"

    values = [value for _, value in points]
    change = f"from {text(values[0])} at {points[0][0]:%H:%M} to {text(values[-1])} at {points[-1][0]:%H:%M}"
    return f"{change}; lowest {text(min(values))}, highest {text(max(values))}"


# --- orders


def _medicines(store: Store, patient_id: str) -> Iterator[Order]:
    for one in reversed(_own(store, "MedicationRequest", patient_id)):
        if one["status"] in _STANDING:
            yield order_of(one)
    for one in _own(store, "MedicationStatement", patient_id):
        how = _instruction(one.get("dosage", ()))
        yield Order(what=_text(one["medicationCodeableConcept"]), how=how, state="taken at home")


def order_of(request: Resource) -> Order:
    """A MedicationRequest, ServiceRequest or Task as a line of the chart."""
    kind, state = request["resourceType"], str(request["status"])
    if kind == "MedicationRequest":
        what, how = _text(request.get("medicationCodeableConcept")), _instruction(request.get("dosageInstruction", ()))
    elif kind == "Task":
        what, how = str(request.get("description") or _text(request.get("code"))).rstrip("."), "task"
    else:
        what, how = _text(request.get("code")), str(request.get("priority", ""))
    return Order(what=what, how=how, state=state)


def _orders(store: Store, patient_id: str) -> Iterator[Order]:
    for kind in ("ServiceRequest", "Task"):
        yield from (order_of(one) for one in reversed(_own(store, kind, patient_id)) if one["status"] in _STANDING)


def _instruction(dosages: Sequence[Mapping[str, Any]]) -> str:
    return next((str(one.get("text", "")) for one in dosages), "")


def _text(concept: Mapping[str, Any] | None) -> str:
    """A CodeableConcept in words."""
    if not concept:
        return "(not named)"
    codings = concept.get("coding", ())
    displays = (str(one.get("display") or one.get("code", "")) for one in codings)
    return str(concept.get("text") or next(displays, "(not named)"))
