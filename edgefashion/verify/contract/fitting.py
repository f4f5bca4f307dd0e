"""An arbitrary normalisation found from outputs: the scale and the offset that explain them best."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Respond = Callable[[float, float], Numbers]

# Where the search starts besides the known faults, in units of the model's own scale, and offsets as the first layer
# sees them.
_SCALES = (-2.0, -1.0, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
_OFFSETS = (-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
_BEST_STARTS = 2
_MOST_STEPS = 15

# Half the width of the difference quotients: wide enough to cross a few steps of eight bits, of which a range of ±1
# has 128; for float models the quotient is exact to the square of it.
_STEP = 0.03


def fit_normalisation(
    respond: Respond, outputs: Numbers, *, own_scale: float, known: Iterable[tuple[float, float]]
) -> tuple[float, float]:
    """Scale and offset of the pixels that bring `respond(scale, offset)` closest to `outputs`, by least squares.

    Gauss and Newton's method with Levenberg's damping (scipy.optimize.least_squares, "lm"), from the best of many
    starts: the sum of squares of a network's outputs has several minima.

    Args:
        respond: Outputs float64[N, classes] for a scale and an offset.
        outputs: Those to explain, float64[N, classes].
        own_scale: The model's own scale, which gives the search its unit.
        known: Scales and offsets worth starting from.
    """
    from scipy.optimize import least_squares

    def residual(point: Numbers) -> Numbers:
        difference = respond(point[0] * own_scale, point[1]) - outputs
        return np.nan_to_num(difference, nan=1e9, posinf=1e9, neginf=-1e9).ravel()

    grid = [(scale, offset) for scale in _SCALES for offset in _OFFSETS]
    starts = [np.array(start) for start in (*grid, *((scale / own_scale, offset) for scale, offset in known))]
    starts.sort(key=lambda start: float(np.sum(residual(start) ** 2)))
    jacobian = partial(_jacobian, residual)
    fits = [
        least_squares(residual, start, jac=jacobian, method="lm", xtol=1e-12, max_nfev=_MOST_STEPS)
        for start in starts[:_BEST_STARTS]
    ]
    best = min(fits, key=lambda fit: float(fit.cost)).x
    return float(best[0]) * own_scale, float(best[1])


def _jacobian(residual: Callable[[Numbers], Numbers], point: Numbers) -> Numbers:
    """Central differences, float64[N · classes, 2]."""
    steps = np.diag(_STEP * np.maximum(np.abs(point), 1.0))
    columns = [(residual(point + step) - residual(point - step)) / (2 * step.sum()) for step in steps]
    return np.stack(columns, axis=1)
