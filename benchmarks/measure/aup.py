"""How well a model keeps its quality while it fills more tokens a pass: one number for several settings.

Knows numbers. Knows no model and no report.
"""

import itertools
import math
from collections.abc import Sequence

DROPPED = 5.0  # points of quality below the slowest setting, from which a setting does not count
STEEP = 3.0  # of the weight of a setting that is worse than the best


def aup(points: Sequence[tuple[float, float]], best: float | None = None) -> float:
    """Accuracy under parallelism, AUP, of settings (rho, y): tokens a pass, and quality in percent.

    Settings are sorted by rho and those with y below y_1 - 5 are dropped. AUP is rho_1 y_1 + the sum over the others of
    (rho_i - rho_(i-1)) (y_i W_i + y_(i-1) W_(i-1)) / 2 with W = min(exp(-3 (1 - y / best)), 1), as the leaderboard of d3LLM
    defines it. best: quality of the best model compared, by default of the best setting. Raises ValueError without a setting.
    """
    if not points:
        raise ValueError("AUP is of at least one setting")
    ordered = sorted(points)
    kept = [(rho, y) for rho, y in ordered if y >= ordered[0][1] - DROPPED]
    top = max(y for _, y in kept) if best is None else best
    weighed = [(rho, y * min(math.exp(-STEEP * (1 - y / top)), 1.0) if top > 0 else 0.0) for rho, y in kept]
    steps = itertools.pairwise(weighed)
    return kept[0][0] * kept[0][1] + sum((rho - before) * (y + own) / 2 for (before, own), (rho, y) in steps)
