"""What is known of one patient's circulation: measurements with their age, or the reasons why they will not do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import hypot, isfinite, sqrt
from typing import TYPE_CHECKING, Any, Final, Literal

from cds_app.domain.facts import Measurement
from cds_app.errors import ContentError
from cds_app.score.result import Abstained, Lack
from cds_app.score.situation import Situation
from cds_app.simulate.haemodynamics.kinetics import Person
from cds_app.simulate.haemodynamics.model import values
from cds_app.twin.bedside import NOBODY, Likely

if TYPE_CHECKING:
    from cds_app.content import Artefact

NAME: Final = "circulation"
NEEDED: Final = ("map", "heart_rate", "pulse_pressure", "body_weight", "body_height")
MEASURED: Final = (*NEEDED, "cardiac_output", "ejection_fraction")
_FILE: Final = "patient.json"
_TOGETHER_H: Final = 1.0
_PERCENT: Final = 100.0
_PRESSOR_WITHIN_H: Final = 1.0
_BLOCKED_WITHIN_H: Final = 24.0
_SEDATED_WITHIN_H: Final = 24.0
_NORMAL_95: Final = 1.6448536269514722


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A value, and how old it is in hours (``inf`` is allowed, and stale); what stands in for it where it is stale."""

    value: float
    age_h: float
    likely: Likely | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who is to be simulated. Absent is None.

    Parameters
    ----------
    age_years : int
        Completed years.
    sex : {"female", "male"}
        As the kinetics of propofol ask for it.
    body_weight, body_height : Observed
        kg, cm.
    map, heart_rate, pulse_pressure : Observed
        mmHg, 1/min, mmHg: at rest, without vasopressors.
    cardiac_output : Observed, optional
        L/min.
    ejection_fraction : Observed, optional
        Share between 0 and 1.
    beta_blocked : bool
        Whether a beta blocker is being taken.
    sedated : bool
        Whether a sedative was given within a day.
    """

    age_years: int | None
    sex: Literal["female", "male"] | None
    body_weight: Observed | None
    body_height: Observed | None
    map: Observed | None
    heart_rate: Observed | None
    pulse_pressure: Observed | None
    cardiac_output: Observed | None = None
    ejection_fraction: Observed | None = None
    beta_blocked: bool = False
    sedated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A patient with everything that is needed, all of it current or imputed, and plausible; units as in `Patient`.

    ``imputed`` has, by name, what was not measured lately and stands here as it most likely is.
    """

    person: Person
    mean_pressure: float
    heart_rate: float
    pulse_pressure: float
    cardiac_output: float | None
    ejection_fraction: float | None
    beta_blocked: bool
    sedated: bool
    imputed: Mapping[str, Likely] = field(default_factory=dict)

    def sd(self, name: str, of_reading: float) -> float:
        """Standard deviation of an input: of a reading, and of what is open where it was not read."""
        one = self.imputed.get(name)
        return of_reading if one is None else hypot(of_reading, (one.high - one.low) / (2.0 * _NORMAL_95))

    @property
    def body_mass_index(self) -> float:
        """kg/m2."""
        return self.person.weight_kg / (self.person.height_cm / 100.0) ** 2

    @property
    def body_surface_m2(self) -> float:
        """After Mosteller."""
        return sqrt(self.person.weight_kg * self.person.height_cm / 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits of plausibility and of age, by name of the input."""

    limits: Mapping[str, tuple[float, float]]
    current_for_h: Mapping[str, float]


def bounds(artefact: Artefact) -> Bounds:
    """Read the limits; ContentError if one is missing."""
    groups: Any = artefact.read_json(_FILE)
    limits = {name: (float(low), float(high)) for name, (low, high) in values(groups, "limits").items()}
    current = values(groups, "current_for_h")
    measured = set(MEASURED)
    if not (measured | {"age", "body_mass_index"} <= limits.keys() and measured <= current.keys()):
        raise ContentError(f"{_FILE} lacks a limit", field=_FILE)
    return Bounds(limits=limits, current_for_h=current)


def known(patient: Patient, within: Bounds) -> Known | Abstained:
    """The patient as the model may use it, or every reason against it by name.

    Returns
    -------
    Known or Abstained
        Reasons are ``missing``, ``stale``, or ``out-of-population`` with the limits in the text.
    """
    lacks = (*_who(patient, within), *_measured(patient, within))
    if lacks or patient.age_years is None or patient.sex is None:
        return Abstained(name=NAME, reasons=lacks)
    imputed = dict(_imputed(patient, within))
    given = {name: one.value for name in MEASURED if (one := getattr(patient, name)) is not None}
    given |= {name: one.mean for name, one in imputed.items()}
    found = Known(
        person=Person(
            age_years=float(patient.age_years),
            sex=patient.sex,
            weight_kg=given["body_weight"],
            height_cm=given["body_height"],
        ),
        mean_pressure=given["map"],
        heart_rate=given["heart_rate"],
        pulse_pressure=given["pulse_pressure"],
        cardiac_output=given.get("cardiac_output"),
        ejection_fraction=given.get("ejection_fraction"),
        beta_blocked=patient.beta_blocked,
        sedated=patient.sedated,
        imputed=imputed,
    )
    lack = outside("body_mass_index", found.body_mass_index, within.limits)
    return found if lack is None else Abstained(name=NAME, reasons=(lack,))


def _who(patient: Patient, within: Bounds) -> list[Lack]:
    lacks = [] if patient.sex is not None else [Lack(name="sex", why="missing", text="female or male")]
    if patient.age_years is None:
        return [Lack(name="age", why="missing"), *lacks]
    lack = outside("age", float(patient.age_years), within.limits)
    return lacks if lack is None else [lack, *lacks]


def _measured(patient: Patient, within: Bounds) -> list[Lack]:
    found = []
    for name in MEASURED:
        one: Observed | None = getattr(patient, name)
        lack = _lack(name, one, within)
        if lack is not None and (name in NEEDED or one is not None):
            found.append(lack)
    return found


def _lack(name: str, one: Observed | None, within: Bounds) -> Lack | None:
    if one is None:
        return Lack(name=name, why="missing")
    if _current(name, one, within):
        return outside(name, one.value, within.limits)
    if one.likely is None:
        said = one.age_h if isfinite(one.age_h) else None
        return Lack(name=name, why="stale", age_h=said, text=f"counts for {within.current_for_h[name]:g} h")
    return outside(name, one.likely.low, within.limits) or outside(name, one.likely.high, within.limits)


def _current(name: str, one: Observed, within: Bounds) -> bool:
    return 0.0 <= one.age_h <= within.current_for_h[name]


def _imputed(patient: Patient, within: Bounds) -> Iterator[tuple[str, Likely]]:
    for name in MEASURED:
        one: Observed | None = getattr(patient, name)
        if one is not None and one.likely is not None and not _current(name, one, within):
            yield name, one.likely


def outside(name: str, value: float, limits: Mapping[str, tuple[float, float]]) -> Lack | None:
    """Why a value is none that a model is for; None where it is."""
    low, high = limits[name]
    if low <= value <= high:
        return None
    return Lack(name=name, why="out-of-population", text=f"the model is for {low:g} to {high:g}")


def patient_of(situation: Situation, likely: Mapping[str, Likely] = NOBODY) -> Patient | Abstained:
    """What the record says of the circulation now. Of its output it says nothing: the ontology has none.

    Parameters
    ----------
    situation : Situation
    likely : mapping of str to Likely, optional
        What may stand in for pressures and heart rate that are not current: they were measured, only longer ago.

    Returns
    -------
    Patient or Abstained
        Abstained where the resting state cannot be read off: a vasopressor runs, or pregnancy.
    """
    unsuitable = []
    if situation.given("vasopressors", _PRESSOR_WITHIN_H):
        unsuitable.append(Lack(name="vasopressors", why="unsuitable", text="pressure at rest is not known"))
    if situation.pregnant:
        unsuitable.append(Lack(name="pregnancy", why="out-of-population", text="the model is not for pregnancy"))
    if unsuitable:
        return Abstained(name=NAME, reasons=tuple(unsuitable))
    pulse, derived = _pressures(situation)
    means = [one for one in (_observed(situation, "map"), derived) if one is not None]
    mean = min(means, key=lambda one: one.age_h, default=None)
    rate = _observed(situation, "heart_rate")
    return Patient(
        age_years=situation.age_years,
        sex=situation.sex,
        body_weight=_observed(situation, "body_weight"),
        body_height=_observed(situation, "body_height"),
        map=_or(mean, likely.get("map")),
        heart_rate=_or(rate, likely.get("heart_rate")),
        pulse_pressure=_or(pulse, likely.get("pulse_pressure")),
        ejection_fraction=_ejected(situation),
        beta_blocked=bool(situation.medications("beta_blockers", _BLOCKED_WITHIN_H)),
        sedated=bool(situation.given("sedatives", _SEDATED_WITHIN_H)),
    )


def _or(one: Observed | None, likely: Likely | None) -> Observed | None:
    """A measurement with what stands in for it; nothing stands in for what was never measured."""
    return one if one is None else replace(one, likely=likely)


def _observed(situation: Situation, quantity: str) -> Observed | None:
    found = _exact(situation, quantity)
    return None if found is None else Observed(value=found.value, age_h=situation.age_h(found))


def _ejected(situation: Situation) -> Observed | None:
    """The ejection fraction, as a share, while the ontology calls it current: without one, what is usual stands in."""
    found = situation.fresh("lvef")
    if found is None or found.bound != "=":
        return None
    return Observed(value=found.value / _PERCENT, age_h=situation.age_h(found))


def _exact(situation: Situation, quantity: str) -> Measurement | None:
    found = situation.latest(quantity)
    return found if found is not None and found.bound == "=" else None


def _pressures(situation: Situation) -> tuple[Observed | None, Observed | None]:
    """Pulse pressure and mean (diastolic and a third), where both pressures were taken within an hour."""
    systolic, diastolic = _exact(situation, "sbp"), _exact(situation, "dbp")
    if systolic is None or diastolic is None:
        return None, None
    ages = (situation.age_h(systolic), situation.age_h(diastolic))
    if abs(ages[0] - ages[1]) > _TOGETHER_H:
        return None, None
    pulse = systolic.value - diastolic.value
    mean = diastolic.value + pulse / 3.0
    return Observed(value=pulse, age_h=max(ages)), Observed(value=mean, age_h=max(ages))
