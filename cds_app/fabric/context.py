"""What every reader of a resource type is given, and where it leaves its issues."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from cds_app.domain.facts import Code
from cds_app.domain.issues import Issue, IssueCode
from cds_app.domain.ontology import Ontology, Variable
from cds_app.domain.time import parse_fhir_time
from cds_app.errors import BadRequest
from cds_app.fabric.names import Names
from cds_app.fabric.references import References
from cds_app.fabric.shapes import Object, as_object

_DIGITS: Final = 20


class Units(Protocol):
    """Conversion to canonical units; `cds_app.domain.units.UnitConverter`."""

    def convert(self, value: float, unit: str, variable: Variable) -> float:
        """The value in the variable's unit. Raises UnitError with ``reason``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The variable that a set of codes names, and whether they name another quantity as well."""

    variable: Variable | None
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What is read of every resource before its type matters: identity, version, whether it was an error."""

    ref: str
    version: str
    void: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One reading of one patient.

    Parameters
    ----------
    patient : str
        Bare FHIR id.
    learned : datetime
        When Twinline came to know what is being read.
    earliest, latest : datetime
        Nothing clinical happens outside: the patient's birth (or 1900), and now with a margin for clocks.
    issues : list of Issue
        Grows while reading.
    matches, unit_choices : dict
        Look-ups of this reading that repeat: codes to variable, units as sent to the one to convert from.
    """

    patient: str
    ontology: Ontology
    units: Units
    learned: datetime
    earliest: datetime
    latest: datetime
    references: References
    names: Names
    issues: list[Issue]
    matches: dict[tuple[Code, ...], Match]
    unit_choices: dict[tuple[str, str, str], str | IssueCode]

    @property
    def subject(self) -> str:
        """The patient as a reference."""
        return f"Patient/{self.patient}"

    def note(self, code: IssueCode, ref: str, field: str = "", *, dropped: bool = True) -> None:
        """Say what was not, or not fully, used."""
        self.issues.append(Issue(code=code, ref=ref, field=field, dropped=dropped))

    def named(self, text: str) -> tuple[str, ...]:
        """Drug concepts that a text names, each with all its parents."""
        keys = self.names.found_in(text)
        return tuple(dict.fromkeys(parent for key in keys for parent in self.ontology.with_parents(key)))

    def match(self, codes: tuple[Code, ...]) -> Match:
        """The variable that the codes name: the first specific one, else the first generic one."""
        found = self.matches.get(codes)
        if found is None:
            found = self.matches[codes] = _match(codes, self.ontology)
        return found


def _match(codes: tuple[Code, ...], ontology: Ontology) -> Match:
    variables = [found for code in codes if (found := ontology.variable((code,))) is not None]
    specific = {variable.quantity for variable in variables if not variable.generic}
    return Match(variable=ontology.variable(codes), ambiguous=len(specific) > 1)


def version_of(resource: Object) -> str:
    """A version that sorts as text: ``meta.versionId`` if it is an integer, then ``meta.lastUpdated``.

    Notes
    -----
    A versionId that is no integer (a UUID, an ETag) has no order and is left out; without both, the order of
    learning decides.
    """
    meta = as_object(resource.get("meta"))
    if meta is None:
        return ""
    number = meta.get("versionId")
    counted = isinstance(number, str) and len(number) <= _DIGITS and number.isascii() and number.isdigit()
    stamp = _stamp(meta.get("lastUpdated"))
    return f"{str(number).zfill(_DIGITS) if counted else ''}/{stamp}" if counted or stamp else ""


def _stamp(text: object) -> str:
    if text is None:
        return ""
    try:
        at = parse_fhir_time(text, field="meta.lastUpdated").end
    except BadRequest:
        return ""
    return at.isoformat(timespec="microseconds")
