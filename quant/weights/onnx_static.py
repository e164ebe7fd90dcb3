"""A caption bundle with ONNX graphs of fixed sizes, in fp32 or in static int8: for the NPU providers of ONNX Runtime.

Ranges are measured on the fp32 graphs of the same sizes and include values of padding. Knows bundles. The nodes are those of
`weights.qdq`.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import onnx

from unmask.bundle.manifest import Bundle, load_bundle
from unmask.export.graphs import caption_graphs
from unmask.export.onnx.static import fixed_onnx
from unmask.export.target import target_bundle
from unmask.quant.calibration.calibrate import measure_ranges
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.weights.qdq import measured, quantized

Sizes = Iterable[tuple[str, Mapping[str, int]]]  # (role, sizes) of each graph
Say = Callable[[str], None]


def write_onnx_static(source: Bundle, folder: Path, sizes: Sizes, say: Say = print) -> Path:
    """Write an fp32 bundle at `folder` and return it. Raises BundleError when `source` has no graphs of any size."""
    graphs = caption_graphs(source, sizes)
    with target_bundle(source, folder, "onnx", "fp32", f"fixed sizes, fp32, from {source.manifest.precision}") as target:
        for graph in graphs:
            say(f"exporting {graph.role} {' '.join(f'{name} {count}' for name, count in graph.sizes.items())}")
            target.add_onnx(graph.role, graph.sizes, fixed_onnx(graph))
    return folder


def write_onnx_static_int8(
    source: Bundle, folder: Path, sizes: Sizes, material: Material, activations: str, say: Say = print
) -> Path:
    """As `write_onnx_static`, in static int8. activations: u8 or u16. material: what to measure ranges on."""
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.resolve().parent) as part:
        exact = load_bundle(write_onnx_static(source, Path(part) / "fp32", sizes, say))
        say("measuring ranges of activations")
        ranges = measure_ranges(exact, material, measured)
        note = f"fixed sizes, int8-static with {activations} activations, from {source.manifest.precision}"
        with target_bundle(source, folder, "onnx", "int8-static", note) as target:
            for bucket in exact.manifest.buckets:
                model = onnx.load(exact.path(bucket.file))
                target.add_onnx(bucket.role, bucket.sizes, quantized(bucket.role, model, ranges[bucket.role], activations))
    return folder
