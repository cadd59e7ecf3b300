"""Twinline: clinical decision support on patient digital twins."""

__version__ = "0.1.0"
