"""Sentences in the words that cards and pages say them in."""

from __future__ import annotations

from typing import Final

from jinja2 import FileSystemLoader

from cds_app.cards.detail import in_words
from cds_app.cards.text import environment
from cds_app.content import content_root
from cds_app.domain.sentences import Said
from cds_app.pages.rendering import Words, html_environment

TEMPLATES: Final = environment(FileSystemLoader(content_root() / "templates" / "cards"))
PAGES: Final = html_environment(FileSystemLoader(content_root() / "templates" / "sidebar"))
WORDS: Final = Words(templates=PAGES, name="twin.j2")


def read(said: Said) -> str:
    """A sentence as it is read."""
    return str(in_words(said, TEMPLATES))
