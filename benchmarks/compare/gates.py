"""Bounds that B must keep in a comparison with A. Knows numbers and names; `bundles` and `reports` know what they bound."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from unmask.errors import InputError


@dataclass(frozen=True)
class Gates:
    """Bounds that B must keep. Reports have times and word errors; the other gates need two bundles."""

    gate_size: float | None = None
    """Bytes of B / bytes of A at most."""
    gate_argmax: float | None = None
    """Share of rows, over all canvases, with the same best id at least."""
    gate_first: float | None = None
    """Share of canvases whose most confident row is the same at least."""
    gate_early: float | None = None
    """Share of A's most confident quarter of rows that is in B's at least."""
    gate_kl: float | None = None
    """Mean KL divergence at the worst share of masks at most, nats."""
    gate_words: float | None = None
    """Word error rate of B's texts against A's at most, a share."""
    gate_wer: float | None = None
    """Word error rate that B may have above A's at most, a share; in reports, of any row. Bundles need transcripts."""
    gate_time: float | None = None
    """Time of B / time of A at most: of a pass with any number of threads, or of a report's row that is clearly slower. A row
    that only one of the reports has misses this gate."""
    gate_memory: float | None = None
    """Peak memory of B / of A at most."""

    def __post_init__(self) -> None:
        for name, value in self.given():
            if not 0 <= value < math.inf:
                raise InputError(f"the gate {name} is {value:g}; a gate is a number from 0")

    def given(self) -> list[tuple[str, float]]:
        """The gates that are set, by the name of what they bound."""
        values = ((field.name.removeprefix("gate_"), getattr(self, field.name)) for field in fields(self))
        return [(name, value) for name, value in values if value is not None]

    def only(self, names: Iterable[str], why: str) -> None:
        """Raises InputError for a gate that is set and not among `names`. why: what the others need."""
        known = set(names)
        for name, _ in self.given():
            if name not in known:
                raise InputError(f"the gate {name} needs {why}")
