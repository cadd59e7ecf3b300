"""What arrays hold, by one word each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Matrix = NDArray[np.float32]
"""Input of models: rows of features, in single precision as trees read it."""
