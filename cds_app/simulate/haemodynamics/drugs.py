"""What propofol, norepinephrine and fluids do to the circulation: published effects turned into the model's own levers.

Propofol: systolic and diastolic pressure fall as sigmoids of the concentrations at two slow sites of effect
(Jeleazcov 2015); the fall of mean pressure that this makes, as a share of the greatest, is the effect. At full effect
it lowers resistance, pools blood in the veins, weakens both ventricles and lets the reflex defend a lower pressure, by
amounts with which the reference adult at a steady 3 ug/mL loses the published mean pressure and output.

Norepinephrine: the published rise of mean pressure, C/(C + 4.11) of 32 mmHg (Oualha 2014), less what the body's own
makes, is the effect; it raises resistance and venous tone by amounts with which the reference adult under propofol
gains the published 16 mmHg at half effect, its output staying as it is.

Fluids: two volumes after Hahn for crystalloid, a share that stays for albumin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.errors import ContentError
from cds_app.simulate.haemodynamics.kinetics import (
    REFERENCE_KG,
    FatFreeMass,
    NorepinephrineKinetics,
    Person,
    PropofolKinetics,
)
from cds_app.simulate.haemodynamics.model import values

if TYPE_CHECKING:
    from cds_app.content import Artefact

_FILE: Final = "drugs.json"
_REFERENCE_YEARS: Final = 35.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypnosis:
    """Propofol's effect site for sleep (Eleveld 2018), and its effect on BIS."""

    ke0_per_min: float
    ke0_weight_power: float
    half_ug_per_ml: float
    half_age: float
    ke0_variance: float
    half_variance: float
    awake_bis: float
    power_below_half: float
    power_above_half: float
    reading_sd: float

    def rate(self, person: Person) -> float:
        """Equilibration of a typical person, 1/min."""
        return float(self.ke0_per_min * (person.weight_kg / REFERENCE_KG) ** self.ke0_weight_power)

    def half(self, age_years: float) -> float:
        """Concentration of half the effect of a typical person, ug/mL."""
        return float(self.half_ug_per_ml * np.exp(self.half_age * (age_years - _REFERENCE_YEARS)))

    def bis(self, relative: Floats) -> Floats:
        """BIS at concentrations at the effect site in parts of that of half the effect."""
        power = np.where(relative > 1.0, self.power_above_half, self.power_below_half)
        found: Floats = self.awake_bis / (1.0 + np.maximum(relative, 0.0) ** power)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PropofolEffect:
    """From concentrations at the two sites to the circulation; units as in `models/circulation`."""

    systolic_ke_per_min: float
    systolic_fall_mmhg: float
    systolic_half_ug_per_ml: float
    systolic_power: float
    diastolic_ke_per_min: float
    diastolic_fall_mmhg: float
    diastolic_half_ug_per_ml: float
    diastolic_power: float
    resistance_fall: float
    vein_shift_ml: float
    systolic_compliance_rise: float
    set_point_fall_mmhg: float
    size_sd: float
    half_sd: float

    @property
    def mean_fall_mmhg(self) -> float:
        """Greatest fall of mean pressure: diastolic and a third of the difference."""
        return (self.systolic_fall_mmhg + 2.0 * self.diastolic_fall_mmhg) / 3.0

    def share(self, systolic_site: Floats, diastolic_site: Floats, half: Floats) -> Floats:
        """Effect between 0 and 1 of concentrations in ug/mL; ``half`` multiplies those of half effect."""
        systolic = _sigmoid(systolic_site, self.systolic_half_ug_per_ml * half, self.systolic_power)
        diastolic = _sigmoid(diastolic_site, self.diastolic_half_ug_per_ml * half, self.diastolic_power)
        fall = self.systolic_fall_mmhg * systolic + 2.0 * self.diastolic_fall_mmhg * diastolic
        return fall / (3.0 * self.mean_fall_mmhg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressor:
    """From norepinephrine in plasma to the circulation."""

    rise_mmhg: float
    half_ug_per_l: float
    size_sd: float
    resistance_rise: float
    vein_shift_ml: float

    def share(self, concentration: Floats, own: Floats) -> Floats:
        """Effect between 0 and 1 of concentrations in ug/L, beyond that of the body's own."""
        return concentration / (concentration + self.half_ug_per_l) - own / (own + self.half_ug_per_l)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crystalloid:
    """Two volumes, central and peripheral (Hahn): rates per minute."""

    out_per_min: float
    back_per_min: float
    lost_per_min: float
    lost_anaesthetised_per_min: float
    spread_sd: float

    def matrix(self, spread: Floats, *, anaesthetised: bool) -> Floats:
        """Rates per minute (draws, 2, 2); ``spread`` multiplies those that lead out of the blood."""
        lost = self.lost_anaesthetised_per_min if anaesthetised else self.lost_per_min
        found = np.zeros((spread.size, 2, 2))
        found[:, 0, 0] = -(self.out_per_min + lost) * spread
        found[:, 1, 0] = self.out_per_min * spread
        found[:, 0, 1], found[:, 1, 1] = self.back_per_min, -self.back_per_min
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Albumin:
    """The share of 5 % albumin that stays in the blood, between two bounds."""

    least_share: float
    most_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drugs:
    """Everything that can be given."""

    propofol: PropofolKinetics
    fat_free_mass: FatFreeMass
    hypnosis: Hypnosis
    propofol_effect: PropofolEffect
    norepinephrine: NorepinephrineKinetics
    pressor: Pressor
    crystalloid: Crystalloid
    albumin: Albumin


def drugs(artefact: Artefact) -> Drugs:
    """Read ``drugs.json``; ContentError if a number is missing, or one too many."""
    groups: Any = artefact.read_json(_FILE)
    falls = ("propofol_pressure", "propofol_on_circulation", "propofol_spread")
    sleep = ("propofol_hypnosis", "propofol_bis")
    rises = ("norepinephrine_pressure", "norepinephrine_on_circulation")
    try:
        return Drugs(
            propofol=PropofolKinetics(**values(groups, "propofol_kinetics")),
            fat_free_mass=FatFreeMass(**values(groups, "fat_free_mass")),
            hypnosis=Hypnosis(**_together(groups, sleep)),
            propofol_effect=PropofolEffect(**_together(groups, falls)),
            norepinephrine=NorepinephrineKinetics(**values(groups, "norepinephrine_kinetics")),
            pressor=Pressor(**_together(groups, rises)),
            crystalloid=Crystalloid(**values(groups, "crystalloid")),
            albumin=Albumin(**values(groups, "albumin")),
        )
    except TypeError as error:
        raise ContentError(f"{_FILE} does not hold what the drugs need", field=_FILE) from error


def _together(groups: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for name in names for key, value in values(groups, name).items()}


def _sigmoid(concentration: Floats, half: Floats, power: float) -> Floats:
    risen = (np.maximum(concentration, 0.0) / half) ** power
    return risen / (1.0 + risen)
