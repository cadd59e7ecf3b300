from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.domain.strict_json import _read_carefully, loads
from cds_app.errors import BadRequest, TooLarge, TwinlineError

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "document",
    [
        b'{"a": NaN}', b"[Infinity]", b"[-Infinity]", b"[1e400]", b"[-1e400]", b'{"a": 1, "a": 2}',
        b'{"x": {"a": 1, "b": 2, "a": 3}}', b'["\\ud800"]', b'["\\uDC00x"]', b"\xef\xbb\xbf{}", b'{"a": "\xff"}',
        '{"a": 1}'.encode("utf-16"), b"", b"{", b'{"a": 1} x', b"{'a': 1}", b'["\n"]', b"[1,]",
        b"[" + b"1" * 401 + b"]", b"[" + b"1" * 5000 + b"]", b"[" + b"1" * 400 + b".0]", b'["\xed\xa0\x80"]',
    ],
)  # fmt: skip
def test_what_parsers_could_disagree_about_is_refused(document: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        loads(document, field="prefetch")
    assert caught.value.field == "prefetch"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("document", [b"[" * 100_000, b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65])
def test_deep_nesting_is_refused(document: bytes) -> None:
    with pytest.raises(TooLarge):
        loads(document)


def test_nesting_up_to_the_limit_is_read() -> None:
    assert loads(b"[" * 64 + b"]" * 64) is not None
    assert loads(b"7", max_depth=0) == 7
    assert loads(b'["[[[[[["]', max_depth=1) == ["[[[[[["]


def test_long_documents_are_refused_unread() -> None:
    with pytest.raises(TooLarge):
        loads(b"x" * 11, max_bytes=10)


def test_a_whole_surrogate_pair_and_an_escaped_backslash_are_text() -> None:
    assert loads(b'["\\ud83d\\ude00", "\\\\ud800"]') == ["\U0001f600", "\\ud800"]


@given(_VALUES)
def test_other_json_reads_as_the_standard_library_reads_it(value: object) -> None:
    text = json.dumps(value)
    try:
        expected = loads(text.encode())
    except BadRequest:
        with pytest.raises(UnicodeEncodeError):
            json.dumps(value, ensure_ascii=False).encode()
        return
    assert expected == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b" : {"a": 2}}',
        '{"text": "looks like \\": a key"}',
        '{"text": "looks like \\" : a key", "n": [1, 2.5, -0.0, 1E5]}',
        '{"long": ' + "7" * 30 + "}",
        '["\\u00e9", "\\ud83d\\ude00"]',
    ],
)
def test_the_quick_way_reads_what_the_careful_way_reads(text: str) -> None:
    assert loads(text.encode()) == json.loads(text)


def test_a_repeated_key_cannot_hide_behind_a_spaced_one() -> None:
    with pytest.raises(BadRequest):
        loads(b'{"a":1,"a":2,"b" :3}')


_PIECES = (
    "a", "é", " ", ":", "{", "}", "[", "]", r"\"", r"\\", r"\n",
    r"\u0022", r"\u003a", r"\u005B", r"\ud83d\ude00", r"\ud800",
)  # fmt: skip
_STRINGS = st.lists(st.sampled_from(_PIECES), max_size=3).map(lambda pieces: '"' + "".join(pieces) + '"')
_SPACES = st.sampled_from(["", " ", "\n\t"])


def _object(members: list[tuple[str, str, str]]) -> str:
    return "{" + ",".join(f"{key}{space}:{space}{value}" for key, space, value in members) + "}"


_DOCUMENTS = st.recursive(
    _STRINGS | st.sampled_from(["1", "1.0", "-0.0", "1E5", "true", "null", "NaN", "9" * 19, "9" * 399, "9" * 401]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda ones: "[" + ",".join(ones) + "]")
        | st.lists(st.tuples(_STRINGS, _SPACES, inner), max_size=3).map(_object)
    ),
    max_leaves=12,
)


def _outcome(data: bytes, read: Any) -> str:
    try:
        return repr(read(data))
    except TwinlineError as error:
        return repr((type(error), error.field))


@settings(max_examples=400)
@given(_DOCUMENTS)
def test_the_quick_way_and_the_careful_way_agree_on_every_document(text: str) -> None:
    data = text.encode()
    careful = partial(_read_carefully, max_depth=3, field="body")
    assert _outcome(data, partial(loads, max_depth=3)) == _outcome(data, careful)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": "\\u0022\\u0022"}',  # as many quotes as two strings, written again
        '["]", ["]", ["]", ["[", "["], "["], 1]',  # brackets in texts that close others
        '{"]": [[[1]]], "[": 2}',
    ],
)
def test_texts_that_look_like_structure_hide_nothing(text: str) -> None:
    with pytest.raises((BadRequest, TooLarge)):
        loads(text.encode(), max_depth=2)


@pytest.mark.parametrize("number", ["1e400", "-1e999", "7" * 401])
def test_a_number_that_cannot_be_held_is_text_where_it_costs_one_resource_and_else_refused(number: str) -> None:
    document = f'{{"a": {{"b": [{number}, 1.5]}}, "c": 1}}'.encode()
    found = loads(document, spare="a")
    assert found == {"a": {"b": [number, 1.5]}, "c": 1}
    assert type(found["a"]["b"][0]) is str
    for other in ("", "b", "c"):
        with pytest.raises(BadRequest):
            loads(document, spare=other)
    for refused in (b"[1e400]", b'{"a": NaN}', b'{"a": {"b": 1, "b": 2}}', b'{"a": 1, "c": 1e400}'):
        with pytest.raises(BadRequest):
            loads(refused, spare="a")
