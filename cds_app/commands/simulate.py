"""``twinline simulate``: plans of a drug from a file, for the patient of a FHIR record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import click
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from cds_app.bootstrap import quiet_logs
from cds_app.cards.text import hundred, simulated
from cds_app.commands.examples import examples
from cds_app.commands.record_files import Entries, contents_of
from cds_app.content import content_root, latest, wrong
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.pharmacogenes import load_pharmacogenes
from cds_app.domain.strict_json import loads
from cds_app.domain.timeline import Timeline
from cds_app.domain.units import UnitConverter
from cds_app.errors import BadRequest, DataError, TooLarge
from cds_app.fabric.reading import Reading, read
from cds_app.score.situation import Situation
from cds_app.services.chronicle import tell
from cds_app.services.content.pharmacology import load_pharmacy
from cds_app.services.continuity import stand_ins
from cds_app.settings import Settings
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.plans import Dose, Plan, Regimen, Route
from cds_app.simulate.refusals import Refusal, Refused
from cds_app.simulate.regimens.answers import PlanOutcome, WhatIf
from cds_app.simulate.regimens.chart import Charted, Extra, patient_of
from cds_app.simulate.regimens.goals import aim_of
from cds_app.simulate.regimens.orders import mass_mg
from cds_app.simulate.regimens.outcomes import area_unit
from cds_app.simulate.regimens.questions import Question, offered
from cds_app.simulate.regimens.what_if import what_if
from cds_app.twin.imputation import Imputer

_MAX_BYTES = 1 << 20
_REFUSED = 1


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Amount(_Said):
    value: float
    unit: str = ""


class _Dose(_Said):
    at_h: float
    dose: _Amount
    over_h: float = 0.0
    route: Route = "iv"


class _Plan(_Said):
    name: Annotated[str, Field(min_length=1, max_length=80)]
    dose: _Amount | None = None
    interval_h: float | None = None
    over_h: float = 0.0
    route: Route = "iv"
    start_h: float = 0.0
    loading: _Amount | None = None
    doses: tuple[_Dose, ...] = ()


class _Call(_Said):
    gene: str
    diplotype: str


class PlanFile(_Said):
    """What PLAN.json may say. Times are hours from ``at``; without it, from the newest time in the record."""

    drug: str
    at: AwareDatetime | None = None
    plans: tuple[_Plan, ...] = ()
    compare_offers: bool = False
    current: str | None = None
    goal: str | None = None
    draws: int = 2000
    seed: int = 0
    horizon_h: float | None = None
    genotypes: tuple[_Call, ...] = ()
    flags: Mapping[str, bool] = Field(default_factory=dict)
    baseline_inr: float | None = None
    days_since_transplant: float | None = None


@click.command(epilog=examples("twinline simulate plan.json --patient record.json"))
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--patient",
    "record",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the patient's record: a FHIR Bundle, or NDJSON.",
)
@click.option("--json", "as_json", is_flag=True, help="Everything, as one JSON object.")
def simulate(plan: Path, record: Path, as_json: bool) -> None:
    """Ask what the plans in PLAN would do to the patient in a FHIR record. Simulation, not an order.

    Exit status 0: answered; 1: refused, with every reason; 2: the files are not what they should be.
    """
    quiet_logs()
    asked, ontology = plan_file(plan), load_ontology(latest("ontology"))
    drug = load_pharmacy(content_root(), ontology).get(asked.drug)
    if drug is None:
        raise DataError("names a drug that cannot be simulated", field="drug")
    patient, entries = _only_patient(record)
    zone = ZoneInfo(Settings().timezone)
    reading, now = _read(patient, entries, asked.at, ontology, UnitConverter(ontology), zone)
    situation = _situation(reading, now, ontology)
    likely = stand_ins(Imputer.from_artefact(latest("imputation")), situation)
    charted = patient_of(situation, drug, _extra(asked), likely)
    found = charted if isinstance(charted, Refused) else _answered(drug, charted, asked, situation)
    if as_json:
        click.echo(json.dumps(_whole(found, charted, reading), sort_keys=True, ensure_ascii=False))
    else:
        for line in _refusal(found) if isinstance(found, Refused) else _told(found, charted):
            click.echo(line)
        for said, times in _unused(reading).items():
            click.echo(f"  not used of the record: {said} ({times})")
    if isinstance(found, Refused):
        raise SystemExit(_REFUSED)


def plan_file(file: Path) -> PlanFile:
    """Read a plan.

    Raises
    ------
    DataError
        Naming the field; never its value.
    """
    try:
        data = file.read_bytes()
        loads(data, max_bytes=_MAX_BYTES)
        return PlanFile.model_validate_json(data)
    except ValidationError as error:
        field, problem = wrong(error)[0]
        raise DataError(problem, field=field) from None
    except (BadRequest, TooLarge) as error:
        raise DataError(f"the plan cannot be read as JSON: {error.message}", field=error.field) from None
    except OSError:
        raise DataError("the plan cannot be read", field="PLAN") from None


def _only_patient(file: Path) -> tuple[str, Entries]:
    try:
        patients = contents_of(file).patients
    except BadRequest as error:
        raise DataError(error.message, field="--patient") from None
    if len(patients) != 1:
        raise DataError("must hold exactly one patient", field="--patient")
    return patients[0]


def situation_of(
    patient: str, entries: Entries, at: datetime | None, ontology: Ontology, units: UnitConverter, zone: tzinfo
) -> Situation:
    """The patient at an instant, with what was known by then; else at the newest time that the record tells."""
    reading, now = _read(patient, entries, at, ontology, units, zone)
    return _situation(reading, now, ontology)


def _read(
    patient: str, entries: Entries, at: datetime | None, ontology: Ontology, units: UnitConverter, zone: tzinfo
) -> tuple[Reading, datetime]:
    told = [one.at for one in tell(entries, zone) if one.at is not None]
    now = at.astimezone(UTC) if at is not None else max(told, default=datetime.now(UTC))
    bundle = {"resourceType": "Bundle", "entry": [{"fullUrl": url, "resource": one} for url, one in entries]}
    return read([bundle], patient=patient, ontology=ontology, units=units, zone=zone, learned=now, now=now), now


def _situation(reading: Reading, now: datetime, ontology: Ontology) -> Situation:
    timeline = Timeline.of(reading.facts)
    genes = load_pharmacogenes(latest("pharmacogenomics"))
    return Situation(ontology=ontology, facts=timeline.facts, now=now, measured=timeline.measured, genes=genes)


def _extra(asked: PlanFile) -> Extra:
    calls = tuple((one.gene, one.diplotype) for one in asked.genotypes)
    return Extra(
        genotypes=calls,
        flags=asked.flags,
        baseline_inr=asked.baseline_inr,
        days_since_transplant=asked.days_since_transplant,
    )


def _answered(drug: Drug, charted: Charted, asked: PlanFile, situation: Situation) -> WhatIf | Refused:
    plans, problems = _plans(asked.plans)
    goal = asked.goal or aim_of(drug, situation)
    if isinstance(goal, Refusal):
        names = ", ".join(drug.file.goals)
        problems.append(Refusal(field=goal.field, limit=f"must be one of {names}: none is usual for this patient"))
    if problems or isinstance(goal, Refusal):
        return Refused(subject=drug.name, reasons=tuple(problems))
    offers = _offers(drug, plans) if asked.compare_offers else []
    question = Question(
        plans=(*plans, *offers),
        goal=goal,
        draws=asked.draws,
        seed=asked.seed,
        horizon_h=asked.horizon_h,
        current=asked.current,
    )
    return what_if(drug, charted.patient, question)


def _offers(drug: Drug, plans: Sequence[Regimen | Plan]) -> list[Regimen]:
    """Plans of the content that are not among those asked for, from when the first of these begins."""
    regular = [one for one in plans if isinstance(one, Regimen)]
    known = {(one.amount_mg, one.interval_h) for one in regular}
    names = {one.name for one in plans}
    start_h = min((one.start_h for one in regular), default=0.0)
    found = offered(drug, start_h=start_h)
    return [one for one in found if (one.amount_mg, one.interval_h) not in known and one.name not in names]


def _plans(asked: Sequence[_Plan]) -> tuple[list[Regimen | Plan], list[Refusal]]:
    plans: list[Regimen | Plan] = []
    problems: list[Refusal] = []
    for n, one in enumerate(asked):
        found = _plan(one, f"plans.{n}", problems)
        if found is not None:
            plans.append(found)
    return plans, problems


def _plan(asked: _Plan, where: str, problems: list[Refusal]) -> Regimen | Plan | None:
    before = len(problems)
    if asked.doses:
        beside = ", ".join(sorted(asked.model_fields_set - {"name", "doses"}))
        if beside:
            problems.append(Refusal(field=f"{where}.doses", limit=f"stand alone, without {beside}"))
        doses = tuple(
            Dose(
                at_h=one.at_h,
                amount_mg=_mass(one.dose, f"{where}.doses.{n}.dose", problems),
                over_h=one.over_h,
                route=one.route,
            )
            for n, one in enumerate(asked.doses)
        )
        return Plan(name=asked.name, doses=doses) if len(problems) == before else None
    if asked.dose is None or asked.interval_h is None:
        problems.append(Refusal(field=where, limit="needs dose and interval_h, or doses"))
        return None
    amount_mg = _mass(asked.dose, f"{where}.dose", problems)
    loading_mg = None if asked.loading is None else _mass(asked.loading, f"{where}.loading", problems)
    if len(problems) > before:
        return None
    return Regimen(
        name=asked.name,
        amount_mg=amount_mg,
        interval_h=asked.interval_h,
        over_h=asked.over_h,
        route=asked.route,
        start_h=asked.start_h,
        loading_mg=loading_mg,
    )


def _mass(amount: _Amount, where: str, problems: list[Refusal]) -> float:
    found = mass_mg(amount.value, amount.unit)
    if found is None:
        problems.append(Refusal(field=f"{where}.unit", limit="must be mg, g or ug"))
        return 0.0
    return found


def _unused(reading: Reading) -> dict[str, int]:
    """Why something of the record was not used, and how often: ``implausible valueQuantity``."""
    return dict(Counter(f"{one.code} {one.field}".rstrip() for one in reading.issues))


def _whole(found: WhatIf | Refused, charted: Charted | Refused, reading: Reading) -> dict[str, Any]:
    if isinstance(found, Refused):
        return {"refused": asdict(found), "unused": _unused(reading)}
    chart: dict[str, Any] = {}
    if isinstance(charted, Charted):
        imputed = [asdict(one) for one in charted.imputed]
        chart = {"facts": charted.facts, "remarks": charted.remarks, "imputed": imputed}
    note = "Simulation, not an order."
    return {"answer": asdict(found), "chart": chart, "unused": _unused(reading), "note": note}


def _refusal(found: Refused) -> Iterator[str]:
    yield f"{found.subject}: refused"
    yield from (f"  {one.field}: {one.limit}" for one in found.reasons)


def _told(found: WhatIf, charted: Charted | Refused) -> Iterator[str]:
    yield f"{found.drug}: {found.target_says}. Simulation, not an order."
    if found.needs_review:
        yield "targets, harms and limits of doses: not reviewed by a clinician"
    yield f"{found.draws} virtual patients, seed {found.seed}, {found.doses} doses and {found.levels} levels used"
    for one in found.models:
        review = ", needs review" if one.needs_review else ""
        worth = f"worth {one.effective_draws:.0f} draws"
        yield f"  model {one.name} {one.version}{review}, weight {one.weight:.2f}, {worth}"
        yield from (f"    {said}" for said in one.applied)
    yield from (f"  not used: {name} ({reasons[0].field}: {reasons[0].limit})" for name, reasons in found.left_out)
    for plan in found.plans:
        yield from _plan_lines(plan, found.unit)
    none = "none of these is within its limits and on target in the middle patient"
    yield f"recommended: {found.recommended or none}"
    if found.gain is not None:
        gain = found.gain
        yield (
            f"  target {100 * gain.probability:+.0f} points over {gain.over}"
            f" (90 in 100 by chance: {100 * gain.low90:+.0f} to {100 * gain.high90:+.0f})"
        )
    remarks = (*found.remarks, *(charted.remarks if isinstance(charted, Charted) else ()))
    yield from (f"  {said}" for said in remarks)


def _plan_lines(plan: PlanOutcome, unit: str) -> Iterator[str]:
    target = "no such figure" if plan.target is None else f"{hundred(plan.target.probability)} in 100"
    begins = "" if plan.begins_h is None else f", from {plan.begins_h:.3g} h on" if plan.begins_h else ", from now on"
    yield f"{plan.name}{begins}: target {target}"
    figures = (
        ("AUC24 steady", plan.auc24_steady, area_unit(unit)),
        ("trough", plan.trough, unit),
        ("highest", plan.highest, unit),
        ("end", plan.end, unit),
    )
    for name, one, per in figures:
        if one is not None:
            middle, low, high = (simulated(value) for value in (one.median, one.low90, one.high90))
            yield f"    {name} {middle} {per} (90 in 100: {low} to {high})"
    for harm in plan.harms:
        within = "within" if harm.within else "over"
        chance = hundred(harm.chance.probability)
        yield f"    {chance} in 100 {harm.says} ({within} its limit of {100 * harm.at_most:.0f})"
    yield from (f"    outside limits: {one.field} {one.limit}" for one in plan.outside)
    yield from (f"    not known by then: {said}" for said in plan.unchecked)
