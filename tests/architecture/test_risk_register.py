"""Every abuse case is held by a test that exists, or says why it is not."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = range(1, 71)
_TEST = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")
_ROW = re.compile(r"^\| (\d+) \| (.+) \|$", re.MULTILINE)


def tables() -> tuple[dict[int, str], dict[int, str]]:
    """The rows of both tables by their number."""
    text = (ROOT / "deploy" / "docs" / "risk-register.md").read_text("utf-8")
    tested, _, later = text.partition("## Not tested yet")
    return {int(n): row for n, row in _ROW.findall(tested)}, {int(n): row for n, row in _ROW.findall(later)}


def test_every_case_stands_in_one_table_once() -> None:
    tested, later = tables()
    assert sorted([*tested, *later]) == list(CASES)


def test_every_test_that_is_named_is_there() -> None:
    tested, _ = tables()
    for number, row in tested.items():
        named = _TEST.findall(row)
        assert named, number
        for file, name in named:
            assert f"def {name}(" in (ROOT / file).read_text("utf-8"), (number, name)


def test_whoever_is_not_tested_says_why() -> None:
    _, later = tables()
    for number, row in later.items():
        assert len(row.split(" | ")[-1].split()) >= 4, number


def test_tests_with_a_number_stand_in_its_row() -> None:
    tested, _ = tables()
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for numbers, rest in re.findall(r"def test_((?:\d+_)+)([a-z0-9_]+)\(", file.read_text("utf-8")):
            for number in map(int, numbers.strip("_").split("_")):
                name = f"`{file.relative_to(ROOT)}::test_{numbers}{rest}`"
                assert name in tested.get(number, ""), (number, name)
