"""Covariate equations as content: a formula is text in a small grammar of its own, read into a tree and never executed.

``4.5*(CRCL/120)^0.8`` holds numbers, names, ``+ - * / ^``, parentheses and the functions of `FUNCTIONS`; ``^`` binds
to the right and tighter than a sign. Nothing else is understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.errors import ContentError

MAX_CHARACTERS: Final = 500
MAX_DEPTH: Final = 40

Number = float | Floats
Tree = float | str | tuple[Any, ...]

FUNCTIONS: Final[Mapping[str, tuple[int, Callable[..., Any]]]] = {
    "exp": (1, np.exp),
    "log": (1, np.log),
    "log10": (1, np.log10),
    "sqrt": (1, np.sqrt),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
}
_OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
    "negative": np.negative,
    **{name: function for name, (_, function) in FUNCTIONS.items()},
}
_WORD: Final = re.compile(r"\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|([A-Za-z_][A-Za-z0-9_]*)|([-+*/^(),]))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A formula that was read.

    Parameters
    ----------
    text : str
        As the content says it.
    tree : float, str or tuple
        A number, a name, or an operation with its arguments.
    names : frozenset of str
        What it needs to know.
    """

    text: str
    tree: Tree
    names: frozenset[str]

    def value(self, known: Mapping[str, Number]) -> Number:
        """The formula's value, elementwise where names stand for arrays; no name may be missing from ``known``."""
        with np.errstate(all="ignore"):  # what is not finite is refused by whoever asked
            found: Number = _value(self.tree, known)
        return found


def read_formula(text: str) -> Formula:
    """Read a formula.

    Raises
    ------
    ContentError
        On anything outside the grammar.
    """
    if len(text) > MAX_CHARACTERS:
        raise ContentError("a formula is too long", field="value")
    reader = _Reader(_words(text))
    tree = reader.sum(0)
    reader.end()
    return Formula(text=text, tree=tree, names=frozenset(_names(tree)))


def _value(tree: Tree, known: Mapping[str, Number]) -> Any:
    if isinstance(tree, float):
        return tree
    if isinstance(tree, str):
        return known[tree]
    return _OPERATIONS[tree[0]](*(_value(one, known) for one in tree[1:]))


def _names(tree: Tree) -> set[str]:
    if isinstance(tree, str):
        return {tree}
    return set().union(*(_names(one) for one in tree[1:])) if isinstance(tree, tuple) else set()


def _words(text: str) -> list[str]:
    found, at = [], 0
    while text[at:].strip():
        match = _WORD.match(text, at)
        if match is None:
            raise ContentError("a formula holds a character that is no part of the grammar", field="value")
        found.append(match.group().strip())
        at = match.end()
    return found


class _Reader:
    """Recursive descent over the words."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._at = 0

    def sum(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise ContentError("a formula is nested too deeply", field="value")
        return self._chain(("+", "-"), self._product, depth)

    def end(self) -> None:
        if self._next is not None:
            raise ContentError("a formula goes on after its end", field="value")

    @property
    def _next(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def _take(self) -> str:
        word = self._next
        if word is None:
            raise ContentError("a formula ends too early", field="value")
        self._at += 1
        return word

    def _expect(self, word: str) -> None:
        if self._take() != word:
            raise ContentError("a formula lacks a parenthesis or a comma", field="value")

    def _chain(self, signs: tuple[str, ...], part: Callable[[int], Tree], depth: int) -> Tree:
        tree = part(depth)
        while self._next in signs:
            tree = (self._take(), tree, part(depth))
        return tree

    def _product(self, depth: int) -> Tree:
        return self._chain(("*", "/"), self._signed, depth)

    def _signed(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise ContentError("a formula is nested too deeply", field="value")
        if self._next == "-":
            self._take()
            return ("negative", self._signed(depth + 1))
        base = self._atom(depth)
        if self._next != "^":
            return base
        self._take()
        return ("^", base, self._signed(depth + 1))

    def _atom(self, depth: int) -> Tree:
        word = self._take()
        if word == "(":
            inside = self.sum(depth + 1)
            self._expect(")")
            return inside
        if word[0].isdigit():
            return float(word)
        if not word[0].isalpha() and word[0] != "_":
            raise ContentError("a formula lacks a number or a name", field="value")
        return self._call(word, depth) if self._next == "(" else word

    def _call(self, name: str, depth: int) -> Tree:
        if name not in FUNCTIONS:
            raise ContentError("a formula calls a function that there is not", field="value")
        self._expect("(")
        arguments = [self.sum(depth + 1)]
        while self._next == ",":
            self._take()
            arguments.append(self.sum(depth + 1))
        self._expect(")")
        if len(arguments) != FUNCTIONS[name][0]:
            raise ContentError("a formula calls a function with another number of arguments", field="value")
        return (name, *arguments)
