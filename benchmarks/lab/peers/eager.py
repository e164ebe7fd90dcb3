"""A caption bundle's own weights in PyTorch, eager or compiled, under the same sampler: what ONNX Runtime and int8 save.

PyTorch modules replace the bundle's graphs (`unmask.export.reload`), in float32; decoding is the runtime's. Knows the roles and
tensors of graphs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from unmask.bundle.manifest import Bundle
from unmask.engines.engine import Engine
from unmask.export.modules.captioner import Context, Verify, Window
from unmask.export.onnx.captioner import TOP
from unmask.export.reload import reload_captioner
from unmask.speech.captioner import INPUTS

ORDER = {
    "context": ("mel",),
    "window": ("rows", "positions", "wanted", "bias", "cross_k", "cross_v", "slots", "cache_k", "cache_v"),
    "verify": ("rows", "verify_k", "verify_v", "past_k", "past_v"),
}  # of the modules' arguments; `INPUTS` has their names


class TorchEngine(Engine):
    """PyTorch modules instead of sessions. compiled: by torch.compile, again for each set of shapes that it cannot generalize."""

    def __init__(self, bundle: Bundle, threads: int, compiled: bool) -> None:
        super().__init__(bundle)
        torch.set_num_threads(threads)
        model, penalty = reload_captioner(bundle)
        modules: dict[str, nn.Module] = {
            "context": Context(model),
            "window": Window(model, TOP, penalty),
            "verify": Verify(model, TOP),
        }
        assert {role: set(names) for role, names in ORDER.items()} == INPUTS
        self._modules = {role: torch.compile(m.eval(), dynamic=True) if compiled else m.eval() for role, m in modules.items()}

    def load(self) -> "TorchEngine":
        return self

    @torch.inference_mode()
    def run(self, role: str, feeds: Mapping[str, Any]) -> list[NDArray[Any]]:
        given = (torch.from_numpy(np.ascontiguousarray(feeds[name])) for name in ORDER[role])
        return [tensor.numpy() for tensor in self._modules[role](*given)]
