"""How much of what a source sends the ontology knows: counted while it is read, resource by resource.

A report holds codes, their displays, units and counts. It holds no value, no free text and nothing that names anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta, tzinfo
from typing import Final

import msgspec

from cds_app.domain.facts import Code, Fact, Measurement, UnknownFinding
from cds_app.domain.issues import Issue, IssueCode
from cds_app.domain.ontology import Variable
from cds_app.domain.time import time_in
from cds_app.fabric.codes import LOINC, SNOMED, codes_of
from cds_app.fabric.lexicon import Lexicon
from cds_app.fabric.observations import component_refs
from cds_app.fabric.reading import Reading
from cds_app.fabric.references import Item, hashed_reference, local_reference
from cds_app.fabric.shapes import Object, as_object, first, objects, word

MOST_CODES: Final = 20_000
MOST_WATCHED: Final = 500_000
"""So that a file of any size is reported on in constant memory."""

_UNITS: Final = frozenset({IssueCode.NO_UNIT, IssueCode.UNKNOWN_UNIT, IssueCode.WRONG_DIMENSION})
_STANDARD: Final = frozenset({LOINC, SNOMED})
_CODED: Final[Mapping[str, str]] = {
    "conditions": "Condition",
    "medications": "Medication",
    "procedures": "Procedure",
    "allergies": "AllergyIntolerance",
    "reports": "DiagnosticReport",
}
_OTHER: Final = ("", ())


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """A variable of the ontology and how often it came, implausible, and already stale when it was reported.

    ``dated`` counts those of which is known when they were reported.
    """

    variable: str
    label: str
    count: int
    implausible: int = 0
    stale: int = 0
    dated: int = 0


class Unmapped(msgspec.Struct, frozen=True, kw_only=True):
    """Codes that came together and that the ontology does not know; no codes: a text alone."""

    kind: str
    codes: tuple[Code, ...]
    display: str
    unit: str
    count: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A unit in which a known variable came and that was not converted."""

    variable: str
    reason: str
    unit: str
    count: int


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """Observations of one category: all, those that the ontology does not know, those without a standard code."""

    category: str
    count: int
    unmapped: int
    local_only: int


class CoverageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a source sent.

    Parameters
    ----------
    resources : mapping
        By type: used, unknown, dropped.
    again : int
        Resources that came more than once in the same version.
    repeated : int
        Measurements that say what another resource said and do not count: same patient, quantity, instant and value.
    left_out : mapping of str to int
        By issue code, units apart.
    """

    patients: int
    resources: Mapping[str, Mapping[str, int]]
    categories: tuple[Category, ...]
    mapped: tuple[Mapped, ...]
    unmapped: tuple[Unmapped, ...]
    refused: tuple[Refused, ...]
    again: int
    repeated: int
    left_out: Mapping[str, int]


class Coverage:
    """Counts as readings come in.

    Parameters
    ----------
    lexicon : Lexicon
    variables : mapping of str to Variable
    zone : tzinfo
        As it was for the readings.
    """

    def __init__(self, lexicon: Lexicon, variables: Mapping[str, Variable], zone: tzinfo) -> None:
        self._lexicon = lexicon
        self._variables = variables
        self.zone = zone
        self._patients: set[int] = set()
        self._seen: set[int] = set()
        self._said: dict[int, int] = {}
        self._resources: Counter[tuple[str, str]] = Counter()
        self._categories: Counter[tuple[str, str]] = Counter()
        self._mapped: Counter[tuple[str, str]] = Counter()
        self._unmapped: Counter[tuple[str, tuple[Code, ...]]] = Counter()
        self._shown: dict[tuple[str, tuple[Code, ...]], tuple[str, str]] = {}
        self._refused: Counter[tuple[str, str, str]] = Counter()
        self._left_out: Counter[str] = Counter()
        self._again = self._repeated = 0

    def add(self, patient: str, items: Sequence[Item], reading: Reading) -> None:
        """Count one reading of one patient and the items that it was made from."""
        if patient:
            _watch(self._patients, hash(patient))
        sources = _sources(items)
        for kind, tally in reading.tally.items():
            for outcome in ("used", "unknown", "dropped"):
                self._resources[kind, outcome] += getattr(tally, outcome)
        self._facts(patient, reading, sources)
        self._issues(reading.issues, sources)
        self._categorise(items, reading)

    def missed(self, code: str, count: int = 1) -> None:
        """Count what did not get as far as being read."""
        self._left_out[code] += count

    def report(self) -> CoverageReport:
        """What was counted so far."""
        kinds = sorted({kind for kind, _ in self._resources})
        outcomes = ("used", "unknown", "dropped")
        return CoverageReport(
            patients=len(self._patients),
            resources={kind: {one: self._resources[kind, one] for one in outcomes} for kind in kinds},
            categories=tuple(self._category_rows()),
            mapped=tuple(self._mapped_rows()),
            unmapped=tuple(self._unmapped_rows()),
            refused=tuple(
                Refused(variable=variable, reason=reason, unit=unit, count=count)
                for (variable, reason, unit), count in self._refused.most_common()
            ),
            again=self._again,
            repeated=self._repeated,
            left_out=dict(sorted(self._left_out.items())),
        )

    def _facts(self, patient: str, reading: Reading, sources: Mapping[str, Object]) -> None:
        for measurement in reading.facts.measurements:
            self._measured(patient, measurement, sources)
        for coded in reading.facts.coded:
            self._mapped[coded.variable, "count"] += 1
        for unknown in reading.facts.unknown:
            if unknown.taken:
                self._left_out[IssueCode.ELSEWHERE.value] += 1
            elif not unknown.void:
                self._strange("Observation", unknown.codes, sources.get(unknown.ref))
        for name, kind in _CODED.items():
            for fact in getattr(reading.facts, name):
                if not fact.void and not fact.concepts:
                    self._strange(kind, fact.codes, sources.get(fact.ref))
        for fact in reading.facts:
            self._again += _watch(self._seen, hash((fact.ref, fact.version, fact.void)))

    def _measured(self, patient: str, fact: Measurement, sources: Mapping[str, Object]) -> None:
        key = fact.variable
        self._mapped[key, "count"] += 1
        self._mapped[key, "implausible"] += fact.implausible
        issued = time_in((sources.get(fact.ref.partition("#")[0]) or {}).get("issued"), local=self.zone)
        if issued is not None:
            self._mapped[key, "dated"] += 1
            late = issued.start - fact.when > timedelta(hours=self._variables[key].fresh_h)
            self._mapped[key, "stale"] += late
        said = hash((patient, self._variables[key].quantity, fact.when, fact.value, fact.bound))
        ref = hash(fact.ref)
        known = self._said.get(said)
        if known is None and len(self._said) < MOST_WATCHED:
            self._said[said] = ref
        self._repeated += known is not None and known != ref

    def _strange(self, kind: str, codes: tuple[Code, ...], source: Object | None) -> None:
        key = (kind, codes)
        if key not in self._unmapped and len(self._unmapped) >= MOST_CODES:
            key = _OTHER
        self._unmapped[key] += 1
        if source is None:
            return
        display, unit = self._shown.get(key, ("", ""))
        if not (display and unit):
            self._shown[key] = (display or _display(source), unit or _unit(source))

    def _issues(self, issues: Iterable[Issue], sources: Mapping[str, Object]) -> None:
        for issue in issues:
            source = sources.get(issue.ref)
            if issue.code not in _UNITS:
                self._left_out[issue.code.value] += issue.dropped
                continue
            variable = self._lexicon.match(codes_of((source or {}).get("code"))).variable
            name = variable.key if variable is not None else ""
            self._refused[name, issue.code.value, _unit(source or {})] += 1
        self._left_out = +self._left_out

    def _categorise(self, items: Sequence[Item], reading: Reading) -> None:
        unknown = (fact for fact in reading.facts.unknown if not fact.void and not fact.taken)
        strange = {fact.ref.partition("#")[0] for fact in unknown}
        known = {fact.ref.partition("#")[0] for fact in _known(reading)}
        for item in items:
            resource = as_object(item.resource)
            if resource is None or resource.get("resourceType") != "Observation":
                continue
            name = _category(resource)
            self._categories[name, "count"] += 1
            ref = local_reference(resource) or hashed_reference(resource)
            self._categories[name, "unmapped"] += ref in strange and ref not in known
            codes = codes_of(resource.get("code"))
            self._categories[name, "local_only"] += all(system not in _STANDARD for system, _ in codes)

    def _category_rows(self) -> Iterator[Category]:
        for name in sorted({name for name, _ in self._categories}):
            counted = {one: self._categories[name, one] for one in ("count", "unmapped", "local_only")}
            yield Category(category=name, **counted)

    def _mapped_rows(self) -> Iterator[Mapped]:
        for key in sorted({key for key, _ in self._mapped}, key=lambda key: (-self._mapped[key, "count"], key)):
            counted = {one: self._mapped[key, one] for one in ("count", "implausible", "stale", "dated")}
            yield Mapped(variable=key, label=self._variables[key].label, **counted)

    def _unmapped_rows(self) -> Iterator[Unmapped]:
        for key, count in self._unmapped.most_common():
            display, unit = self._shown.get(key, ("", ""))
            yield Unmapped(kind=key[0] or "other", codes=key[1], display=display, unit=unit, count=count)


def _watch(seen: set[int], one: int) -> bool:
    """Whether it was seen before; remembers it while there is room."""
    if one in seen:
        return True
    if len(seen) < MOST_WATCHED:
        seen.add(one)
    return False


def _known(reading: Reading) -> Iterator[Fact]:
    return (fact for fact in reading.facts if not isinstance(fact, UnknownFinding))


def _sources(items: Sequence[Item]) -> Mapping[str, Object]:
    """Resources and components by the identity that their facts have."""
    found: dict[str, Object] = {}
    for item in items:
        resource = as_object(item.resource)
        if resource is None:
            continue
        ref = local_reference(resource) or hashed_reference(resource) or f"{resource.get('resourceType')}/~{item.at}"
        found[ref] = resource
        if "component" in resource:
            found |= {name: component for component, name in component_refs(resource, ref)}
    return found


def _category(resource: Object) -> str:
    codes = codes_of(first(resource.get("category")))
    return codes[0][1][:40] if codes else "none"


def _display(source: Object) -> str:
    """How the coding itself is called. Texts that people wrote stay out."""
    concept = source.get("code") or source.get("medicationCodeableConcept")
    codings = objects((as_object(concept) or {}).get("coding"))
    return next((display for one in codings if (display := word(one.get("display"))[:80])), "")


def _unit(source: Object) -> str:
    quantity = as_object(source.get("valueQuantity")) or {}
    return (word(quantity.get("code")) or word(quantity.get("unit")))[:40]
