"""Ranges of activations for static int8, from the states that bundles are measured on. Knows no number format."""

from collections.abc import Callable, Mapping
from typing import Any

import onnx
from numpy.typing import NDArray

from unmask.bundle.manifest import Bundle
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.calibration.instrumented import InstrumentedEngine, factors, ranges_of
from unmask.quant.calibration.subjects import subject_of
from unmask.quant.weights.quantize import Ranges

Names = Callable[[str, onnx.ModelProto], list[str]]


class Widest(InstrumentedEngine):
    """An engine that keeps ranges: `found[role][tensor]` is the smallest and the largest value over all runs.

    of: chooses the tensors of a graph.
    """

    def __init__(self, bundle: Bundle, of: Names = factors) -> None:
        self.found: dict[str, dict[str, tuple[float, float]]] = {}
        self._names: dict[str, list[str]] = {}
        self._of = of
        super().__init__(bundle, self._named)

    def _named(self, role: str, model: onnx.ModelProto) -> list[str]:
        self._names[role] = self._of(role, model)
        return ranges_of(model, self._names[role])

    def run(self, role: str, feeds: Mapping[str, Any]) -> list[NDArray[Any]]:
        outputs = super().run(role, feeds)
        values, own = [float(value) for value in self.last[role]], self.found.setdefault(role, {})
        for name, low, high in zip(self._names[role], values[::2], values[1::2], strict=True):
            before = own.get(name, (low, high))
            own[name] = min(low, before[0]), max(high, before[1])
        return outputs


def measure_ranges(bundle: Bundle, material: Material, of: Names = factors) -> Ranges:
    """Role -> activation -> its smallest and largest value over all states of an fp32 bundle.

    of: chooses the tensors of a graph; graphs of one role but of different sizes share their names. The head of a modality gets
    the ranges of the full head, which reads the same rows.
    """
    engine = Widest(bundle, of)
    subject = subject_of(bundle, material, engine)
    for state in subject.states():
        subject.ask(state)
    sliced = {role: engine.found["head"] for role in bundle.manifest.graphs if role.startswith("head_")}
    return {**sliced, **engine.found}
