"""A record told as other systems would tell it: none of these changes may change what is said of the patient."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from typing import Any, Final

Resource = dict[str, Any]
Retelling = Callable[[list[Resource], str], list[Resource]]
"""Resources of a patient, and their id, to what is sent in their place. The resources may be changed."""

_LOINC: Final = "http://loinc.org"
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_STRANGER: Final = "somebody-else"
_CONVERSIONS: Final[Mapping[str, tuple[str, float, float]]] = {
    "Cel": ("[degF]", 1.8, 32.0),
    "mm[Hg]": ("kPa", 0.133322387415, 0.0),
    "g/dL": ("g/L", 10.0, 0.0),
    "mg/dL": ("mg/L", 10.0, 0.0),
    "10*3/uL": ("10*9/L", 1.0, 0.0),
    "mmol/L": ("umol/L", 1000.0, 0.0),
    "mL": ("L", 0.001, 0.0),
    "kg": ("g", 1000.0, 0.0),
    "cm": ("m", 0.01, 0.0),
}
"""A unit to another one for the same quantity: factor, then offset."""
_WRITTEN: Final = {
    "Cel": "°C",
    "mm[Hg]": "mmHg",
    "10*3/uL": "K/µL",
    "/min": "bpm",
    "mmol/L": "MMOL/L",
    "mg/dL": "MG/DL",
}
_OF_ALL: Final = ("effectiveDateTime", "status", "encounter", "specimen", "bodySite", "method", "note", "meta")
"""What an Observation says of all its components."""
_DRUGS: Final = frozenset({"MedicationRequest", "MedicationAdministration", "MedicationStatement"})


def quantities_of(resource: Resource) -> Iterator[Resource]:
    """Values of an Observation and of its components, with the limits beside them."""
    for one in (resource, *resource.get("component", ())):
        limits = [found[end] for found in one.get("referenceRange", ()) for end in ("low", "high") if end in found]
        yield from (found for found in (one.get("valueQuantity"), *limits) if found and "value" in found)


def _each(change: Callable[[Resource], object]) -> Retelling:
    """A retelling that changes every resource by itself."""

    def retold(resources: list[Resource], patient: str) -> list[Resource]:
        for one in resources:
            change(one)
        return resources

    return retold


def _measured(change: Callable[[Resource], object]) -> Retelling:
    """A retelling that changes every quantity."""
    return _each(lambda one: [change(found) for found in quantities_of(one)])


def _strings(change: Callable[[str], str]) -> Retelling:
    """A retelling that changes every string."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: changed(one) for name, one in value.items()}
        if isinstance(value, list):
            return [changed(one) for one in value]
        return change(value) if isinstance(value, str) else value

    return lambda resources, patient: [changed(one) for one in resources]


def in_another_order(resources: list[Resource], patient: str) -> list[Resource]:
    return random.Random(3).sample(resources, len(resources))


def twice(resources: list[Resource], patient: str) -> list[Resource]:
    return [*resources, *deepcopy(resources)]


def beside_somebody_else(resources: list[Resource], patient: str) -> list[Resource]:
    other = [{**one, "id": f"o-{one['id']}"} for one in deepcopy(resources) if "subject" in one]
    for one in other:
        one["subject"] = {"reference": f"Patient/{_STRANGER}"}
        for found in quantities_of(one):
            found["value"] *= 2
    return [*other, {"resourceType": "Patient", "id": _STRANGER, "birthDate": "2020-01-01"}, *resources]


def after_older_versions(resources: list[Resource], patient: str) -> list[Resource]:
    """Every value is preceded by one that was corrected, which arrives after it."""
    newer = [one for one in resources if one["resourceType"] == "Observation"]
    older = deepcopy(newer)
    for one in newer:
        one["meta"] = {"versionId": "10"}
    for one in older:
        one.update(status="preliminary", meta={"versionId": "9"})
        for found in quantities_of(one):
            found["value"] *= 3
    return [*resources, *older]


def beside_errors(resources: list[Resource], patient: str) -> list[Resource]:
    wrong = [{**one, "id": f"e-{one['id']}"} for one in deepcopy(resources) if "status" in one and "subject" in one]
    for one in wrong:
        one["status"] = "entered-in-error"
        for found in quantities_of(one):
            found["value"] *= 3
    return [*wrong, *resources]


def _in_another_unit(found: Resource) -> None:
    unit, factor, offset = _CONVERSIONS.get(found.get("code", ""), ("", 1.0, 0.0))
    if unit:
        found.update(value=float(f"{found['value'] * factor + offset:.15g}"), unit=unit, code=unit)


def _in_words(found: Resource) -> None:
    unit = found.pop("code", found.get("unit", ""))
    found.pop("system", None)
    found["unit"] = _WRITTEN.get(unit, unit)


def _at(offset_h: float) -> Callable[[str], str]:
    zone = timezone(timedelta(hours=offset_h))
    return lambda text: (
        datetime.fromisoformat(text).astimezone(zone).isoformat(timespec="milliseconds")
        if _INSTANT.fullmatch(text)
        else text
    )


def _timed(name: str, value: Callable[[str], object]) -> Retelling:
    def changed(one: Resource) -> None:
        if one["resourceType"] == "Observation":
            one[name] = value(one.pop("effectiveDateTime"))

    return _each(changed)


def as_panels(resources: list[Resource], patient: str) -> list[Resource]:
    """Values of one instant as the components of one Observation."""
    panels: dict[object, Resource] = {}
    for one in resources:
        if one["resourceType"] == "Observation" and "valueQuantity" in one:
            key = tuple(json.dumps(one.get(name)) for name in _OF_ALL)
            panel = {**one, "id": f"panel-{len(panels)}", "code": {"text": "Panel"}, "component": []}
            found = panels.setdefault(key, panel)
            parts = ("code", "valueQuantity", "referenceRange")
            found["component"].append({name: one[name] for name in parts if name in one})
    for panel in panels.values():
        panel.pop("valueQuantity")
        panel.pop("referenceRange", None)
    kept = (one for one in resources if one["resourceType"] != "Observation" or "valueQuantity" not in one)
    return [*kept, *panels.values()]


def in_reports(resources: list[Resource], patient: str) -> list[Resource]:
    """Observations inside DiagnosticReports, which say for all of them whose they are."""
    inside = [one for one in resources if one["resourceType"] == "Observation"]
    reports = [
        {
            "resourceType": "DiagnosticReport",
            "id": f"held-{at}",
            "status": "final",
            "code": {"text": "Results"},
            "subject": one["subject"],
            "effectiveDateTime": one["effectiveDateTime"],
            "contained": [{name: value for name, value in one.items() if name != "subject"}],
            "result": [{"reference": f"#{one['id']}"}],
        }
        for at, one in enumerate(inside)
    ]
    return [*(one for one in resources if one["resourceType"] != "Observation"), *reports]


def _annotated(one: Resource) -> None:
    extension = [{"url": "https://ehr.example/note", "valueString": "as printed"}]
    for name in [name for name, value in one.items() if isinstance(value, str) and name not in {"id", "resourceType"}]:
        one[f"_{name}"] = {"extension": extension}
    one.update(extension=extension, language="de", text={"status": "generated", "div": "<div>Hb 3</div>"})


def _about(reference: Callable[[str], Resource]) -> Retelling:
    def retold(resources: list[Resource], patient: str) -> list[Resource]:
        for one in resources:
            if one["resourceType"] == "Patient":
                one["identifier"] = [{"system": "urn:oid:1.2.3", "value": "MRN 1"}]
            for name in ("subject", "patient"):
                if name in one:
                    one[name] = reference(patient)
        return resources

    return retold


def _drug(change: Callable[[Resource], Iterable[Resource]]) -> Retelling:
    """A retelling that changes how drugs are named, and may add resources."""

    def retold(resources: list[Resource], patient: str) -> list[Resource]:
        named = [one for one in resources if one["resourceType"] in _DRUGS]
        return [*resources, *(added for one in named for added in change(one))]

    return retold


def _contained(one: Resource) -> Iterable[Resource]:
    one["contained"] = [{"resourceType": "Medication", "id": "drug", "code": one.pop("medicationCodeableConcept")}]
    one["medicationReference"] = {"reference": "#drug"}
    return ()


def _beside(one: Resource) -> Iterable[Resource]:
    key = f"drug-of-{one['id']}"
    one["medicationReference"] = {"reference": f"https://ehr.example/fhir/Medication/{key}"}
    yield {"resourceType": "Medication", "id": key, "code": one.pop("medicationCodeableConcept")}


def _mixed(one: Resource) -> Iterable[Resource]:
    part = {"itemReference": {"reference": "#part"}}
    substance = {"resourceType": "Substance", "id": "part", "code": one.pop("medicationCodeableConcept")}
    one["contained"] = [{"resourceType": "Medication", "id": "drug", "ingredient": [part]}, substance]
    one["medicationReference"] = {"reference": "#drug"}
    return ()


def _by_display(one: Resource) -> Iterable[Resource]:
    said = one["medicationCodeableConcept"]
    display = said.get("text") or said["coding"][0]["display"]
    one["medicationCodeableConcept"] = {"coding": [{"system": "urn:site", "code": "7", "display": display.upper()}]}
    return ()


def by_other_loinc_codes(synonyms: Mapping[str, str]) -> Retelling:
    def changed(one: Resource) -> None:
        for part in (one, *one.get("component", ())):
            for coding in part.get("code", {}).get("coding", ()):
                if one["resourceType"] == "Observation" and coding.get("system") == _LOINC:
                    coding["code"] = synonyms.get(coding["code"], coding["code"])

    return _each(changed)


RETELLINGS: Final[Mapping[str, Retelling]] = {
    "in-another-order": in_another_order,
    "twice": twice,
    "beside-somebody-else": beside_somebody_else,
    "beside-errors": beside_errors,
    "after-older-versions": after_older_versions,
    "in-other-units": _measured(_in_another_unit),
    "unit-in-words": _measured(_in_words),
    "unit-as-code-only": _measured(lambda found: found.pop("unit", None)),
    "at-other-offsets": _strings(_at(5.5)),
    "at-offsets-of-tomorrow": _strings(_at(14.0)),
    "over-a-period": _timed("effectivePeriod", lambda at: {"start": at, "end": at}),
    "at-an-instant": _timed("effectiveInstant", lambda at: at),
    "when-issued": _timed("issued", lambda at: at),
    "as-panels": as_panels,
    "in-reports": in_reports,
    "corrected": _each(lambda one: one.update(status="corrected") if one.get("status") == "final" else None),
    "without-meta": _each(lambda one: one.pop("meta", None)),
    "annotated": _each(_annotated),
    "about-an-absolute-patient": _about(lambda who: {"reference": f"https://ehr.example/r4/Patient/{who}/_history/2"}),
    "about-whom-an-identifier-names": _about(lambda _: {"identifier": {"system": "urn:oid:1.2.3", "value": "MRN 1"}}),
    "drugs-contained": _drug(_contained),
    "drugs-beside": _drug(_beside),
    "drugs-as-mixtures": _drug(_mixed),
    "drugs-in-displays": _drug(_by_display),
}
