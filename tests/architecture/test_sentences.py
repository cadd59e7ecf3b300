"""Every sentence that code asks for by name has words, and its words have the gaps that code fills."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from jinja2 import Environment
from jinja2.runtime import Macro

from cds_app.cards.wording import SENTENCES
from cds_app.domain.sentences import Name
from tests.sentences import PAGES, TEMPLATES

PACKAGE = Path(__file__).resolve().parents[2] / "cds_app"
Asked = tuple[str, str, set[str | None]]
"""Where code asks for a sentence, by which name, and which gaps it fills; None among these where a mapping does."""


def macros(templates: Environment, name: str) -> dict[str, set[str]]:
    """The gaps of each sentence of a template, by its name."""
    module = vars(templates.get_template(name).module)
    return {key: set(macro.arguments) for key, macro in module.items() if isinstance(macro, Macro)}


def calls(word: str, folders: str) -> Iterator[tuple[str, ast.Call]]:
    """Where a function, or a method, of this name is called."""
    for file in sorted(PACKAGE.glob(f"{folders}/**/*.py")):
        text, name = file.read_text("utf-8"), file.relative_to(PACKAGE).as_posix()
        if f"{word}(" in text:
            found = (one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Call))
            yield from ((f"{name}:{one.lineno}", one) for one in found if called(one.func) == word)


def called(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def asked() -> Iterator[Asked]:
    for where, call in calls("sentence", "."):
        yield from ((where, name, {one.arg for one in call.keywords}) for name in names(call.args[0], where))


def asked_on_pages() -> Iterator[Asked]:
    for folder in ("pages", "services", "web"):
        for where, call in calls("say", folder):
            yield from ((where, name, {one.arg for one in call.keywords}) for name in names(call.args[0], where))


def names(asking: ast.expr, where: str) -> Iterator[str]:
    """One name, or either of two."""
    if isinstance(asking, ast.IfExp):
        yield from (*names(asking.body, where), *names(asking.orelse, where))
        return
    assert isinstance(asking, ast.Constant), f"{where} asks for a sentence by no name that can be read here"
    yield str(asking.value)


MACROS = macros(TEMPLATES, SENTENCES)
ON_PAGES = [macros(PAGES, name) for name in ("effects.j2", "problems.j2", "simulations.j2", "twin.j2")]
ASKED = list(asked())


def test_every_sentence_has_words_with_the_gaps_that_are_filled() -> None:
    filled = {(where, name): gaps for where, name, gaps in ASKED}
    assert {key: MACROS.get(key[1]) for key in filled} == filled


def test_every_sentence_of_a_page_has_words_with_the_gaps_that_are_filled() -> None:
    found = list(asked_on_pages())
    assert len(found) > 20
    for where, name, gaps in found:
        known = [one[name] for one in ON_PAGES if name in one]
        assert gaps in known or any(None in gaps and gaps - {None} < one for one in known), (where, name)


def test_no_words_wait_for_a_sentence_that_nobody_says() -> None:
    assert {name for _, name, _ in ASKED} == set(MACROS) == set(get_args(Name))
