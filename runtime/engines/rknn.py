"""Run graphs of fixed sizes on the NPU of a Rockchip board, with rknn-toolkit-lite2, which is imported on first use.

Knows .rknn files, each compiled for one chip, and which chip a board has. A file has inputs and outputs by their order alone,
which is the order of `unmask.bundle.graph_spec`.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from unmask.bundle.graph import GraphSpec
from unmask.bundle.graph_spec import kind_of
from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.engine_options import EngineOptions
from unmask.engines.padding import Padding
from unmask.engines.runner import Arrays
from unmask.errors import BundleError, InputError

COMPATIBLE = Path("proc/device-tree/compatible")  # what a board and its chip are, separated by zeros
CHIP = re.compile(r"rockchip,((?:rk|rv)\d+)")
SAME = {"rk3566": "rk3568"}  # chips with the same NPU


class RknnRunner:
    """Implements `unmask.engines.runner.Runner`. Not thread-safe."""

    def __init__(self, bundle: Bundle, options: EngineOptions, root: Path = Path("/")) -> None:
        """root: the folder that contains proc/."""
        self._bundle, self._kind, self._chip = bundle, kind_of(bundle.manifest), board_chip(root)
        self._models: dict[str, Any] = {}

    def inputs(self, bucket: Bucket) -> dict[str, tuple[Any, ...]]:
        """Name -> shape; a size that the manifest does not tell is named. Opens the file.

        Raises InputError without the package or on a board with another chip, BundleError for a file that does not open.
        """
        self._model(bucket)
        sizes: dict[str, Any] = {"1": 1, **Padding(self._kind).whole(bucket.sizes)}
        sizes["past + tokens"] = sizes.get("past", 0) + sizes.get("tokens", 0)
        spec = self._spec(bucket)
        return {tensor.name: tuple(sizes.get(dim, dim) for dim in tensor.dims) for tensor in (*spec.inputs, *spec.fixed)}

    def outputs(self, bucket: Bucket) -> tuple[str, ...]:
        self._model(bucket)
        return tuple(self._spec(bucket).output_names)

    def run(self, bucket: Bucket, feeds: Arrays) -> Arrays:
        """Run a graph. Inputs are float32 and int32, as `inputs` names them."""
        spec = self._spec(bucket)
        given = [np.ascontiguousarray(feeds[tensor.name]) for tensor in (*spec.inputs, *spec.fixed)]
        made = self._model(bucket).inference(inputs=given, data_format=["nchw"] * len(given))
        if made is None:
            raise BundleError(f"{self._bundle.path(bucket.file)}: the NPU did not run it and wrote above why; {AGAIN}")
        return dict(zip(spec.output_names, made, strict=True))

    def _spec(self, bucket: Bucket) -> GraphSpec:
        return self._kind.graph(bucket.role)

    def _model(self, bucket: Bucket) -> Any:
        if bucket.file not in self._models:
            self._models[bucket.file] = self._open(bucket)
        return self._models[bucket.file]

    def _open(self, bucket: Bucket) -> Any:
        path = self._bundle.path(bucket.file)
        try:
            from rknnlite.api import RKNNLite
        except ImportError as error:
            raise InputError(
                f"the engine rknn needs rknn-toolkit-lite2 ({error}), for boards with a Rockchip: pip install rknn-toolkit-lite2"
            ) from error
        if self._chip and SAME.get(self._chip, self._chip) != SAME.get(bucket.chip, bucket.chip):
            raise InputError(
                f"{path}: compiled for {bucket.chip}, and this board has {self._chip}; make the bundle with --soc {self._chip}"
            )
        model = RKNNLite()
        if model.load_rknn(str(path)) != 0 or model.init_runtime() != 0:
            raise BundleError(f"{path}: the runtime of the NPU cannot open it and wrote above why; {AGAIN}")
        return model


AGAIN = "its librknnrt.so must be as new as the toolkit that made the bundle"


def board_chip(root: Path = Path("/")) -> str:
    """The Rockchip of this board, such as rk3588; empty on other machines."""
    try:
        found = CHIP.search((root / COMPATIBLE).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return found[1] if found else ""
