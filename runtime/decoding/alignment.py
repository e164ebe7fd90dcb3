"""Where in a draft a settled text stands: edit distance, one row of the dynamic program at a time.

Knows ids and places. Knows no model and no passes.
"""

import numpy as np
from numpy.typing import NDArray

EDIT = 1 << 20  # cost of a token that is wrong, missing or too many; of equally many edits those with more matches are cheaper
APART = 3.0  # units of places by which the draft's next token has to lie after the text's last: nearer, it is the same sound


def costs_of_nothing(tokens: int) -> NDArray[np.int64]:
    """(M + 1,) costs of an empty text against the first 0 to M = `tokens` tokens of a draft."""
    return EDIT * np.arange(tokens + 1)


def with_token(costs: NDArray[np.int64], token: int, draft: NDArray[np.int64]) -> NDArray[np.int64]:
    """The (M + 1,) costs of a text that is one `token` longer, against the first 0 to M of the draft's ids."""
    skipped = EDIT * np.arange(len(costs))
    best = costs + EDIT  # the draft lacks the token
    np.minimum(best[1:], costs[:-1] + np.where(draft == token, -1, EDIT), out=best[1:])
    return np.asarray(np.minimum.accumulate(best - skipped) + skipped)  # the text lacks tokens of the draft


def anchor(costs: NDArray[np.int64], expected: int, places: NDArray[np.float64] | None = None, place: float | None = None) -> int:
    """How many of the draft's tokens the text covers: a column of least cost.

    Of several, the one nearest to `expected`; if places are known, the first after which the draft's next token is heard `APART`
    units after the text's last one or later, and the last column if none is.
    places: (M,) of the draft's tokens. place: of the text's last token, in the same unit.
    """
    columns = np.flatnonzero(costs == costs.min())
    if places is None or place is None:
        return int(columns[np.argmin(np.abs(columns - expected))])
    after = np.append(places, np.inf)[columns] >= place + APART
    return int(columns[np.argmax(after)] if after.any() else columns[-1])
