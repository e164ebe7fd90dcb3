"""Which matrices to keep in float16, by measurement: how much the drift falls when one of them is kept.

Knows bundles, recipes and drift. Has no list of sensitive layers. Every matrix is written once in both forms; a variant is a
graph of a few kilobytes over that file.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from unmask.bundle.manifest import Bundle
from unmask.errors import InputError
from unmask.export.bundle_writer import WEIGHTS, WeightsFile
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.calibration.instrumented import InstrumentedEngine, whole_logits
from unmask.quant.calibration.states import State, Subject
from unmask.quant.calibration.subjects import subject_of
from unmask.quant.drift import Floats, kl_rows, log_softmax
from unmask.quant.weights.matrices import Matrix
from unmask.quant.weights.quantize import Ranges, Recipe, SourceModel, bundle_source, rewrite
from unmask.quant.weights.rewrite import Blocking
from unmask.quant.weights.store import Store

HALF_BITS = 16
BITS = {"int8": 8, "int8-static": 8, "int8-weights": 8, "int4": 4, "fp16": HALF_BITS, "fp32": 32}


@dataclass(frozen=True)
class Candidate:
    """A matrix, how much the drift falls when it alone is kept in float16, and what that costs."""

    label: str
    gain: float  # nats of mean KL; negative when the drift rises
    bytes: int  # more in the bundle


@dataclass(frozen=True)
class SearchResult:
    """The result of a search."""

    keep: tuple[str, ...]
    """Labels for `Recipe.keep`; empty when keeping them does not lower the drift."""
    before: float
    """Mean KL of the format to fp32 in nats: the mean over canvases' rows, over rows of texts, and over slots, as there are."""
    after: float
    """The same with these matrices kept."""
    bytes: int
    """Size that they add to the bundle."""
    candidates: tuple[Candidate, ...]
    """Every matrix tried, the largest gain per byte first."""


def search_keep(
    bundle: Bundle,
    recipe: Recipe,
    material: Material,
    budget_bytes: int,
    ranges: Ranges | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> SearchResult:
    """Choose matrices to keep in float16 that add at most `budget_bytes`, greedily by gain per byte.

    Gains are measured one matrix at a time with all others in the format. The whole choice is then measured once more.
    Raises InputError for a bundle that is not fp32.
    """
    if budget_bytes < 1:
        raise InputError(f"the budget is {budget_bytes} bytes; keeping a matrix in float16 takes more")
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(bundle, recipe, ranges or {}, material, Path(folder))
        before, tried = trial.drift(()), []
        chosen = [m for m in trial.given.matrices if BITS[trial.given.form(m, recipe)] < HALF_BITS]
        for i, matrix in enumerate(chosen):
            gain = before - trial.drift((matrix.label,))
            tried.append(Candidate(matrix.label, gain, extra_bytes(matrix, trial.given, recipe)))
            say(f"{i + 1}/{len(chosen)} {matrix.label}: {gain:+.2e} nats")
        tried.sort(key=lambda c: -c.gain / c.bytes)
        keep, spent = _affordable(tried, budget_bytes)
        after = trial.drift(keep) if keep else before
    if after >= before:
        keep, after, spent = (), before, 0
    return SearchResult(keep, before, after, spent, tuple(tried))


def extra_bytes(matrix: Matrix, given: SourceModel, recipe: Recipe) -> int:
    """Bytes that a matrix adds in float16. The codes of a tied head stay in the bundle, for the embedding."""
    form = given.form(matrix, recipe)
    freed = 0 if matrix.head and given.is_tied(matrix) and form in ("int8", "int8-static") else code_bits(form, recipe.blocking)
    return int(matrix.size * (HALF_BITS - freed) / 8)


def code_bits(form: str, blocking: Blocking) -> float:
    """Bits of a weight with its share of the scales of blocks. Scales of whole outputs are not counted."""
    bits = BITS[form]
    return bits + 32 / blocking.of(bits) if form in ("int8-weights", "int4") else bits


def _affordable(tried: list[Candidate], budget: int) -> tuple[tuple[str, ...], int]:
    keep, spent = [], 0
    for candidate in tried:
        if candidate.gain > 0 and spent + candidate.bytes <= budget:
            keep.append(candidate.label)
            spent += candidate.bytes
    return tuple(keep), spent


class Trial:
    """A bundle with every matrix in both forms in one file, and its answers in fp32."""

    def __init__(self, bundle: Bundle, recipe: Recipe, ranges: Ranges, material: Material, folder: Path) -> None:
        given = self.given = bundle_source(bundle)
        self._recipe, self._ranges = recipe, ranges
        weights = WeightsFile(folder / WEIGHTS)
        self._store = Store(given.read, weights, given.matrices)
        self._plain = {role: self._variant(role, ()) for role in given.graphs}
        for role in given.graphs:
            self._variant(role, ("*",))
        weights.close()
        exact = subject_of(bundle, material, InstrumentedEngine(bundle, whole_logits))
        self._states: list[State] = exact.states()
        self._exact = [log_softmax(exact.logits(state)) for state in self._states]
        self._engine = InstrumentedEngine(bundle, whole_logits, models=self._plain, folder=folder)
        self._subject: Subject = subject_of(bundle, material, self._engine)

    def _variant(self, role: str, keep: tuple[str, ...]) -> onnx.ModelProto:
        return rewrite(self.given, self._store, role, replace(self._recipe, keep=(*self._recipe.keep, *keep)), self._ranges)

    def drift(self, keep: tuple[str, ...]) -> float:
        """Mean KL to fp32 when these matrices are kept: the mean of the means over each graph's rows."""
        changed = {label.split(":")[0] for label in keep}
        for role in changed:
            self._engine.replace(role, self._variant(role, keep))
        self._run_once(changed)
        found: dict[str, list[Floats]] = {}
        for state, exact in zip(self._states, self._exact, strict=True):
            rows = kl_rows(exact, log_softmax(self._subject.logits(state)))
            found.setdefault(state.role, []).append(rows)
        for role in changed:
            self._engine.replace(role, self._plain[role])
        self._run_once(changed)
        return float(np.mean([np.concatenate(rows).mean() for rows in found.values()]))

    def _run_once(self, changed: set[str]) -> None:
        if "context" in changed:
            self._subject.prepare()
