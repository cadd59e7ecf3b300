"""A Gaussian over what several variables do together within one hour: surprises of some tell of the others.

A surprise is how far a measurement is from what its own neighbours in time say (`windows.surprises`). Given those that
were measured, the others have a conditional mean, in closed form.
"""

from __future__ import annotations

import numpy as np

from cds_app.twin.windows import Singles


def conditional(surprise: Singles, mean: Singles, covariance: Singles) -> Singles:
    """Expected surprise of every variable of every hour given those that were measured.

    Parameters
    ----------
    surprise : ndarray of float32, shape (windows, hours, variables)
        NaN where not measured.
    mean, covariance : ndarray of float32, shapes (variables,), (variables, variables)
        Of the surprises.
    """
    seen = np.isfinite(surprise)
    apart = np.where(seen, surprise - mean, 0.0).astype(np.float32)
    both = (seen[..., :, None] & seen[..., None, :]).astype(np.float32)
    system = covariance * both
    place = np.arange(len(mean))
    system[..., place, place] += (~seen).astype(np.float32)
    weights = np.linalg.solve(system, apart[..., None])[..., 0]
    return np.asarray(mean + weights @ covariance, np.float32)
