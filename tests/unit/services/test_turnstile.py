"""So many are inside at once, and everybody gets out."""

from __future__ import annotations

import pytest

from cds_app.errors import DependencyDown
from cds_app.services.turnstile import Turnstile


def test_who_finds_it_full_is_told_so() -> None:
    turnstile = Turnstile(2)
    with turnstile, turnstile, pytest.raises(DependencyDown):
        turnstile.__enter__()
    with turnstile, turnstile:
        pass


def test_an_error_inside_frees_the_place() -> None:
    turnstile = Turnstile(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), turnstile:
            raise ValueError("inside")
