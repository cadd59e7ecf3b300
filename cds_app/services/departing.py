"""What is open when a patient is about to leave: from inputs to the cards that are due."""

from __future__ import annotations

from cds_app.cards.drafts import Due
from cds_app.services.inputs import Inputs
from cds_app.services.knowledge import Knowledge


def discharge_dues(knowledge: Knowledge, inputs: Inputs) -> tuple[Due, ...]:
    """Cards about what is unresolved."""
    return ()
