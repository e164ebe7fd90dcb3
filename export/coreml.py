"""A bundle whose graphs are CoreML's: one package with a function for each graph of fixed sizes, weights stored once.

Knows coremltools, which is imported on first use, and which operations of our graphs need 32 bits. Runs no model: that takes
macOS (`unmask.engines.coreml`). tests/export evaluates packages in NumPy.
"""

import contextlib
import io
import json
import logging
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmask.bundle.manifest import Bucket, Bundle
from unmask.errors import InputError
from unmask.export.modules.static import FixedGraph
from unmask.export.target import target_bundle

ENGINE = "coreml"
PRECISIONS = ("fp16", "fp32", "int8", "int4")
TARGETS = ("iOS17", "iOS18", "macOS14", "macOS15")
SHARING = ("iOS18", "macOS15")  # the first with several functions in a package and with block-wise weights
BLOCK = 32  # weights of int4 that share a scale
SMALLEST = 2048  # elements: smaller constants, biases and norms, are not rounded
HALF_MAX = float(np.finfo(np.float16).max)
PARTS = "com.apple.CoreML"
EXACT = ("cos", "sin", "pow", "rsqrt", "log")  # computed in 32 bits, with the operations next to them (`_exact`)
NAMES = uuid.NAMESPACE_URL  # for the ids of the items that a package lists
Say = Callable[[str], None]


@dataclass(frozen=True)
class CoremlForm:
    """The number formats of weights and activations, and the oldest system."""

    precision: str = "fp16"
    """fp16 or fp32; int8: weights with one scale per row; int4: one per 32 weights. Activations are fp16 with both."""
    target: str = "iOS18"
    """The oldest system that runs the bundle. Before iOS18 and macOS15, each graph is a package with its own weights."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise InputError(f"CoreML graphs are not made in {self.precision!r}; choose {', '.join(PRECISIONS)}")
        if self.target not in TARGETS:
            raise InputError(f"deployment target {self.target!r} is not one of {', '.join(TARGETS)}")
        if self.precision == "int4" and not self.shares:
            raise InputError(
                f"int4 needs {' or '.join(SHARING)}, and the deployment target is {self.target}; choose int8 or a later target"
            )

    @property
    def shares(self) -> bool:
        return self.target in SHARING


def write_coreml(
    source: Bundle, folder: Path, graphs: Iterable[FixedGraph], form: CoremlForm, say: Say = lambda line: None
) -> Path:
    """Write the bundle at `folder` and return it. source: the bundle that manifest, embedding and tokenizer are taken from."""
    note = f"CoreML, {form.precision}, for {form.target}, from {source.manifest.precision}"
    with target_bundle(source, folder, ENGINE, form.precision, note) as target:
        target.buckets += write_packages(graphs, target.folder, form, say)
    return folder


def write_packages(
    graphs: Iterable[FixedGraph], folder: Path, form: CoremlForm = CoremlForm(), say: Say = lambda line: None
) -> tuple[Bucket, ...]:
    """Convert graphs into `folder` and return their buckets: one graphs.mlpackage, or before iOS 18 one package per graph.

    The graphs' modules may share tensors. They are not changed. Raises InputError without coremltools.
    """
    tools = coremltools()
    buckets = []
    with tempfile.TemporaryDirectory() as parts:
        shared = tools.utils.MultiFunctionDescriptor()
        for graph in graphs:
            name = function_name(graph)
            say(name)
            made = Path(parts) / f"{name}.mlpackage"
            _convert(tools, graph, form).save(str(made))
            shared.add_function(str(made), "main", name)
            package, function = ("graphs.mlpackage", name) if form.shares else (made.name, "")
            buckets.append(Bucket(ENGINE, graph.role, package, graph.sizes, form.precision, function))
            if not form.shares:
                _settle(made, folder / package)
        if form.shares and buckets:
            shared.default_function_name = buckets[0].function
            with quiet():
                tools.utils.save_multifunction(shared, str(Path(parts) / "graphs.mlpackage"))
            _settle(Path(parts) / "graphs.mlpackage", folder / "graphs.mlpackage")
    return tuple(buckets)


def function_name(graph: FixedGraph) -> str:
    """For example window_rows8_wanted8_slots65."""
    return "_".join([graph.role, *(f"{name}{size}" for name, size in graph.sizes.items())])


def coremltools() -> Any:
    """The package, imported without its warnings about libraries that only macOS has. Raises InputError when it is missing."""
    try:
        with quiet():
            import coremltools as tools
            import coremltools.optimize.coreml
    except ImportError as error:
        raise InputError(f"graphs for CoreML need coremltools ({error}); pip install 'unmask[coreml,export]'") from error
    return tools


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide progress bars and warnings."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


# ---- one graph


def _convert(tools: Any, graph: FixedGraph, form: CoremlForm) -> Any:
    """A model with one function, `main`. Raises InputError for a weight that float16 cannot hold, except in fp32."""
    for name, parameter in graph.module.named_parameters() if form.precision != "fp32" else ():
        if (largest := float(parameter.abs().max())) > HALF_MAX:
            raise InputError(f"{name} has a weight of {largest:g}, above {HALF_MAX:g}, so float16 cannot hold it; pass --to fp32")
    with torch.no_grad(), quiet():
        program = torch.export.export(graph.module, tuple(graph.example.values()), strict=False)
        program = program.run_decompositions({torch.ops.aten.rms_norm.default: rms_norm})
        model = tools.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=getattr(tools.target, form.target),
            outputs=[tools.TensorType(name=name, dtype=np.int32 if name == "ids" else np.float32) for name in graph.outputs],
            compute_precision=_precision(tools, form),
            skip_model_load=True,
        )
        return _compressed(tools, model, form)


def rms_norm(x: Tensor, shape: list[int], weight: Tensor, eps: float) -> Tensor:
    """Written out: coremltools' own version divides by the largest value of a row, and rows of padding are all zeros."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def _precision(tools: Any, form: CoremlForm) -> Any:
    if form.precision == "fp32":
        return tools.precision.FLOAT32
    return tools.transform.FP16ComputePrecision(op_selector=lambda op: not _exact(op))


def _exact(op: Any) -> bool:
    """Whether an operation is one of `EXACT`, leads to one within two steps, or takes the output of one."""
    after = [child for made in op.outputs for child in made.child_ops]
    later = [child for one in after for made in one.outputs for child in made.child_ops]
    given = (one for value in op.inputs.values() for one in (value if isinstance(value, tuple | list) else (value,)))
    before = [value.op for value in given if value is not None and value.op is not None]
    return any(one.op_type in EXACT for one in (op, *before, *after, *later))


def _compressed(tools: Any, model: Any, form: CoremlForm) -> Any:
    optimize = tools.optimize.coreml
    if form.precision == "int8":
        config = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", granularity="per_channel")
    elif form.precision == "int4":
        config = optimize.OpLinearQuantizerConfig(
            mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=BLOCK
        )
    else:
        return model
    # By name: equal constants are merged, so a bias may also be a norm's; configurations by operation refuse that.
    weights = optimize.get_weights_metadata(model, weight_threshold=SMALLEST)
    products = [name for name, weight in weights.items() if {child.op_type for child in weight.child_ops} == {"linear"}]
    return optimize.linear_quantize_weights(
        model, config=optimize.OptimizationConfig(op_name_configs=dict.fromkeys(products, config))
    )


# ---- files


def _settle(made: Path, target: Path) -> None:
    """Copy what a system reads, with ids made from paths instead of random ones, so that equal graphs give equal bytes."""
    from coremltools.proto import Model_pb2

    for path in (made / "Data").rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(made)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    program = target / "Data" / PARTS / "model.mlmodel"
    specification = Model_pb2.Model.FromString(program.read_bytes())
    program.write_bytes(specification.SerializeToString(deterministic=True))
    listed = json.loads((made / "Manifest.json").read_text(encoding="utf-8"))
    names = {old: str(uuid.uuid5(NAMES, item["path"])) for old, item in listed["itemInfoEntries"].items()}
    listed["itemInfoEntries"] = {
        names[old]: item for old, item in sorted(listed["itemInfoEntries"].items(), key=lambda e: e[1]["path"])
    }
    listed["rootModelIdentifier"] = names[listed["rootModelIdentifier"]]
    (target / "Manifest.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
