"""How a card's detail is kept short: whatever there is to say, it can be read in one look."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import Environment

from cds_app.cards.detail import LIMIT, Blocks, write
from cds_app.cards.text import Trusted
from cds_app.content import content_root
from cds_app.services.knowledge import load_knowledge


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
