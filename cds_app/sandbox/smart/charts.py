"""Whose charts there are, who looks at them, and what an app is told of that."""

from __future__ import annotations

from dataclasses import dataclass

from cds_app.sandbox.chart import display_name, encounter
from cds_app.sandbox.people.staff import Seat
from cds_app.sandbox.records.store import Store
from cds_app.sandbox.smart.launches import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """Whose charts there are, and who looks at them."""

    store: Store
    seat: Seat

    def patients(self) -> list[tuple[str, str]]:
        """Ids and names, to choose from."""
        return [(one["id"], display_name(one)) for one in self.store.all("Patient")]

    def context(self, patient_id: str, *, framed: bool = False, app_context: str = "") -> Context:
        """A patient's chart as it is now, with the stay that runs."""
        self.store.read("Patient", patient_id)
        stay = encounter(self.store, patient_id)
        return Context(
            user=self.seat.person.reference,
            patient=patient_id,
            encounter=str(stay["id"]) if stay else "",
            app_context=app_context,
            framed=framed,
        )
