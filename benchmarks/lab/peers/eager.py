"""A caption bundle's own weights in PyTorch, eager or compiled, under the same sampler: what ONNX Runtime and int8 save.

PyTorch modules replace the bundle's graphs (`unmask.export.reload`), in float32; decoding is the runtime's. Knows the roles and
tensors of graphs.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from unmask.bundle.graph_spec import TRANSCRIPT
from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.runner import Arrays
from unmask.export.modules.transcript import Context, Window
from unmask.export.onnx.transcript import TOP
from unmask.export.reload import reload_transcript


class TorchRunner:
    """PyTorch modules instead of sessions: a runner for `Engine`, float32.

    compiled: by torch.compile, again for each set of shapes that it cannot generalize.
    """

    def __init__(self, bundle: Bundle, threads: int, compiled: bool) -> None:
        torch.set_num_threads(threads)
        model, drafter = reload_transcript(bundle)
        modules: dict[str, nn.Module] = {"context": Context(model, drafter), "window": Window(model, TOP)}
        self._modules = {role: torch.compile(m.eval(), dynamic=True) if compiled else m.eval() for role, m in modules.items()}

    def inputs(self, graph: Bucket) -> dict[str, tuple[Any, ...]]:
        return {tensor.name: tensor.dims for tensor in TRANSCRIPT.graph(graph.role).inputs}

    def outputs(self, graph: Bucket) -> tuple[str, ...]:
        return tuple(TRANSCRIPT.graph(graph.role).output_names)

    @torch.inference_mode()
    def run(self, graph: Bucket, feeds: Arrays) -> dict[str, NDArray[Any]]:
        spec = TRANSCRIPT.graph(graph.role)
        given = (torch.from_numpy(np.ascontiguousarray(feeds[name])) for name in spec.input_names)
        return {name: t.numpy() for name, t in zip(spec.output_names, self._modules[graph.role](*given), strict=True)}
