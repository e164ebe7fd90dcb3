"""What a comparison of two bundles says, as data, as Markdown, and against the bounds that somebody sets.

Knows numbers. Knows no bundle, no graph and no clock.
"""

from dataclasses import dataclass

from unmask.errors import InputError
from unmask.quant.drift import Drift


@dataclass(frozen=True)
class Spread:
    """Milliseconds."""

    median: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""
    runs: int


@dataclass(frozen=True)
class Timed:
    """What one thing takes with A and with B."""

    a: Spread
    b: Spread
    ratio: float
    """Median over pairs of B's time / A's, the two taken one after the other."""


@dataclass(frozen=True)
class Pass:
    """What a pass takes with so many threads."""

    threads: int
    timed: Timed


@dataclass(frozen=True)
class Memory:
    """Most that a process held which did a bundle's task, MiB: interpreter, engine and weights included."""

    a: float
    b: float


@dataclass(frozen=True)
class Texts:
    """What became of the texts."""

    a: tuple[str, ...]
    b: tuple[str, ...]
    differing: float
    """Word errors of B's texts against A's, a share of A's words."""
    wer_a: float | None
    """Against what was said, where that is known; a share."""
    wer_b: float | None


@dataclass(frozen=True)
class Comparison:
    """B against A."""

    bytes_a: int
    bytes_b: int
    memory: Memory | None
    load: Timed | None
    passes: tuple[Pass, ...]
    """One for each count of threads; none where no times were taken."""
    drift: tuple[Drift, ...]
    texts: Texts

    @property
    def size(self) -> float:
        return self.bytes_b / self.bytes_a

    @property
    def canvases(self) -> list[Drift]:
        """Without the verifier's."""
        return [part for part in self.drift if part.ratio is not None]


@dataclass(frozen=True)
class Gates:
    """Bounds that B has to hold; None: not asked for."""

    gate_size: float | None = None
    """Bytes of B / bytes of A at most."""
    gate_argmax: float | None = None
    """Share of rows, over all canvases, with the same best id at least."""
    gate_first: float | None = None
    """Share of canvases with the same surest row at least."""
    gate_early: float | None = None
    """Share of A's surest quarter that is in B's at least."""
    gate_kl: float | None = None
    """Mean KL at the worst share of masks at most, nats."""
    gate_words: float | None = None
    """Words of the texts that differ at most, a share."""
    gate_wer: float | None = None
    """Word error rate that B may have above A's at most, a share; needs transcripts."""
    gate_time: float | None = None
    """Time of a pass of B / of A at most, with any count of threads."""
    gate_memory: float | None = None
    """Peak memory of B / of A at most."""


NEEDED = {
    "wer": "transcripts: a .txt beside each recording",
    "time": "times: leave --runs at 1 or more",
    "memory": "memory: leave --runs at 1 or more, on Linux or macOS",
}


def missed(found: Comparison, gates: Gates) -> list[str]:
    """A line for each gate that B does not pass. Raises InputError for one that nothing was measured for."""
    lines = []
    for name, (value, upper) in measured(found).items():
        gate = getattr(gates, f"gate_{name}")
        if gate is None:
            continue
        if value is None:
            raise InputError(f"the gate {name} needs {NEEDED[name]}")
        if not (value <= gate if upper else value >= gate):  # also what is not a number
            lines.append(f"{name} is {value:.4g}, the gate is {'at most' if upper else 'at least'} {gate:g}")
    return lines


def measured(found: Comparison) -> dict[str, tuple[float | None, bool]]:
    """What a gate looks at, and whether it is an upper bound."""
    canvases, rows = sum(part.canvases for part in found.canvases), sum(part.rows for part in found.canvases)
    texts = found.texts
    return {
        "size": (found.size, True),
        "argmax": (sum(part.argmax * part.rows for part in found.canvases) / rows, False),
        "first": (sum(part.first * part.canvases for part in found.canvases) / canvases, False),
        "early": (sum(part.early * part.rows for part in found.canvases) / rows, False),
        "kl": (max(part.kl for part in found.canvases), True),
        "words": (texts.differing, True),
        "wer": (None if texts.wer_a is None or texts.wer_b is None else texts.wer_b - texts.wer_a, True),
        "time": (max((done.timed.ratio for done in found.passes), default=None), True),
        "memory": (found.memory.b / found.memory.a if found.memory else None, True),
    }


def markdown(found: Comparison, a: str, b: str) -> str:
    """Tables to read or to paste; a, b: what the bundles are called."""
    lines = [f"| | {a} | {b} | ratio |", "|---|---|---|---|"]
    lines.append(f"| size, MiB | {found.bytes_a / 2**20:.1f} | {found.bytes_b / 2**20:.1f} | {found.size:.3f} |")
    if found.memory:
        a_mib, b_mib = found.memory.a, found.memory.b
        lines.append(f"| peak memory, MiB | {a_mib:.0f} | {b_mib:.0f} | {b_mib / a_mib:.2f} |")
    rows = [("load, ms", found.load)] if found.load else []
    rows += [(f"a pass, {_threads(done.threads)}, ms", done.timed) for done in found.passes]
    for name, timed in rows:
        lines.append(f"| {name}, median (quartiles) | {_spread(timed.a)} | {_spread(timed.b)} | {timed.ratio:.2f} |")
    texts = found.texts
    if texts.wer_a is not None and texts.wer_b is not None:
        lines.append(f"| word error rate, % | {100 * texts.wer_a:.1f} | {100 * texts.wer_b:.1f} | |")
    lines.append(f"| words that differ, % | | {100 * texts.differing:.1f} | |")
    lines += ["", "| masks | canvases | rows | same best id, % | same first, % | same first quarter, % | KL | KL, 95 % below |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for part in found.drift:
        name = "verifier" if part.ratio is None else f"{100 * part.ratio:.0f} %"
        shares = " | ".join(f"{100 * share:.1f}" for share in (part.argmax, part.first, part.early))
        lines.append(f"| {name} | {part.canvases} | {part.rows} | {shares} | {part.kl:.2e} | {part.kl_p95:.2e} |")
    return "\n".join(lines)


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _spread(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"
