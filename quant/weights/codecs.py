"""Smaller codecs: the matrices of a codec's graphs in int8. Knows graphs and files. Knows no codec by name."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx

from unmask.bundle.manifest import Codec
from unmask.export.bundle_writer import WEIGHTS, WeightsFile, externalize
from unmask.quant.weights.matrices import matrices
from unmask.quant.weights.rewrite import Blocking, Rewriter
from unmask.quant.weights.store import Store

FORM = "int8"


def quantize_codec(folder: Path, codec: Codec, roles: Collection[str] | None = None) -> None:
    """Rewrite the graphs of a codec and its weights file with int8 matrices; activations are quantized on each call.

    folder: the codec's own, in a bundle or before it is put there. roles: of the graphs that get them; None: all.
    """
    files = {role: folder / Path(file).name for role, file in codec.graphs.items()}
    whole = {role: file for role, file in files.items() if roles is not None and role not in roles}
    graphs = {role: onnx.load(file, load_external_data=False) for role, file in files.items() if role not in whole}
    every = {role: matrices(role, graph) for role, graph in graphs.items()}
    part = folder / f"{WEIGHTS}.part"
    weights = WeightsFile(part)
    store = Store(
        lambda place, dtype, shape: np.memmap(folder / place.file, dtype, "r", place.offset, shape),
        weights,
        [matrix for found in every.values() for matrix in found],
    )
    for role, graph in graphs.items():
        made = Rewriter(role, graph, store, lambda matrix: FORM, Blocking(), {}).run()
        onnx.save_model(made, files[role])
    for file in whole.values():
        onnx.save_model(externalize(onnx.load(file), weights), file)
    weights.close()
    part.replace(folder / WEIGHTS)
