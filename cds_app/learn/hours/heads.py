"""The learned risks that are trained on hourly rows, by name."""

from __future__ import annotations

from collections.abc import Mapping

from cds_app.learn.head import Head
from cds_app.learn.hours.events import AKI, HYPOTENSION, HYPOXAEMIA
from cds_app.learn.hours.sepsis import SEPSIS

HOURLY: Mapping[str, Head] = {head.name: head for head in (SEPSIS, HYPOTENSION, HYPOXAEMIA, AKI)}
