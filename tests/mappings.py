"""A site's mapping."""

from __future__ import annotations

import json
from typing import Any

_LAB = "urn:north:lab"


def number(**change: Any) -> dict[str, Any]:
    usual = {"kind": "number", "system": _LAB, "code": "K", "variable": "potassium", "unit": "mmol/L"}
    return {**usual, "low": 2.5, "high": 7.0, **change}


def content(*rows: dict[str, Any], units: dict[str, str] | None = None, **change: Any) -> bytes:
    usual = {"site": "North", "owner": "Laboratory", "reviewed": "2026-02-01", "codes": rows, "units": units or {}}
    return json.dumps({**usual, **change}).encode()
