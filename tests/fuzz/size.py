"""How much is sent: calls to one route, as the environment says."""

from __future__ import annotations

import os

CASES = int(os.environ.get("TWINLINE_TEST_FUZZ") or 20)
MUTATIONS = 5 * CASES
TEXTS = 10 * CASES
