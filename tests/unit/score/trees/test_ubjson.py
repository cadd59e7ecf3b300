"""UBJSON as xgboost writes it, and what is none."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from cds_app.score.trees import ubjson


def text(value: str) -> bytes:
    return b"L" + len(value.encode()).to_bytes(8, "big") + value.encode()


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"i\xff", -1),
        (b"U\xff", 255),
        (b"I\x01\x00", 256),
        (b"l\xff\xff\xff\xfe", -2),
        (b"L" + bytes(7) + b"\x07", 7),
        (b"d" + np.array(0.1, ">f4").tobytes(), float(np.float32(0.1))),
        (b"D" + np.array(0.1, ">f8").tobytes(), 0.1),
        (b"Z", None),
        (b"T", True),
        (b"F", False),
        (b"S" + text("Ä"), "Ä"),
        (b"[i\x01i\x02]", [1, 2]),
        (b"[]", []),
        (b"[#i\x02TF", [True, False]),
        (b"{" + text("a") + b"{" + text("b") + b"i\x03}}", {"a": {"b": 3}}),
        (b"{}", {}),
    ],
)
def test_values_are_read(content: bytes, value: object) -> None:
    assert ubjson.loads(content) == value


def test_a_typed_array_is_read_as_a_block() -> None:
    found = ubjson.loads(b"[$d#i\x02" + np.array([1.5, -2.0], ">f4").tobytes())
    assert found.dtype == np.float32
    assert found.tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"?",
        b"L\x00",  # cut short
        b"{" + text("a"),
        b"[i\x01",
        b"TT",  # goes on
        b"[$S#i\x00",  # no type of numbers
        b"[$di\x01",  # typed, without a count
        b"[$d#i\xff",  # less than nothing
        b"[#Z",  # a count that is no number
        b"S" + b"i\x01\xff",  # no UTF-8
        b"[" * 100_000,
    ],
)
def test_what_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        ubjson.loads(content)


def test_a_model_reads_the_same_as_its_json() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    booster = xgb.train({"max_depth": 3, "nthread": 1}, xgb.DMatrix(x, label=x[:, 0]), 5)
    theirs = json.loads(bytes(booster.save_raw("json")))
    ours = ubjson.loads(bytes(booster.save_raw("ubj")))
    assert same(ours, theirs)


def same(ours: Any, theirs: Any) -> bool:
    """Equal, but for the decimals that JSON cut from float32."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(theirs, list):
        mine = ours.tolist() if isinstance(ours, np.ndarray) else ours
        return isinstance(mine, list) and len(mine) == len(theirs) and all(map(same, mine, theirs))
    return bool(np.float32(ours) == np.float32(theirs)) if isinstance(theirs, float) else ours == theirs
