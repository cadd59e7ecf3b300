"""The words in which the catalogue states a condition: data, written by a clinical team, read by pydantic.

A rule is a JSON object that is recognised by its first word: ``{"quantity": "potassium", "op": ">=", ...}``,
``{"all": [...]}``. Unknown words are an error. A rule may have a name (`naming`). Evaluation is in `conditions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Annotated, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from cds_app.content import Content

Op = Literal[">=", ">", "<=", "<"]
_ONLY_SODIUM = "apart from glucose there is sodium alone, one value at a time"


class All(Content):
    """Every one holds."""

    all: Annotated[tuple[Rule, ...], Field(min_length=1)]


class Any_(Content):  # noqa: N801 - `Any` is taken
    """At least one holds."""

    any: Annotated[tuple[Rule, ...], Field(min_length=1)]


class Not(Content):
    """It does not hold."""

    not_: Rule = Field(alias="not")


class Quantity(Content):
    """The newest current value of a quantity compares so; with ``times``, that many values of the window do.

    ``unit`` is the ontology's canonical unit and is checked at load. Without ``within_h`` the ontology says
    what is current. Of sodium, ``apart_from`` glucose: what it would be without what a high glucose lowers it by.
    ``beside`` as of `Measured`.
    """

    quantity: str
    op: Op
    value: float
    unit: str
    within_h: PositiveFloat | None = None
    times: PositiveInt = 1
    apart_from: Literal["glucose"] | None = None
    beside: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_timed(self) -> Quantity:
        if self.beside and (self.within_h is None or self.times > 1):
            raise ValueError("beside another quantity there is one value, within some hours")
        return self

    @model_validator(mode="after")
    def _is_moved(self) -> Quantity:
        if self.apart_from and (self.quantity != "sodium" or self.times > 1):
            raise ValueError(_ONLY_SODIUM)
        return self


class Measured(Content):
    """A quantity was measured in the last hours, whatever came out.

    ``beside`` others, the hours are those before the newest current value of any of them, and all since: what stands
    for another value of the same sample must not cease to do so while that one counts.
    """

    measured: str
    within_h: PositiveFloat
    beside: tuple[str, ...] = ()


class Commented(Content):
    """Beside the newest current value of a quantity stands a word that begins so, and does not stand there denied."""

    commented: str
    words: Annotated[tuple[str, ...], Field(min_length=1)]


class Change(Content):
    """The newest value differs from the extreme of the hours before it by an amount or by a ratio.

    ``within_h`` is the most that lies between the two, and how long ago the newest may be: of what is measured once a
    day, the day before counts whenever the chart is opened.

    With ``low_below``, the lower of both is below that; with ``high_above``, the higher is above it. ``apart_from`` as
    of `Quantity`.
    """

    change: str
    direction: Literal["rise", "fall", "either"]
    amount: PositiveFloat | None = None
    ratio: Annotated[float, Field(gt=1)] | None = None
    low_below: float | None = None
    high_above: float | None = None
    unit: str
    within_h: PositiveFloat
    apart_from: Literal["glucose"] | None = None

    @model_validator(mode="after")
    def _says_how_much(self) -> Change:
        if self.amount is None and self.ratio is None:
            raise ValueError("a change has an amount or a ratio")
        if self.apart_from and self.change != "sodium":
            raise ValueError(_ONLY_SODIUM)
        return self


class ScoreRule(Content):
    """A clinical score compares so."""

    score: str
    op: Op
    value: float


class ScorePart(Content):
    """Some single part of a clinical score has at least so many points."""

    score_part: str
    at_least: PositiveFloat


class RiskRule(Content):
    """A learned risk is in a tier or above it, or at or above what its alert policy makes a card of."""

    risk: str
    tier_at_least: PositiveInt | Literal["due"]


class Problem(Content):
    """A condition is on the problem list and holds; with ``within_h``, it began or was recorded in the last hours.

    The problem list keeps acute illness long after it is over: what is to speak of now needs ``within_h``.
    """

    condition: str
    within_h: PositiveFloat | None = None


class Takes(Content):
    """A drug or class is ordered and active, reported as taken, or was given in the last hours.

    With ``before_h``, what says so dates from that many hours ago or more: the patient has been on it for so long.
    """

    medication: str
    within_h: PositiveFloat = 24.0
    before_h: PositiveFloat | None = None


class Given(Content):
    """A drug or class was given in the last hours."""

    given: str
    within_h: PositiveFloat


class Done(Content):
    """A procedure was done in the last hours."""

    procedure: str
    within_h: PositiveFloat


class Finding(Content):
    """A coded observation says a concept."""

    finding: str
    within_h: PositiveFloat


class AllergyTo(Content):
    """An allergy to a drug or a class that it belongs to is recorded."""

    allergy: str


class Age(Content):
    """Completed years compare so."""

    age: Op
    years: int


class Sex(Content):
    """The patient is of this sex."""

    sex: Literal["female", "male"]


class Where(Content):
    """The patient is (or is not) an inpatient."""

    inpatient: bool


class Outpatient(Content):
    """The patient is (or is not known to be) at a visit or at home: of the stays on record none in hospital runs."""

    outpatient: bool


class Ventilated(Content):
    """The patient is (or is not known to be) on a ventilator now; see `on_ventilator`."""

    ventilated: bool


class IntensiveCare(Content):
    """The patient is (or is not known to be) in an intensive care unit."""

    intensive_care: bool


class Expecting(Content):
    """The patient is known to be (or not to be) pregnant."""

    pregnant: bool


Leaf = (
    Quantity
    | Measured
    | Commented
    | Change
    | ScoreRule
    | ScorePart
    | RiskRule
    | Problem
    | Takes
    | Given
    | Done
    | Finding
    | AllergyTo
    | Age
    | Sex
    | Where
    | Outpatient
    | Ventilated
    | IntensiveCare
    | Expecting
)

WORDS = (
    "all",
    "any",
    "not",
    "quantity",
    "measured",
    "commented",
    "change",
    "score",
    "score_part",
    "risk",
    "condition",
    "medication",
    "given",
    "procedure",
    "finding",
    "allergy",
    "age",
    "sex",
    "inpatient",
    "outpatient",
    "ventilated",
    "intensive_care",
    "pregnant",
)


def _word(value: object) -> str | None:
    """The first word of a rule: the one key that says what kind of statement it is."""
    if isinstance(value, dict):
        return next((word for word in WORDS if word in value), None)
    return next((word for word in (*WORDS, "not_") if hasattr(value, word)), None)


Rule = Annotated[
    Annotated[All, Tag("all")]
    | Annotated[Any_, Tag("any")]
    | Annotated[Not, Tag("not")]
    | Annotated[Quantity, Tag("quantity")]
    | Annotated[Measured, Tag("measured")]
    | Annotated[Commented, Tag("commented")]
    | Annotated[Change, Tag("change")]
    | Annotated[ScoreRule, Tag("score")]
    | Annotated[ScorePart, Tag("score_part")]
    | Annotated[RiskRule, Tag("risk")]
    | Annotated[Problem, Tag("condition")]
    | Annotated[Takes, Tag("medication")]
    | Annotated[Given, Tag("given")]
    | Annotated[Done, Tag("procedure")]
    | Annotated[Finding, Tag("finding")]
    | Annotated[AllergyTo, Tag("allergy")]
    | Annotated[Age, Tag("age")]
    | Annotated[Sex, Tag("sex")]
    | Annotated[Where, Tag("inpatient")]
    | Annotated[Outpatient, Tag("outpatient")]
    | Annotated[Ventilated, Tag("ventilated")]
    | Annotated[IntensiveCare, Tag("intensive_care")]
    | Annotated[Expecting, Tag("pregnant")],
    Discriminator(_word),
]


def leaves(rule: Rule) -> Iterator[Leaf]:
    """Every statement of a rule, without the words that join them."""
    if isinstance(rule, All):
        parts: tuple[Rule, ...] = rule.all
    elif isinstance(rule, Any_):
        parts = rule.any
    elif isinstance(rule, Not):
        parts = (rule.not_,)
    else:
        yield rule
        return
    for part in parts:
        yield from leaves(part)


def compared(rule: Rule) -> Iterator[Quantity | Change]:
    """Comparisons in a rule, those that must not hold left out, and changes that have a direction."""
    if isinstance(rule, Quantity) or (isinstance(rule, Change) and rule.direction != "either"):
        yield rule
    elif isinstance(rule, All | Any_):
        for part in rule.all if isinstance(rule, All) else rule.any:
            yield from compared(part)


def needs(rule: Rule) -> tuple[frozenset[str], ...]:
    """Names of quantities and concepts; of each set the record has to tell of one, or else the rule cannot hold."""
    if isinstance(rule, All):
        return _least(names for part in rule.all for names in needs(part))
    if isinstance(rule, Any_):
        return needs_of_any(rule.any)
    match rule:
        case (
            Quantity(quantity=name)
            | Measured(measured=name)
            | Commented(commented=name)
            | Change(change=name)
            | Problem(condition=name)
            | Takes(medication=name)
            | Given(given=name)
            | Done(procedure=name)
            | Finding(finding=name)
        ):
            return (frozenset((name,)),)
        case _:
            return ()


def needs_of_any(rules: Iterable[Rule]) -> tuple[frozenset[str], ...]:
    """`needs` of one or more rules, without which none of them can hold."""
    return reduce(lambda found, more: _least(a | b for a in found for b in more), map(needs, rules))


def _least(found: Iterable[frozenset[str]]) -> tuple[frozenset[str], ...]:
    """Those that hold none of the others."""
    kept: list[frozenset[str]] = []
    for names in sorted(dict.fromkeys(found), key=len):
        if not any(one <= names for one in kept):
            kept.append(names)
    return tuple(kept)
