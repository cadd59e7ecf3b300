from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_app.fabric.exchange.ndjson import Line, read_lines

_TEXT = b'{"a":1}\n\n  {"b":[2]}\r\n{"c"\n{"d":4}\n'


def cut(text: bytes, size: int) -> Iterator[bytes]:
    return (text[i : i + size] for i in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_how_they_arrive(size: int) -> None:
    found = list(read_lines(cut(_TEXT, size)))
    assert [(one.number, one.value, one.problem) for one in found] == [
        (1, {"a": 1}, ""),
        (3, {"b": [2]}, ""),
        (4, None, "unreadable"),
        (5, {"d": 4}, ""),
    ]
    assert found[-1].end == len(_TEXT)


@given(st.lists(st.integers(0, 10**6), max_size=20), st.integers(1, 50), st.integers(0, 25))
def test_reading_goes_on_where_it_was_broken_off(values: list[int], size: int, at: int) -> None:
    text = b"".join(b"%d\n" % one for one in values)
    whole = list(read_lines(cut(text, size)))
    first = whole[: min(at, len(whole))]
    end, number = (first[-1].end, first[-1].number) if first else (0, 0)
    assert [*first, *read_lines(cut(text[end:], size), number=number, start=end)] == whole


def test_a_last_line_without_newline_is_one_if_it_is_whole() -> None:
    assert list(read_lines([b'{"a":1}\n{"b":2}'])) == [Line(1, 8, {"a": 1}), Line(2, 15, {"b": 2})]


def test_a_file_that_is_cut_off_says_so() -> None:
    assert [one.problem for one in read_lines([b'{"a":1}\n{"b":'])] == ["", "truncated"]


@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_line_that_is_too_long_is_passed_over_and_never_held(size: int) -> None:
    text = b"1\n" + b"9" * 50 + b"\n2\n" + b"8" * 50
    found = list(read_lines(cut(text, size), max_line=10))
    assert [(one.value, one.problem) for one in found] == [(1, ""), (None, "too-long"), (2, ""), (None, "too-long")]
    assert [one.end for one in found] == [2, 53, 55, 105]


def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it() -> None:
    assert [one.value for one in read_lines([b"\xef\xbb\xbf1\n\xef\xbb\xbf2\n"])] == [1, None]


def test_another_encoding_is_told_line_by_line() -> None:
    assert [one.problem for one in read_lines(['{"a":"é"}\n'.encode("latin-1"), b"1\n"])] == ["encoding", ""]
    assert {one.problem for one in read_lines(['{"a":1}\n{"a":2}\n'.encode("utf-16-le")])} <= {"encoding", "truncated"}
