"""What is asked of how a draft order is given: how much at once, how fast, how concentrated, which way, how often.

Content, checked at load.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, model_validator

from cds_app.content import Content
from cds_app.mitigate.catalogue import Text
from cds_app.mitigate.check import Check, Drugs, Tier
from cds_app.mitigate.rules import Rule

Unit = Literal["mg", "[iU]", "mmol"]
Route = Literal["iv", "oral", "subcutaneous", "intrathecal", "transdermal"]


class OnceCheck(Check):
    """More of the drug in one dose, by one of these routes, than is safe for whoever is not used to it.

    ``most_per_kg``: of whose weight is known. ``ordered_times``: where an order of the same drug stands, that decides,
    and so many times its dose is too much, of what is more than ``ordered_from``.
    """

    kind: Literal["once"]
    drugs: Drugs
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    most: PositiveFloat
    unit: Unit
    most_per_kg: PositiveFloat | None = None
    ordered_times: PositiveFloat | None = None
    ordered_from: PositiveFloat = 1.0
    tier: Tier
    why: Text

    @model_validator(mode="after")
    def _is_comparable(self) -> OnceCheck:
        if self.ordered_times is not None and self.unit != "[iU]":
            raise ValueError("only doses in units of activity are held against what is ordered")
        return self


class Above(Content):
    """Above this much, for each kg where ``per_kg``, by these routes, where a rule holds: how urgent, and why."""

    above: PositiveFloat
    per_kg: bool = False
    routes: tuple[Route, ...] = ()
    when: Rule | None = None
    tier: Tier
    why: Text


class RateCheck(Check):
    """More of the drug in an hour than is safe.

    ``unsaid_above``: that nothing is said of how fast so much goes into a vein is told by a card, not by a line of
    another one alone. ``mg_per_unit`` turns a mass into the unit.
    """

    kind: Literal["rate"]
    drugs: Drugs
    unit: Unit
    mg_per_unit: PositiveFloat | None = None
    levels: Annotated[tuple[Above, ...], Field(min_length=1)]
    unsaid_above: PositiveFloat | None = None


class StrengthCheck(Check):
    """More of the drug in a mL than is usual."""

    kind: Literal["strength"]
    drugs: Drugs
    unit: Unit
    mg_per_unit: PositiveFloat | None = None
    levels: Annotated[tuple[Above, ...], Field(min_length=1)]


class RouteCheck(Check):
    """The drug by a way that harms: a route, or pushed into a vein.

    ``when``: only of whom that holds. With ``beside``, a draft that names no route is told where another draft goes by
    one of these: the syringes may be mixed up.
    """

    kind: Literal["route"]
    drugs: Drugs
    routes: tuple[Route, ...] = ()
    pushed: bool = False
    when: Rule | None = None
    tier: Tier
    why: Text
    beside: Text | None = None
    beside_tier: Tier = 2

    @model_validator(mode="after")
    def _names_a_way(self) -> RouteCheck:
        if not self.routes and not self.pushed:
            raise ValueError("a route, or that it is pushed, is needed")
        return self


class IntervalCheck(Check):
    """The drug more often than is meant, but for a course that is over within ``course_h``."""

    kind: Literal["interval"]
    drugs: Drugs
    least_h: PositiveFloat
    course_h: PositiveFloat
    routes: tuple[Route, ...] = ()
    tier: Tier
    why: Text
