"""What is wanted of a drug and what is feared, as content: its models, limits of doses, targets and harms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from cds_app.content import Artefact, Content
from cds_app.domain.ontology import Ontology
from cds_app.errors import ContentError
from cds_app.simulate.kinetics.models import Model, Tag, Text, load_model
from cds_app.simulate.plans import Route

FILE: Final = "drug.json"
SAME_UNIT: Final[Mapping[str, str]] = {
    "ug/mL": "mg/L",
    "mg/L": "mg/L",
    "ng/mL": "ng/mL",
    "ug/L": "ng/mL",
    "{INR}": "{INR}",
}
"""Units of the ontology, and the models' own of the same size."""

_ABSURD_TIMES: Final = 10.0
_EFFECT_UNIT: Final = "{INR}"
Metric = Literal["auc24_steady", "auc24_last", "trough", "highest", "end", "time_above"]


class UsedModel(Content):
    """A version of a model, and how much it counts before any level is known.

    ``settles_h``: after so long nothing that matters is left of doses before; without, that is not taken for granted.
    """

    version: Text
    weight: PositiveFloat
    settles_h: PositiveFloat | None = None


class Levels(Content):
    """Quantities of the ontology that measure the drug or its effect, and which values are believed."""

    quantities: tuple[Text, ...]
    unit: Text
    low: float
    high: float


class Limits(Content):
    """Both ends are allowed."""

    low: NonNegativeFloat
    high: NonNegativeFloat
    tag: Tag


class AtMost(Content):
    """A highest value."""

    high: PositiveFloat
    tag: Tag


class Offers(Content):
    """Regular plans that may be compared: every dose at every interval, as long as the limits allow."""

    doses_mg: tuple[PositiveFloat, ...]
    intervals_h: tuple[PositiveFloat, ...]


class Wish(Content):
    """What targets and harms share: what is looked at, in which unit, in words, and where that comes from.

    ``from_interval_h`` and ``below_interval_h``: of regular plans it is only meant for those with an interval of at
    least so many hours, or of fewer.
    """

    metric: Metric
    unit: Text
    says: Text
    source: Text
    tag: Tag
    needs_review: bool
    threshold: PositiveFloat | None = None
    from_interval_h: PositiveFloat | None = None
    below_interval_h: PositiveFloat | None = None

    def meant_for(self, interval_h: float | None) -> bool:
        """Whether it is meant for a plan with this interval; for an irregular one in any case."""
        if interval_h is None:
            return True
        high = self.below_interval_h
        return interval_h >= (self.from_interval_h or 0.0) and (high is None or interval_h < high)

    @model_validator(mode="after")
    def _is_honest(self) -> Wish:
        if self.tag == "M" and not self.needs_review:
            raise ValueError("what is from memory needs review")
        if (self.metric == "time_above") != (self.threshold is not None):
            raise ValueError("time_above, and nothing else, has a threshold")
        return self


class Target(Wish):
    """Reached from ``low`` to ``high``."""

    low: float
    high: float


class Harm(Wish):
    """Feared above (or below) a value; a plan is within limits if its probability is ``at_most`` so much.

    ``told_from``: who drafts a plan is told of the harm only from this probability on, where its limit is nobody's but
    ours; left out, as soon as it is more than ``at_most``.
    """

    above: float | None = None
    below: float | None = None
    at_most: Annotated[float, Field(gt=0.0, lt=1.0)]
    told_from: Annotated[float | None, Field(gt=0.0, lt=1.0)] = None

    @model_validator(mode="after")
    def _has_a_side(self) -> Harm:
        if (self.above is None) == (self.below is None):
            raise ValueError("a harm has one side")
        if self.told_from is not None and self.told_from < self.at_most:
            raise ValueError("what is within limits is not told")
        return self


class Since(Content):
    """For so many days after a procedure, where the day of it is on record."""

    procedure: Text
    within_days: PositiveFloat
    source: Text


class Goal(Content):
    """What is wanted, and what is feared; not meant by itself for who has a problem of ``unless``.

    ``since``: meant in the place of others for a time after a procedure.
    """

    target: Target
    harms: tuple[Harm, ...] = ()
    unless: tuple[Text, ...] = ()
    since: Since | None = None


class DrugFile(Content):
    """One drug.

    ``usual_infusion_h`` is assumed, and said to be, where the length of an infusion was not recorded. Doses by a route
    of ``unabsorbed`` (vancomycin by mouth) do not reach the blood, and do not count.
    """

    drug: Text
    concept: Text
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    unabsorbed: tuple[Route, ...] = ()
    models: Annotated[Mapping[str, UsedModel], Field(min_length=1)]
    levels: Levels
    dose_mg: Limits
    daily_mg: AtMost
    infusion_h: Limits
    interval_h: Limits
    usual_infusion_h: NonNegativeFloat
    offers: Offers
    horizon_h: PositiveFloat
    step_h: PositiveFloat
    goals: Annotated[Mapping[str, Goal], Field(min_length=1)]
    limits_source: Text
    needs_review: bool
    notes: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _is_honest(self) -> DrugFile:
        tags = [self.dose_mg.tag, self.daily_mg.tag, self.infusion_h.tag, self.interval_h.tag]
        tags += [wish.tag for goal in self.goals.values() for wish in (goal.target, *goal.harms)]
        if "M" in tags and not self.needs_review:
            raise ValueError("a drug with anything from memory needs review")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drug:
    """A drug with its models, checked.

    Parameters
    ----------
    file : DrugFile
    version, sha256 : str
        Of the artefact.
    models : tuple of Model
        In the order of their names.
    foreign : tuple of str
        Quantities of the ontology that are levels of other drugs that can be simulated.
    """

    file: DrugFile
    version: str
    sha256: str
    models: tuple[Model, ...]
    foreign: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As in plans: ``vancomycin``."""
        return self.file.drug

    def weight(self, model: Model) -> float:
        """How much a model counts before any level."""
        return self.file.models[model.name].weight


def disbelieved(amount_mg: float, drug: Drug) -> str:
    """The limit that a slip of the pen or of the unit breaks, ten times over or under what is usual; "" for none."""
    least, most = drug.file.dose_mg.low / _ABSURD_TIMES, drug.file.dose_mg.high * _ABSURD_TIMES
    if amount_mg > most:
        return f"must be at most {most:g} mg to be simulated"
    return f"must be at least {least:g} mg to be simulated" if 0.0 < amount_mg < least else ""


def load_drug(artefact: Artefact, models: Iterable[Artefact]) -> Drug:
    """Read a drug and its models.

    Parameters
    ----------
    artefact : Artefact
        ``models/pkpd/<drug>``.
    models : iterable of Artefact
        Those that it names, in any order; `named_models` says which.

    Raises
    ------
    ContentError
        On anything malformed or that does not fit together.
    """
    file = artefact.read(FILE, DrugFile)
    found = tuple(load_model(one) for one in sorted(models, key=lambda one: one.name))
    if {one.name for one in found} != set(file.models):
        raise ContentError(f"models/pkpd/{artefact.name}: not all of its models are there", field=FILE)
    for model in found:
        if model.file.drug != file.drug:
            raise ContentError(f"models/pkpd/{artefact.name}: {model.name} is of another drug", field=FILE)
    return Drug(file=file, version=artefact.version, sha256=artefact.sha256, models=found)


def told_apart(drugs: Mapping[str, Drug]) -> dict[str, Drug]:
    """The same drugs, each of which knows levels of the others from its own; what is no concentration is no level."""
    levels = {
        quantity: name
        for name, one in sorted(drugs.items())
        if one.file.levels.unit != _EFFECT_UNIT
        for quantity in one.file.levels.quantities
    }
    return {
        name: replace(one, foreign=tuple(quantity for quantity, of in levels.items() if of != name))
        for name, one in drugs.items()
    }


def check_names(drug: Drug, ontology: Ontology) -> None:
    """Resolve the names that a drug's content takes from the ontology.

    Raises
    ------
    ContentError
        If the concept is no drug, a level no quantity in a unit that is the model's own, a condition or procedure none.
    """
    concept = ontology.concepts.get(drug.file.concept)
    if concept is None or concept.kind != "drug":
        raise ContentError(f"models/pkpd/{drug.name}: the ontology knows no drug of its concept's name", field=FILE)
    for quantity in drug.file.levels.quantities:
        if not ontology.measuring(quantity):
            raise ContentError(f"models/pkpd/{drug.name}: no variable measures {quantity}", field=FILE)
        if SAME_UNIT.get(ontology.quantity(quantity).unit) != drug.file.levels.unit:
            raise ContentError(f"models/pkpd/{drug.name}: {quantity} is in another unit", field=FILE)
    goals = drug.file.goals.values()
    asked = {name for model in drug.models for name in model.file.conditions}.union(*(goal.unless for goal in goals))
    since = {goal.since.procedure for goal in goals if goal.since is not None}
    for kind, names in (("condition", asked), ("procedure", since)):
        for name in sorted(names):
            if name not in ontology.concepts or ontology.concepts[name].kind != kind:
                raise ContentError(f"models/pkpd/{drug.name}: the ontology knows no {kind} {name}", field=FILE)


def named_models(artefact: Artefact) -> Mapping[str, str]:
    """Names and versions of the models that a drug's artefact names."""
    return {name: one.version for name, one in artefact.read(FILE, DrugFile).models.items()}
