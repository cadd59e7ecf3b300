"""ORU^R01: OBX segments as FHIR Observations, so that results are read by one set of rules, whoever sends them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from hashlib import sha256
from typing import Any, Final, Literal

from cds_app.domain.facts import Provenance
from cds_app.fabric.codes import LOINC, SNOMED
from cds_app.fabric.hl7.messages import Message, Segment, time_of
from cds_app.fabric.shapes import WITH_COMMA, decimal
from cds_app.fabric.taking import MOST

UCUM: Final = "http://unitsofmeasure.org"
DEVICES: Final = "urn:iso:std:iso:11073:10101"
SOURCES: Final = "http://terminology.hl7.org/CodeSystem/v2-0070"
SPECIMENS: Final = "http://terminology.hl7.org/CodeSystem/v2-0487"
LOCAL: Final = "urn:twinline:source:"
"""Before a source's name: the system of the codes that are its own, for a site's mapping."""

_STATUS: Final[Mapping[str, str]] = {
    **{"F": "final", "V": "final", "C": "corrected", "A": "amended", "B": "amended"},
    **{"P": "preliminary", "R": "preliminary", "S": "preliminary"},
    **{"D": "entered-in-error", "W": "entered-in-error"},
    **{"X": "cancelled", "I": "registered", "N": "registered", "O": "registered", "U": "registered"},
}
"""OBX-11, HL7 table 0085. C replaces what was there, D deletes it, W says that it was wrong all along."""
_SYSTEMS: Final[Mapping[str, str]] = {
    **{"LN": LOINC, "LOINC": LOINC, "SCT": SNOMED, "SNM": SNOMED, "UCUM": UCUM, "MDC": DEVICES},
    **{"I10": "http://hl7.org/fhir/sid/icd-10", "I10C": "http://hl7.org/fhir/sid/icd-10-cm"},
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    **{"HL70070": SOURCES, "HL70487": SPECIMENS},
}
"""HL7 table 0396, and the full name by which some call LOINC."""
_NUMBER: Final = re.compile(
    rf"(<=|>=|<|>|=)?\s*([+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{{1,3}})?|{WITH_COMMA}))\s*(\+)?", re.ASCII
)
_LIMIT: Final = rf"(\d+(?:\.\d+)?|{WITH_COMMA})"
_USUAL: Final = re.compile(rf"{_LIMIT}\s*-\s*{_LIMIT}", re.ASCII)
_ONE_SIDED: Final = re.compile(rf"([<>])=?\s*{_LIMIT}", re.ASCII)
_CODED: Final = frozenset({"CE", "CWE", "CNE", "CF"})
_TIMES: Final = frozenset({"DT", "TM", "TS", "DTM"})
_COMPARATORS: Final = frozenset({"<", "<=", ">", ">="})
_MOST_LINES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What has to be known of a sender.

    Parameters
    ----------
    source : str
        Name of the source.
    zone : tzinfo
        In which times are that name no zone.
    subject : str
        Reference that stands for the person.
    """

    source: str
    zone: tzinfo
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Observations of a message, and by ``ref`` where each came from."""

    observations: tuple[dict[str, Any], ...]
    provenance: Mapping[str, Provenance]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What the OBR above says of the results below it."""

    name: str = ""
    time: str = ""
    changed: str = ""
    encounter: str = ""


def results_of(message: Message, dialect: Dialect, encounter: str = "") -> Results:
    """Every OBX of a message. Nothing in it raises: what is wrong with a result is found where all results are read."""
    order = _Order(encounter=encounter)
    found: dict[str, dict[str, Any]] = {}
    provenance: dict[str, Provenance] = {}
    placer = filler = latest = ""
    below: list[str] = []
    specimens: list[dict[str, Any]] = []
    for segment in message.segments:
        if segment.name == "ORC":
            placer, filler = segment.raw(2), segment.raw(3)
        elif segment.name == "OBR":
            order = _order(segment, dialect, filler=filler, placer=placer, encounter=encounter)
            latest, below, specimens = "", [], _source_of(segment, dialect)
        elif segment.name == "SPM" and len(specimens) < MOST:  # more are read of no Observation
            specimens = [*specimens, _specimen(segment, dialect)]
            found |= {one: found[one] | _taken(specimens) for one in below}
        elif segment.name == "OBX":
            observation = _observation(segment, order, message, dialect) | _taken(specimens)
            latest = observation["id"]
            below.append(latest)
            found[latest] = _with_lines(found.get(latest), observation)
            provenance[f"Observation/{latest}"] = _provenance(segment, dialect)
        elif segment.name == "NTE" and latest:
            found[latest] = _with_comment(found[latest], segment)
    return Results(observations=tuple(found.values()), provenance=provenance)


def identity(*parts: str) -> str:
    """A FHIR id from what names a thing where it comes from."""
    return sha256("\n".join(parts).encode()).hexdigest()[:32]


def sent_at(message: Message, dialect: Dialect) -> str:
    """MSH-7 as a FHIR dateTime."""
    return time_of(message.head.text(7), dialect.zone)


def _order(obr: Segment, dialect: Dialect, *, filler: str, placer: str, encounter: str) -> _Order:
    return _Order(
        name=obr.raw(3) or filler or obr.raw(2) or placer,
        time=obr.text(7),
        changed=time_of(obr.text(22), dialect.zone),
        encounter=encounter,
    )


def _observation(obx: Segment, order: _Order, message: Message, dialect: Dialect) -> dict[str, Any]:
    own = obx.text(14)
    when = own if own.strip("0") else order.time  # nothing but noughts is how some say that there is none
    version = max(filter(None, (order.changed, sent_at(message, dialect))), default="")
    observation: dict[str, Any] = {
        "resourceType": "Observation",
        "id": identity(dialect.source, order.name, obx.text(3) or obx.text(3, 4), obx.raw(4), when),
        "status": _STATUS.get(obx.text(11), "unknown"),
        "code": _concept(obx, obx.raw(3), dialect),
        "subject": {"reference": dialect.subject},
        **({"meta": {"lastUpdated": version}} if version else {}),
        **({"effectiveDateTime": time_of(when, dialect.zone) or when} if when else {}),
        **({"encounter": {"reference": order.encounter}} if order.encounter else {}),
    }
    return observation | _value(obx, dialect) | _usual(obx) | _interpretation(obx) | _manner(obx, dialect)


def _with_lines(before: dict[str, Any] | None, observation: dict[str, Any]) -> dict[str, Any]:
    """Rows of one text are one text; anything else that comes twice in a message counts as it was said last."""
    if before is None or "valueString" not in before or "valueString" not in observation:
        return observation
    lines = f"{before['valueString']} {observation['valueString']}"
    return {**observation, "valueString": lines}


def _with_comment(observation: dict[str, Any], nte: Segment) -> dict[str, Any]:
    """What the laboratory wrote below a result (NTE-3) stands beside it."""
    said = " ".join(filter(None, (nte.part(row, 1) for row in nte.repeats(3))))
    return {**observation, "note": [*observation.get("note", ()), {"text": said}]} if said else observation


def _value(obx: Segment, dialect: Dialect) -> dict[str, Any]:
    """OBX-5 by the type that OBX-2 names."""
    kind, rows = obx.text(2).upper(), obx.repeats(5)
    if not rows:
        return _absent()
    if kind == "SN":
        return _structured(obx, rows[0], dialect)
    if kind in _CODED:
        return {"valueCodeableConcept": _concept(obx, rows[0], dialect)}
    if kind in _TIMES:
        return {"valueDateTime": time_of(obx.part(rows[0], 1), dialect.zone)}
    return _written(" ".join(obx.part(row, 1) for row in rows[:_MOST_LINES]).strip(), kind, obx, dialect)


def _usual(obx: Segment) -> dict[str, Any]:
    """OBX-7, where it is two numbers, or one with a sign: they have the unit of the value."""
    said = obx.text(7).strip()
    if found := _USUAL.fullmatch(said):
        return {"referenceRange": [{"low": _limit(found[1]), "high": _limit(found[2])}]}
    edge = _ONE_SIDED.fullmatch(said)
    return {} if edge is None else {"referenceRange": [{"high" if edge[1] == "<" else "low": _limit(edge[2])}]}


def _interpretation(obx: Segment) -> dict[str, Any]:
    """OBX-8, a code or, since 2.7, a coded element: a table of its own that needs no system."""
    said = [obx.part(row, 1) for row in obx.repeats(8)]
    return {"interpretation": [{"coding": [{"code": one}], "text": one} for one in said]} if said else {}


def _manner(obx: Segment, dialect: Dialect) -> dict[str, Any]:
    """OBX-17 and OBX-20: how it was measured, and where."""
    rows = {"method": obx.repeats(17), "bodySite": obx.repeats(20)}
    return {name: [_concept(obx, row, dialect) for row in found] for name, found in rows.items() if found}


def _source_of(obr: Segment, dialect: Dialect) -> list[dict[str, Any]]:
    """OBR-15, by which older messages name the specimen: a coded element in its first component."""
    code, text, system = (obr.text(15, 1, part) for part in (1, 2, 3))
    if not code and not text:
        return []
    coding = {"system": _SYSTEMS.get(system.upper(), SOURCES if not system else LOCAL + dialect.source), "code": code}
    return [{"type": {"coding": [coding], "text": text or code}}]


def _specimen(spm: Segment, dialect: Dialect) -> dict[str, Any]:
    """SPM-4 and SPM-24: what it is, and in which state it came. A code that names no system is of HL7's table."""
    row = next(iter(spm.repeats(4)), "")
    made_of = _concept(spm, row, dialect)
    if row and not spm.part(row, 3):
        made_of["coding"] = [{"system": SPECIMENS, "code": spm.part(row, 1)}]
    return {"type": made_of, "condition": [_concept(spm, one, dialect) for one in spm.repeats(24)]}


def _taken(specimens: list[dict[str, Any]]) -> dict[str, Any]:
    if not specimens:
        return {}
    named = {f"s{i}": one for i, one in enumerate(specimens)}
    return {
        "contained": [{"resourceType": "Specimen", "id": name, **one} for name, one in named.items()],
        "specimen": [{"reference": f"#{name}"} for name in named],
    }


def _limit(written: str) -> dict[str, Any]:
    return {"value": decimal(written)}


def _written(whole: str, kind: str, obx: Segment, dialect: Dialect) -> dict[str, Any]:
    """A number, or a text that may be one."""
    found = _NUMBER.fullmatch(whole)
    if found is not None and kind in ("NM", "ST", ""):
        comparator = found[1] if found[1] != "=" else None
        return _quantity(found[2], ">=" if found[3] and not comparator else comparator, obx, dialect)
    if kind == "NM":
        return {"valueQuantity": {"value": whole}}  # named a number, and none: found out where numbers are read
    return {"valueString": whole} if whole else _absent()


def _absent() -> dict[str, Any]:
    return {"dataAbsentReason": {"coding": [{"code": "unknown"}]}}


def _structured(obx: Segment, row: str, dialect: Dialect) -> dict[str, Any]:
    """SN: comparator, number, separator, number."""
    comparator, first, between, second = (obx.part(row, at).strip() for at in range(1, 5))
    if not second and between in ("", "+"):
        word = ">=" if between == "+" else comparator
        known = word in _COMPARATORS or word in ("", "=")
        return _quantity(first, (word if word in _COMPARATORS else None) if known else "?", obx, dialect)
    edges = (_quantity(one, None, obx, dialect)["valueQuantity"] for one in (first, second))
    low, high = edges
    if between == "-" and comparator in ("", "="):
        return {"valueRange": {"low": low, "high": high}}
    if between in (":", "/") and comparator in ("", "="):
        return {"valueRatio": {"numerator": low, "denominator": {"value": high["value"]}}}
    return {"valueString": " ".join(filter(None, (comparator, first, between, second)))}


def _quantity(text: str, comparator: str | None, obx: Segment, dialect: Dialect) -> dict[str, Any]:
    found = _NUMBER.fullmatch(text)
    value: object = decimal(found[2]) if found and not found[1] and not found[3] else text
    unit = next((one for one in _codings(obx, obx.raw(6), dialect) if one.get("system") == UCUM), None)
    code, text = obx.text(6), obx.text(6, 2) or obx.text(6, 9)  # a code of the house, and the unit in words beside it
    said = {"unit": unit["code"], "code": unit["code"], "system": UCUM} if unit else {"unit": text or code}
    return {
        "valueQuantity": {
            "value": value,
            **({"comparator": comparator} if comparator else {}),
            **({name: one for name, one in said.items() if one}),
            **({"code": code} if code and text and not unit else {}),
        }
    }


def _concept(segment: Segment, row: str, dialect: Dialect) -> dict[str, Any]:
    text = segment.part(row, 9) or segment.part(row, 2) or segment.part(row, 5)
    return {"coding": list(_codings(segment, row, dialect)), **({"text": text} if text else {})}


def _codings(segment: Segment, row: str, dialect: Dialect) -> Iterator[dict[str, str]]:
    """The code and its alternates (components 1-3, 4-6 and, since 2.8, 10-12), each with its system."""
    for code, display, system in ((1, 2, 3), (4, 5, 6), (10, 11, 12)):
        if found := segment.part(row, code):
            named = segment.part(row, system).upper()
            yield {
                "system": _SYSTEMS.get(named, LOCAL + dialect.source),
                "code": found,
                "display": segment.part(row, display),
            }


def _provenance(obx: Segment, dialect: Dialect) -> Provenance:
    """A device that measured and nobody who answers for it (OBX-16) is a device's word."""
    device = obx.text(18)[:64]
    method: Literal["device", "charted"] = "device" if device and not obx.raw(16) else "charted"
    return Provenance(source=dialect.source, device=device, method=method)
