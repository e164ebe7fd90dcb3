"""The same weights in the same engine, writing one token a pass with a cache: the base that unmasking is compared with.

A captioner decodes an empty draft; a backbone is run under a causal mask, after a prompt that it sees as it always does.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from unmask.benchmarks.measure.bundles import undrafted
from unmask.bundle.graph_spec import BACKBONE
from unmask.bundle.manifest import Bundle
from unmask.decoding.schedule import Schedule
from unmask.speech.captioner import Captioner, Segment
from unmask.text.denoiser import BackboneDenoiser, attention_layout
from unmask.text.generator import Generator, Request

EVERY_PASS = Schedule(verify=1 << 20)  # no text has as many tokens


def token_by_token(captioner: Captioner, windows: list[Segment]) -> tuple[str, int]:
    """Greedy text of the causal model alone, and its number of tokens."""
    written = [captioner.decode(undrafted(window), EVERY_PASS).text.ids for window in windows]
    return " ".join(captioner.tokenizer.decode(ids.tolist()).strip() for ids in written), sum(map(len, written))


@dataclass(frozen=True)
class Written:
    """ids (N,): the canvas, with masks after an end of text."""

    ids: NDArray[np.int64]
    passes: int
    rows: int


def causal(bundle: Bundle, folder: Path) -> Bundle:
    """The same weights with rows that see themselves and those before: block attention with blocks of one.

    folder: where graphs of full attention, which take no mask, are written once more with one; it must outlive the bundle.
    """
    manifest = replace(bundle.manifest, attention="block", block=1)
    name = manifest.graphs["window"]
    graph = onnx.load(bundle.path(name), load_external_data=False)
    spec = BACKBONE.graph("window").input("mask")
    if spec.name in {value.name for value in graph.graph.input}:
        return replace(bundle, manifest=manifest)
    for file in manifest.files:
        shutil.copy(bundle.path(file), folder / file)
    graph.graph.input.append(onnx.helper.make_tensor_value_info(spec.name, onnx.TensorProto.FLOAT, list(spec.dims)))
    for node in graph.graph.node:
        if node.op_type == "Attention":
            del node.input[3:]
            node.input.append(spec.name)
    onnx.save(graph, folder / name)
    return Bundle(folder, manifest)


class InOrder(BackboneDenoiser):
    """Rows of an answer see those before them and themselves; a prompt that never sees its answer sees itself whole."""

    def _seen(self, last: int) -> int:
        return self._prompt if last < self._prompt else last + 1


def write_in_order(generator: Generator, request: Request) -> Written:
    """The most probable token at each position from left to right, up to an end of each span; every settled row is computed once.
    Rows of a later span see the end of those before it repeated, as in training.

    generator: of a `causal` bundle, or of one with prefix attention.
    """
    spans, manifest = request.canvas.spans, generator.bundle.manifest
    kind = InOrder if manifest.attention == "prefix" else BackboneDenoiser
    denoiser = kind(generator.engine, len(request.canvas.ids), request.prompt, request.canvas.rows, request.places)
    ids, settled, passes, rows = request.canvas.ids.copy(), 0, 0, 0
    for span in spans:
        ends = {span.end_id, *manifest.end_ids}
        for position in range(span.start, span.stop):
            predicted = np.array([position])
            window = np.arange(settled, attention_layout(manifest).sources(predicted)[0] + 1)
            ids[position] = denoiser.predict(ids[window], window, predicted, (span.allowed,)).ids[0, 0]
            settled, passes, rows = position, passes + 1, rows + len(window)
            if ids[position] in ends:
                if span is not spans[-1]:
                    ids[position : span.stop] = ids[position]
                break
    return Written(ids, passes, rows)
