"""Trees cut into bushes, and for each bush the Shapley values of every answer that its splits can give.

Path-dependent TreeSHAP (Lundberg et al., Nat Mach Intell 2020) takes each leaf of value v as a game of its own. Of the
features on the way to it, o is 1 for those that a row satisfies and 0 for the others, and z is the part of the training
rows that went this way. A coalition S of features is worth v times o of each feature in S and z of each other one.
The Shapley value of feature i is then

    v * (o_i - z_i) * integral over t in 0..1 of prod over the other j of (t * o_j + (1 - t) * z_j)

because the weight of a coalition, s! (k-1-s)! / k!, is the integral of t^s (1-t)^(k-1-s). The integrand is a polynomial
in t, so a Gauss-Legendre rule is exact.

All of this depends on the row only through the answers of the splits, true for left. A bush is a subtree that so few
splits lie in and above that each combination of answers gets an entry in a table: to explain a row is to look up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Floats
from cds_app.score.trees.forest import Tree

MAX_SPLITS = 7  # in a bush and above it: 128 entries; one less than 6 would not hold a path
_TABLES_AT_ONCE = 64  # keeps what is computed on the way in the processor's cache
_ROOT = 0

Bytes = NDArray[np.uint8]
Way = tuple["Turn", ...]


class Turn(NamedTuple):
    """One split on the way to a leaf, and where the way goes there.

    Parameters
    ----------
    feature : int
        What is split on.
    bit : int
        Of the row's answers, the one of this split.
    left : bool
        The way goes left: it wants the answer yes.
    share : float
        Part of the training rows at the split that went this way.
    """

    feature: int
    bit: int
    left: bool
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bush:
    """A subtree with the way to it.

    Parameters
    ----------
    splits : tuple of int
        Nodes; the answer of the n-th is bit n of a row's answers.
    features : tuple of int
        Those split on, each once.
    leaves : tuple of (float, tuple of Turn)
        Value of each leaf, and the way to it from the root of the tree.
    """

    splits: tuple[int, ...]
    features: tuple[int, ...]
    leaves: tuple[tuple[float, Way], ...]


def bushes(tree: Tree) -> Iterator[Bush]:
    """Cut a tree: every leaf is in one bush, and the bushes are as large as `MAX_SPLITS` lets them be."""
    yield from _cut(tree, _splits_inside(tree), _ROOT, (), ())


def _splits_inside(tree: Tree) -> dict[int, int]:
    """How many splits the subtree of each node holds."""
    found: dict[int, int] = {}
    for node, _ in reversed(tuple(tree.below())):
        leaf = tree.is_leaf(node)
        found[node] = 0 if leaf else 1 + found[tree.left[node]] + found[tree.right[node]]
    return found


def _cut(tree: Tree, inside: Mapping[int, int], node: int, above: tuple[int, ...], way: Way) -> Iterator[Bush]:
    if len(above) + inside[node] <= MAX_SPLITS:
        yield _bush(tree, node, above, way)
        return
    for child in (tree.left[node], tree.right[node]):
        yield from _cut(tree, inside, child, (*above, node), (*way, _turn(tree, node, child, len(above))))


def _turn(tree: Tree, node: int, child: int, number: int) -> Turn:
    share = tree.cover[child] / tree.cover[node]
    return Turn(tree.feature[node], 1 << number, child == tree.left[node], share)


def _bush(tree: Tree, node: int, above: tuple[int, ...], way: Way) -> Bush:
    splits = list(above)
    leaves = tuple(_grow(tree, node, way, splits))
    features = tuple(dict.fromkeys(tree.feature[one] for one in splits))
    return Bush(splits=tuple(splits), features=features, leaves=leaves)


def _grow(tree: Tree, node: int, way: Way, splits: list[int]) -> Iterator[tuple[float, Way]]:
    """The leaves below a node; the splits between are appended to those already there."""
    if tree.is_leaf(node):
        yield tree.threshold[node], way
        return
    number = len(splits)
    splits.append(node)
    for child in (tree.left[node], tree.right[node]):
        yield from _grow(tree, child, (*way, _turn(tree, node, child, number)), splits)


def expected(bush: Bush) -> float:
    """What the leaves of a bush add to the margin when nothing is known of the row."""
    return sum(value * prod(turn.share for turn in way) for value, way in bush.leaves)


def tables(found: Sequence[Bush]) -> list[Floats]:
    """Per bush what each feature contributes, for every combination of answers.

    Returns
    -------
    list of ndarray of float64, shape (2 ** splits, features)
    """
    order = sorted(range(len(found)), key=lambda i: (len(found[i].splits), len(found[i].leaves)))
    made: list[Floats] = [np.empty((1, 0))] * len(found)
    for at in range(0, len(order), _TABLES_AT_ONCE):
        some = order[at : at + _TABLES_AT_ONCE]
        whole = _contributions([found[i] for i in some])
        for i, table in zip(some, whole, strict=True):
            made[i] = np.ascontiguousarray(table[: 1 << len(found[i].splits), : len(found[i].features)])
    return made


def _contributions(some: Sequence[Bush]) -> Floats:
    """Shape (bushes, answers, features); where there are fewer of either, the rest is padding."""
    value, asked, wanted, share = _packed(some)
    answers = np.arange(1 << max(len(bush.splits) for bush in some), dtype=np.uint8)
    satisfied = ((answers & asked[..., None]) == wanted[..., None]).astype(np.float64)
    share = share[..., None]
    moved = value[..., None] * (satisfied - share) * _others_integrated(satisfied, share)
    return np.moveaxis(moved.sum(axis=2), 0, -1)


def _others_integrated(satisfied: Floats, share: Floats) -> Floats:
    """For each feature, along the first axis, the integral of the product over all others."""
    points, weights = np.polynomial.legendre.leggauss((MAX_SPLITS + 1) // 2)
    found = np.zeros_like(satisfied)
    for t, weight in zip((points + 1.0) / 2.0, weights / 2.0, strict=True):
        found += weight * _product_of_others(t * satisfied + (1.0 - t) * share)
    return found


def _product_of_others(factors: Floats) -> Floats:
    """Without a division: a share may be nought."""
    found = np.ones_like(factors)
    for other in range(len(factors)):
        found[:other] *= factors[other]
        found[other + 1 :] *= factors[other]
    return found


def _packed(some: Sequence[Bush]) -> tuple[Floats, Bytes, Bytes, Floats]:
    """Values (bushes, leaves), and (features, bushes, leaves) of what is asked, wanted and shared.

    The turns of a way at splits on the same feature become one condition: the row satisfies it if
    ``answers & asked == wanted``. Padding changes nothing: a leaf of value nought adds nothing, and a feature of which
    nothing is asked counts one.
    """
    shape = [max(len(bush.features) for bush in some), len(some), max(len(bush.leaves) for bush in some)]
    asked, wanted, share = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8), np.ones(shape)
    value = np.zeros(shape[1:])
    for b, bush in enumerate(some):
        value[b, : len(bush.leaves)] = [reached for reached, _ in bush.leaves]
    turns = [
        (bush.features.index(turn.feature), b, n, *turn)
        for b, bush in enumerate(some)
        for n, (_, way) in enumerate(bush.leaves)
        for turn in way
    ]
    *place, _, bit, left, part = (np.array(column) for column in zip(*turns, strict=True))
    np.bitwise_or.at(asked, tuple(place), bit.astype(np.uint8))
    np.bitwise_or.at(wanted, tuple(place), (bit * left).astype(np.uint8))
    np.multiply.at(share, tuple(place), part)
    return value, asked, wanted, share
