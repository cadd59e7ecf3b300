"""The patient-view job on HealthChain: prefetched FHIR to its objects, the newest values, the sepsis trees, one card.

What it does not do, and Twinline does in the same time: a twin over all values, four risks, published scores, safety
gates, options, an alert policy that remembers, and a durable, sealed, hash-chained record of the decision.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from healthchain.fhir import convert_prefetch_to_fhir_objects
from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.models import CDSRequest, CDSResponse

MODEL = Path(os.environ["TWINLINE_SEPSIS"])
NEWEST = {
    "8867-4": "heart_rate_last", "9279-1": "resp_rate_last", "59408-5": "spo2_last", "8310-5": "body_temp_last",
    "8480-6": "sbp_last", "8462-4": "dbp_last", "8478-0": "map_last", "2160-0": "creatinine_last",
    "3094-0": "urea_nitrogen_last", "2823-3": "potassium_last", "32693-4": "lactate_last", "6690-2": "wbc_last",
    "777-3": "platelets_last", "718-7": "hemoglobin_last", "1975-2": "bilirubin_total_last", "2345-7": "glucose_last",
    "1963-8": "bicarbonate_last",
}  # fmt: skip

manifest = json.loads((MODEL / "manifest.json").read_text("utf-8"))
names = [one["name"] for one in manifest["features"]]
place = {name: at for at, name in enumerate(names)}
booster = xgb.Booster(model_file=str(MODEL / "model.ubj"))
booster.set_param({"nthread": 1})

app = HealthChainAPI()
cds = CDSHooksService()


@cds.hook("patient-view", id="twinline-patient-view")
def patient_view(request: CDSRequest) -> CDSResponse:
    """Newest value of each measurement, the trees with exact contributions, one card."""
    prefetch = convert_prefetch_to_fhir_objects(request.prefetch or {})
    newest: dict[str, Any] = {}
    for key in ("vitals", "labs"):
        for entry in prefetch[key].entry or ():
            one = entry.resource
            name = NEWEST.get(one.code.coding[0].code)
            if name is not None and (name not in newest or one.effectiveDateTime > newest[name].effectiveDateTime):
                newest[name] = one
    row = np.full((1, len(names)), np.nan, np.float32)
    for name, one in newest.items():
        if name in place:
            row[0, place[name]] = float(one.valueQuantity.value)
    parts = booster.predict(xgb.DMatrix(row, feature_names=names), pred_contribs=True)[0]
    risk = 1.0 / (1.0 + np.exp(-parts.sum()))
    leads = [names[at] for at in np.argsort(-np.abs(parts[:-1]))[:3]]
    return CDSResponse(cards=[_card(risk, leads)])


def _card(risk: float, leads: list[str]) -> dict[str, Any]:
    return {
        "summary": f"Sepsis risk {100 * risk:.0f} in 100",
        "indicator": "warning",
        "source": {"label": "HealthChain"},
        "detail": ", ".join(leads),
    }


app.register_service(cds)
