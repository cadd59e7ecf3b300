"""The twin's model card: what it is, how well it does, what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_CARD = """\
# Twin dynamics

**What it is.** Per quantity a state-space model in continuous time: a personal baseline that is shrunk from the
population to the patient, plus a deviation that returns to it (Ornstein-Uhlenbeck), plus noise. A filter follows each
patient; seven vital signs correct each other's forecasts; 90 % intervals are conformal. Quantities that are not listed
below take their parameters from the ontology and have no calibrated interval.

**Data.** {credit}. File `{file}`, SHA-256 `{sha256}`. Patients: {fit} to fit, {calibrate} to calibrate, {test} to test,
split by a hash of the id. Seed {seed}.

**Population.** {population}.

**Fitted quantities.** {quantities}.

## Test patients

Ratio is the mean absolute error over that of the last value carried forward (LOCF), at targets that have a last value.

| variable | h | MAE | LOCF | ratio | 90 % covers | mean width | targets |
|---|---|---|---|---|---|---|---|
{rows}

Mean ratio: {ratios}.

## Limits

- Learned in adult intensive care. Outside it the baseline means and spreads are those of severely ill people; for
  children and pregnancy they are wrong.
- The data are hourly. Variation within minutes is seen only as noise.
- Stays of days do not tell how long a personal baseline lasts: 90 days is our choice, not a finding.
- Treatment is not known to the model. A forecast says what happened next to such patients under the care they got, not
  what would happen without it.
- Time of day is not in the data, so there is no circadian rhythm.
- SaO2 holds venous samples among the arterial ones; calcium of one hospital was ionised and was left out by the
  plausible limits.
- Coverage holds on average over patients and hours like these. It is not promised for one patient or one subgroup.
- A single value far off is set aside until a second one agrees, and shown as one to be confirmed.
- The joint index's percentile refers to intensive-care patient-hours, every sixth hour of a stay, with vital signs at
  most 4 h and laboratory values at most 24 h old.
"""


def twin_card(facts: Mapping[str, Any], figures: Mapping[str, Any], quantities: Sequence[str]) -> str:
    """The card as Markdown."""
    rows = "\n".join(
        f"| {one['variable']} | {one['horizon_h']} | {one['mae']} | {one['locf_mae']} | {one['ratio']} "
        f"| {100 * one['coverage']:.1f} % | {one['mean_width']} | {one['targets']} |"
        for one in figures["table"]
    )
    return _CARD.format(
        credit=facts["credit"],
        file=facts["data"]["file"],
        sha256=facts["data"]["sha256"],
        seed=facts["seed"],
        population=facts["population"],
        quantities=", ".join(quantities),
        rows=rows,
        ratios=", ".join(f"{value} at {name}" for name, value in figures["mean_ratio"].items()),
        **facts["split"]["patients"],
    )
