"""Charts, drafts, and what the shipped checks find of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from cds_app.content import artefact
from cds_app.domain.facts import Allergy, Condition, Demographics, Fact, Medication
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.proposed import Proposed
from cds_app.domain.timeline import Timeline
from cds_app.mitigate.conditions import View
from cds_app.mitigate.findings import Checked
from cds_app.mitigate.order_checks import load_order_checks
from cds_app.mitigate.orders import check_orders
from cds_app.score.clinical.scores import NAMES, clinical_scores
from cds_app.score.situation import Situation
from tests.chart import NOW, ago, person
from tests.genomes import pharmacogenes

ROOT = Path(__file__).parents[3]
REAL = load_ontology(artefact("ontology", "1.0.0", root=ROOT))
CHECKS = load_order_checks(artefact("order_checks", "1.0.0", root=ROOT), REAL, pharmacogenes(), scores=NAMES)
ALL = frozenset({"allergy", "duplicate", "kidney", "interaction", "state", "problem"})
Coded = Allergy | Condition | Medication


def real(fact: Coded) -> Coded:
    """With the parents that the shipped ontology gives."""
    return replace(fact, concepts=tuple(dict.fromkeys(up for key in fact.concepts for up in REAL.with_parents(key))))


def known(*concepts: str) -> Allergy:
    return Allergy(
        ref=f"AllergyIntolerance/{'-'.join(concepts)}", version="", when=ago(9000), learned=NOW, concepts=concepts,
        codes=(), text=" ".join(concepts), clinical="active", verification="confirmed",
    )  # fmt: skip


def takes(concept: str, *, hours: float = 20.0) -> Medication:
    return order(concept, ref=f"MedicationRequest/taken-{concept}", status="active", when_h=hours)


def order(concept: str, *, ref: str = "", status: str = "draft", when_h: float = 0.0) -> Medication:
    return Medication(
        ref=ref or f"MedicationRequest/draft-{concept}", version="", when=ago(when_h), learned=NOW, source="request",
        status=status, intent="", concepts=(concept,), codes=(), text=concept,
    )  # fmt: skip


def has(concept: str, *, hours: float = 24.0) -> Condition:
    return Condition(
        ref=f"Condition/{concept}", version="", when=ago(hours), learned=NOW, concepts=(concept,), codes=(),
        text=concept, clinical="active", verification="confirmed",
    )  # fmt: skip


def view_of(*chart: Fact) -> View:
    facts = [real(one) if isinstance(one, Allergy | Condition | Medication) else one for one in chart]
    who = () if any(isinstance(one, Demographics) for one in chart) else (person(),)
    situation = Situation(ontology=REAL, facts=Timeline.of((*who, *facts)).facts, now=NOW)
    return View(situation=situation, scores=clinical_scores(situation))


def judged(chart: Sequence[Fact], *drafts: Medication, selected: tuple[str, ...] | None = None) -> tuple[Checked, ...]:
    orders = tuple(one for draft in drafts if isinstance(one := real(draft), Medication))
    return check_orders(CHECKS, view_of(*chart), Proposed(orders=orders, selected=selected), ALL)
