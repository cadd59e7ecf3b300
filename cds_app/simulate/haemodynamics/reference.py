"""What the circulation is made of: the reference adult and the arterial baroreflex.

CVSim-6: left and right ventricle, systemic arteries and veins, pulmonary arteries and veins (Davis, MIT thesis 1991;
Heldt, J Appl Physiol 2002;92:1239; Heldt, Open Pacing Electrophysiol Ther J 2010;3:45). Ventricles are time-varying
elastances and valves are diodes. The arterial baroreflex acts on heart period, peripheral resistance, contractility and
venous tone, each through a first-order lag. Here only what the beating circulation settles to is asked
(`cds_app.simulate.haemodynamics.surface`); the beating itself, which that is held to, stands in ``tests/beating.py``.

Units throughout: mmHg, mL, s, mL/mmHg, mmHg s/mL. Everything is an array over draws. There are no atria, no gas
exchange, no autoregulation and no cardiopulmonary reflex: it describes a circulation, it is not validated for
predictions in individuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cds_app.domain.arrays import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The reference adult, in mmHg, mL and s; see ``models/circulation`` for sources.

    ``*_systole_s`` and ``pr_interval_s`` are for a heart period of 1 s and go with its square root.
    """

    arterial_compliance: float
    venous_compliance: float
    lung_artery_compliance: float
    lung_vein_compliance: float
    lv_diastolic_compliance: float
    lv_systolic_compliance: float
    rv_diastolic_compliance: float
    rv_systolic_compliance: float
    mitral_resistance: float
    aortic_resistance: float
    peripheral_resistance: float
    tricuspid_resistance: float
    pulmonic_resistance: float
    lung_resistance: float
    lv_zero_volume: float
    artery_zero_volume: float
    vein_zero_volume: float
    rv_zero_volume: float
    lung_artery_zero_volume: float
    lung_vein_zero_volume: float
    intrathoracic_pressure: float
    pr_interval_s: float
    ventricular_systole_s: float
    heart_rate_per_min: float
    blood_volume_ml: float

    @property
    def zero_volumes(self) -> Floats:
        """Volumes at no transmural pressure, mL, in the order of the compartments."""
        heart = (self.lv_zero_volume, self.artery_zero_volume, self.vein_zero_volume, self.rv_zero_volume)
        return np.array([*heart, self.lung_artery_zero_volume, self.lung_vein_zero_volume])

    @property
    def unstressed_volume_ml(self) -> float:
        """Blood that fills the vessels without stretching them, mL."""
        return float(self.zero_volumes.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Baroreflex:
    """Arterial baroreflex: error = scale * atan((mean pressure - set point) / scale), then four lags.

    Gains are per mmHg of the lagged error: heart period in s (beta sympathetic and parasympathetic), resistance,
    left and right systolic compliance, venous zero-pressure volume in mL. Floors keep compliances positive.
    """

    set_point_mmhg: float
    scale_mmhg: float
    pressure_lag_s: float
    parasympathetic_lag_s: float
    beta_lag_s: float
    alpha_artery_lag_s: float
    alpha_vein_lag_s: float
    period_beta_gain: float
    period_parasympathetic_gain: float
    resistance_gain: float
    lv_systolic_gain: float
    rv_systolic_gain: float
    vein_zero_volume_gain: float
    lv_systolic_floor: float
    rv_systolic_floor: float

    @property
    def lags_s(self) -> Floats:
        """Time constants: parasympathetic, beta, alpha on arteries, alpha on veins."""
        first = (self.parasympathetic_lag_s, self.beta_lag_s)
        return np.array([*first, self.alpha_artery_lag_s, self.alpha_vein_lag_s])

    def error(self, pressure: Floats, set_point: Floats) -> Floats:
        """What the receptors report, mmHg: saturating, zero at the set point."""
        return self.scale_mmhg * np.arctan((pressure - set_point) / self.scale_mmhg)
