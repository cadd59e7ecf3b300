"""Pages and sentences from templates: what is printed in HTML is escaped, and a name that is not there is an error."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from jinja2 import BaseLoader, Environment, StrictUndefined, select_autoescape

from cds_app.errors import ContentError


def html_environment(loader: BaseLoader) -> Environment:
    """A jinja environment for pages; templates of another ending hold plain text, which pages escape."""
    return Environment(
        loader=loader,
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )


def page(templates: Environment, name: str, values: Mapping[str, object]) -> str:
    """Fill a page."""
    return templates.get_template(f"{name}.html").render(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Sentences without markup, by the names of a template's macros."""

    templates: Environment
    name: str

    def holding(self, macros: Set[str]) -> Words:
        """These words, once the template is known to hold all these macros.

        Raises
        ------
        ContentError
            If it lacks one.
        """
        lacking = sorted(macros - set(vars(self.templates.get_template(self.name).module)))
        if lacking:
            raise ContentError(f"templates/sidebar/{self.name} lacks {', '.join(lacking)}", field=lacking[0])
        return self

    def say(self, macro: str, **values: object) -> str:
        """One of them, filled."""
        told = getattr(self.templates.get_template(self.name).module, macro)(**values)
        return " ".join(str(told).split())
