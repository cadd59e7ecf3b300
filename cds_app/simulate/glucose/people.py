"""Virtual people with type 1 diabetes, as content: parameters, whom they stand for, what is wanted of their glucose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from pydantic import Field, PositiveFloat, model_validator

from cds_app.content import Artefact, Content
from cds_app.domain.arrays import Floats
from cds_app.simulate.kinetics.models import Range, Tag, Text

FILE: Final = "virtual_people.json"
INSULINS: Final = "insulins"
"""The concept of all of them."""

STATES: Final = 13
PMOL_PER_U: Final = 6000.0
_NAMES: Final = (
    *("BW", "Ib", "kabs", "kmax", "kmin", "b", "d", "f", "Vg", "Vi", "Vmx", "Vm0", "Km0", "k1", "k2", "p2u", "m1"),
    *("m2", "m4", "m30", "ki", "kp1", "kp2", "kp3", "ke1", "ke2", "Fsnc", "ksc", "kd", "ka1", "ka2", "u2ss"),
)
_LIMITED: Final = frozenset(
    {"age_years", "weight_kg", "daily_insulin_u", "glucose_mg_dl", "carbohydrate_g", "basal_u_per_h", "bolus_u"}
)


class VirtualPerson(Content):
    """One virtual person: parameters by the names of the publication, and the state under basal insulin."""

    name: Text
    age_years: float
    daily_insulin_u: float
    carbohydrate_ratio_g_per_u: float
    parameters: Mapping[str, float]
    start: Annotated[tuple[float, ...], Field(min_length=STATES, max_length=STATES)]

    @model_validator(mode="after")
    def _is_whole(self) -> VirtualPerson:
        if missing := sorted(set(_NAMES) - self.parameters.keys()):
            raise ValueError(f"lacks {missing[0]}")
        return self


class OtherKind(Content):
    """An insulin that the model does not describe: for how long it acts after a dose, and why it is none of ours."""

    acts_h: PositiveFloat
    says: Text


class OutOfBalance(Content):
    """A measurement that tells of ketoacidosis: below one limit, or at least another."""

    quantity: Text
    below: float | None = None
    at_least: float | None = None

    @model_validator(mode="after")
    def _says_one(self) -> OutOfBalance:
        if (self.below is None) == (self.at_least is None):
            raise ValueError("one limit is needed, from below or from above")
        return self

    def holds(self, value: float) -> bool:
        """Whether a value tells of it."""
        return (self.below is not None and value < self.below) or (self.at_least is not None and value >= self.at_least)


class OrderRules(Content):
    """Which drafted insulin the virtual people can be given, and what of the patient must be known for that.

    Parameters
    ----------
    rapid, basal : tuple of str
        Concepts of the ontology: what the model's insulin is; what is taken to hold glucose where it is.
    others : mapping of str to OtherKind
        By concept; ``insulins`` is one of no known kind.
    doses_u : tuple of float
        What a draft is compared with, U.
    highest_u : float
        A single dose above it of rapid insulin, or of one of no known kind, is told whoever it is for, U.
    within_h, starts_within_h : float
        How far ahead glucose is looked at; when a draft must begin.
    ketoacidosis_h : float
        How long a recorded ketoacidosis counts.
    """

    rapid: Annotated[tuple[Text, ...], Field(min_length=1)]
    basal: tuple[Text, ...]
    others: Mapping[str, OtherKind]
    doses_u: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    highest_u: PositiveFloat
    within_h: PositiveFloat
    starts_within_h: PositiveFloat
    ketoacidosis: Text
    ketoacidosis_h: PositiveFloat
    out_of_balance: tuple[OutOfBalance, ...]
    source: Text

    @model_validator(mode="after")
    def _knows_the_unnamed(self) -> OrderRules:
        if INSULINS not in self.others:
            raise ValueError(f"others lacks {INSULINS}")
        return self


class Rules(Content):
    """How virtual people are chosen for a patient, what is wanted of their glucose, and where the model ends."""

    weight_log_sd: PositiveFloat
    daily_insulin_log_sd: PositiveFloat
    least_likeness: PositiveFloat
    least_alike: PositiveFloat
    range_mg_dl: Range
    very_low_mg_dl: PositiveFloat
    very_high_mg_dl: PositiveFloat
    low_at_most: PositiveFloat
    very_low_at_most: PositiveFloat
    glucose_within_h: PositiveFloat
    acts_h: PositiveFloat
    orders: OrderRules
    validity: Mapping[str, Range]
    source: Text
    needs_review: bool

    @model_validator(mode="after")
    def _is_whole(self) -> Rules:
        if missing := sorted(_LIMITED - self.validity.keys()):
            raise ValueError(f"lacks the limits of {missing[0]}")
        return self


class PeopleFile(Content):
    """The whole file."""

    rules: Rules
    people: Annotated[tuple[VirtualPerson, ...], Field(min_length=1)]
    source: Text
    licence: Text
    tags: tuple[Tag, ...]
    needs_review: bool
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class People:
    """Virtual people side by side.

    Parameters
    ----------
    file : PeopleFile
    name, version, sha256 : str
        Of the artefact.
    at : mapping of str to ndarray (people,)
        Parameters.
    start : ndarray (13, people)
        State under basal insulin.
    """

    file: PeopleFile
    name: str
    version: str
    sha256: str
    at: Mapping[str, Floats]
    start: Floats

    @property
    def basal_u_per_h(self) -> Floats:
        """What keeps each of them where they start, (people,)."""
        return np.asarray(self.at["u2ss"] * self.at["BW"] / PMOL_PER_U * 60.0)


def load_people(artefact: Artefact) -> People:
    """Read virtual people.

    Raises
    ------
    ContentError
    """
    file = artefact.read(FILE, PeopleFile)
    at = {name: np.array([one.parameters[name] for one in file.people]) for name in _NAMES}
    start = np.array([one.start for one in file.people]).T
    return People(file=file, name=artefact.name, version=artefact.version, sha256=artefact.sha256, at=at, start=start)
