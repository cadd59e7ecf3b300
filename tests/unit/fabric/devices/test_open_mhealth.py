"""Data points become what they say they are, or are refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.fabric.devices.open_mhealth import DataPoint, read_point
from tests.wearables import NIGHT, amount, point


def read(name: str, body: dict[str, Any], **more: Any) -> list[tuple[str, float, str]]:
    found = read_point(point(name, body, **more))
    assert isinstance(found, DataPoint), found
    return [
        (one["code"]["coding"][0]["code"], one["valueQuantity"]["value"], one["valueQuantity"]["code"])
        for one in found.resources
    ]


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("heart-rate", {"heart_rate": amount(71, "beats/min")}, ("8867-4", 71, "/min")),
        (
            "heart-rate",
            {"heart_rate": amount(52, "beats/min"), "temporal_relationship_to_physical_activity": "at rest"},
            ("40443-4", 52, "/min"),
        ),
        (
            "heart-rate-variability",
            {"heart_rate_variability": amount(41.5, "ms"), "algorithm": "SDNN"},
            ("80404-7", 41.5, "ms"),
        ),
        ("blood-glucose", {"blood_glucose": amount(95, "mg/dL")}, ("2339-0", 95, "mg/dL")),
        ("blood-glucose", {"blood_glucose": amount(65, "MGDL")}, ("2339-0", 65, "mg/dL")),
        (
            "blood-glucose",
            {"blood_glucose": amount(65, "MGDL"), "specimen_source": "interstitial fluid"},
            ("99504-3", 65, "mg/dL"),
        ),
        (
            "blood-glucose",
            {"blood_glucose": amount(95, "mg/dL"), "specimen_source": "interstitial fluid"},
            ("99504-3", 95, "mg/dL"),
        ),
        (
            "blood-glucose",
            {"blood_glucose": amount(5.3, "mmol/L"), "specimen_source": "interstitial fluid"},
            ("105272-9", 5.3, "mmol/L"),
        ),
        (
            "blood-glucose",
            {"blood_glucose": amount(5.3, "mmol/L"), "specimen_source": "capillary blood"},
            ("41653-7", 5.3, "mmol/L"),
        ),
    ],
)
def test_what_is_measured_is_what_the_body_says(
    name: str, body: dict[str, Any], expected: tuple[str, float, str]
) -> None:
    assert read(name, body) == [expected]


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2026-02-28T00:00:00+01:00", "2026-03-01T00:00:00+01:00", "41950-7"),
        ("2026-02-28T00:00:00+01:00", "2026-02-28T23:59:59+01:00", "41950-7"),
        ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "41950-7"),
        ("2026-02-28T10:00:00+01:00", "2026-02-28T10:15:00+01:00", "55423-8"),
    ],
)
def test_steps_of_a_day_are_told_from_steps_of_an_interval(start: str, end: str, code: str) -> None:
    frame = {"time_interval": {"start_date_time": start, "end_date_time": end}}
    assert read("step-count", {"step_count": 7000}, frame=frame)[0][:2] == (code, 7000)
    assert read("step-count", {"step_count": amount(7000, "steps")}, frame=frame)[0][:2] == (code, 7000)


def test_a_night_is_told_with_its_stages_and_a_nap_is_none() -> None:
    stages = {
        "total_sleep_time": amount(420, "min"),
        "deep_sleep_duration": amount(1.5, "h"),
        "light_sleep_duration": amount(240, "min"),
        "rem_sleep_duration": amount(5400, "sec"),
    }
    assert sorted(read("sleep-episode", {**stages, "is_main_sleep": True}, frame=NIGHT)) == [
        ("93829-0", 5400, "s"),
        ("93830-8", 240, "min"),
        ("93831-6", 1.5, "h"),
        ("93832-4", 420, "min"),
    ]
    assert read_point(point("sleep-episode", {**stages, "is_main_sleep": False}, frame=NIGHT)) == "unsupported-type"
    assert read("sleep-duration", {"sleep_duration": amount(7, "h")}, frame=NIGHT) == [("93832-4", 7, "h")]


def test_times_are_instants_or_spans_of_the_devices_own_zone() -> None:
    ends = {"end_date_time": "2026-03-01T06:00:00-05:00", "duration": amount(90, "min")}
    starts = {"start_date_time": "2026-03-01T04:30:00-05:00", "duration": amount(1.5, "h")}
    for interval in (ends, starts):
        found = read_point(point("step-count", {"step_count": 9}, frame={"time_interval": interval}))
        assert isinstance(found, DataPoint)
        period = found.resources[0]["effectivePeriod"]
        assert (period["start"], period["end"]) == ("2026-03-01T09:30:00+00:00", "2026-03-01T11:00:00+00:00")


def test_a_point_says_whose_it_is_what_measured_and_whether_anything_did() -> None:
    sensed, stated = (
        read_point(
            point("step-count", {"step_count": 9}, acquisition_provenance={"source_name": "App", "modality": how})
        )
        for how in ("sensed", "self-reported")
    )
    assert isinstance(sensed, DataPoint)
    assert isinstance(stated, DataPoint)
    assert (sensed.user, sensed.device, sensed.sensed, stated.sensed) == ("u7", "App", True, False)
    assert sensed.resources[0]["id"] == "omh-5ae1f0d2"
    assert sensed.resources[0]["meta"] == {"lastUpdated": "2026-03-01T13:00:00Z"}
    ieee = {"uuid": "9f", "id": None, "schema_id": {"namespace": "ieee", "name": "step-count"}, "modality": "sensed"}
    found = read_point(point("step-count", {"step_count": 9}, acquisition_provenance=None, **ieee))
    assert isinstance(found, DataPoint)
    assert (found.message, found.sensed) == ("9f", True)


def test_a_header_of_ieee_1752_beside_a_source_without_a_modality_is_heard() -> None:
    sheets = [
        {"datasheet_type": "software", "datasheet_reference": "App 4"},
        {"datasheet_type": "manufacturer", "datasheet_reference": "Oura Ring"},
    ]
    for origin, device in (({"source_name": "shim"}, "shim"), (None, "Oura Ring")):
        sent = point("step-count", {"step_count": 9}, acquisition_provenance=origin, external_datasheets=sheets)
        sent["header"]["modality"] = "sensed"
        found = read_point(sent)
        assert isinstance(found, DataPoint)
        assert (found.device, found.sensed) == (device, True)


_RATE = {"heart_rate": amount(70, "beats/min")}
_HRV = {"heart_rate_variability": amount(40, "ms"), "algorithm": "RMSSD"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "malformed"),
        ({"header": {}}, "malformed"),
        (point("heart-rate", _RATE, id=""), "no-message-id"),
        (point("heart-rate", _RATE, user_id=None), "no-identifier"),
        (point("heart-rate", _RATE, user_id="u" * 300), "no-identifier"),
        (point("body-weight", {"body_weight": amount(70, "kg")}), "unsupported-type"),
        (point("heart-rate", _RATE, schema_id={"namespace": "acme", "name": "heart-rate"}), "unsupported-type"),
        (point("heart-rate", {**_RATE, "descriptive_statistic": "maximum"}), "unsupported-type"),
        (point("heart-rate", {**_RATE, "descriptive_statistic": "average"}, frame=NIGHT), "unsupported-type"),
        (point("heart-rate", _RATE, frame=NIGHT), "unsupported-type"),
        (point("heart-rate-variability", _HRV), "unsupported-type"),
        (point("blood-glucose", {"blood_glucose": amount(9, "mg/dL"), "specimen_source": "tears"}), "unsupported-type"),
        (
            point("sleep-duration", {"sleep_duration": amount(7, "h"), "descriptive_statistic": "average"}),
            "unsupported-type",
        ),
        (point("heart-rate", {}), "malformed"),
        (point("heart-rate", {"heart_rate": amount(float("nan"), "beats/min")}), "malformed"),
        (point("heart-rate", {"heart_rate": {"value": 70}}), "malformed"),
        (point("sleep-episode", {}, frame=NIGHT), "malformed"),
        (point("step-count", {"step_count": "many"}), "malformed"),
        (point("heart-rate", _RATE, frame=None), "no-time"),
        (point("heart-rate", _RATE, frame={"date_time": "2026-03-01T12:00:00"}), "no-time"),
        (point("heart-rate", _RATE, frame={"date_time": "2026-03-01"}), "no-time"),
        (
            point("heart-rate", _RATE, frame={"time_interval": {"date": "2026-03-01", "part_of_day": "night"}}),
            "no-time",
        ),
        (point("heart-rate", _RATE, frame={"time_interval": {"start_date_time": "2026-03-01T12:00:00Z"}}), "no-time"),
        (
            point(
                "heart-rate",
                _RATE,
                frame={"time_interval": {"end_date_time": "0001-01-01T00:00:01Z", "duration": amount(9, "d")}},
            ),
            "no-time",
        ),
    ],
)
def test_what_is_none_of_ours_is_refused_by_name(value: object, reason: str) -> None:
    assert read_point(value) == reason


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from(["heart_rate", "omh", "h"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(_JSON, st.sampled_from(["heart-rate", "step-count", "sleep-episode", "blood-glucose"]), _JSON)
def test_nothing_raises(body: object, name: str, frame: object) -> None:
    value = point(name, {"heart_rate": body, "step_count": body, "blood_glucose": body, "total_sleep_time": body})
    value["body"]["effective_time_frame"] = frame
    assert isinstance(read_point(value), str | DataPoint)
    assert isinstance(read_point({"header": body, "body": frame}), str)
