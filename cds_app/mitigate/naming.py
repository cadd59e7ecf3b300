"""Rules that many places of a file share: each stands once, under a name, and ``{"is": name}`` stands for it."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from cds_app.content import Content
from cds_app.mitigate.rules import Rule

_NAMED = "named"


class Naming(Content):
    """A file whose rules may have names. A name stands for its rule in the named rules below it and in the rest."""

    named: dict[str, Rule] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, file: Any) -> Any:
        if not isinstance(file, dict) or not isinstance(file.get(_NAMED), dict):
            return file
        names = _Names()
        for name, rule in file[_NAMED].items():
            names.rules[name] = names.spelled_out(rule)
        whole = {key: names.rules if key == _NAMED else names.spelled_out(part) for key, part in file.items()}
        if idle := names.rules.keys() - names.asked:
            raise ValueError(f"names what nothing asks for: {', '.join(sorted(idle))}")
        return whole


class _Names:
    """The rules that have a name by now, and those of them that were asked for."""

    def __init__(self) -> None:
        self.rules: dict[str, Any] = {}
        self.asked: set[str] = set()

    def spelled_out(self, part: Any) -> Any:
        """A part of a file with rules in the place of their names."""
        if isinstance(part, list):
            return [self.spelled_out(one) for one in part]
        if not isinstance(part, dict):
            return part
        if part.keys() != {"is"}:
            return {key: self.spelled_out(one) for key, one in part.items()}
        name = part["is"]
        if not isinstance(name, str) or name not in self.rules:
            raise ValueError(f"asks for what has no such name above: {name}")
        self.asked.add(name)
        return self.rules[name]
