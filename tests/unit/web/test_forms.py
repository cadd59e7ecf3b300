from __future__ import annotations

import pytest

from cds_app.errors import BadRequest
from cds_app.web.forms import number_of, told_yes


def test_numbers_are_read_or_refused() -> None:
    assert number_of("", "dose") is None
    assert number_of("12.5", "dose") == 12.5
    for text in ("x", "nan", "inf", "1e9", "1e400", "1_000", "\N{FULLWIDTH DIGIT ONE}"):
        with pytest.raises(BadRequest, match="a number below a million"):
            number_of(text, "dose")


def test_a_box_is_ticked_or_left_out() -> None:
    assert (told_yes("", "opioid"), told_yes("yes", "opioid")) == (False, True)
    with pytest.raises(BadRequest, match="must be yes, or left out"):
        told_yes("no", "opioid")
