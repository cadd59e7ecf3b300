"""Fixtures of the unit tests."""

from tests.bedside import bed

__all__ = ["bed"]
