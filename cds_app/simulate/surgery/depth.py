"""How deep anaesthesia is, as BIS: what too deep and too light mean, whom it is estimated for, and what came of a plan.

Only propofol acts in it: where nothing of it is given, or another sedative acts as well, there is no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cds_app.domain.arrays import Floats
from cds_app.errors import ContentError
from cds_app.score.result import Abstained, Lack
from cds_app.simulate.haemodynamics.fit import Interval, interval
from cds_app.simulate.haemodynamics.model import values
from cds_app.simulate.haemodynamics.patient import Known, outside
from cds_app.simulate.surgery.figures import DECIMALS, Band, Share, band, share, tidy
from cds_app.simulate.surgery.plan import Plan, Propofol, PropofolInfusion

if TYPE_CHECKING:
    from cds_app.content import Artefact

_DRUGS: Final = "drugs.json"
_PLAN: Final = "plan.json"
_CURVE: Final = "propofol_bis"
_POPULATION: Final = "propofol_bis_population"
_NAME: Final = "bis"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthRules:
    """What the depth of anaesthesia is judged by, and where that comes from.

    Parameters
    ----------
    deep_below_bis, light_above_bis : float
        Between them an anaesthetic is neither too deep nor too light.
    light_from_min : float
        How long after the first propofol a draw may still be awake.
    reading_sd : float
        How far a monitor's reading scatters around BIS.
    limits : mapping of str to (float, float)
        Whom it is for: age, weight, height.
    source, checked : str
        Of the curve, and how it was verified.
    """

    deep_below_bis: float
    light_above_bis: float
    light_from_min: float
    reading_sd: float
    limits: Mapping[str, tuple[float, float]]
    source: str
    checked: str


def depth_rules(artefact: Artefact) -> DepthRules:
    """Read them; ContentError if a number is missing, or one too many."""
    groups: Any = artefact.read_json(_DRUGS)
    curve, tags = values(groups, _CURVE), artefact.manifest["tags"]
    limits = {name: (float(low), float(high)) for name, (low, high) in values(groups, _POPULATION).items()}
    if limits.keys() != {"age", "body_weight", "body_height"}:
        raise ContentError(f"{_DRUGS} does not say whom BIS is for", field=_POPULATION)
    try:
        return DepthRules(
            **values(artefact.read_json(_PLAN), "depth"),
            reading_sd=curve["reading_sd"],
            limits=limits,
            source=groups[_CURVE]["source"],
            checked="; ".join(tags[one] for one in groups[_CURVE]["tag"].split(", ")),
        )
    except (KeyError, TypeError) as error:
        raise ContentError("what the depth of anaesthesia needs is incomplete", field="depth") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How deep one plan goes.

    Parameters
    ----------
    bis : Band
    lowest : Interval
        Lowest BIS.
    deep_probability, light_probability : Share
        Of BIS under the lower limit, and of BIS over the upper one once an induction should have worked, for at least
        the time that counts.
    deep_mean_min, light_mean_min : float
        Expected minutes of it.
    deep_min, light_min : Interval
        The same by draws.
    """

    bis: Band
    lowest: Interval
    deep_probability: Share
    deep_mean_min: float
    deep_min: Interval
    light_probability: Share
    light_mean_min: float
    light_min: Interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spell:
    """Minutes in which something held, and the longest time in which it held without a break; (draws,)."""

    minutes: Floats
    longest_min: Floats

    def counts(self, after_min: float) -> Share:
        """The share of draws in which it held for long enough at once."""
        return share(int((self.longest_min >= after_min).sum()), self.longest_min.size)

    @property
    def mean_min(self) -> float:
        """Expected minutes."""
        return round(float(self.minutes.mean()), DECIMALS)


def depth(bis: Floats, lowest: Floats, deep: Spell, light: Spell, counts_after_min: float) -> Depth:
    """What came of BIS (times, draws) in one plan."""
    return Depth(
        bis=band(bis),
        lowest=tidy(interval(lowest)),
        deep_probability=deep.counts(counts_after_min),
        deep_mean_min=deep.mean_min,
        deep_min=tidy(interval(deep.minutes)),
        light_probability=light.counts(counts_after_min),
        light_mean_min=light.mean_min,
        light_min=tidy(interval(light.minutes)),
    )


def unanswered(plan: Plan, about: Known, rules: DepthRules) -> Abstained | None:
    """Why BIS is not estimated of a plan, by name; None where it is."""
    person = about.person
    told = {"age": person.age_years, "body_weight": person.weight_kg, "body_height": person.height_cm}
    lacks = [one for name, value in told.items() if (one := outside(name, value, rules.limits)) is not None]
    if about.sedated:
        lacks.append(Lack(name="sedatives", why="unsuitable", text="given within a day, and not counted in BIS"))
    if not any(isinstance(one, Propofol | PropofolInfusion) for one in plan.actions):
        lacks.append(Lack(name="propofol", why="missing"))
    return Abstained(name=_NAME, reasons=tuple(lacks)) if lacks else None
