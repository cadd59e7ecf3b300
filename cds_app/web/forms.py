"""What forms and addresses of pages carry, read or refused by the name of the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from flask import request

from cds_app.errors import BadRequest

_FIELD: Final = 2000
_DAY_H: Final = 24
_NAMED: Final = re.compile(r"[a-z][a-z_]{0,39}", re.ASCII)


def text_of_form(name: str, *, needed: bool = True) -> str:
    """A field of the form that was sent. Raises BadRequest."""
    found = request.form.getlist(name)
    value = found[0] if len(found) == 1 else ""
    if len(found) > 1 or len(value) > _FIELD or (needed and not value):
        raise BadRequest(f"needed once, of at most {_FIELD} characters", field=name)
    return value


def asked_of_query(*names: str) -> Mapping[str, str]:
    """What a simulation is asked, by field; "" where it is left out.

    Raises
    ------
    BadRequest
        Where a field is none of these, or comes twice: nothing of a question is left aside.
    """
    for name, texts in request.args.lists():
        if name not in names:
            field = name if _NAMED.fullmatch(name) else "query"
            raise BadRequest(f"is no field of this page, which takes {', '.join(names)}", field=field)
        if len(texts) > 1:
            raise BadRequest("may come once", field=name)
    return {name: request.args.get(name, "") for name in names}


def hours_of(text: str) -> int:
    """A whole number of hours; a day where none is said. Raises BadRequest."""
    if not text:
        return _DAY_H
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise BadRequest("must be a number of hours", field="h")
    return int(text)


def number_of(text: str, field: str) -> float | None:
    """A number that a form carries; None where it carries none.

    Raises
    ------
    BadRequest
    """
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e6 or not text.isascii() or "_" in text:  # what Python reads and nobody types
        raise BadRequest("must be a number below a million", field=field)
    return value


def whole_of(text: str, field: str) -> int | None:
    """A whole number that a form carries; None where it carries none.

    Raises
    ------
    BadRequest
    """
    value = number_of(text, field)
    if value is not None and not value.is_integer():
        raise BadRequest("must be a whole number", field=field)
    return None if value is None else int(value)


def told_yes(text: str, field: str) -> bool:
    """Whether a box of a form was ticked.

    Raises
    ------
    BadRequest
    """
    if text not in {"", "yes"}:
        raise BadRequest("must be yes, or left out", field=field)
    return text == "yes"
