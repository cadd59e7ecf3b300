"""One patient at one instant: the questions that scores, triggers and gates ask of the facts.

Every answer is a fact (or facts), so that whoever uses it can show what it rests on. Nothing later than
``now`` is seen. Indices are built once, when first asked for.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cds_app.domain.denials import affirmed
from cds_app.domain.facts import (
    Allergy,
    CodedFinding,
    Condition,
    Demographics,
    Fact,
    Facts,
    Measurement,
    Medication,
    Procedure,
    Report,
    Stay,
)
from cds_app.domain.ontology import Ontology, Sex
from cds_app.domain.pharmacogenes import Pharmacogenes
from cds_app.score.allergies import AllergyMatch, match, most_specific
from cds_app.score.chronology import (
    HAPPENED,
    ORDERED,
    Asked,
    Course,
    DoneT,
    FactT,
    by_concept,
    in_time,
    last_time,
    newest,
    once,
    stands,
    taken,
    years,
)
from cds_app.score.genes.calls import Genome
from cds_app.score.pregnancy import Said, pregnancy_said
from cds_app.score.standing import grafted, holds, worded
from cds_app.score.whereabouts import Unit, running, unit_of

FERTILE_YEARS = (12, 55)
_EVER = datetime.min.replace(tzinfo=UTC)
_REPORTED = frozenset({"final", "amended", "corrected", "appended", "preliminary", "partial"})
_INPATIENT = frozenset({"IMP", "ACUTE", "NONAC"})


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A patient's facts as they stand at ``now``.

    Parameters
    ----------
    ontology : Ontology
        Names of quantities and concepts.
    facts : Facts, from `Timeline.facts`: corrections resolved, sorted by time
    now : datetime
        Aware, UTC. Facts later than this are not seen.
    measured : mapping of str to sequence of Measurement, optional
        ``facts.measurements`` by variable, where somebody has sorted them already.
    genes : Pharmacogenes, optional
        Without, nothing is known of genes.
    contested : sequence of pairs, what does not count and what goes before it
    """

    ontology: Ontology
    facts: Facts
    now: datetime
    measured: Mapping[str, Sequence[Measurement]] | None = None
    genes: Pharmacogenes | None = None
    contested: Sequence[tuple[Measurement, Measurement]] = ()

    @cached_property
    def genome(self) -> Genome:
        """What is known of the patient's genes."""
        return Genome(self.genes, self.facts.genes, self.now)

    # --- who

    @cached_property
    def demographics(self) -> Demographics | None:
        """The Patient resource learned last."""
        return max(self.facts.demographics, key=lambda one: (one.learned, one.version), default=None)

    @cached_property
    def age_years(self) -> int | None:
        """Completed years; the fewest where the birth date is partial; None if over a year is left open."""
        who = self.demographics
        if who is None or who.birth_start is None or who.birth_end is None:
            return None
        youngest, oldest = years(who.birth_end, self._alive_until), years(who.birth_start, self._alive_until)
        return youngest if youngest >= 0 and oldest - youngest <= 1 else None

    @property
    def sex(self) -> Sex | None:
        """Administrative sex where it is female or male, else None."""
        who = self.demographics
        return who.sex if who is not None and who.sex in {"female", "male"} else None

    @property
    def deceased(self) -> bool:
        """Whether the patient is recorded as dead by now."""
        who = self.demographics
        return who is not None and who.deceased is not None and who.deceased <= self.now

    @property
    def _alive_until(self) -> datetime:
        who = self.demographics
        return who.deceased if self.deceased and who is not None and who.deceased is not None else self.now

    @cached_property
    def pregnant(self) -> bool | None:
        """Whether the patient is pregnant; None when she may be and nothing recent says so or not.

        Notes
        -----
        Assumed False for men and outside 12 to 55 years. See `pregnancy_said` for how long a record counts.
        """
        said, _ = self._pregnancy
        out_of_age = self.age_years is not None and not FERTILE_YEARS[0] <= self.age_years <= FERTILE_YEARS[1]
        return False if said is None and (self.sex == "male" or out_of_age) else said

    @property
    def pregnancy(self) -> tuple[Condition | CodedFinding, ...]:
        """What says that the patient is pregnant, or is not."""
        return self._pregnancy[1]

    @cached_property
    def _pregnancy(self) -> Said:
        found = [one for one in self._coded if {"pregnancy", "not_pregnant"} & set(one.concepts)]
        births, ended = self.conditions("pregnancy_end"), self.procedures_done("pregnancy_ended")
        return pregnancy_said(self.conditions("pregnancy"), found, births, ended, now=self.now)

    # --- measurements

    @cached_property
    def by_variable(self) -> Mapping[str, Sequence[Measurement]]:
        if self.measured is not None:
            return self.measured
        found: dict[str, list[Measurement]] = {}
        for one in self.facts.measurements:
            found.setdefault(one.variable, []).append(one)
        return found

    @cached_property
    def _courses(self) -> Mapping[str, Course]:
        return Asked(self._course)

    def _course(self, quantity: str) -> Course:
        rows = self._usable(quantity)
        return Course(rows, rows[-1], self.age_h(rows[-1]), self.fresh_h(quantity)) if rows else Course()

    @cached_property
    def _times(self) -> Mapping[str, Sequence[datetime]]:
        return Asked(lambda quantity: [one.when for one in self.series(quantity)])

    def _usable(self, quantity: str) -> tuple[Measurement, ...]:
        if quantity not in self._measured:
            return ()
        named = (self.by_variable.get(key) for key in self.ontology.measuring(quantity))
        many = [rows for rows in named if rows]
        if not many:
            return ()
        rows = many[0] if len(many) == 1 else [one for rows in many for one in rows]
        usable = in_time([one for one in rows if not one.implausible and one.when <= self.now])
        return once(usable, lambda one: self.ontology.variables[one.variable].unusual(one.value, self.sex))

    @cached_property
    def _measured(self) -> Mapping[str, None]:
        """Quantities of which anything was measured, in the order of `by_variable`."""
        known = [self.ontology.variables.get(key) for key in self.by_variable]
        return dict.fromkeys([one.quantity for one in known if one is not None])

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """Quantities of which anything usable was ever measured."""
        return tuple([name for name in self._measured if self.series(name)])

    def age_h(self, fact: Fact) -> float:
        """How long ago it was so, hours."""
        return (self.now - fact.when).total_seconds() / 3600.0

    def series(self, quantity: str) -> tuple[Measurement, ...]:
        """Everything plausible measured up to now, oldest first; bounds included and visible as such."""
        return self._courses[quantity].rows

    def latest(self, quantity: str, within_h: float | None = None) -> Measurement | None:
        """The newest plausible value, however old, or not older than ``within_h`` (inclusive)."""
        course = self._courses[quantity]
        return course.newest if within_h is None or course.age_h <= within_h else None

    def fresh_h(self, quantity: str) -> float:
        """How long a value of this quantity counts as current, from the ontology."""
        return self.ontology.quantity(quantity).fresh_h

    def fresh(self, quantity: str) -> Measurement | None:
        """The newest plausible value if the ontology still calls it current."""
        course = self._courses[quantity]
        return course.newest if course.age_h <= course.fresh_h else None

    def history(self, quantity: str, hours: float, *, until: datetime | None = None) -> tuple[Measurement, ...]:
        """Values of the ``hours`` up to now (or ``until``), both ends included, oldest first."""
        end = self.now if until is None else until
        times = self._times[quantity]
        first, last = bisect_left(times, end - timedelta(hours=hours)), bisect_right(times, end)
        return self.series(quantity)[first:last]

    def previous(self, quantity: str, before: datetime) -> Measurement | None:
        """The newest value strictly before an instant."""
        at = bisect_left(self._times[quantity], before)
        return self.series(quantity)[at - 1] if at else None

    def lowest(self, quantity: str, hours: float) -> Measurement | None:
        """The lowest value of the last hours; the newest of equals."""
        return min(reversed(self.history(quantity, hours)), key=lambda one: one.value, default=None)

    def highest(self, quantity: str, hours: float) -> Measurement | None:
        """The highest value of the last hours; the newest of equals."""
        return max(reversed(self.history(quantity, hours)), key=lambda one: one.value, default=None)

    # --- findings that are codes

    @cached_property
    def _coded(self) -> tuple[CodedFinding, ...]:
        return tuple(in_time([one for one in self.facts.coded if one.when <= self.now]))

    def finding(self, variable: str, within_h: float | None = None) -> CodedFinding | None:
        """The newest coded observation of a variable."""
        found = [one for one in self._coded if one.variable == variable]
        return newest(found, self._since(within_h))

    def findings(self, concept: str, within_h: float | None = None) -> tuple[CodedFinding, ...]:
        """Coded observations that say a concept, oldest first."""
        return self._recent([one for one in self._coded if concept in one.concepts], within_h)

    # --- problems and allergies

    @cached_property
    def _conditions(self) -> Mapping[str, tuple[Condition, ...]]:
        return grafted(by_concept([one for one in self.facts.conditions if holds(one, self.now)]))

    def conditions(self, concept: str, within_h: float | None = None) -> tuple[Condition, ...]:
        """Problems that hold now, begun or recorded in the last hours; without a clinical status they hold."""
        return self._recent(self._conditions.get(concept, ()), within_h)

    @cached_property
    def _allergies(self) -> tuple[tuple[Allergy, frozenset[str]], ...]:
        held = (one for one in self.facts.allergies if holds(one, self.now))
        return tuple((one, most_specific(one.concepts, self.ontology)) for one in held)

    def allergies(self, concept: str) -> tuple[AllergyMatch, ...]:
        """Allergies that speak about a drug or class; see `AllergyMatch.relation` for how."""
        kinds = self.ontology.with_parents(concept)
        found = (match(one, heads, kinds) for one, heads in self._allergies)
        return tuple(one for one in found if one is not None)

    @property
    def worded_allergies(self) -> tuple[Allergy, ...]:
        """Allergies in words (`worded`) that name no drug known here; not that there are none ("NKDA")."""
        return tuple(one for one in self.facts.allergies if worded(one) and holds(one, self.now) and affirmed(one.text))

    @property
    def worded_problems(self) -> tuple[Condition, ...]:
        """Problems in words (`worded`) that are, as a whole, the name of none known here: never guessed at."""
        return tuple(one for one in self.facts.conditions if worded(one) and holds(one, self.now))

    # --- drugs

    @cached_property
    def _medications(self) -> Mapping[str, tuple[Medication, ...]]:
        return by_concept(in_time([one for one in self.facts.medications if one.when <= self.now]))

    def given(self, concept: str, within_h: float) -> tuple[Medication, ...]:
        """Administrations that took place, or ended, in the last hours, or still run; oldest first."""
        found = [one for one in self._medications.get(concept, ()) if one.source == "administration"]
        return self._going_on(found, within_h)

    def ordered(self, concept: str, within_h: float | None = None) -> tuple[Medication, ...]:
        """Standing orders (active or on hold) that are not over, written in the last hours if given."""
        standing = [one for one in self._medications.get(concept, ()) if stands(one, self.now)]
        return self._recent(standing, within_h)

    def medications(self, concept: str, given_within_h: float = 24.0) -> tuple[Medication, ...]:
        """What the patient takes of a drug or class: active orders and statements, and what was given lately.

        An order of a single dose counts as long as the dose does, whether or not anybody closed it.
        Orders on hold are not in it; `ordered` has them.
        """
        rows = self._medications.get(concept)
        if rows is None:
            return ()
        since = self._since(given_within_h)
        return tuple(one for one in rows if taken(one, since, self.now))

    # --- procedures and reports

    @cached_property
    def _procedures(self) -> Mapping[str, tuple[Procedure, ...]]:
        return by_concept(in_time([one for one in self.facts.procedures if one.when <= self.now]))

    @cached_property
    def _reports(self) -> Mapping[str, tuple[Report, ...]]:
        told = [one for one in self.facts.reports if one.when <= self.now and one.status in _REPORTED]
        return by_concept(in_time(told))

    def procedures_done(self, concept: str, within_h: float | None = None) -> tuple[Procedure, ...]:
        """Procedures that took place, or ended, in the last hours, or still run; oldest first."""
        found = [one for one in self._procedures.get(concept, ()) if one.source == "procedure"]
        return self._going_on(found, within_h)

    def procedures_ordered(self, concept: str, within_h: float | None = None) -> tuple[Procedure, ...]:
        """Requests for a procedure that stand, or that were fulfilled, written in the last hours."""
        rows = self._procedures.get(concept, ())
        return self._recent([one for one in rows if one.source == "request" and one.status in ORDERED], within_h)

    def reported(self, concept: str, within_h: float | None = None) -> tuple[Report, ...]:
        """Diagnostic reports of a study, oldest first."""
        return self._recent(self._reports.get(concept, ()), within_h)

    def examined(self, concept: str, within_h: float | None = None) -> tuple[Procedure | Report | CodedFinding, ...]:
        """That something was done, by whichever resource says so: the procedure, its report or its coded result."""
        results = self._recent([one for one in self._coded if one.variable == concept], within_h)
        return (*self.procedures_done(concept, within_h), *self.reported(concept, within_h), *results)

    @cached_property
    def told(self) -> frozenset[str]:
        """Names of all quantities and concepts that are told of, whether or not they count for anything."""
        named = (name for one in self._coded for name in (one.variable, *one.concepts))
        indices = (self._conditions, self._medications, self._procedures, self._reports)
        return frozenset(self.quantities).union(named, *indices)

    # --- where

    @cached_property
    def _running(self) -> tuple[Stay, ...]:
        return running(self.facts.stays, self.now)

    @property
    def stay(self) -> Stay | None:
        """The encounter that is running, the one begun last where there are several."""
        return self._running[-1] if self._running else None

    @property
    def inpatient(self) -> bool:
        """Whether a running encounter is an inpatient one."""
        return any(one.class_code in _INPATIENT for one in self._running)

    @cached_property
    def unit(self) -> Unit | None:
        """The intensive care unit that a running encounter, or its place, is named after."""
        return unit_of(self._running, self.now)

    @property
    def intensive_care(self) -> bool:
        """Whether the patient is in intensive care by the name of an encounter or its place."""
        return self.unit is not None

    @property
    def hospital_start(self) -> datetime | None:
        """When the first of the encounters that run now began."""
        return min((one.when for one in self._running), default=None)

    @cached_property
    def icu_start(self) -> datetime | None:
        """When the running intensive care began, by its name or else by an admission procedure."""
        since = self.hospital_start
        if self.unit is not None or since is None:
            return None if self.unit is None else self.unit.since
        return max((one.when for one in self.procedures_done("icu_admission") if one.when >= since), default=None)

    # --- windows

    def _since(self, within_h: float | None) -> datetime:
        return _EVER if within_h is None else self.now - timedelta(hours=within_h)

    def _going_on(self, rows: Sequence[DoneT], within_h: float | None) -> tuple[DoneT, ...]:
        if not rows:
            return ()
        since = self._since(within_h)
        return tuple(one for one in rows if one.status in HAPPENED and last_time(one, self.now) >= since)

    def _recent(self, rows: Sequence[FactT], within_h: float | None) -> tuple[FactT, ...]:
        if within_h is None or not rows:
            return tuple(rows)
        since = self._since(within_h)
        return tuple(one for one in rows if one.when >= since)
