"""A bundle with ONNX graphs of fixed sizes, in fp32, fp16 or static int8: for the GPU and NPU providers of ONNX Runtime.

Ranges are measured on the fp32 graphs of the same sizes and include values of padding. Knows bundles. The nodes are those of
`weights.qdq` and `weights.half`.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import onnx

from unmask.bundle.manifest import Bundle, load_bundle
from unmask.export.graphs import caption_graphs
from unmask.export.modules.static import FixedGraph
from unmask.export.onnx.static import fixed_onnx
from unmask.export.target import target_bundle
from unmask.quant.calibration.calibrate import measure_ranges
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.weights.half import halved
from unmask.quant.weights.qdq import measured, quantized
from unmask.system import real

Sizes = Iterable[tuple[str, Mapping[str, int]]]  # (role, sizes) of each graph
Say = Callable[[str], None]


def write_fixed(source: Bundle, folder: Path, graphs: Sequence[FixedGraph], form: str = "fp32", say: Say = print) -> Path:
    """Write a bundle at `folder` and return it. form: fp32 or fp16.

    Raises InputError for a weight that float16 cannot hold.
    """
    with target_bundle(source, folder, "onnx", form, f"fixed sizes, {form}, from {source.manifest.precision}") as target:
        for graph in graphs:
            say(f"exporting {graph.role} {' '.join(f'{name} {count}' for name, count in graph.sizes.items())}")
            model = fixed_onnx(graph)
            target.add_onnx(graph.role, graph.sizes, halved(model) if form == "fp16" else model)
    return folder


def write_onnx_static(source: Bundle, folder: Path, sizes: Sizes, say: Say = print) -> Path:
    """`write_fixed` of a captioner, in fp32. Raises BundleError when `source` has no graphs of any size."""
    return write_fixed(source, folder, caption_graphs(source, sizes), say=say)


def write_onnx_static_int8(
    source: Bundle, folder: Path, sizes: Sizes, material: Material, activations: str, say: Say = print
) -> Path:
    """As `write_onnx_static`, in static int8. activations: u8 or u16. material: what to measure ranges on."""
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=real(folder).parent) as part:
        exact = load_bundle(write_onnx_static(source, Path(part) / "fp32", sizes, say))
        say("measuring ranges of activations")
        ranges = measure_ranges(exact, material, measured)
        note = f"fixed sizes, int8-static with {activations} activations, from {source.manifest.precision}"
        with target_bundle(source, folder, "onnx", "int8-static", note) as target:
            for bucket in exact.manifest.buckets:
                model = onnx.load(exact.path(bucket.file))
                target.add_onnx(bucket.role, bucket.sizes, quantized(bucket.role, model, ranges[bucket.role], activations))
    return folder
