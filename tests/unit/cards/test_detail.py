"""How a card's detail is kept short: whatever there is to say, it can be read in one look."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import Environment

from cds_app.cards.detail import LIMIT, Blocks, Changes, write
from cds_app.cards.text import Trusted
from cds_app.content import content_root
from cds_app.services.content.knowledge import load_knowledge


def words(most: int) -> st.SearchStrategy[Trusted]:
    return st.integers(1, most).map(lambda length: Trusted("x" * length))


def lines(most: int) -> st.SearchStrategy[tuple[Trusted, ...]]:
    return st.lists(words(220), max_size=most).map(tuple)


@pytest.fixture(scope="module")
def templates() -> Environment:
    return load_knowledge(content_root(), timezone="UTC").templates


@example(blocks=Blocks(sure=Trusted(380 * "x"), unseen=Trusted(420 * "x"), reasons=(Trusted(220 * "x"),)))
@given(
    blocks=st.builds(
        Blocks,
        sure=words(380),
        unseen=words(420),
        reasons=lines(5),
        evidence=lines(5),
        remarks=lines(2),
        others=lines(1),
        options=lines(3),
        refusals=lines(2),
        source=words(60),
    )
)
def test_a_detail_is_never_longer_than_its_limit_and_says_how_many_options_it_names(
    templates: Environment, blocks: Blocks
) -> None:
    text, told = write(blocks, templates)
    assert len(text) <= LIMIT
    assert 0 <= told <= len(blocks.options)


def test_what_is_said_with_less_is_said_again_where_a_line_left_out_has_made_room(templates: Environment) -> None:
    third, long_option = Trusted(60 * "c"), Trusted(300 * "d")
    blocks = Blocks(
        sure=Trusted(200 * "x"),
        unseen=Trusted(60 * "y"),
        reasons=(Trusted(60 * "a"), Trusted(60 * "b"), third),
        options=(Trusted(200 * "o"), long_option),
    )
    shorter: list[Changes] = [{"unseen": Trusted(30 * "z")}, {"reasons": blocks.reasons[:2]}]
    text, told = write(blocks, templates, [partial(dict, one) for one in shorter])
    assert told == 1
    assert long_option not in text
    assert third in text
    assert blocks.unseen in text
    assert len(text) <= LIMIT
