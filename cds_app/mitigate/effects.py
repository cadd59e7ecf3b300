"""Which simulation tells what an option would do to this patient. Content, beside the option that it belongs to."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from cds_app.content import Content

_NEEDS_A_NUMBER = frozenset({"scale", "space", "skip"})
Drug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class DoseEffect(Content):
    """Another dose of a drug, or none: on its concentration or effect.

    Parameters
    ----------
    drugs : tuple of str
        Folders of ``models/pkpd``; the first of them that stands ordered is meant.
    change : str
        ``best``: the plan of the content within its limits that reaches the target most often; ``start``: the same
        of the first drug where none is ordered. ``keep``: as ordered. ``scale``: ``by`` times the dose. ``space``:
        every ``by`` hours. ``skip``: ``by`` doses left out. ``stop``.
    """

    of: Literal["dose"]
    drugs: Annotated[tuple[Drug, ...], Field(min_length=1)]
    change: Literal["best", "start", "keep", "scale", "space", "skip", "stop"]
    by: PositiveFloat | None = None

    @model_validator(mode="after")
    def _says_by_how_much(self) -> Self:
        if (self.change in _NEEDS_A_NUMBER) != (self.by is not None):
            raise ValueError("scale, space and skip say by how much, and no other change does")
        if self.change == "skip" and self.by != int(self.by or 0):
            raise ValueError("whole doses are left out")
        return self


class CirculationEffect(Content):
    """Crystalloid, or without it norepinephrine led by the pressure: on mean arterial pressure."""

    of: Literal["circulation"]
    fluid_ml: PositiveFloat | None = None


class GlucoseEffect(Content):
    """Rapid-acting insulin under the skin, or carbohydrate by mouth: on glucose."""

    of: Literal["glucose"]
    bolus_u: PositiveFloat | None = None
    carbohydrate_g: PositiveFloat | None = None

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.bolus_u is None) == (self.carbohydrate_g is None):
            raise ValueError("either insulin or carbohydrate is given")
        return self


Effect = Annotated[DoseEffect | CirculationEffect | GlucoseEffect, Field(discriminator="of")]
