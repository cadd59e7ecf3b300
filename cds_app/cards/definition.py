"""What a CDS service is, as its ``hooks/<id>/service.json`` says it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from cds_app.content import Content, wrong
from cds_app.errors import ContentError

Pipeline = Literal["course", "orders", "recorded", "discharge", "quiet", "opened"]
ProposedField = Literal["", "draftOrders", "medications", "allergyIntolerance", "conditions"]
Indicator = Literal["info", "warning", "critical"]
HIGHEST_TIER = 3


def _positive_ascending(value: tuple[Indicator, ...]) -> tuple[Indicator, ...]:
    rank = [("info", "warning", "critical").index(one) for one in value]
    if rank != sorted(rank):
        raise ValueError("indicators must not fall with the tier")
    return value


class OverrideReason(Content):
    """One reason a clinician can pick, and how long it keeps the topic quiet."""

    code: str = Field(min_length=1, max_length=100)
    system: str = Field(min_length=1)
    display: str = Field(min_length=1, max_length=60)
    snooze_h: float = Field(ge=0, le=168)


class CodedReason(Content):
    """A reason of the shared code system."""

    code: str = Field(min_length=1, max_length=100)
    display: str = Field(min_length=1, max_length=60)
    snooze_h: float = Field(ge=0, le=168)


class CodedReasons(Content):
    """``hooks/override_reasons.json``: the code system that clients share, understood whatever a service offers.

    Attributes
    ----------
    clinical : its selection for the point of care.
    others : the rest of it.
    """

    system: str = Field(min_length=1)
    source: str = Field(min_length=1)
    clinical: tuple[CodedReason, ...]
    others: tuple[CodedReason, ...]

    @property
    def reasons(self) -> tuple[OverrideReason, ...]:
        """All of them, as a service would offer them."""
        found = (*self.clinical, *self.others)
        return tuple(OverrideReason(system=self.system, **one.model_dump()) for one in found)


class Policy(Content):
    """When a card may interrupt.

    Attributes
    ----------
    max_cards : cards in one response.
    lockout_h : how long a shown topic stays quiet unless it gets worse.
    lockouts_h : the same for single topics below the highest tier: what is measured once a day changes once a day. Of a
        topic that a learned risk may raise the model's manifest says it, and the next but one.
    gives_way : topics that sum up, each with the more specific ones it gives way to when they hold, are as urgent, rest
        on the same quantity, and are shown or were; each stands after those in ``precedence``.
    rise_points : a rise of risk, in points of 100, that counts as worse.
    rises_points : the same for single topics.
    worse_changes : in the highest tier, by how many reference change values a measurement that the tier compares counts
        as worse; the values are of people in health, whose variation understates that of the ill.
    recovered_h : for how long it has to have been better by so much for a new worsening to count.
    recoveries_h : the same for single topics: what an antidote mends in minutes may come back when it wears off.
    min_tier : lower tiers are recorded and not shown.
    indicators : CDS Hooks indicator per tier, from tier 0 up.
    deviation_percentile : share of the reference population that deviates less, above which a deviation card is due.
    abstention_lockout_h : how long "risk not estimated" stays quiet.
    ignored_after_h : a card that nobody answered for so long counts as ignored.
    reasons_shown, options_shown : most of each on one card.
    change_h : how far back "up from" looks.
    precedence : topics in the order in which they come first when equally urgent.
    asked_first : quantities that are named first when they were not seen.
    """

    max_cards: int = Field(ge=1, le=5)
    lockout_h: float = Field(gt=0, le=168)
    rise_points: float = Field(gt=0, le=100)
    worse_changes: float = Field(default=1.5, gt=0, le=20)
    recovered_h: float = Field(default=2.0, ge=0, le=168)
    min_tier: int = Field(ge=0, le=3)
    indicators: Annotated[tuple[Indicator, Indicator, Indicator, Indicator], AfterValidator(_positive_ascending)]
    deviation_percentile: float = Field(gt=50, lt=100)
    abstention_lockout_h: float = Field(gt=0, le=168)
    ignored_after_h: float = Field(default=8.0, gt=0, le=168)
    reasons_shown: int = Field(ge=1, le=7)
    options_shown: int = Field(ge=1, le=3)
    change_h: float = Field(gt=0, le=48)
    asked_first: tuple[str, ...] = ()
    precedence: tuple[str, ...] = ()
    lockouts_h: Mapping[str, Annotated[float, Field(gt=0, le=168)]] = {}
    rises_points: Mapping[str, Annotated[float, Field(gt=0, le=100)]] = {}
    gives_way: Mapping[str, tuple[str, ...]] = {}
    recoveries_h: Mapping[str, Annotated[float, Field(ge=0, le=168)]] = {}

    def lockout_of(self, topic: str) -> float:
        """Hours for which a topic stays quiet, below the highest tier."""
        return self.lockouts_h.get(topic, self.lockout_h)

    def rise_of(self, topic: str) -> float:
        """The rise, in points of 100, that breaks the quiet of a topic."""
        return self.rises_points.get(topic, self.rise_points)

    def recovered_of(self, topic: str) -> float:
        """Hours for which a topic has to have been better for a new worsening to count."""
        return self.recoveries_h.get(topic, self.recovered_h)

    @model_validator(mode="after")
    def _gives_way_to_what_comes_first(self) -> Policy:
        place = {topic: at for at, topic in enumerate(self.precedence)}
        for topic, specific in self.gives_way.items():
            if late := [one for one in specific if place.get(one, len(place)) >= place.get(topic, len(place) + 1)]:
                raise ValueError(f"gives_way: {topic} does not come after {', '.join(late)} in precedence")
        return self


class SimulatedDrug(Content):
    """A drug whose drafted dose is simulated, and when a card speaks of it.

    Attributes
    ----------
    version : of ``models/pkpd/<drug>``.
    goal : one of the drug's.
    low_points : a better plan is looked for where fewer than so many in 100 reach the target.
    gain_points : and is worth an interruption from so many in 100 more on.
    """

    version: str
    goal: str
    low_points: float = Field(gt=0, le=100)
    gain_points: float = Field(gt=0, le=100)
    source: str = Field(min_length=1)
    needs_review: bool


class SimulatedInsulin(Content):
    """Virtual people that drafted insulin is tried on, and when a card speaks of it.

    Attributes
    ----------
    model, version : of ``models/pkpd/<model>``.
    low_points : a better dose is told where less than this of 100 of the time is in range.
    gain_points : and is worth an interruption from so much more of it on.
    """

    model: str
    version: str
    low_points: float = Field(gt=0, le=100)
    gain_points: float = Field(gt=0, le=100)
    source: str = Field(min_length=1)
    needs_review: bool


class Simulates(Content):
    """Which drafted doses are simulated, and with how much effort.

    Attributes
    ----------
    draws : virtual copies of the patient.
    coarse_step_h : hours between instants when all plans that the content offers are looked at.
    compared : of these so many, the best, are simulated as closely as the draft.
    most_drafts : in one call.
    drugs : by their names in ``models/pkpd``.
    insulin : the same for insulin, on virtual people with diabetes; None: it is not looked at.
    """

    draws: int = Field(ge=100, le=20_000)
    coarse_step_h: float = Field(gt=0, le=24)
    compared: int = Field(ge=1, le=5)
    most_drafts: int = Field(ge=1, le=5)
    drugs: Mapping[str, SimulatedDrug] = Field(min_length=1)
    insulin: SimulatedInsulin | None = None


class ServiceDefinition(Content):
    """One CDS service: discovery, data it asks for, models it may use, alert policy, who answers for it.

    Attributes
    ----------
    pipeline : what is answered: how the course is going (``course``), whether drafts make sense (``orders``), whether
        what is taken goes with what is being recorded (``recorded``), what is open at discharge (``discharge``), or
        nothing yet: the twin learns, and there is no card (``quiet``); or everything, because somebody opened the twin
        to see it (``opened``), and what is asked for is never kept back.
    offered : whether clients can call it; discovery lists it then.
    proposed : the field of the hook's context that holds drafts.
    checks : kinds of order checks that are made.
    simulates : drugs whose drafted dose is simulated; None: no dose is looked at.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    hook: str = Field(pattern=r"^[a-z][a-z-]*$")
    title: str = Field(min_length=1)
    description: str = Field(min_length=1)
    usage_requirements: str = Field(alias="usageRequirements", min_length=1)
    owner: str = Field(min_length=1)
    review_date: date
    prefetch: Mapping[str, str] = Field(min_length=1)
    needs: tuple[str, ...]
    models: Mapping[str, str]
    policy: Policy
    pipeline: Pipeline = "course"
    offered: bool = True
    proposed: ProposedField = ""
    checks: tuple[str, ...] = ()
    simulates: Simulates | None = None
    override_reasons: tuple[OverrideReason, ...] = Field(min_length=1, max_length=12)
    default_snooze_h: float = Field(ge=0, le=168)
    understood_reasons: tuple[OverrideReason, ...] = ()

    @model_validator(mode="after")
    def _resolves(self) -> ServiceDefinition:
        missing = [key for key in self.needs if key not in self.prefetch]
        if missing:
            raise ValueError(f"needs: no prefetch template for {', '.join(missing)}")
        checking = self.pipeline in {"orders", "recorded"}
        if checking is not bool(self.proposed and self.checks) or bool(self.proposed) is not bool(self.checks):
            raise ValueError("pipeline: orders and recorded, and no other, have proposed and checks")
        if self.simulates is not None and self.pipeline != "orders":
            raise ValueError("simulates: only the pipeline orders simulates drafts")
        return self

    def discovery(self) -> dict[str, Any]:
        """The service as ``GET /cds-services`` lists it."""
        return {
            "id": self.id,
            "hook": self.hook,
            "title": self.title,
            "description": self.description,
            "usageRequirements": self.usage_requirements,
            "prefetch": dict(self.prefetch),
        }

    def snooze_h(self, code: str) -> float:
        """How long an override with this reason keeps a topic quiet, hours."""
        found = self.override_reason(code)
        return self.default_snooze_h if found is None else found.snooze_h

    def override_reason(self, code: str) -> OverrideReason | None:
        """A reason by its code: one that the service offers, else one that it understands."""
        return next((one for one in (*self.override_reasons, *self.understood_reasons) if one.code == code), None)


def parse_reasons(document: object) -> tuple[OverrideReason, ...]:
    """Check ``hooks/override_reasons.json``.

    Raises
    ------
    ContentError
        Naming each element that is wrong.
    """
    try:
        return CodedReasons.model_validate(document).reasons
    except ValidationError as error:
        raise ContentError(f"hooks/override_reasons.json: {_places(error)}") from error


def parse_service(document: object, *, folder: str) -> ServiceDefinition:
    """Check one ``service.json``.

    Raises
    ------
    ContentError
        Naming the folder and each element that is wrong.
    """
    try:
        service = ServiceDefinition.model_validate(document)
    except ValidationError as error:
        raise ContentError(f"hooks/{folder}/service.json: {_places(error)}") from error
    if service.id != folder:
        raise ContentError(f"hooks/{folder}/service.json: id differs from the folder", field="id")
    return service


def _places(error: ValidationError) -> str:
    return "; ".join(f"{place}: {problem}" for place, problem in wrong(error))
