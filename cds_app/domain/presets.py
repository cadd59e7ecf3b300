"""The units that a site chooses: presets of the ontology, and single quantities told otherwise.

A choice is a preset and what differs from it: ``si, pco2=mm[Hg], body_temp=[degF]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import log10
from typing import Annotated, Final

from pydantic import Field

from cds_app.content import Artefact, Content
from cds_app.domain.ontology import Ontology, Variable
from cds_app.domain.told import Told
from cds_app.domain.units import Line, UnitConverter, unit_name
from cds_app.errors import ContentError, SettingsError, UnitError

CONVENTIONAL: Final = "conventional"
PRESETS: Final = "presets.json"
_Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
_Text = Annotated[str, Field(min_length=1, max_length=400)]


class _Row(Content):
    quantities: Annotated[tuple[_Key, ...], Field(min_length=1)]
    unit: _Text
    decimals: Annotated[int, Field(ge=0, le=6)]
    label: str = ""
    source: _Text
    review: bool


class _Preset(Content):
    key: _Key
    title: _Text
    source: _Text
    rows: tuple[_Row, ...]


class _File(Content):
    presets: tuple[_Preset, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a quantity is told: its UCUM unit, how many decimals are shown (None: as fine as the canonical unit's).

    ``label`` is what it is called in this unit; "" where its name does not change.
    """

    unit: str
    decimals: int | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a site chose: ``text`` is the one way in which the same choice is written, by which it is remembered."""

    text: str
    ways: Mapping[str, Way]


class Presets:
    """The presets of an ontology, each proven to convert."""

    def __init__(self, artefact: Artefact, ontology: Ontology) -> None:
        """Read them.

        Raises
        ------
        ContentError
            Naming the preset and quantity of what is not known, is there twice or does not convert.
        """
        self._ontology = ontology
        self._units = UnitConverter(ontology)
        self._ways = {CONVENTIONAL: dict[str, Way]()}
        for preset in artefact.read(PRESETS, _File).presets:
            if preset.key in self._ways:
                raise ContentError(f"{PRESETS}: {preset.key} is there twice", field=preset.key)
            self._ways[preset.key] = dict(self._rows(preset))

    def _rows(self, preset: _Preset) -> Iterator[tuple[str, Way]]:
        seen: set[str] = set()
        for row in preset.rows:
            for quantity in row.quantities:
                place = f"{PRESETS}: {preset.key}: {quantity}"
                if quantity in seen:
                    raise ContentError(f"{place} is there twice", field=quantity)
                if problem := self._problem(quantity, row.unit):
                    raise ContentError(f"{place} {problem}", field=quantity)
                seen.add(quantity)
                yield quantity, Way(unit=row.unit, decimals=row.decimals, label=row.label)

    def choice(self, text: str) -> Choice:
        """What a setting says.

        Raises
        ------
        SettingsError
            Naming the preset, quantity or unit that cannot be.
        """
        name, *rest = (one.strip() for one in text.split(","))
        if name not in self._ways:
            raise SettingsError(f"units: must begin with one of {', '.join(sorted(self._ways))}", field="units")
        preset = self._ways[name]
        ways = {**preset, **dict(map(self._override, filter(None, rest)))}
        own = {key: way for key, way in ways.items() if way.unit != self._ontology.quantity(key).unit}
        other = sorted(f"{key}={way.unit}" for key, way in ways.items() if way.unit != self._unit_in(preset, key))
        return Choice(text=", ".join((name, *other)), ways=own)

    def _unit_in(self, preset: Mapping[str, Way], quantity: str) -> str:
        return preset[quantity].unit if quantity in preset else self._ontology.quantity(quantity).unit

    def _override(self, text: str) -> tuple[str, Way]:
        quantity, _, unit = (one.strip() for one in text.partition("="))
        if problem := self._problem(quantity, unit):
            raise SettingsError(f"units: {quantity} {problem}", field="units")
        return quantity, next(
            (ways[quantity] for ways in self._ways.values() if quantity in ways and ways[quantity].unit == unit),
            Way(unit=unit),
        )

    def _problem(self, quantity: str, unit: str) -> str:
        """Why a quantity cannot be told in a unit; "" if it can."""
        keys = self._ontology.measuring(quantity)
        if not keys or not self._ontology.quantity(quantity).numeric:
            return "is no quantity that is measured"
        if not self._units.is_ucum(unit):
            return f"cannot be told in {unit}, which is no UCUM unit" if unit else "needs a unit (quantity=unit)"
        return next((f"cannot be told in {unit}: {said}" for key in keys if (said := self._lacks(key, unit))), "")

    def _lacks(self, key: str, unit: str) -> str:
        variable = self._ontology.variables[key]
        if unit == variable.unit:
            return ""
        try:
            self._units.line(unit, variable)
        except UnitError:
            return f"it does not convert to {variable.unit} by what the ontology knows"
        return ""

    def told(self, choice: Choice) -> Ontology:
        """The ontology with its variables as a site has them told; the same one where nothing is chosen."""
        if not choice.ways:
            return self._ontology
        variables = {key: self._variable(one, choice) for key, one in self._ontology.variables.items()}
        return replace(self._ontology, variables=variables)

    def _variable(self, variable: Variable, choice: Choice) -> Variable:
        way = choice.ways.get(variable.quantity)
        if way is None:
            return variable
        line = self._units.line(way.unit, variable)
        chosen = Told(
            unit=way.unit,
            text=unit_name(way.unit) or way.unit,
            decimals=_decimals(variable, line) if way.decimals is None else way.decimals,
            canonical=variable.unit_text or variable.unit,
            factor=1.0 / line.factor,
            offset=-line.offset / line.factor,
        )
        return replace(variable, chosen=chosen, label=way.label or variable.label)


def _decimals(variable: Variable, line: Line) -> int:
    """So many that a step of the last one is about a step of the canonical value's last one."""
    return min(6, max(0, round(variable.decimals + log10(line.factor))))
