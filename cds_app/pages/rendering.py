"""HTML of pages: everything that is printed is escaped, and a name that is not there is an error."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import BaseLoader, Environment, StrictUndefined


def html_environment(loader: BaseLoader) -> Environment:
    """A jinja environment for pages."""
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )


def page(templates: Environment, name: str, values: Mapping[str, object]) -> str:
    """Fill a page."""
    return templates.get_template(f"{name}.html").render(values)
