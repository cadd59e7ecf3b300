"""Settings that have no flag, at the end of a command's help."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import click

from cds_app.settings import PREFIX, Settings

_TITLE: Final = f"Settings without a flag ({PREFIX}X in the environment is x in twinline.toml)"
_UNTOLD: Final = ("", None, ())


class WithSettings(click.Command):
    """A command that takes all settings, most of them by a flag."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Tell the others after the examples."""
        super().format_epilog(ctx, formatter)
        with formatter.section(_TITLE):
            formatter.write_dl([*further_settings({one.name or "" for one in self.params})])


def further_settings(flags: Collection[str]) -> Iterator[tuple[str, str]]:
    """Every setting that is not among the flags: its name, and what it is with its default."""
    for name, field in Settings.model_fields.items():
        if name not in flags:
            default = "" if field.default in _UNTOLD else f" Default: {_word(field.default)}."
            yield PREFIX + name.upper(), " ".join((field.description or "").split()) + default


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
