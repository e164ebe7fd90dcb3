"""What a comparison of two bundles found, as data, as Markdown, and against gates.

Knows numbers. Knows no bundle, no graph and no clock.
"""

from dataclasses import dataclass

from unmask.benchmarks.compare.gates import Gates
from unmask.benchmarks.measure.statistics import Quartiles, Ratio
from unmask.benchmarks.measure.word_errors import WER_PERCENT
from unmask.errors import InputError
from unmask.quant.drift import Drift


@dataclass(frozen=True)
class TimedPair:
    """What one thing takes with A and with B, milliseconds."""

    a: Quartiles
    b: Quartiles
    ratio: Ratio  # of B's time to A's, in the same rounds


@dataclass(frozen=True)
class PassTime:
    threads: int
    timed: TimedPair


@dataclass(frozen=True)
class Memory:
    """Peak memory of a process that does the bundle's task, MiB: interpreter, engine and weights included."""

    a: float
    b: float


@dataclass(frozen=True)
class Texts:
    """What the bundles wrote."""

    a: tuple[str, ...]
    b: tuple[str, ...]
    differing: float  # word error rate of B's texts against A's, a share
    wer_a: float | None  # against the transcripts, where they are known; a share
    wer_b: float | None


@dataclass(frozen=True)
class BundleComparison:
    """B against A."""

    name_a: str
    name_b: str
    bytes_a: int
    bytes_b: int
    memory: Memory | None
    load: TimedPair | None
    passes: tuple[PassTime, ...]  # one for each number of threads; empty when no times were taken
    drift: tuple[Drift, ...]
    texts: Texts

    @property
    def size(self) -> float:
        return self.bytes_b / self.bytes_a

    @property
    def window(self) -> list[Drift]:
        """Drift of the passes that write: of canvases, or of a transcript's tokens without its drafts'."""
        return [part for part in self.drift if part.role == "window"]

    def failures(self, gates: Gates) -> list[str]:
        """A line for each gate that B misses. Raises InputError for a gate whose value was not measured."""
        lines = []
        values = measured(self)
        for name, gate in gates.given():
            value, upper = values[name]
            if value is None:
                raise InputError(f"the gate {name} needs {NEEDED[name]}")
            if not (value <= gate if upper else value >= gate):  # also true for a value that is not a number
                lines.append(f"{name} is {value:.4g}, the gate is {'at most' if upper else 'at least'} {gate:g}")
        return lines

    def to_markdown(self) -> str:
        return "\n".join([*_sizes_and_times(self), "", *_drift_table(self)])


NEEDED = {
    "wer": "transcripts: a .txt beside each recording",
    "time": "times: leave --runs at 1 or more",
    "memory": "memory: leave --runs at 1 or more, on Linux or macOS",
}


UNMASKED = {"window": "its own text", "context": "slots of the draft"}


def measured(found: BundleComparison) -> dict[str, tuple[float | None, bool]]:
    """The value that each gate bounds, and whether it is an upper bound."""
    canvases, rows = sum(part.canvases for part in found.window), sum(part.rows for part in found.window)
    texts = found.texts
    return {
        "size": (found.size, True),
        "argmax": (sum(part.argmax * part.rows for part in found.window) / rows, False),
        "first": (sum(part.first * part.canvases for part in found.window) / canvases, False),
        "early": (sum(part.early * part.rows for part in found.window) / rows, False),
        "kl": (max(part.kl for part in found.window), True),
        "words": (texts.differing, True),
        "wer": (None if texts.wer_a is None or texts.wer_b is None else texts.wer_b - texts.wer_a, True),
        "time": (max((done.timed.ratio.value for done in found.passes), default=None), True),
        "memory": (found.memory.b / found.memory.a if found.memory else None, True),
    }


def _sizes_and_times(found: BundleComparison) -> list[str]:
    lines = [f"| | {found.name_a} | {found.name_b} | ratio |", "|---|---|---|---|"]
    lines.append(f"| size, MiB | {found.bytes_a / 2**20:.1f} | {found.bytes_b / 2**20:.1f} | {found.size:.3f} |")
    if found.memory:
        a_mib, b_mib = found.memory.a, found.memory.b
        lines.append(f"| peak memory, MiB | {a_mib:.0f} | {b_mib:.0f} | {b_mib / a_mib:.2f} |")
    rows = [("load, ms", found.load)] if found.load else []
    rows += [(f"a pass, {done.threads} thread{'s' * (done.threads > 1)}, ms", done.timed) for done in found.passes]
    lines += [f"| {name}, median (quartiles) | {timed.a} | {timed.b} | {timed.ratio} |" for name, timed in rows]
    texts = found.texts
    if texts.wer_a is not None and texts.wer_b is not None:
        lines.append(f"| {WER_PERCENT} | {100 * texts.wer_a:.1f} | {100 * texts.wer_b:.1f} | |")
    lines.append(f"| {WER_PERCENT}, against A's texts | | {100 * texts.differing:.1f} | |")
    lines.append(f"| texts like A's | | {sum(map(str.__eq__, texts.a, texts.b))} of {len(texts.a)} | |")
    return lines


def _drift_table(found: BundleComparison) -> list[str]:
    lines = [
        "| masks | canvases | rows | same best id, % | same first row, % | same first quarter, % | mean KL, nats | KL, p95 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for part in found.drift:
        name = UNMASKED[part.role] if part.ratio is None else f"{100 * part.ratio:.0f} %"
        shares = " | ".join(f"{100 * share:.1f}" for share in (part.argmax, part.first, part.early))
        lines.append(f"| {name} | {part.canvases} | {part.rows} | {shares} | {part.kl:.2e} | {part.kl_p95:.2e} |")
    return lines
