"""Data points of wearables."""

from __future__ import annotations

from typing import Any

NIGHT = {
    "time_interval": {"start_date_time": "2026-02-28T23:10:00+01:00", "end_date_time": "2026-03-01T06:40:00+01:00"}
}
NOON = {"date_time": "2026-03-01T12:00:00Z"}


def point(name: str, body: dict[str, Any], *, frame: object = NOON, **header: Any) -> dict[str, Any]:
    usual = {
        "id": "5ae1f0d2",
        "creation_date_time": "2026-03-01T13:00:00Z",
        "schema_id": {"namespace": "omh", "name": name, "version": "2.0"},
        "acquisition_provenance": {"source_name": "Band 3", "modality": "sensed"},
        "user_id": "u7",
    }
    return {"header": {**usual, **header}, "body": {"effective_time_frame": frame, **body}}


def amount(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit}
