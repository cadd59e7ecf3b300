"""A decision found again in the log."""

from __future__ import annotations

from cds_app.domain.decisions import Decision
from cds_app.errors import NotFound, PatientErased
from cds_app.ports import TwinStore


def decision_of(store: TwinStore, decision_id: str) -> tuple[str, Decision]:
    """Whose it is (a pseudonym), and the decision.

    Raises
    ------
    NotFound
        If the log has no such decision.
    PatientErased
        If it is there and nobody can read it any more.
    IntegrityError
    """
    entry = store.find(decision_id)
    if entry is None:
        raise NotFound("the log has no such decision", field="decision")
    if entry.decision is None:
        raise PatientErased("the patient of this decision was erased", field="decision")
    return entry.patient, entry.decision
