"""Every sentence that code asks for by name has words, and its words have the gaps that code fills."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from cds_app.cards.wording import SENTENCES
from cds_app.domain.sentences import Name
from tests.sentences import TEMPLATES

PACKAGE = Path(__file__).resolve().parents[2] / "cds_app"
MACROS = {name: macro for name, macro in vars(TEMPLATES.get_template(SENTENCES).module).items() if name[0] != "_"}


def asked() -> Iterator[tuple[str, str, set[str | None]]]:
    """Where code asks for a sentence, by which name, and which gaps it fills."""
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text("utf-8")
        calls = (one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Call)) if "sentence(" in text else ()
        for call in calls:
            if isinstance(call.func, ast.Name) and call.func.id == "sentence":
                where = f"{file.relative_to(PACKAGE)}:{call.lineno}"
                yield from ((where, name, {one.arg for one in call.keywords}) for name in names(call.args[0], where))


def names(asking: ast.expr, where: str) -> Iterator[str]:
    """One name, or either of two."""
    if isinstance(asking, ast.IfExp):
        yield from (*names(asking.body, where), *names(asking.orelse, where))
        return
    assert isinstance(asking, ast.Constant), f"{where} asks for a sentence by no name that can be read here"
    yield str(asking.value)


ASKED = list(asked())


def test_every_sentence_has_words_with_the_gaps_that_are_filled() -> None:
    filled = {(where, name): gaps for where, name, gaps in ASKED}
    assert {key: set(MACROS[key[1]].arguments) if key[1] in MACROS else None for key in filled} == filled


def test_no_words_wait_for_a_sentence_that_nobody_says() -> None:
    assert {name for _, name, _ in ASKED} == set(MACROS) == set(get_args(Name))
