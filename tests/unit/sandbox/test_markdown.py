from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_app.sandbox.markdown import to_html, to_plain

DETAIL = (
    "**Why now**\n\n- Heart rate 120 &#47;min\n- Lactate 4.6\n\n\n- late item\n\n"
    "**How sure**\n\nOf 100, 16 had it.\nNot sure."
)


def test_paragraphs_lists_and_bold_are_rendered() -> None:
    assert to_html(DETAIL) == (
        "<p><strong>Why now</strong></p>"
        "<ul><li>Heart rate 120 /min</li><li>Lactate 4.6</li><li>late item</li></ul>"
        "<p><strong>How sure</strong></p>"
        "<p>Of 100, 16 had it. Not sure.</p>"
    )


def test_a_terminal_gets_the_same_words_without_markup() -> None:
    assert to_plain(DETAIL) == (
        "Why now\n\n- Heart rate 120 /min\n- Lactate 4.6\n- late item\n\nHow sure\n\nOf 100, 16 had it. Not sure."
    )


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "&lt;img src=x onerror=alert(1)&gt;",
        "[click](javascript:alert(1))",
        "**<b onclick=x>**",
        "- <iframe srcdoc='x'>",
        "&#60;svg onload=alert(1)&#62;",
        "# heading\n> quote\n![x](http://evil.example/x)",
    ],
)
def test_nothing_else_becomes_an_element(hostile: str) -> None:
    assert set(re.findall(r"</?([a-zA-Z]+)", str(to_html(hostile)))) <= {"p", "ul", "li", "strong"}


def test_references_to_characters_are_read_after_the_markup() -> None:
    assert to_html("&#42;&#42;not bold&#42;&#42;") == "<p>**not bold**</p>"


@given(st.text(alphabet=st.sampled_from("*-+ \n&#;<>ab42\"'"), max_size=60))
def test_only_four_elements_ever_come_out_and_no_attributes(text: str) -> None:
    tags = re.findall(r"<[^>]*>", str(to_html(text)))
    assert set(tags) <= {f"<{slash}{name}>" for slash in ("", "/") for name in ("p", "ul", "li", "strong")}
